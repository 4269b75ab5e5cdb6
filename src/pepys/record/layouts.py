"""How pictures of several sources share one canvas: words, rules and places.

Pure. Invariants: a canvas and every place in it are even and at least 2x2; a place lies inside its canvas and has the
proportions of its source, which is never shown larger than it is; nothing overlaps but the inset of a picture in
picture, which has the higher `z`. What a source shows and how it is drawn is left to `compositor`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pepys.errors import Usage
from pepys.record.quality import target_size

GAP: Final = 4
"""Black pixels between neighbours in a grid or side by side."""

MARGIN: Final = 20
"""Pixels between an inset and the edges of its canvas."""

RADIUS: Final = 12
"""Radius of an inset's corners."""

CORNERS: Final = ("top-left", "top-right", "bottom-left", "bottom-right")
INSETS: Final = {"small": (160, 120), "medium": (320, 240), "large": (480, 360)}
COLUMNS_MAX: Final = 4
SIDE_BY_SIDE: Final = (2, 4)

_WORDS: Final = (
    "passthrough, grid, grid:COLUMNS (1 to 4), side-by-side, pip, pip:CORNER or pip:CORNER:SIZE"
    f" (corners {', '.join(CORNERS)}; sizes {', '.join(INSETS)})"
)

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout as it was asked for.

    Attributes:
        kind: `passthrough`, `grid`, `side-by-side` or `pip`.
        columns: columns of a grid; 0 for as many as suit the number of sources.
        corner: where the inset of a picture in picture lies.
        inset: its size, a key of `INSETS`.
    """

    kind: str
    columns: int = 0
    corner: str = "bottom-right"
    inset: str = "small"

    def __str__(self) -> str:
        """The words that `parse_layout` reads."""
        if self.kind == "grid" and self.columns:
            return f"grid:{self.columns}"
        return f"pip:{self.corner}:{self.inset}" if self.kind == "pip" else self.kind


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source is drawn; a higher `z` lies above, `radius` rounds its corners."""

    x: int
    y: int
    width: int
    height: int
    z: int = 0
    radius: int = 0

    def meets(self, other: Place) -> bool:
        """Whether the two share any pixel."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A canvas and the place of every source, in the order of the sources."""

    width: int
    height: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A part of the canvas that one source is fitted into; `z` and `radius` go to its place."""

    x: int
    y: int
    width: int
    height: int
    z: int = 0
    radius: int = 0
    towards: tuple[float, float] = (0.5, 0.5)


def parse_layout(text: str, count: int | None = None) -> Layout:
    """Read the words of a layout, and check that it has a place for each of `count` sources where that is given.

    Raises:
        Usage: they mean none, or one that does not fit.
    """
    layout = _parse(text)
    if count is not None:
        check_count(layout, count)
    return layout


def _parse(text: str) -> Layout:
    kind, *parts = text.strip().split(":")
    if kind in {"passthrough", "side-by-side"} and not parts:
        return Layout(kind)
    if kind == "grid" and len(parts) <= 1:
        if not parts:
            return Layout(kind)
        if parts[0].isdecimal() and 1 <= int(parts[0]) <= COLUMNS_MAX:
            return Layout(kind, columns=int(parts[0]))
    if kind == "pip" and len(parts) <= 2:
        corner, inset, *_ = [*parts, *("bottom-right", "small")[len(parts) :]]
        if corner in CORNERS and inset in INSETS:
            return Layout(kind, corner=corner, inset=inset)
    raise Usage(f"there is no layout {text!r}", f"layouts are {_WORDS}")


def check_count(layout: Layout, count: int) -> None:
    """Check that a layout has a place for each of `count` sources.

    Raises:
        Usage: it has not.
    """
    least, most = {"passthrough": (1, 1), "side-by-side": SIDE_BY_SIDE, "pip": (2, 2)}.get(layout.kind, (1, 16))
    if least <= count <= most:
        return
    wanted = str(least) if least == most else f"{least} to {most}"
    raise Usage(
        f"the layout {layout.kind} shows {wanted} source{'s' if most > 1 else ''}, not {count}",
        "choose --layout grid, or other sources",
    )


def fitting(layout: Layout, count: int) -> Layout:
    """The layout, or the nearest that shows `count` sources: some of those asked for are not there."""
    try:
        check_count(layout, count)
    except Usage:
        return Layout("passthrough") if count == 1 else Layout("grid")
    return layout


def default_layout(kinds: Sequence[str]) -> Layout:
    """The layout for sources of these kinds when none was asked for."""
    if len(kinds) == 1:
        return Layout("passthrough")
    if len(kinds) == 2 and kinds[1] == "webcam":
        return Layout("pip")
    return Layout("grid")


def arrange(layout: Layout, sizes: Sequence[Size], lines: int, canvas: Size | None = None) -> Arrangement:
    """Give every source its place.

    Args:
        layout: one that shows as many sources as there are.
        sizes: their sizes in pixels.
        lines: most pixels of the canvas' shorter side.
        canvas: keep to this size, which the same layout had for as many other sizes.

    Raises:
        Usage: the layout does not fit the number of sources.
    """
    check_count(layout, len(sizes))
    sizes = [(max(2, width), max(2, height)) for width, height in sizes]
    least = _natural(layout, [(2, 2)] * len(sizes))
    width, height = canvas or target_size(*_natural(layout, sizes), lines)
    width, height = max(width, least[0]), max(height, least[1])
    if layout.kind == "grid":
        slots = _grid(layout, len(sizes), width, height)
    elif layout.kind == "side-by-side":
        slots = _row(sizes, width, height)
    elif layout.kind == "pip":
        slots = [_Slot(0, 0, width, height), _inset(layout, width, height)]
    else:
        slots = [_Slot(0, 0, width, height)]
    return Arrangement(width, height, tuple(_fit(size, slot) for size, slot in zip(sizes, slots, strict=True)))


def _natural(layout: Layout, sizes: Sequence[Size]) -> Size:
    """The size of a canvas on which nothing is scaled."""
    if layout.kind == "grid":
        columns, rows = _cells(layout, len(sizes))
        width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
        return columns * width + (columns - 1) * GAP, rows * height + (rows - 1) * GAP
    if layout.kind == "side-by-side":
        return sum(w for w, _ in sizes) + (len(sizes) - 1) * GAP, max(h for _, h in sizes)
    return sizes[0]


def _cells(layout: Layout, count: int) -> Size:
    columns = min(layout.columns or 2, count)
    return columns, math.ceil(count / columns)


def _grid(layout: Layout, count: int, width: int, height: int) -> list[_Slot]:
    columns, rows = _cells(layout, count)
    cell_width = _even((width - (columns - 1) * GAP) / columns)
    cell_height = _even((height - (rows - 1) * GAP) / rows)
    return [
        _Slot(index % columns * (cell_width + GAP), index // columns * (cell_height + GAP), cell_width, cell_height)
        for index in range(count)
    ]


def _row(sizes: Sequence[Size], width: int, height: int) -> list[_Slot]:
    """Columns as wide as their sources, all scaled together."""
    free = width - (len(sizes) - 1) * GAP
    total = sum(w for w, _ in sizes)
    columns = [_even(own * free / total) for own, _ in sizes]
    while sum(columns) > free:  # columns of a pixel or less were widened to two
        columns[columns.index(max(columns))] -= 2
    slots, x = [], 0
    for column in columns:
        slots.append(_Slot(x, 0, column, height))
        x += column + GAP
    return slots


def _inset(layout: Layout, width: int, height: int) -> _Slot:
    """The inset's corner, at most half of the canvas each way."""
    most_width, most_height = INSETS[layout.inset]
    inset_width, inset_height = _even(min(most_width, width / 2)), _even(min(most_height, height / 2))
    right, bottom = layout.corner.endswith("right"), layout.corner.startswith("bottom")
    across, down = min(MARGIN, (width - inset_width) // 4 * 2), min(MARGIN, (height - inset_height) // 4 * 2)
    x = width - inset_width - across if right else across
    y = height - inset_height - down if bottom else down
    return _Slot(x, y, inset_width, inset_height, 1, RADIUS, (float(right), float(bottom)))


def _fit(size: Size, slot: _Slot) -> Place:
    """The source in its slot: proportions kept, never up, even, towards where the slot says."""
    scale = min(1.0, slot.width / size[0], slot.height / size[1])
    width, height = _filling(size[0], scale, slot.width), _filling(size[1], scale, slot.height)
    x = slot.x + int((slot.width - width) * slot.towards[0]) // 2 * 2
    y = slot.y + int((slot.height - height) * slot.towards[1]) // 2 * 2
    radius = min(slot.radius, width // 4 * 2, height // 4 * 2)
    return Place(x, y, width, height, slot.z, radius)


def _filling(length: int, scale: float, slot: int) -> int:
    """A scaled length; all of the slot where only rounding would leave a black line."""
    return slot if slot - length * scale < 2 and slot <= length else min(slot, _even(length * scale))


def _even(length: float) -> int:
    """The largest even length within `length`, and 2 at least."""
    return max(2, int(length + 1e-6) // 2 * 2)
