"""Reading a file of sealed frames, by ranges of its plaintext.

Frames may be of any length up to the limit, so a range is found by walking the length fields. A file that is still
growing, or was torn by a crash, ends at its last whole frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pepys.limits import SEALED_FRAME_BYTES
from pepys.store.disk import Disk
from pepys.store.sealing import FILE_VERSION, HEADER_BYTES, LENGTH, TAG_BYTES, Opener, opener_of

_WINDOW_BYTES: Final = LENGTH.size + SEALED_FRAME_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one frame lies: `at` is the first sealed byte after its length field, `start` its plaintext offset."""

    number: int
    at: int
    sealed_bytes: int
    start: int

    @property
    def end(self) -> int:
        """The plaintext offset after the frame."""
        return self.start + self.sealed_bytes - TAG_BYTES

    @property
    def file_end(self) -> int:
        """The file offset after the frame."""
        return self.at + self.sealed_bytes


def walk(disk: Disk, fd: int, until: int | None = None) -> Iterator[Frame]:
    """The whole frames of an open file, in order, up to the one that holds plaintext offset `until`."""
    size = disk.fstat(fd).st_size
    at, number, start = HEADER_BYTES, 0, 0
    while at + LENGTH.size <= size and (until is None or start < until):
        (length,) = LENGTH.unpack(disk.pread(fd, LENGTH.size, at))
        at += LENGTH.size
        if not TAG_BYTES <= length <= SEALED_FRAME_BYTES + TAG_BYTES or at + length > size:
            return
        frame = Frame(number, at, length, start)
        yield frame
        at, number, start = frame.file_end, number + 1, frame.end


def opener(disk: Disk, fd: int, key: bytes, info: str, magic: bytes) -> Opener:
    """The opener of a file, from its header.

    Raises:
        NewerFormat: it is one of a later version.
        ValueError: it is no file of this kind.
    """
    head = disk.pread(fd, HEADER_BYTES, 0)
    if head[4:5] != bytes((FILE_VERSION,)):
        head += disk.pread(fd, _WINDOW_BYTES, HEADER_BYTES)
    return opener_of(key, info, magic, head)


def read_frame(disk: Disk, fd: int, cipher: Opener, frame: Frame) -> bytes | None:
    """The plaintext of one frame; None when it does not open."""
    try:
        return cipher.open(frame.number, disk.pread(fd, frame.sealed_bytes, frame.at))
    except ValueError:
        return None


def read_span(disk: Disk, fd: int, cipher: Opener, offset: int, length: int) -> bytes:
    """`length` bytes of plaintext from `offset`; fewer where the file ends.

    Raises:
        ValueError: a frame in the range does not open.
    """
    pieces = []
    for frame in walk(disk, fd, offset + length):
        if frame.end > offset:
            pieces.append(cipher.open(frame.number, disk.pread(fd, frame.sealed_bytes, frame.at)))
            if len(pieces) == 1:
                pieces[0] = pieces[0][offset - frame.start :]
    return b"".join(pieces)[:length]


def open_file(disk: Disk, fd: int, key: bytes, info: str, magic: bytes) -> Iterator[bytes]:
    """The plaintext of a whole file, frame by frame, each read when it is asked for: no more is held than one.

    Raises:
        ValueError: it is cut off, altered or of another kind.
    """
    cipher = opener(disk, fd, key, info, magic)
    at, number, size = HEADER_BYTES, 0, disk.fstat(fd).st_size
    window, begin = b"", at
    while at < size:
        length = _length(window, at - begin)
        if length is None or at - begin + LENGTH.size + length > len(window):
            window, begin = disk.pread(fd, _WINDOW_BYTES, at), at
            length = _length(window, 0)
            if length is None or LENGTH.size + length > len(window):
                raise ValueError("it is cut off")
        first = at - begin + LENGTH.size
        yield cipher.open(number, window[first : first + length])
        at, number = at + LENGTH.size + length, number + 1


def _length(window: bytes, at: int) -> int | None:
    """The length of the frame that begins there; None where not all of the field is there."""
    if at + LENGTH.size > len(window):
        return None
    length: int = LENGTH.unpack_from(window, at)[0]
    if not TAG_BYTES <= length <= SEALED_FRAME_BYTES + TAG_BYTES:
        raise ValueError("a length in it is impossible")
    return length


def open_all(data: bytes, key: bytes, info: str, magic: bytes) -> Iterator[bytes]:
    """The plaintext of a whole file, frame by frame.

    Raises:
        ValueError: it is cut off, altered or of another kind.
    """
    cipher = opener_of(key, info, magic, data)
    at, number, size = HEADER_BYTES, 0, len(data)
    while at < size:
        if at + LENGTH.size > size:
            raise ValueError("it is cut off")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if not TAG_BYTES <= length <= SEALED_FRAME_BYTES + TAG_BYTES or at + length > size:
            raise ValueError("a length in it is impossible, or it is cut off")
        yield cipher.open(number, data[at : at + length])
        at, number = at + length, number + 1
