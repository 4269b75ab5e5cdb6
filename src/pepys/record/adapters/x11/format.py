"""How a server lays out pixels, and turning that into blue, green, red, unused. Pure.

The usual layout (24 or 32 bits of depth in 32-bit little-endian words) is the recorder's own and costs nothing; 15 and
16 bits (5:5:5, 5:6:5), 30 bits (2:10:10:10), other orders of the colours and other byte orders are converted. Palettes
are refused: their colours change without any pixel changing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pepys.errors import DeviceMissing
from pepys.record.ports import Bgra

_TRUE_COLOUR: Final = 4
_DIRECT_COLOUR: Final = 5
_USUAL: Final = (0xFF0000, 0xFF00, 0xFF)


@dataclass(frozen=True)
class PixelFormat:
    """A layout of pixels.

    Attributes:
        bits: of one pixel in memory, 16 or 32.
        pad: a row is filled up to a multiple of that many bits.
        masks: which bits are red, green and blue.
        big_endian: the order of bytes.
    """

    bits: int
    pad: int
    masks: tuple[int, int, int]
    big_endian: bool

    @property
    def plain(self) -> bool:
        """Whether it is the recorder's own."""
        return self.bits == 32 and self.masks == _USUAL and not self.big_endian

    def stride(self, width: int) -> int:
        """Bytes of a row."""
        return -(-width * self.bits // self.pad) * self.pad // 8

    def bgra(self, data: NDArray[np.uint8], width: int, height: int) -> Bgra:
        """Pixels from the bytes that a server gave; a view of them where the layout is plain."""
        stride = self.stride(width)
        rows = data[: stride * height].reshape(height, stride)
        if self.plain:
            return rows.reshape(height, width, 4)
        order = ">" if self.big_endian else "<"
        values = np.ascontiguousarray(rows[:, : width * self.bits // 8]).view(f"{order}u{self.bits // 8}")
        colours = self._table[values] if self.bits == 16 else self._convert(values)
        return colours.view(np.uint8).reshape(height, width, 4)

    @cached_property
    def _table(self) -> NDArray[np.uint32]:
        return self._convert(np.arange(1 << 16, dtype=np.uint32))

    def _convert(self, values: NDArray[Any]) -> NDArray[np.uint32]:
        colours = np.zeros(values.shape, "<u4")
        for mask, shift in zip(self.masks, (16, 8, 0), strict=True):
            low = (mask & -mask).bit_length() - 1
            depth = (mask >> low).bit_length()
            channel = (values.astype(np.uint32) & mask) >> low
            channel = channel >> (depth - 8) if depth >= 8 else (channel * 255 + (1 << depth - 1)) // ((1 << depth) - 1)
            colours |= channel << shift
        return colours


def format_of(setup: Any, visual: int, depth: int, whose: str) -> PixelFormat:
    """The layout of pictures of a window.

    Args:
        setup: what the server said of itself.
        visual: the window's visual.
        depth: the window's depth.
        whose: what to call it in an error.

    Raises:
        DeviceMissing: its colours cannot be read from its pixels.
    """
    layouts = {entry.depth: entry for entry in setup.pixmap_formats}
    visuals = {v.visual_id: v for screen in setup.roots for d in screen.allowed_depths for v in d.visuals}
    found, layout = visuals.get(visual), layouts.get(depth)
    coloured = found is not None and found._class in (_TRUE_COLOUR, _DIRECT_COLOUR)
    if found is None or layout is None or not coloured or layout.bits_per_pixel not in (16, 32):
        raise DeviceMissing(
            f"{whose} has colour depth {depth}, whose colours cannot be recorded",
            "run the display with 24-bit colour",
        )
    masks = (found.red_mask, found.green_mask, found.blue_mask)
    return PixelFormat(layout.bits_per_pixel, layout.scanline_pad, masks, setup.image_byte_order != 0)
