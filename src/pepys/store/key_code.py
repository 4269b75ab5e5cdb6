"""The recovery code: a store key that can be printed, kept in a drawer and typed in again.

A code is 14 groups of five characters of Crockford's base32. Four of a group carry 20 bits, the fifth checks the group
and its place, so that a typing error is named by its group and a group cannot be swapped with another. The first 13
groups carry 4 bits of version and the 32 bytes of the store key, the last one 20 bits of a hash of all of it. Whether
the key is the right one for a home is left to who reads the home.
"""

from __future__ import annotations

import hashlib
from typing import Final

from pepys.errors import KeyProblem

GROUPS: Final = 14
_KEY_BYTES: Final = 32
_VERSION: Final = 1
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {char: value for value, char in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_DATA_CHARS: Final = 4
_GROUP_BITS: Final = 20
_CODE_CHARS: Final = 400
"""What is longer, dashes and spaces included, is no code: a hostile file is not read on."""


def recovery_code(store_key: bytes) -> str:
    """The code of a store key, its groups joined by dashes."""
    total = (_VERSION << 8 * _KEY_BYTES | int.from_bytes(store_key, "big")) << _GROUP_BITS | _sum(store_key)
    return "-".join(_group(total >> _GROUP_BITS * (GROUPS - 1 - place) & 0xFFFFF, place) for place in range(GROUPS))


def read_recovery_code(text: str) -> bytes:
    """The store key of a code; letter case, dashes, spaces and line ends do not matter, O is 0, I and L are 1.

    Raises:
        KeyProblem: it is no code, is not whole, or was mistyped; the message names the groups.
    """
    typed = "".join(text[: _CODE_CHARS + 1].upper().split()).replace("-", "")
    if len(text) > _CODE_CHARS or not typed:
        raise KeyProblem(
            "this is no recovery code", "give the 14 groups of five characters that pepys key export tells"
        )
    groups = [typed[at : at + _DATA_CHARS + 1] for at in range(0, len(typed), _DATA_CHARS + 1)]
    wrong = [place + 1 for place, group in enumerate(groups[:GROUPS]) if not _fits(group, place)]
    if len(typed) != GROUPS * (_DATA_CHARS + 1):
        raise KeyProblem(
            f"the recovery code has {len(typed)} characters instead of {GROUPS * (_DATA_CHARS + 1)}"
            + (f"; the first group that is not right is group {wrong[0]}" if wrong else ""),
            "type all 14 groups of five characters",
        )
    if wrong:
        named = "group " + str(wrong[0]) if len(wrong) == 1 else "groups " + ", ".join(map(str, wrong))
        raise KeyProblem(f"the recovery code is mistyped in {named}", "compare it with what was printed, and try again")
    total = 0
    for char in (char for group in groups for char in group[:_DATA_CHARS]):
        total = total << 5 | _VALUES[char]
    store_key = (total >> _GROUP_BITS & (1 << 8 * _KEY_BYTES) - 1).to_bytes(_KEY_BYTES, "big")
    version = total >> _GROUP_BITS + 8 * _KEY_BYTES
    if version != _VERSION:
        raise KeyProblem(f"the recovery code is of version {version}; this pepys reads version {_VERSION}", "update it")
    if total & 0xFFFFF != _sum(store_key):
        raise KeyProblem("the recovery code is mistyped in several groups", "compare it with what was printed")
    return store_key


def _sum(store_key: bytes) -> int:
    digest = hashlib.sha256(b"pepys recovery code" + bytes((_VERSION,)) + store_key).digest()
    return int.from_bytes(digest[:3], "big") >> 4


def _group(bits: int, place: int) -> str:
    values = [bits >> 5 * (_DATA_CHARS - 1 - at) & 31 for at in range(_DATA_CHARS)]
    return "".join(_ALPHABET[value] for value in (*values, _check(values, place)))


def _fits(group: str, place: int) -> bool:
    values = [_VALUES.get(char) for char in group]
    known = [value for value in values if value is not None]
    return len(known) == len(values) == _DATA_CHARS + 1 and _check(known[:_DATA_CHARS], place) == known[_DATA_CHARS]


def _check(values: list[int], place: int) -> int:
    """A sum over GF(32), weighted by the powers of x: any one wrong character and any two swapped ones change it."""
    total = 0
    for value in reversed(values):
        total = _times_x(total ^ value)
    return total ^ place


def _times_x(value: int) -> int:
    """Times x in GF(2)[x] / (x^5 + x^2 + 1)."""
    return (value << 1) ^ (0b100101 if value & 16 else 0)
