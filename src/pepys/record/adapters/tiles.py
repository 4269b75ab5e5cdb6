"""Where two pictures differ, found by comparing tiles. Pure.

For sources that do not tell what changed. A picture of 1920x1080 that stayed as it was costs about a millisecond.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pepys.record.adapters.regions import Rect
from pepys.record.ports import Bgra

TILE: Final = 32
"""Edge of a tile: small enough for a line of text, large enough that a picture has few."""


def changed(old: Bgra, new: Bgra) -> list[Rect]:
    """Rectangles, made of whole tiles, outside of which two pictures of one size are equal."""
    height, width = new.shape[:2]
    # One number a pixel: a quarter of the comparisons. Rows may be longer than the picture, pixels lie densely.
    before, after = old.view(np.uint32)[..., 0], new.view(np.uint32)[..., 0]
    found: list[Rect] = []
    for top in range(0, height, TILE):
        bottom = min(top + TILE, height)
        differs = (before[top:bottom] != after[top:bottom]).any(axis=0)
        if not differs.any():
            continue
        for left, right in _runs(differs, width):
            # A run below one of the same columns makes it longer: a window that changed is one rectangle.
            if found and found[-1][0] == left and found[-1][2:] == (right, top):
                found[-1] = found[-1]._replace(bottom=bottom)
            else:
                found.append(Rect(left, top, right, bottom))
    return found


def _runs(differs: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], width: int) -> list[tuple[int, int]]:
    """Left and right edges of neighbouring tiles that have a column that differs."""
    tiles = np.logical_or.reduceat(differs, np.arange(0, width, TILE))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], tiles, [False]))))
    return [(int(first) * TILE, min(int(last) * TILE, width)) for first, last in edges.reshape(-1, 2)]
