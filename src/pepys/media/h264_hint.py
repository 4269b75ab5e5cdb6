"""Telling x264 which rectangles of a picture changed, so that it looks at no other macroblock.

FFmpeg carries such a hint beside a frame; PyAV cannot attach one, so it is done here by ctypes on PyAV's own libavutil.
Invariants: a hint is used only after checks that fail safely. The address of a frame's structure is a private matter of
PyAV: every word of the Python object is tried, and read through the kernel, which refuses a wrong address where a
pointer would end the process. A trial then shows once a process that hinted changes are coded as ever and others are
not looked at. Where any of it is not so, pictures are encoded without hints, which costs time and nothing else.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import av
import av.video.reformatter

from pepys.media.colour import Picture

Area = tuple[int, int, int, int]
"""x, y, width and height of pixels."""

OPTION: Final = "mb_info"
"""The encoder's option without which it does not read hints."""

_MEMORY: Final = Path("/proc/self/mem")
_MOST: Final = 64
_CHANGED: Final = 1
# AVFrame, part of FFmpeg's stable interface: data[0] first, linesize[0] after eight pointers, width and height later.
_FRAME: Final = struct.Struct("@P56xi28xPii")
_POINTER: Final = struct.calcsize("@P")


class _Hint(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_size_t),
        ("offset", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("kind", ctypes.c_int),
    )


class _Rect(ctypes.Structure):
    _fields_ = (("x", ctypes.c_uint32), ("y", ctypes.c_uint32), ("w", ctypes.c_uint32), ("h", ctypes.c_uint32))


class ChangeHint:
    """The hint beside one frame that wraps one picture; made by `attach`."""

    def __init__(self, frame: av.VideoFrame, picture: Picture, address: int) -> None:
        """For `attach`; `address` is that of the AVVideoHint."""
        self._frame = frame  # what lies at the address lives as long as it
        self._width, self._height = picture.width, picture.height
        self._hint = _Hint.from_address(address)
        self._rects = (_Rect * _MOST).from_address(address + self._hint.offset)
        self._hint.kind = _CHANGED

    def tell(self, changed: Sequence[Area] | None) -> None:
        """What was written since the last picture; None for anything."""
        if changed is None:
            changed = [(0, 0, self._width, self._height)]
        elif len(changed) > _MOST:
            changed = [_around(changed)]
        count = 0
        for x, y, width, height in changed:
            left, top = max(0, x), max(0, y)
            right, bottom = min(self._width, x + width), min(self._height, y + height)
            if left < right and top < bottom:
                self._rects[count] = _Rect(left, top, right - left, bottom - top)
                count += 1
        self._hint.count = count


def attach(frame: av.VideoFrame, picture: Picture) -> ChangeHint | None:
    """A hint beside `frame`, which wraps `picture`; None where the libraries are not as they are known here."""
    make = _maker()
    place = _frame_address(frame, picture) if make is not None else None
    if make is None or place is None:
        return None
    address = make(place, _MOST)
    if not address or _Hint.from_address(address).size != ctypes.sizeof(_Rect):
        return None
    return ChangeHint(frame, picture, address)


def _around(areas: Iterable[Area]) -> Area:
    lefts, tops, rights, bottoms = zip(*((x, y, x + w, y + h) for x, y, w, h in areas), strict=True)
    return min(lefts), min(tops), max(rights) - min(lefts), max(bottoms) - min(tops)


def _maker() -> Callable[[int, int], int | None] | None:
    if sys.platform != "linux":
        return None
    try:
        # The extension module depends on avutil: a name looked up through it is that of the loaded one.
        make = ctypes.CDLL(av.video.reformatter.__file__).av_video_hint_create_side_data
    except (AttributeError, OSError):
        return None
    make.restype, make.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]
    return make


def _frame_address(frame: av.VideoFrame, picture: Picture) -> int | None:
    """The address of the AVFrame behind a PyAV frame, known by what stands in it."""
    start = id(frame)
    try:
        with _MEMORY.open("rb", buffering=0) as memory:
            for at in range(start, start + type(frame).__basicsize__, _POINTER):
                memory.seek(at)
                (found,) = struct.unpack("@P", memory.read(_POINTER))
                try:
                    memory.seek(found)
                    data, stride, _extended, width, height = _FRAME.unpack(memory.read(_FRAME.size))
                except (OSError, OverflowError, ValueError, struct.error):
                    continue  # no address, or one of nothing that can be read
                if (data, stride, width, height) == (picture.address, picture.width, picture.width, picture.height):
                    return int(found)
    except (OSError, struct.error):
        return None
    return None
