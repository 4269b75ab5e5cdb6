"""What kind of change lies between two pictures of one size: text, or what carries none.

Judged from the two pictures alone, in tiles of 32 px and, where little changed, in the changed rectangles themselves:

- a cursor: a bar, an underline or a block that stands free, a block that turns its character inside out;
- a fill: a bar of progress that grew, a line under a link, flat before and after;
- the same ink in other colours: a row under the pointer, a selected line;
- a moving picture: neither a flat ground nor the hard edges of text;
- a mark: something as small as a clock or a spinner, which only looks like text. It is text unless its place has
  changed again and again: that is history, and left to `restless`;
- text: everything else, and in doubt. What turned wholly black, or was, is never less (an excluded window).

Invariants: pure; no threshold depends on the size of the screen. Pictures are NV12, limited range, padded to tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys.record.rectangles import BLACK, THIN, Box, Kind, Mask, Pictures, Plane, kind_of

TILE: Final = 32

_LUMA: Final = 4  # grabs carry no noise: what differs by more was drawn
_CHROMA: Final = 6
_EDGE: Final = 32
_EDGES: Final = 4
_BARS: Final = 2
_GROUND: Final = 0.3
_SMALL_TILES: Final = 4
_GAP: Final = 4
_RECTANGLES: Final = 64
_AT_ONCE: Final = 256
_EMPTY_TILES: Final = 8


@dataclass(slots=True)
class Difference:
    """What differs between two pictures.

    Attributes:
        text: tiles whose text changed; marks are not among them.
        marks: places that only history can judge.
        cursors: rectangles that are cursors.
        harmless: changed rectangles and tiles that carry no text, by kind.
    """

    text: int
    marks: list[Box]
    cursors: list[Box]
    harmless: dict[Kind, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures: luma of shape (height, width), chroma of shape (height / 2, width), all multiples of tiles."""

    luma: Pictures
    chroma: Pictures


def judge(pair: Pair, changed: Mask) -> Difference:
    """What differs in the changed tiles.

    Args:
        pair: before and after; where no tile changed they are not looked at.
        changed: which tiles differ, shape (tile rows, tile columns).
    """
    found = Difference(0, [], [], {})
    large: list[NDArray[np.intp]] = []
    for tiles in _neighbours(changed):
        if not _judge_small(pair, tiles, found):
            large.append(tiles)
    if large:
        _judge_large(pair, large, found)
    bars = [box for box in found.cursors if min(box.width, box.height) <= THIN]
    if len(bars) > _BARS or len({(box.width, box.height) for box in bars}) > 1:
        # A cursor blinks, or leaves one place for another: these are strokes.
        found.marks += bars
    return found


