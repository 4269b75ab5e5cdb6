"""Reading pixels of a window or a pixmap: through shared memory, or over the connection where there is none.

All rectangles are asked for first and waited for then: one round trip. A reader serves pictures of one size at most and
of one layout. Whether the memory is truly shared is tried once: a server on another machine may know a segment of the
same number.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import xcffib
from xcffib import shm

from pepys.errors import DeviceMissing
from pepys.limits import PATCHES_A_CAPTURE, X11_PICTURE_PX, X11_REPLY_BYTES
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import Connection, Request
from pepys.record.adapters.x11.format import PixelFormat
from pepys.record.adapters.x11.memory import SharedMemory
from pepys.record.ports import Bgra, Patch

_ALL_PLANES: Final = 0xFFFFFFFF
_Z_PIXMAP: Final = 2
_OFFSET_ALIGN: Final = 64
_SHM_GET_IMAGE: Final = 4
_REPLY_HEAD: Final = 32
_TRIED_PX: Final = 16
_STEP_PX: Final = 128


class Reader(Protocol):
    """Reads rectangles."""

    def read(self, drawable: int, left: int, top: int, rects: Sequence[Rect]) -> list[Patch]:
        """Pixels of `rects` of the picture whose corner is (left, top) of the drawable.

        Together they are not larger than the picture. The pixels are valid until the next call.

        Raises:
            xcffib.XcffibException: a rectangle overhangs the drawable, or the server failed.
        """
        ...

    def fits(self, width: int, height: int) -> bool:
        """Whether it can read pictures of that size too."""
        ...

    def close(self) -> None:
        """Let go of memory that the server shares; what was read stays valid."""
        ...


class SharedReader:
    """The server writes into memory of this process."""

    def __init__(self, connection: Connection, layout: PixelFormat, width: int, height: int) -> None:
        self._connection, self._layout = connection, layout
        # A window that is being resized asks for a little more each time; what is never written costs nothing.
        width, height = -(-width // _STEP_PX) * _STEP_PX, -(-height // _STEP_PX) * _STEP_PX
        self._room = layout.stride(width) * height
        self._memory = SharedMemory(connection, self._room + _OFFSET_ALIGN * PATCHES_A_CAPTURE)
        self._get_image = Request(connection, shm.key, _SHM_GET_IMAGE, "IhhHHIB3xII", answered=True)

    def read(self, drawable: int, left: int, top: int, rects: Sequence[Rect]) -> list[Patch]:
        """As the protocol says."""
        asked, offset, segment = [], 0, self._memory.segment
        for rect in rects:
            x, y, right, bottom = rect
            width, height = right - x, bottom - y
            place = (drawable, left + x, top + y, width, height, _ALL_PLANES, _Z_PIXMAP)
            asked.append((rect, offset, self._get_image.send(*place, segment, offset)))
            offset += -(-self._layout.stride(width) * height // _OFFSET_ALIGN) * _OFFSET_ALIGN
        _wait_all(self._connection, [sequence for _, _, sequence in asked])
        pixels, bgra = self._memory.pixels, self._layout.bgra
        return [Patch(r.left, r.top, bgra(pixels[start:], r.width, r.height)) for r, start, _ in asked]

    def shares(self, root: int) -> bool:
        """Whether what the server writes arrives here."""
        mark = np.frombuffer(os.urandom(_TRIED_PX * 4), np.uint8)
        self._memory.pixels[: len(mark)] = mark
        self.read(root, 0, 0, [Rect(0, 0, _TRIED_PX, 1)])
        return not np.array_equal(self._memory.pixels[: len(mark) // 2], mark[: len(mark) // 2])

    def fits(self, width: int, height: int) -> bool:
        """As the protocol says."""
        return self._layout.stride(width) * height <= self._room

    def close(self) -> None:
        """As the protocol says."""
        self._memory.detach()


class SocketReader:
    """Pixels come as answers; large rectangles in bands, so that no answer is unbounded."""

    def __init__(self, connection: Connection, layout: PixelFormat) -> None:
        self._connection, self._layout = connection, layout

    def read(self, drawable: int, left: int, top: int, rects: Sequence[Rect]) -> list[Patch]:
        """As the protocol says."""
        asked = []
        for rect in rects:
            rows = max(1, X11_REPLY_BYTES // self._layout.stride(rect.width))
            for start in range(rect.top, rect.bottom, rows):
                height = min(rows, rect.bottom - start)
                place = (left + rect.left, top + start, rect.width, height)
                cookie = self._connection.core.GetImage(_Z_PIXMAP, drawable, *place, _ALL_PLANES)
                asked.append((rect, start, height, cookie.sequence))
        answers = _wait_all(self._connection, [sequence for *_, sequence in asked])
        whole: dict[Rect, Bgra] = {}
        for (rect, start, height, _), answer in zip(asked, answers, strict=True):
            data = np.frombuffer(answer, np.uint8, offset=_REPLY_HEAD)
            pixels = self._layout.bgra(data, rect.width, height)
            if height == rect.height:
                whole[rect] = pixels
                continue
            if rect not in whole:
                whole[rect] = np.empty((rect.height, rect.width, 4), np.uint8)
            whole[rect][start - rect.top : start - rect.top + height] = pixels
        return [Patch(rect.left, rect.top, pixels) for rect, pixels in whole.items()]

    def fits(self, width: int, height: int) -> bool:
        """As the protocol says."""
        return width * height <= X11_PICTURE_PX

    def close(self) -> None:
        """Nothing is held."""


def open_reader(
    connection: Connection, layout: PixelFormat, size: tuple[int, int], root: int | None
) -> tuple[Reader, str]:
    """The best reader that works, and what it does without, in words.

    Args:
        connection: to whom.
        layout: of what is read.
        size: of the picture.
        root: a window to try it with; None to do without shared memory.

    Raises:
        DeviceMissing: the picture is larger than anything sensible.
    """
    if size[0] * size[1] > X11_PICTURE_PX:
        raise DeviceMissing(f"a picture of {size[0]}x{size[1]} pixels is too large to record", "record a part of it")
    if root is None:
        return SocketReader(connection, layout), "no MIT-SHM: pictures come over the connection"
    refused = "MIT-SHM is refused: pictures come over the connection"
    try:
        reader = SharedReader(connection, layout, *size)
    except (xcffib.Error, DeviceMissing):
        return SocketReader(connection, layout), refused
    if reader.shares(root):
        return reader, ""
    reader.close()
    return SocketReader(connection, layout), refused


def _wait_all(connection: Connection, sequences: Sequence[int]) -> list[memoryview]:
    """All answers; if one is an error, it is raised once all were read, or the rest would stay in the queue."""
    answers, error = [], None
    for sequence in sequences:
        try:
            answers.append(connection.reply_bytes(sequence))
        except xcffib.Error as failed:
            error = failed
    if error is not None:
        raise error
    return answers
