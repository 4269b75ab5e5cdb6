"""ISO base media boxes: writing and walking them.

Owns box framing alone; what boxes mean stands in `fmp4` and `fmp4_init`. Walking never raises on torn data: it ends at
the first box that is not wholly there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONTAINERS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf", b"dinf"))


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box of four-letter `kind`."""
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A box that begins with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


@dataclass(frozen=True, slots=True)
class Box:
    """A whole box inside some bytes: it begins at `offset`, its payload spans `start` to `end`."""

    kind: bytes
    offset: int
    start: int
    end: int


def walk(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The whole boxes that follow one another from `start`; it ends where one is torn or makes no sense."""
    stop = len(data) if end is None else end
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= stop:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        if size < header or start + size > stop:
            return
        yield Box(kind, start, start + header, start + size)
        start += size


def find_all(data: bytes | memoryview, *path: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Every box reached by `path`, such as `moov`, `trak`, `tkhd`."""
    for found in walk(data, start, end):
        if found.kind != path[0]:
            continue
        if len(path) == 1:
            yield found
        elif found.kind in _CONTAINERS:
            yield from find_all(data, *path[1:], start=found.start, end=found.end)


def whole_fragments(data: bytes | memoryview) -> list[tuple[int, int]]:
    """Offset and length of each moof that is followed by its whole mdat; what comes after the last is torn."""
    found: list[tuple[int, int]] = []
    last: Box | None = None
    for each in walk(data):
        if each.kind == b"mdat" and last is not None and last.kind == b"moof":
            found.append((last.offset, each.end - last.offset))
        last = each
    return found
