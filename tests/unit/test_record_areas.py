"""What the encoder is told of a canvas covers all that was written to it, in every layout: nothing seen stays stale."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pepys.record.compositor import Compositor, View
from pepys.record.layouts import parse_layout
from pepys.record.ports import Bgra, Geometry, Patch, VideoCapabilities, VideoEvent


class Scribble:
    """A source that gives random rectangles of random grey."""

    name = "scribble"
    capabilities = VideoCapabilities("rectangles", "absent")

    def __init__(self, chance: random.Random, width: int, height: int) -> None:
        self._chance, self.geometry, self._whole = chance, Geometry(width, height), True

    def fileno(self) -> int:
        return -1

    def poll(self) -> list[VideoEvent]:
        return []

    def wake_ns(self) -> int | None:
        return None

    def take(self, align: int) -> list[Patch]:
        size, chance = self.geometry, self._chance
        if self._whole:
            self._whole = False
            return [Patch(0, 0, self._pixels(size.width, size.height))]
        patches = []
        for _ in range(chance.randrange(3)):
            x, y = chance.randrange(0, size.width - 16, align), chance.randrange(0, size.height - 16, 2)
            width = min(size.width - x, align * chance.randrange(1, 9))
            patches.append(Patch(x, y, self._pixels(width, min(size.height - y, 2 * chance.randrange(1, 30)))))
        return patches

    def refresh(self) -> None:
        self._whole = True

    def grab(self) -> Bgra:
        return self._pixels(self.geometry.width, self.geometry.height)

    def close(self) -> None:
        pass

    def _pixels(self, width: int, height: int) -> Bgra:
        return np.full((height, width, 4), self._chance.randrange(256), np.uint8)


@pytest.mark.parametrize(
    ("layout", "sizes", "lines"),
    [
        ("passthrough", [(320, 192)], 1080),
        ("passthrough", [(640, 384)], 200),
        ("grid", [(320, 192), (256, 128), (192, 320)], 1080),
        ("side-by-side", [(320, 192), (256, 128)], 120),
        ("pip", [(960, 640), (256, 192)], 1080),
    ],
)
def test_all_that_changes_on_the_canvas_is_told(layout: str, sizes: list[tuple[int, int]], lines: int) -> None:
    chance = random.Random(layout + str(lines))
    views = [View(Scribble(chance, *size)) for size in sizes]
    made = Compositor(views, parse_layout(layout), lines)
    made.open()
    made.take(0)
    assert made.take_areas() is None  # a new canvas: anything
    told_little = 0
    for number in range(1, 60):
        before = made.picture.array.copy()
        for view in views:
            view.pending = chance.random() < 0.5
        if number == 30:
            views[0].source, views[0].pending = Scribble(chance, *sizes[0]), True
        made.take(number)
        areas, height = made.take_areas(), made.picture.height
        if areas is None:
            assert number == 30
            continue
        seen = np.zeros((height, made.picture.width), bool)
        for x, y, width, rows in areas:
            seen[y : y + rows, x : x + width] = True
        changed = before != made.picture.array
        assert not (changed[:height] & ~seen).any()
        assert not (changed[height:] & ~(seen[::2] | seen[1::2])).any()
        told_little += not seen.all()
    assert told_little > 20
