"""libyuv by ctypes: the fast way from BGRA to NV12.

Owns finding the system's library and the one function used of it. It imports neither PyAV nor anything heavy, so that
`doctor` may ask which converter a recording gets.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import cache

_NAMES = ("libyuv.so.0", "libyuv.so", "libyuv.dylib", "libyuv.dll")

ArgbToNv12 = Callable[[int, int, int, int, int, int, int, int], int]
"""Source address and stride, luma address and stride, chroma address and stride, width, height -> 0 when done."""


@cache
def argb_to_nv12() -> ArgbToNv12 | None:
    """The library's `ARGBToNV12` (BT.601 limited range, chroma the mean of 2x2), or None where there is none."""
    library = _load()
    function = getattr(library, "ARGBToNV12", None)
    if function is None:
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    function.argtypes = [pointer, number, pointer, number, pointer, number, number, number]
    function.restype = number
    convert: ArgbToNv12 = function
    return convert


def converter_name() -> str:
    """`libyuv` or `swscale`: what `colour.converter` gives on this machine."""
    return "swscale" if argb_to_nv12() is None else "libyuv"


def _load() -> ctypes.CDLL | None:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    # Last, because it starts ldconfig or a compiler to ask.
    found = ctypes.util.find_library("yuv")
    return ctypes.CDLL(found) if found else None