def text_tiles(luma: Plane) -> int:
    """How many tiles of a picture show text or other hard edges, looked for in every other row."""
    rows, width = luma.shape[0] // TILE, luma.shape[1]
    hard = np.zeros((TILE // 2, width), np.bool_)
    count = 0
    for row in range(rows):
        band = luma[row * TILE : (row + 1) * TILE : 2]
        np.greater(_apart(band[:, 1:], band[:, :-1]), _EDGE, out=hard[:, 1:])
        edges = hard.sum(0, dtype=np.uint8).reshape(-1, TILE).sum(1)
        count += int(np.count_nonzero(edges >= _EDGES))
    return count


def _apart(one: Plane, other: Plane) -> Plane:
    return np.maximum(one, other) - np.minimum(one, other)


def _neighbours(changed: Mask) -> Iterator[NDArray[np.intp]]:
    """Changed tiles that touch, corners included, as arrays of (row, column)."""
    left = set(map(tuple, np.argwhere(changed).tolist()))
    while left:
        reached = [left.pop()]
        for row, column in reached:
            for near in (
                (row - 1, column - 1), (row - 1, column), (row - 1, column + 1), (row, column - 1),
                (row, column + 1), (row + 1, column - 1), (row + 1, column), (row + 1, column + 1),
            ):  # fmt: skip
                if near in left:
                    left.remove(near)
                    reached.append(near)
        yield np.array(reached)


def _differing(pair: Pair, rows: slice, columns: slice) -> Mask:
    """Which pixels of whole tiles differ."""
    half = slice(rows.start // 2, rows.stop // 2)
    mask = _apart(pair.luma[0][rows, columns], pair.luma[1][rows, columns]) > _LUMA
    colour = _apart(pair.chroma[0][half, columns], pair.chroma[1][half, columns]) > _CHROMA
    both: Mask = _with_colour(mask[None], colour[None])[0]
    return both


def _with_colour(mask: Mask, colour: Mask) -> Mask:
    """Add what differs in colour alone: blocks of 2x2 pixels, of which none differs in luma.

    Args:
        mask: differing luma, shape (n, height, width).
        colour: differing chroma, shape (n, height / 2, width), blue and red difference in turn.
    """
    if not colour.any():
        return mask
    blocks = colour[:, :, ::2] | colour[:, :, 1::2]
    blocks &= ~(mask[:, ::2, ::2] | mask[:, 1::2, ::2] | mask[:, ::2, 1::2] | mask[:, 1::2, 1::2])
    both: Mask = mask | blocks.repeat(2, 1).repeat(2, 2)
    return both


# --- little changed: its rectangles


def _judge_small(pair: Pair, tiles: NDArray[np.intp], found: Difference) -> bool:
    """Judge rectangles where they are as low as a line, as narrow as a bar, or small; false when they are neither."""
    (top, left), (bottom, right) = tiles.min(0), tiles.max(0) + 1
    if min(bottom - top, right - left) > _SMALL_TILES - 1 or (
        max(bottom - top, right - left) > _SMALL_TILES and min(bottom - top, right - left) > _SMALL_TILES - 2
    ):
        return False
    rows, columns = slice(top * TILE, bottom * TILE), slice(left * TILE, right * TILE)
    boxes = _rectangles(_differing(pair, rows, columns), int(columns.start), int(rows.start))
    if boxes is None:
        return False
    kinds = [(box, kind_of(pair.luma, box, mask)) for box, mask in boxes]
    if any(kind == "moving" for _, kind in kinds):
        return False
    for box, kind in kinds:
        if kind == "cursor":
            found.cursors.append(box)
        if kind == "mark":
            found.marks.append(box)
        elif kind == "text":
            found.text += max(1, -(-box.width // TILE)) * max(1, -(-box.height // TILE))
        else:
            found.harmless[kind] = found.harmless.get(kind, 0) + 1
    return True


def _rectangles(mask: Mask, x: int, y: int) -> list[tuple[Box, Mask]] | None:
    """The mask cut along gaps of 4 px and more; None when there are too many parts to look at."""
    todo, done = [(mask, x, y)], []
    while todo:
        part, x, y = todo.pop()
        rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
        if not len(rows):
            continue
        cut_rows, cut_columns = _runs(rows), _runs(columns)
        if len(cut_rows) == len(cut_columns) == 1:
            part = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            box = Box(x + int(columns[0]), y + int(rows[0]), part.shape[1], part.shape[0])
            done.append((box, part))
        else:
            todo += [(part[a:b, c:d], x + c, y + a) for a, b in cut_rows for c, d in cut_columns]
        if len(done) + len(todo) > _RECTANGLES:
            return None
    return done


def _runs(places: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Runs of places that are less than a gap apart, as (first, past the last)."""
    parts = np.split(places, np.flatnonzero(np.diff(places) > _GAP) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]


# --- much changed: its tiles


def _judge_large(pair: Pair, groups: list[NDArray[np.intp]], found: Difference) -> None:
    for tiles in groups:
        text, empty, black = 0, 0, 0
        for start in range(0, len(tiles), _AT_ONCE):
            some = tiles[start : start + _AT_ONCE]
            one, two, three = _tile_kinds(pair, some)
            text, empty, black = text + one, empty + two, black + three
        # A surface that appears without a letter on it is no moving picture, and no cursor.
        if not text and (black or (empty >= _EMPTY_TILES and 2 * empty >= len(tiles))):
            text = max(black, empty)
        found.text += text
        if not text:
            found.harmless["moving"] = found.harmless.get("moving", 0) + len(tiles)


def _tile_kinds(pair: Pair, tiles: NDArray[np.intp]) -> tuple[int, int, int]:
    """How many of the tiles show changed text, are flat on one side at least, and are black on one side."""
    before, after = (_cut(luma, tiles, TILE) for luma in pair.luma)
    colour_before, colour_after = (_cut(chroma, tiles, TILE // 2) for chroma in pair.chroma)
    mask: Mask = _apart(before, after) > _LUMA
    dull = np.asarray(~mask.any((1, 2)))
    if dull.any():
        mask[dull] = _with_colour(mask[dull], _apart(colour_before[dull], colour_after[dull]) > _CHROMA)
    rows, columns = np.asarray(mask.any(2)), np.asarray(mask.any(1))
    within = rows[:, :, None] & columns[:, None, :]
    area = np.maximum(within.sum((1, 2)), 1)
    texts = np.zeros(len(tiles), np.bool_)
    flats = np.zeros(len(tiles), np.bool_)
    blacks = np.zeros(len(tiles), np.bool_)
    changes = mask.sum((1, 2))
    for luma, chroma in ((before, colour_before), (after, colour_after)):
        ground = _ground(luma, within) / area
        hard = (_apart(luma[:, :, 1:], luma[:, :, :-1]) > _EDGE) & within[:, :, 1:] & within[:, :, :-1]
        edges = hard.sum((1, 2))
        texts |= (ground >= _GROUND) & (edges >= _EDGES) & (changes >= 8)
        flats |= (ground >= 0.98) & (changes >= 64)
        blacks |= (
            ((luma == BLACK) | ~mask).all((1, 2))
            & (np.abs(chroma.astype(np.int16) - 128) < 2).all((1, 2))
            & (changes >= TILE * TILE // 2)
        )
    return int(texts.sum()), int(flats.sum()), int(blacks.sum())


def _cut(plane: Plane, tiles: NDArray[np.intp], height: int) -> Plane:
    """The tiles, shape (n, height, 32)."""
    grid = plane.reshape(plane.shape[0] // height, height, plane.shape[1] // TILE, TILE)
    return grid[tiles[:, 0], :, tiles[:, 1]]


def _ground(luma: Plane, within: Mask) -> NDArray[np.int64]:
    """How many of the pixels looked at have the tile's commonest shade, of 32."""
    shades = (luma >> 3).astype(np.int32)
    shades[~within] = 32
    shades += np.arange(len(luma), dtype=np.int32)[:, None, None] * 33
    counts = np.bincount(shades.ravel(), minlength=33 * len(luma)).reshape(len(luma), 33)
    most: NDArray[np.int64] = counts[:, :32].max(1)
    return most
