"""A disk that keeps no media: what a hundred gigabytes do to the store, on a machine that has no room for them.

The store's own code makes, seals, hashes, names, opens and proves every byte. The bytes of a segment's file are counted
and let go when they are written; of the file there stays a stub of its header and its number, under its real name. When
it is read the same bytes are made and sealed again: under the salt of the header that gives what was written, or the
store calls it damaged. Everything else is a file of the real disk. Nothing is synced, which costs time and no memory.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pepys.bench.store_hours import Unsynced
from pepys.limits import SEALED_FRAME_BYTES
from pepys.model.ids import is_blob_id
from pepys.store.blob_writer import INFO, MAGIC
from pepys.store.disk import NEW, READ
from pepys.store.sealing import HEADER_BYTES, LENGTH, derive, read_header

FRAGMENTS: Final = 4
FRAGMENT_BYTES: Final = 256 * 1024
SEGMENT_BYTES: Final = FRAGMENTS * FRAGMENT_BYTES
_STUB: Final = struct.Struct("<QQ8s")
_MARK: Final = b"no bytes"
_SEGMENT: Final = "-video-"
_NONCE: Final = struct.Struct(">4xQ")
_COUNT: Final = struct.Struct("<Q")


def fragment(segment: int, number: int) -> bytes:
    """The bytes of a fragment of the segment of that number: a quarter of a MiB as no other one has it."""
    return _COUNT.pack(segment * FRAGMENTS + number) + _REST


_REST: Final = bytes(range(256)) * (FRAGMENT_BYTES // 256 - 1) + bytes(256 - _COUNT.size)


class Virtual(Unsynced):
    """The disk. `segment` is the number of the segment that is written next; one at a time grows."""

    def __init__(self, blob_key: bytes) -> None:
        self.segment = 0
        self.counted = 0
        """Bytes that were let go."""
        self._key = blob_key
        self._growing: int | None = None
        self._made: dict[int, bytes] = {}
        self._length = 0

    def open(self, path: str | Path, flags: int) -> int:
        """Open a real file, which of a segment will be the stub."""
        fd = super().open(path, flags)
        if flags == NEW and _SEGMENT in Path(path).name:
            self._growing, self._length = fd, 0
        elif flags == READ and is_blob_id(Path(path).name):
            found = super().pread(fd, HEADER_BYTES + _STUB.size + 1, 0)
            made = self._seen(found)
            if made is not found:
                self._made[fd] = made
        return fd

    def pread(self, fd: int, length: int, at: int) -> bytes:
        """Read, or of a segment what was made again."""
        made = self._made.get(fd)
        return super().pread(fd, length, at) if made is None else made[at : at + length]

    def fstat(self, fd: int) -> os.stat_result:
        """What the system knows, with the length that a segment would have."""
        there, made = super().fstat(fd), self._made.get(fd)
        return there if made is None else os.stat_result((*there[:6], len(made), *there[7:10]))

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write, or of a segment all but its header count."""
        if fd != self._growing:
            return super().write(fd, data)
        if self._length < HEADER_BYTES:
            return self._more(super().write(fd, data))
        self.counted += len(data)
        return self._more(len(data))

    def close(self, fd: int) -> None:
        """Close, a segment with its stub complete."""
        if fd == self._growing:
            super().write(fd, _STUB.pack(self.segment, self._length - HEADER_BYTES, _MARK))
            self._growing = None
        self._made.pop(fd, None)
        super().close(fd)

    def read(self, path: Path, start: int = 0, length: int = -1) -> bytes:
        """Read, or make again."""
        found = super().read(path, start, length)
        return found if start or length >= 0 else self._seen(found)

    def _seen(self, found: bytes) -> bytes:
        """What a file holds: of a stub, what it stands for."""
        if len(found) != HEADER_BYTES + _STUB.size or not found.endswith(_MARK):
            return found
        number, size, _ = _STUB.unpack_from(found, HEADER_BYTES)
        return self._made_again(found[:HEADER_BYTES], number, size)

    def _more(self, count: int) -> int:
        self._length += count
        return count

    def _made_again(self, header: bytes, segment: int, size: int) -> bytes:
        salt = read_header(MAGIC, header)
        cipher = AESGCM(derive(self._key, INFO, salt))
        pieces, frame = [header], 0
        for number in range(FRAGMENTS):
            plain = memoryview(fragment(segment, number))
            for at in range(0, FRAGMENT_BYTES, SEALED_FRAME_BYTES):
                sealed = cipher.encrypt(_NONCE.pack(frame), plain[at : at + SEALED_FRAME_BYTES], salt)
                pieces += (LENGTH.pack(len(sealed)), sealed)
                frame += 1
        made = b"".join(pieces)
        return made if len(made) == HEADER_BYTES + size else made[: HEADER_BYTES + size]
