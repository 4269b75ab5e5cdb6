"""From BGRA rectangles to one persistent NV12 picture.

Owns the picture that the encoder reads and the choice of converter: libyuv where the system has it, else swscale.
Invariants: a rectangle's conversion writes exactly that rectangle (no neighbour is touched, whatever its width), and
gives the same bytes as converting the whole picture would. BT.601, limited range.

H.264 with 4:2:0 has no odd sizes: an odd screen loses its last column or row in the video (`even_size`). Shots keep it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pepys.media.libyuv import ArgbToNv12, argb_to_nv12, converter_name

__all__ = ["Converter", "LibyuvConverter", "Picture", "converter", "converter_name", "even_size"]

Pixels = NDArray[np.uint8]

_BLACK_LUMA, _GREY_CHROMA = 16, 128


def even_size(width: int, height: int) -> tuple[int, int]:
    """The largest even size within `width` x `height`.

    Raises:
        ValueError: nothing is left of it.
    """
    if width < 2 or height < 2:
        raise ValueError(f"a picture of {width}x{height} cannot be encoded")
    return width & ~1, height & ~1


class Picture:
    """A black NV12 picture of even size, in one array that the encoder wraps without copying.

    Attributes:
        array: shape (height * 3 / 2, width): the luma rows, then half as many rows of interleaved chroma.
    """

    def __init__(self, width: int, height: int) -> None:
        if (width, height) != even_size(width, height):
            raise ValueError(f"{width}x{height} is not even")
        self.width, self.height = width, height
        self.array: Pixels = np.empty((height * 3 // 2, width), np.uint8)
        self.array[:height] = _BLACK_LUMA
        self.array[height:] = _GREY_CHROMA
        self.address = self.array.ctypes.data

    @property
    def luma(self) -> Pixels:
        """The luma plane, shape (height, width)."""
        return self.array[: self.height]

    @property
    def chroma(self) -> Pixels:
        """The chroma plane, shape (height / 2, width), blue and red difference in turn."""
        return self.array[self.height :]

    def plane_addresses(self, x: int, y: int) -> tuple[int, int]:
        """Where luma and chroma of the pixel at even (x, y) stand in memory."""
        return self.address + y * self.width + x, self.address + (self.height + y // 2) * self.width + x


class Converter(Protocol):
    """A way from BGRA to NV12.

    Attributes:
        name: `libyuv` or `swscale`.
        align: rectangles whose left edge and width are multiples of it convert fastest; any even ones are right.
    """

    name: str
    align: int

    def convert(self, picture: Picture, x: int, y: int, pixels: Pixels) -> None:
        """Write BGRA `pixels` of shape (height, width, 4) at (x, y); all four even and inside the picture."""
        ...


class LibyuvConverter:
    """The system's libyuv: 0.03 ms for 400x200."""

    name = "libyuv"
    align = 2

    def __init__(self, function: ArgbToNv12) -> None:
        self._convert = function

    def convert(self, picture: Picture, x: int, y: int, pixels: Pixels) -> None:
        """Write BGRA `pixels` at (x, y)."""
        height, width = checked_size(picture, x, y, pixels)
        luma, chroma = picture.plane_addresses(x, y)
        source, stride = pixels.ctypes.data, pixels.strides[0]
        if self._convert(source, stride, luma, picture.width, chroma, picture.width, width, height) != 0:
            raise ValueError(f"libyuv refused a rectangle of {width}x{height}")


def converter() -> Converter:
    """The fastest converter of this machine."""
    function = argb_to_nv12()
    if function is not None:
        return LibyuvConverter(function)
    from pepys.media.swscale import SwscaleConverter  # loads PyAV, which `doctor` must not

    return SwscaleConverter()


def checked_size(picture: Picture, x: int, y: int, pixels: Pixels) -> tuple[int, int]:
    """Height and width of `pixels` once it is sure that native code stays inside both buffers.

    Raises:
        ValueError: odd numbers, a rectangle that overhangs, or an array whose pixels do not lie side by side.
    """
    height, width = pixels.shape[:2]
    if (x | y | width | height) & 1 or not width or not height:
        raise ValueError(f"rectangle {width}x{height}+{x}+{y} is not even")
    if x < 0 or y < 0 or x + width > picture.width or y + height > picture.height:
        raise ValueError(f"rectangle {width}x{height}+{x}+{y} overhangs {picture.width}x{picture.height}")
    if pixels.dtype != np.uint8 or pixels.shape[2:] != (4,) or pixels.strides[1:] != (4, 1):
        raise ValueError("pixels are not BGRA rows")
    return height, width
