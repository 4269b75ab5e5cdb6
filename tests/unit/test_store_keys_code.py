"""The recovery code: it holds the key whole, says where it was mistyped, and takes what people type."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepys.errors import KeyProblem
from pepys.store.key_code import GROUPS, read_recovery_code, recovery_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEY = bytes(range(32))


def problem(text: str) -> str:
    with pytest.raises(KeyProblem) as told:
        read_recovery_code(text)
    assert told.value.exit_code == 4 and told.value.remedy
    return told.value.message


@given(st.binary(min_size=32, max_size=32))
def test_every_key_comes_back(key: bytes) -> None:
    code = recovery_code(key)
    assert [len(group) for group in code.split("-")] == [5] * GROUPS
    assert set(code) <= {*ALPHABET, "-"}
    assert read_recovery_code(code) == key


def test_it_never_changes() -> None:
    """Catches a code of today that a pepys of tomorrow would not read: this one was printed by the first version."""
    assert read_recovery_code(PRINTED) == KEY
    assert recovery_code(KEY) == PRINTED


def test_a_stranger_reads_it_from_the_page_alone() -> None:
    """Catches a page that says something else than the code does."""
    total, power = 0, [1]
    for _ in range(4):
        power.append((power[-1] << 1) ^ (0b100101 if power[-1] & 16 else 0))

    def times(left: int, place: int) -> int:
        product = 0
        for bit in range(5):
            if left >> bit & 1:
                grown = power[place]
                for _ in range(bit):
                    grown = (grown << 1) ^ (0b100101 if grown & 16 else 0)
                product ^= grown
        return product

    for place, group in enumerate(PRINTED.split("-")):
        values = [ALPHABET.index(char) for char in group]
        check = place
        for at, value in enumerate(values[:4], start=1):
            check ^= times(value, at)
            total = total << 5 | value
        assert check == values[4]
    data = (total >> 20).to_bytes(33, "big")
    assert data == b"\x01" + KEY
    digest = hashlib.sha256(b"pepys recovery code" + data).digest()
    assert total & 0xFFFFF == int.from_bytes(digest, "big") >> 236


def test_it_is_read_as_people_type() -> None:
    code = recovery_code(KEY)
    for typed in (code.lower(), code.replace("-", " "), code.replace("-", ""), f"  {code[:42]}\n{code[42:]}\r\n"):
        assert read_recovery_code(typed) == KEY
    for _ in range(50):
        key = secrets.token_bytes(32)
        assert read_recovery_code(recovery_code(key).replace("0", "O").replace("1", "l")) == key


def test_any_one_wrong_character_is_named_by_its_group() -> None:
    code = recovery_code(KEY)
    for at, char in enumerate(code):
        if char != "-":
            for other in ALPHABET:
                if other != char:
                    told = problem(code[:at] + other + code[at + 1 :])
                    assert told == f"the recovery code is mistyped in group {at // 6 + 1}"
    assert problem(code[:7] + "U" + code[8:]).endswith("in group 2")
    assert problem(code[:7] + "é" + code[8:]).endswith("in group 2")


def test_swapped_characters_and_groups_are_named() -> None:
    for _ in range(20):
        code = recovery_code(secrets.token_bytes(32))
        groups = code.split("-")
        for place, group in enumerate(groups):
            for at in range(4):
                swapped = group[:at] + group[at + 1] + group[at] + group[at + 2 :]
                if swapped != group:
                    assert problem("-".join([*groups[:place], swapped, *groups[place + 1 :]])).endswith(
                        f"in group {place + 1}"
                    )
        assert "groups 1, 2" in problem("-".join([groups[1], groups[0], *groups[2:]])) or groups[0] == groups[1]


def test_groups_that_are_left_out_or_twice_are_told() -> None:
    groups = recovery_code(KEY).split("-")
    assert "65 characters instead of 70; the first group that is not right is group 3" in problem(
        "-".join(groups[:2] + groups[3:])
    )
    assert "75 characters" in problem("-".join([*groups[:2], groups[1], *groups[2:]]))
    assert "69 characters" in problem("-".join(groups)[:-1])


@settings(max_examples=200)
@given(st.text(max_size=500))
def test_nothing_else_is_taken_for_one(text: str) -> None:
    problem(text)


def test_a_later_version_is_refused() -> None:
    assert "version 3; this pepys reads version 1" in problem(LATER)


PRINTED = "2001M-081G1-8186K-0W40S-J2GBR-1G6GN-W3RG4-24911-650N7-2RBHD-G68T1-3CE1Q-T7GZK-9G7D6"
LATER = "6001W-081G1-8186K-0W40S-J2GBR-1G6GN-W3RG4-24911-650N7-2RBHD-G68T1-3CE1Q-T7GZK-EPA76"
