"""Where a journal's records begin and end; and what one flipped bit in that costs: never what follows.

Lengths and salt records are not sealed, and without them all that follows could not be found or opened. A salt record's
CRC-32 tells of any single bit which one it is; a length is right when the record then opens under its number. Where
that does not help, the next whole salt record is looked for. Records themselves are not mended: their tag only says
that they are wrong.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from pepys.limits import JOURNAL_RECORD_BYTES
from pepys.store.sealing import LENGTH, SALT_BYTES, TAG_BYTES

SALT_MARK: Final = 0xFFFFFFFF
SALT: Final = struct.Struct(f"<{SALT_BYTES}sQ")
"""The salt, and the number of the next event."""
SALT_RECORD_BYTES: Final = LENGTH.size + SALT.size + 4
_MARK: Final = LENGTH.pack(SALT_MARK)
_LENGTH_BITS: Final = 8 * LENGTH.size

Opens = Callable[[bytes], bool]
"""Whether the sealed bytes of a record open under the number that is next."""


def record_end(data: bytes, at: int) -> int | None:
    """Where the record at `at` ends; None when it is not whole or its length is impossible."""
    if at + LENGTH.size > len(data):
        return None
    (length,) = LENGTH.unpack_from(data, at)
    if length == SALT_MARK:
        end = at + SALT_RECORD_BYTES
    elif TAG_BYTES < length <= JOURNAL_RECORD_BYTES + TAG_BYTES:
        end = at + LENGTH.size + length
    else:
        return None
    return end if end <= len(data) else None


def has_mark(data: bytes, at: int) -> bool:
    """Whether a salt record is said to lie at `at`."""
    return bool(LENGTH.unpack_from(data, at)[0] == SALT_MARK)


def is_salt(data: bytes, at: int) -> bool:
    """Whether a whole salt record lies at `at`."""
    end = at + LENGTH.size + SALT.size
    if data[at : at + LENGTH.size] != _MARK or end + LENGTH.size > len(data):
        return False
    return bool(LENGTH.unpack_from(data, end)[0] == zlib.crc32(data[at + LENGTH.size : end]))


def mend(data: bytes, at: int, opens: Opens) -> tuple[bytes, int] | None:
    """Make the record at `at` readable, or find the next salt record.

    Args:
        data: a part of a journal.
        at: where a record begins that is not whole, or does not open, and after which nothing is known to open.
        opens: tries a record.

    Returns:
        The data, with at most one bit put right, and where to go on; None where nothing follows: a torn tail.
    """
    for tried in _flips(data[at : at + LENGTH.size]):
        (length,) = LENGTH.unpack(tried)
        if length != SALT_MARK and tried == data[at : at + LENGTH.size]:
            continue  # as it is, it was tried
        end = at + LENGTH.size + length
        if length == SALT_MARK:
            salt = _salt(tried + data[at + LENGTH.size : at + SALT_RECORD_BYTES])
            if salt is not None:
                return data[:at] + salt + data[at + len(salt) :], at
        elif end <= len(data) and opens(data[at + LENGTH.size : end]):
            return data[:at] + tried + data[at + LENGTH.size :], at
    later = data.find(_MARK, at + 1)
    while later >= 0:
        if is_salt(data, later):
            return data, later
        later = data.find(_MARK, later + 1)
    return None


def is_near(found: bytes, wanted: bytes) -> bool:
    """Whether at most one bit differs."""
    return (int.from_bytes(found, "little") ^ int.from_bytes(wanted, "little")).bit_count() <= 1


def _flips(field: bytes) -> Iterator[bytes]:
    """A length as it is, and with each of its bits flipped."""
    if len(field) == LENGTH.size:
        (value,) = LENGTH.unpack(field)
        yield field
        for bit in range(_LENGTH_BITS):
            yield LENGTH.pack(value ^ 1 << bit)


def _salt(record: bytes) -> bytes | None:
    """A salt record with the one bit of its body or its sum put right that is wrong."""
    if len(record) != SALT_RECORD_BYTES:
        return None
    tail = int.from_bytes(record[LENGTH.size :], "little")
    for bit in range(-1, 8 * (len(record) - LENGTH.size)):
        tried = tail if bit < 0 else tail ^ 1 << bit
        mended = record[: LENGTH.size] + tried.to_bytes(len(record) - LENGTH.size, "little")
        if is_salt(mended, 0):
            return mended
    return None
