"""swscale by ctypes: conversion without libyuv, and scaling down.

Owns calls into the swscale library that PyAV itself loads (no second copy, no version to match). Its traps are kept
inside: it writes up to 31 pixels beyond a width that is no multiple of 32, so that such widths go through a scratch;
only AREA gives a rectangle the same bytes as the whole picture; a context costs 0.1-0.3 ms, so that a bounded number
is kept.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from functools import cache

import av.video.reformatter
import numpy as np

from pepys.errors import DeviceMissing
from pepys.limits import SCALE_CONTEXTS
from pepys.media.colour import Picture, Pixels, checked_size

_AREA = 0x20
_ALIGN = 32

_Addresses = ctypes.c_void_p * 4
_Strides = ctypes.c_int * 4


@cache
def _library() -> ctypes.CDLL:
    # The extension module depends on swscale and avutil: looking names up through it finds exactly the loaded ones.
    library = ctypes.CDLL(av.video.reformatter.__file__)
    try:
        library.sws_getContext.restype = ctypes.c_void_p
        library.sws_getContext.argtypes = [ctypes.c_int] * 7 + [ctypes.c_void_p] * 3
        library.sws_freeContext.argtypes = [ctypes.c_void_p]
        library.sws_scale.argtypes = [
            ctypes.c_void_p, _Addresses, _Strides, ctypes.c_int, ctypes.c_int, _Addresses, _Strides,
        ]  # fmt: skip
        library.av_get_pix_fmt.argtypes = [ctypes.c_char_p]
    except AttributeError as error:
        raise DeviceMissing(
            "PyAV's swscale cannot be reached on this system", "install libyuv (Debian: apt install libyuv0)"
        ) from error
    return library


class _Contexts:
    """Conversion contexts by size, the longest unused freed beyond `SCALE_CONTEXTS`."""

    def __init__(self) -> None:
        self._library = _library()
        self._bgra = self._library.av_get_pix_fmt(b"bgra")
        self._nv12 = self._library.av_get_pix_fmt(b"nv12")
        self._kept: OrderedDict[tuple[int, int, int, int], int] = OrderedDict()

    def scale(
        self, pixels: Pixels, target: Picture | _Scratch, luma: int, chroma: int, width: int, height: int
    ) -> None:
        """Write `pixels` as `width` x `height` to the planes at the two addresses, rows as long as the target's."""
        rows, columns = pixels.shape[:2]
        key = (columns, rows, width, height)
        context = self._kept.pop(key, None) or self._open(key)
        self._kept[key] = context
        source = _Addresses(pixels.ctypes.data, None, None, None)
        source_strides = _Strides(pixels.strides[0], 0, 0, 0)
        planes = _Addresses(luma, chroma, None, None)
        strides = _Strides(target.width, target.width, 0, 0)
        self._library.sws_scale(context, source, source_strides, 0, rows, planes, strides)

    def _open(self, key: tuple[int, int, int, int]) -> int:
        while len(self._kept) >= SCALE_CONTEXTS:
            self._library.sws_freeContext(self._kept.popitem(last=False)[1])
        columns, rows, width, height = key
        made = self._library.sws_getContext(
            columns, rows, self._bgra, width, height, self._nv12, _AREA, None, None, None
        )
        if not made:
            raise ValueError(f"swscale refused {columns}x{rows} to {width}x{height}")
        return int(made)

    def close(self) -> None:
        """Free every context."""
        while self._kept:
            self._library.sws_freeContext(self._kept.popitem()[1])


class _Scratch:
    """Planes with rows long enough for swscale's overhang, grown when needed."""

    def __init__(self) -> None:
        self.width = 0
        self._luma: Pixels = np.empty((0, 0), np.uint8)
        self._chroma: Pixels = self._luma

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Make room for `width` x `height`; the addresses of both planes."""
        self.width = max(self.width, (width + 2 * _ALIGN - 1) // _ALIGN * _ALIGN)
        if self._luma.shape[0] < height or self._luma.shape[1] != self.width:
            rows = max(height, self._luma.shape[0])
            self._luma = np.empty((rows, self.width), np.uint8)
            self._chroma = np.empty(((rows + 1) // 2, self.width), np.uint8)
        return self._luma.ctypes.data, self._chroma.ctypes.data

    def copy_to(self, picture: Picture, x: int, y: int, width: int, height: int) -> None:
        """Copy the upper left `width` x `height` into the picture at (x, y)."""
        picture.luma[y : y + height, x : x + width] = self._luma[:height, :width]
        picture.chroma[y // 2 : (y + height) // 2, x : x + width] = self._chroma[: height // 2, :width]


class SwscaleConverter:
    """PyAV's own swscale: 0.25 ms for 400x200."""

    name = "swscale"
    align = _ALIGN

    def __init__(self) -> None:
        self._contexts = _Contexts()
        self._scratch = _Scratch()

    def convert(self, picture: Picture, x: int, y: int, pixels: Pixels) -> None:
        """Write BGRA `pixels` at (x, y)."""
        height, width = checked_size(picture, x, y, pixels)
        if height == 2:
            pixels = np.concatenate(
                (pixels, pixels)
            )  # at a source height of 2 its chroma filter degenerates to one row
        elif x % _ALIGN == 0 and width % _ALIGN == 0:
            luma, chroma = picture.plane_addresses(x, y)
            self._contexts.scale(pixels, picture, luma, chroma, width, height)
            return
        luma, chroma = self._scratch.fit(width, pixels.shape[0])
        self._contexts.scale(pixels, self._scratch, luma, chroma, width, pixels.shape[0])
        self._scratch.copy_to(picture, x, y, width, height)

    def close(self) -> None:
        """Free what native code holds."""
        self._contexts.close()


class Scaler:
    """Keeps a whole BGRA picture of native size and renders it smaller.

    The whole picture is scaled whenever any part of it changed: the bytes do not depend on which part.
    """

    def __init__(self, width: int, height: int) -> None:
        self._kept: Pixels = np.zeros((height, width, 4), np.uint8)
        self._contexts = _Contexts()
        self._scratch = _Scratch()

    def update(self, x: int, y: int, pixels: Pixels) -> None:
        """Put a patch into the kept picture."""
        height, width = pixels.shape[:2]
        self._kept[y : y + height, x : x + width] = pixels

    def render(self, picture: Picture) -> None:
        """Write the kept picture, scaled, over all of `picture`."""
        luma, chroma = self._scratch.fit(picture.width, picture.height)
        self._contexts.scale(self._kept, self._scratch, luma, chroma, picture.width, picture.height)
        self._scratch.copy_to(picture, 0, 0, picture.width, picture.height)

    def close(self) -> None:
        """Free what native code holds."""
        self._contexts.close()
