"""Former master keys, kept sealed under the one in force: they open copies of a home that a change did not reach.

Owns `master.key.former` in the config folder: a few lines, the newest first, each one master key sealed under another.
Invariants: no key stands there in plain, so that the place of the one in force (keyring, passphrase) protects them too;
while a change is under way the lines are sealed under the present key and under the next one, and each of the two opens
the other, so either passphrase is enough to go on. Which of them is tried on what is left to `keys`.
"""

from __future__ import annotations

import contextlib
import enum
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys import limits
from pepys.errors import KeyProblem
from pepys.store.files import remove_file, replace_file
from pepys.store.key_master import master_key_path, next_key_path, read_kept, read_plain
from pepys.store.key_wrapping import KEY_BYTES
from pepys.store.sealing import derive

_INFO: Final = "pepys former master key 1"
_NONCE_BYTES: Final = 12
_LINE_BYTES: Final = 256
_FORMER: Final = "pepys-former-key-1"
_NEXT: Final = "pepys-next-key-1"


class Rank(enum.StrEnum):
    """What a master key is at the moment."""

    PRESENT = "present"
    NEXT = "next"
    FORMER = "former"


@dataclass(frozen=True, slots=True)
class Master:
    """A master key that can be got, and what it is.

    Attributes:
        rank: what it is.
        key: itself.
        total: of a next one that a line of the file gave, the last word of its own line, which tells whose it is.
    """

    rank: Rank
    key: bytes = field(repr=False)
    total: str = ""


def former_path(config_dir: Path) -> Path:
    """Where the former master keys lie."""
    return config_dir / "master.key.former"


def former_lines(config_dir: Path) -> list[str]:
    """The lines as they are; none where they cannot be read."""
    try:
        data = read_plain(former_path(config_dir), _LINE_BYTES * 4 * limits.FORMER_KEYS)
    except OSError:
        return []
    return data.decode("ascii", "replace").splitlines()


def opened_by(key: bytes, lines: Iterable[str]) -> Iterator[Master]:
    """The master keys of the lines that are sealed under `key`, in their order; other lines are passed over."""
    cipher = AESGCM(derive(key, _INFO))
    for line in lines:
        start, _, sealed = line.rpartition(" ")
        kind, _, total = start.partition(" ")
        with contextlib.suppress(ValueError, InvalidTag):
            data, rank = bytes.fromhex(sealed), Rank(kind.removeprefix("pepys-").removesuffix("-key-1"))
            found = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], start.encode("ascii"))
            if len(found) == KEY_BYTES:
                yield Master(rank, found, total)


def masters(config_dir: Path) -> Iterator[Master]:
    """Every master key that can be got, in the order in which they are to be tried; each keeper is asked late.

    Raises:
        KeyProblem: what keeps the present or the next one does not give it, nor did a key that was got lead to it; at
            the end, when every other was tried.
    """
    lines: list[str] | None = None
    problem: KeyProblem | None = None
    got: set[bytes] = set()
    followed = False
    for rank, path in ((Rank.PRESENT, master_key_path(config_dir)), (Rank.NEXT, next_key_path(config_dir))):
        # Read late: a next line that is damaged costs nothing where the present one opens.
        kept = None if followed and rank is Rank.NEXT else read_kept(path)
        if kept is None:
            continue
        try:
            key = kept.secret()
        except KeyProblem as error:
            problem = problem or error
            continue
        if key not in got:
            got.add(key)
            yield Master(rank, key)
        lines = former_lines(config_dir) if lines is None else lines
        for found in opened_by(key, lines):
            if found.rank is Rank.NEXT:
                # One that no change is making any more, as it was killed early, is not tried.
                following = read_kept(next_key_path(config_dir))
                if following is None or found.total != following.total():
                    continue
                followed = True
            if found.key not in got:
                got.add(found.key)
                yield found
    if problem is not None:
        raise problem


def keep_former(
    config_dir: Path,
    sealed_under: bytes,
    formers: Iterable[bytes],
    following: Master | None = None,
    beside: Iterable[str] = (),
) -> None:
    """Keep former keys sealed under `sealed_under`, the newest first, as many as there is room for; durable.

    Args:
        config_dir: where the master keys are.
        sealed_under: the master key in force, or the next one.
        formers: of which `sealed_under` itself is left out.
        following: while a change is under way the next one with the last word of its line; `sealed_under` is the
            present one then.
        beside: lines that are kept as they are, for the moment until `sealed_under` is in force.

    Raises:
        StorageProblem: they cannot be written.
    """
    apart = {sealed_under} if following is None else {sealed_under, following.key}
    kept = [key for key in dict.fromkeys(formers) if key not in apart][: limits.FORMER_KEYS]
    lines = [_line(sealed_under, _FORMER, key) for key in kept]
    if following is not None:
        lines.append(_line(sealed_under, f"{_NEXT} {following.total}", following.key))
        # Under the next one the present one is the newest of the former, from the moment that it is in force.
        lines += [_line(following.key, _FORMER, key) for key in [sealed_under, *kept][: limits.FORMER_KEYS]]
    lines += beside
    if lines:
        replace_file(former_path(config_dir), "".join(f"{line}\n" for line in lines).encode("ascii"), "master.former")
    else:
        remove_file(former_path(config_dir))


def formers_of(config_dir: Path, *keys: bytes) -> list[bytes]:
    """The former master keys that one of `keys` opens, the newest first."""
    lines = former_lines(config_dir)
    found = (master for key in keys for master in opened_by(key, lines))
    return list(dict.fromkeys(master.key for master in found if master.rank is Rank.FORMER))


def _line(under: bytes, start: str, key: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return f"{start} {(nonce + AESGCM(derive(under, _INFO)).encrypt(nonce, key, start.encode('ascii'))).hex()}"
