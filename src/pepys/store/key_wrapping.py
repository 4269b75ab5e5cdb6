"""Wrappings: the store key sealed under a master key, in two files of the home and in each journal's header.

Invariants: a wrapping carries a checksum, so that a damaged copy is told from a wrong key. The second file of a pair is
written after the first. Which master key is tried, and when copies are restored, is left to `keys`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys.errors import KeyProblem
from pepys.store.disk import DISK, Disk
from pepys.store.files import replace_file, storage_errors
from pepys.store.sealing import derive

KEY_BYTES: Final = 32
DEVICE_CHARS: Final = 13
WRAPPING_BYTES: Final = 4 + 1 + DEVICE_CHARS + 12 + KEY_BYTES + 16 + 8
JOURNAL_WRAPPING_AT: Final = 5
_KIND: Final = b"PPKW"
VERSION: Final = 1
_MAGIC: Final = _KIND + bytes((VERSION,))
_READ_BYTES: Final = 4096
"""What is read of a file: a wrapping of a later version may be longer than ours."""
_NONCE_AT: Final = len(_MAGIC) + DEVICE_CHARS
_SUM_BYTES: Final = 8
_INFO: Final = "pepys wrapping 1"


def wrap(master: bytes, store_key: bytes, device: str) -> bytes:
    """The store key under a master key; another nonce each time.

    The nonce is random: of 96 bits, for some wrappings a home and change of the master key in a life.
    """
    start, nonce = _MAGIC + device.encode("ascii"), secrets.token_bytes(12)
    body = start + nonce + AESGCM(derive(master, _INFO)).encrypt(nonce, store_key, start)
    return body + hashlib.sha256(body).digest()[:_SUM_BYTES]


def unwrap(master: bytes, wrapping: bytes) -> bytes | None:
    """The store key of a whole wrapping; None when it was made under another master key."""
    start, nonce = wrapping[:_NONCE_AT], wrapping[_NONCE_AT : _NONCE_AT + 12]
    try:
        return AESGCM(derive(master, _INFO)).decrypt(nonce, wrapping[_NONCE_AT + 12 : -_SUM_BYTES], start)
    except InvalidTag:
        return None


def is_whole(wrapping: bytes) -> bool:
    """Whether these bytes are a wrapping as it was written."""
    body, total = wrapping[:-_SUM_BYTES], wrapping[-_SUM_BYTES:]
    right_form = len(wrapping) == WRAPPING_BYTES and wrapping.startswith(_MAGIC)
    return right_form and hashlib.sha256(body).digest()[:_SUM_BYTES] == total


def newer_version(data: bytes) -> int | None:
    """The version of a whole wrapping that only a later pepys reads; None of ours, and of what is damaged."""
    if len(data) <= len(_MAGIC) + _SUM_BYTES or not data.startswith(_KIND) or data[len(_KIND)] <= VERSION:
        return None
    right = hashlib.sha256(data[:-_SUM_BYTES]).digest()[:_SUM_BYTES] == data[-_SUM_BYTES:]
    return data[len(_KIND)] if right else None


def refuse_newer(home: Path, disk: Disk = DISK, device: str | None = None) -> None:
    """Leave a home alone in which a later pepys has wrapped a key, or that of `device`, as this one does not know.

    Raises:
        KeyProblem: there is such a wrapping; it names the version.
        StorageProblem: one cannot be read.
    """
    for path in (path for both in (pairs(home, disk) if device is None else [pair(home, device)]) for path in both):
        if (version := newer_version(read_file(path, disk))) is not None:
            raise newer_problem(path, version)


def newer_problem(path: Path, version: int) -> KeyProblem:
    """What to say of a wrapping of a later version."""
    told = f"{path} is of a newer pepys: wrapping version {version}, this one reads version {VERSION}"
    return KeyProblem(told, "update pepys; the key is not damaged")


def device_of(wrapping: bytes) -> str:
    """The device of a whole wrapping."""
    return wrapping[len(_MAGIC) : _NONCE_AT].decode("ascii")


def pair(home: Path, device: str) -> tuple[Path, Path]:
    """The two files of a device's wrapping."""
    first = home / "keys" / f"{device}.wrap"
    return first, first.with_name(f"{first.name}.copy")


def put_pair(home: Path, wrapping: bytes, point: str, disk: Disk = DISK) -> None:
    """Write both files of a device, the second when the first is durable; `point` prefixes the trigger points."""
    first, second = pair(home, device_of(wrapping))
    replace_file(first, wrapping, point, disk)
    replace_file(second, wrapping, f"{point}.copy", disk)


def pairs(home: Path, disk: Disk = DISK) -> list[tuple[Path, Path]]:
    """The two files of each device, also where only one of them is left."""
    names = (name.removesuffix(".copy") for name in _names(home / "keys", disk))
    return [pair(home, name) for name in sorted({name[: -len(".wrap")] for name in names if name.endswith(".wrap")})]


def journals(home: Path, disk: Disk = DISK) -> list[Path]:
    """The journals, whose headers hold a wrapping each."""
    folder = home / "journals"
    return [folder / name for name in sorted(_names(folder, disk)) if name.endswith(".journal")]


def read_file(path: Path, disk: Disk = DISK) -> bytes:
    """What one file of a pair holds; empty when it is missing."""
    return _read(path, 0, _READ_BYTES, disk)


def read_journal(path: Path, disk: Disk = DISK) -> bytes:
    """The wrapping's place in a journal's header, whatever stands there; empty when the journal is gone."""
    return _read(path, JOURNAL_WRAPPING_AT, WRAPPING_BYTES, disk)


def whole_wrappings(home: Path, disk: Disk = DISK) -> Iterator[tuple[Path, bytes]]:
    """Every whole copy with its file: from the key files, then from the journals' headers."""
    for path in (path for both in pairs(home, disk) for path in both):
        if is_whole(data := read_file(path, disk)):
            yield path, data
    for path in journals(home, disk):
        if is_whole(data := read_journal(path, disk)):
            yield path, data


def damaged_copies(home: Path, disk: Disk = DISK) -> list[Path]:
    """The files of wrappings that are not whole; a missing second file counts, as a crash may have left it out.

    One of a later version is no damage.
    """
    files = ((path, read_file(path, disk)) for both in pairs(home, disk) for path in both)
    return [path for path, data in files if not is_whole(data) and newer_version(data) is None]


def _read(path: Path, start: int, length: int, disk: Disk) -> bytes:
    try:
        with storage_errors(path):
            return disk.read(path, start, length)
    except FileNotFoundError:
        return b""


def _names(folder: Path, disk: Disk) -> list[str]:
    try:
        with storage_errors(folder):
            return [name for name in disk.listing(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []
