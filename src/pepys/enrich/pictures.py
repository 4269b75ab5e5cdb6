"""What happens to a shot before its text is read: polarity, and what changed since the last one.

Recognition wants dark text on a light ground. A screen holds dark and light windows, bars and buttons at once, so each
part is turned by its own ground: on a screen with one dark and one light window, turning the whole picture loses all
the words of one of them. Blocks vote on the grounds; where two grounds meet, the pixels themselves tell the edge, for a
letter that stands two pixels from it is lost when the edge is off by three.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
"""An array of shape (height, width)."""

GROUND_BLOCK: Final = 8
"""Pixels; the edges of bars and buttons are found this exactly."""
WINDOW_BLOCKS: Final = 9
"""Blocks each way that vote on what stands between them: more than the strokes of a large heading."""
BAR_BLOCKS: Final = 13
BAR_LEAST: Final = 11
"""Of so many blocks in a row so many are of one ground: a title bar or a button, however low it is."""
EDGE_BLOCKS: Final = 5
NEAR_BLOCKS: Final = 11
"""Blocks each way around a block; where not all of them are of one ground, pixels tell the edge."""
SOLID: Final = 7
"""Pixels each way; so large a square of one shade is ground, not the stroke of a letter."""
ROUNDS: Final = 6
"""A ground is followed so often along rows and columns: around so many corners."""
TILE: Final = 32
"""Pixels; fine enough to notice one new line in a terminal."""
MARGIN: Final = 8
"""Pixels of ground that recognition needs around a line."""
WORTH_SHARE: Final = 0.6
"""Above this share of changed area the whole picture is read again."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; `right` and `bottom` lie outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Pixels inside."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def meets(self, other: Box) -> bool:
        """Whether the two share a pixel."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def with_box(self, other: Box) -> Box:
        """The smallest rectangle around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def grown(self, by: int, width: int, height: int) -> Box:
        """The rectangle with a margin, inside a picture of that size."""
        return Box(
            max(0, self.left - by), max(0, self.top - by), min(width, self.right + by), min(height, self.bottom + by)
        )


def dark_on_light(gray: Gray) -> Gray:
    """Turn every part whose ground is dark."""
    height, width = gray.shape
    dark: NDArray[np.bool_] = np.median(_blocks(gray, GROUND_BLOCK), axis=2) < 128
    in_dark_bar, in_light_bar = _in_bar(dark), _in_bar(~dark)
    ground = np.where(in_dark_bar != in_light_bar, in_dark_bar, _majority(dark, WINDOW_BLOCKS, WINDOW_BLOCKS))
    near = _votes(ground, NEAR_BLOCKS, NEAR_BLOCKS)
    unsure = (near > 0) & (near < NEAR_BLOCKS * NEAR_BLOCKS)
    mask = _pixels(ground, height, width)
    if unsure.any():
        mask = _with_edges(mask, _pixels(unsure, height, width), gray < 128)
    turned: Gray = np.where(mask, 255 - gray, gray).astype(np.uint8)
    return turned


def evened(turned: Gray, gray: Gray) -> Gray:
    """What `dark_on_light` made of `gray`, with the dimmer of the two grounds as bright as the other.

    Recognition has one threshold for the whole picture: between two shades of ground it would lose the words on one.
    """
    mask = turned != gray
    if mask.all() or not mask.any():
        return turned
    one, other = (float(np.median(turned[part])) for part in (mask, ~mask))
    if min(one, other) < 128:
        return turned
    dimmer, ratio = (mask, other / one) if one < other else (~mask, one / other)
    result: Gray = np.where(dimmer, np.minimum(turned * np.float32(ratio), 255), turned).astype(np.uint8)
    return result


def changed_boxes(before: Gray, after: Gray, keep_whole: Iterable[Box]) -> list[Box] | None:
    """The rectangles of `after` that must be read again.

    Args:
        before: the picture whose text is known.
        after: another picture.
        keep_whole: boxes of known lines; a line that changed anywhere is read again from end to end.

    Returns:
        Rectangles that do not meet one another, with a margin; None when all of it is worth reading again.
    """
    if before.shape != after.shape:
        return None
    height, width = after.shape
    tiles = _blocks((before != after).astype(np.uint8), TILE).max(axis=2) > 0
    boxes = [box.grown(MARGIN, width, height) for box in _bands(tiles)]
    lines = list(keep_whole)
    merged = True
    while merged:
        boxes, merged = _absorb(boxes, lines, width, height)
    if sum(box.area for box in boxes) > WORTH_SHARE * width * height:
        return None
    return boxes


def _absorb(boxes: list[Box], lines: list[Box], width: int, height: int) -> tuple[list[Box], bool]:
    """Grow each box over the lines it cuts, and join boxes that meet; True while anything changed."""
    grown = []
    for box in boxes:
        wide = box
        for line in lines:
            if wide.meets(line):
                wide = wide.with_box(line.grown(MARGIN // 2, width, height))
        grown.append(wide)
    joined: list[Box] = []
    for box in grown:
        for index, other in enumerate(joined):
            if other.meets(box):
                joined[index] = other.with_box(box)
                break
        else:
            joined.append(box)
    return joined, joined != boxes


def _bands(tiles: NDArray[np.bool_]) -> list[Box]:
    """One box for each run of tile rows in which anything changed."""
    boxes = []
    rows = np.flatnonzero(tiles.any(axis=1))
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        if run.size:
            columns = np.flatnonzero(tiles[run].any(axis=0))
            left, right = int(columns[0]), int(columns[-1]) + 1
            boxes.append(Box(left * TILE, int(run[0]) * TILE, right * TILE, (int(run[-1]) + 1) * TILE))
    return boxes


def _with_edges(ground: NDArray[np.bool_], unsure: NDArray[np.bool_], dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dark ground with its edges exact to a pixel.

    A pixel near an edge is of the ground that it hangs together with; a letter hangs together with none, and stands on
    what is left of it.
    """
    of_dark = _reached(dark & ground & (~unsure | _solid(dark)), dark)
    of_light = _reached(~dark & ~ground & (~unsure | _solid(~dark)), ~dark)
    known = of_dark | of_light | ~unsure
    exact = np.where(unsure, of_dark, ground)
    columns = np.arange(known.shape[1])
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    filled = np.take_along_axis(exact, np.maximum(left, 0), axis=1)
    result: NDArray[np.bool_] = np.where(left < 0, ground, filled)
    return result


def _solid(shade: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that lie in a square of that shade."""
    whole = _votes(shade, SOLID, SOLID) == SOLID * SOLID
    result: NDArray[np.bool_] = _votes(whole, SOLID, SOLID) > 0
    return result


def _reached(seeds: NDArray[np.bool_], through: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of `through` that hang together with the seeds."""
    across = np.ascontiguousarray(through.T)
    count = -1
    for _ in range(ROUNDS):
        seeds = _along(np.ascontiguousarray(_along(seeds, through).T), across).T
        before, count = count, int(np.count_nonzero(seeds))
        if count == before:
            break
    return seeds


def _along(seeds: NDArray[np.bool_], through: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The runs of `through` in each row that hold a seed, whole."""
    begins = np.ones(through.shape, np.bool_)
    begins[:, 1:] = through[:, 1:] != through[:, :-1]
    starts = np.flatnonzero(begins)
    held = np.logical_or.reduceat(seeds.reshape(-1), starts)
    whole = np.repeat(held, np.diff(starts, append=through.size)).reshape(through.shape)
    result: NDArray[np.bool_] = whole & through
    return result


def _pixels(blocks: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    return blocks.repeat(GROUND_BLOCK, axis=0).repeat(GROUND_BLOCK, axis=1)[:height, :width]


def _in_bar(ground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks that belong to a long run of that ground in their row; glyphs in it are forgiven."""
    full = _votes(ground, 1, BAR_BLOCKS) >= BAR_LEAST
    reached = (_votes(full, 1, BAR_BLOCKS) > 0) & _majority(ground, 1, EDGE_BLOCKS)
    # One block high is the stroke of a large heading, not a bar.
    above, below = np.roll(reached, 1, axis=0), np.roll(reached, -1, axis=0)
    above[0] = below[-1] = True
    tall: NDArray[np.bool_] = reached & (above | below)
    return tall


def _majority(values: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.bool_]:
    """What most of the blocks around each block are."""
    result: NDArray[np.bool_] = _votes(values, rows, columns) > rows * columns // 2
    return result


def _votes(values: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.int64]:
    """How many of the blocks around each block are set; the picture goes on as it ends."""
    around = np.pad(values, ((rows // 2, rows // 2), (columns // 2, columns // 2)), mode="edge").astype(np.int64)
    total = np.pad(around.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    votes: NDArray[np.int64] = (
        total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    )
    return votes


def _blocks(values: Gray, size: int) -> Gray:
    """Shape (rows, columns, size * size); the last block of a row or column repeats the edge."""
    height, width = values.shape
    padded = np.pad(values, ((0, -height % size), (0, -width % size)), mode="edge")
    rows, columns = padded.shape[0] // size, padded.shape[1] // size
    return padded.reshape(rows, size, columns, size).transpose(0, 2, 1, 3).reshape(rows, columns, size * size)
