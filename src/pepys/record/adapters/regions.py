"""Rectangles of changed pixels: clipping, aligning, merging. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_WASTE_PX = 60_000
"""Reading that many pixels in vain costs as much as one more request."""


class Rect(NamedTuple):
    """A rectangle of pixels: left and top edge, the first column and row beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * self.height

    def union(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        return Rect(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def clip(self, other: Rect) -> Rect | None:
        """What both share, or None."""
        shared = Rect(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )
        return shared if shared.width > 0 and shared.height > 0 else None


def plan(rects: Iterable[Rect], width: int, height: int, align: int, most: int) -> list[Rect]:
    """The rectangles to read so that all of `rects` is covered.

    Left edges and widths are multiples of `align` (but for the right end of the picture), tops and heights even; an odd
    last column or row is left out. Rectangles whose union wastes little are merged; there are `most` at most, and
    together they are not larger than the picture, so that they fit the memory of one.
    """
    screen = Rect(0, 0, width & ~1, height & ~1)
    wanted: list[Rect] = []
    for rect in rects:
        if (shared := rect.clip(screen)) is not None:
            _add(wanted, _aligned(shared, align, screen))
    if not wanted:
        return []
    if len(wanted) > most or sum(rect.area for rect in wanted) > screen.area:
        whole = wanted[0]
        for rect in wanted[1:]:
            whole = whole.union(rect)
        return [whole]
    return wanted


def _aligned(rect: Rect, align: int, screen: Rect) -> Rect:
    left, right = rect.left // align * align, -(-rect.right // align) * align
    return Rect(left, rect.top & ~1, min(right, screen.right), (rect.bottom + 1) & ~1)


def _add(wanted: list[Rect], rect: Rect) -> None:
    """Add a rectangle, merged with every one it wastes little with; merging again until none is left to merge."""
    merged = True
    while merged:
        merged = False
        for index, other in enumerate(wanted):
            union = rect.union(other)
            if union.area - rect.area - other.area < _WASTE_PX:
                rect, merged = union, True
                del wanted[index]
                break
    wanted.append(rect)
