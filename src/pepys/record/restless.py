"""Places of the screen that never rest: clocks, spinners, counters.

From two pictures nobody can tell a clock's digit from a digit that was typed. So every small change of a place is text
at first; a place that has changed in two comparisons of successive shots is restless, and what changes there after that
is no text. Invariants: a place is no larger than a clock; text that grows along a line never makes one, since each
change must cover half of the last; a place counts only while what lies above and below it is as it was (another window
may lie there by now); the number of places is bounded, and the ones longest at rest are forgotten first.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pepys.record.rectangles import MARK_HEIGHT, MARK_WIDTH, Box, Plane

_CHANGES: Final = 2
_PLACES: Final = 64
_MARKS_LEARNT: Final = 8
_STRIP: Final = 6
_BESIDE: Final = 3  # heights: two digits and a colon
_LONG: Final = 8
_SAME_ROWS: Final = 3
_INK: Final = 8


@dataclass(slots=True)
class _Place:
    """Where something small changes: its line, how often it has, and what lies above and below."""

    box: Box
    changes: int
    around: int


class Restless:
    """The places of one screen size."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def cover(self, marks: Sequence[Box], luma: Plane) -> bool:
        """Whether every mark lies where things never rest; `luma` is the newer picture."""
        boxes = [_line(mark, luma) for mark in marks]
        spots = [
            place.box
            for place in self._places
            if place.changes >= _CHANGES and _around(place.box, luma) == place.around
        ]
        left = boxes
        while left and spots:
            # What stands beside a restless digit belongs to the same clock: the tens, the minutes.
            beside = [box for box in left if any(_beside(box, spot) for spot in spots)]
            if not beside:
                break
            left = [box for box in left if box not in beside]
            spots = [_joined(spot, [box for box in beside if _beside(box, spot)]) for spot in spots]
            spots = [spot for spot in spots if spot.width <= min(MARK_WIDTH, max(_LONG * spot.height, 1))]
        return not left

    def learn(self, marks: Sequence[Box], luma: Plane) -> None:
        """Take in what small things changed between two successive shots."""
        if len(marks) > _MARKS_LEARNT:
            return
        changed: list[_Place] = []
        for mark in marks:
            box = _line(mark, luma)
            place = next((place for place in self._places if _overlap(place.box, box)), None)
            if place is None:
                self._places.append(_Place(box, 1, _around(box, luma)))
                del self._places[:-_PLACES]
                continue
            if place in changed:
                continue
            changed.append(place)
            joined = _joined(place.box, [box])
            fits = joined.width <= MARK_WIDTH and joined.height <= MARK_HEIGHT
            same = _around(place.box, luma) == place.around
            place.changes = place.changes + 1 if same else 1
            place.box = joined if fits and same else box
            place.around = _around(place.box, luma)
            self._places.remove(place)
            self._places.append(place)


def _line(mark: Box, luma: Plane) -> Box:
    """The mark as high as the line that it is in: a digit may change in its lower half alone."""
    columns = luma[:, max(0, mark.x - 4) : mark.x + mark.width + 4]
    top, bottom = mark.y, mark.y + mark.height
    while top > 0 and bottom - top < MARK_HEIGHT and np.ptp(columns[top - 1]) > _INK:
        top -= 1
    while bottom < len(luma) and bottom - top < MARK_HEIGHT and np.ptp(columns[bottom]) > _INK:
        bottom += 1
    return Box(mark.x, top, mark.width, bottom - top)


def _around(box: Box, luma: Plane) -> int:
    columns = slice(max(0, box.x - 16), box.x + box.width + 16)
    above = luma[max(0, box.y - _STRIP) : max(0, box.y - 1), columns]
    below = luma[box.y + box.height + 1 : box.y + box.height + _STRIP, columns]
    return zlib.crc32(below.tobytes(), zlib.crc32(above.tobytes()))


def _rows_meet(one: Box, other: Box) -> bool:
    return min(one.y + one.height, other.y + other.height) - max(one.y, other.y) >= min(one.height, other.height) // 2


def _overlap(place: Box, box: Box) -> bool:
    shared = min(place.x + place.width, box.x + box.width) - max(place.x, box.x)
    return 2 * shared >= min(place.width, box.width) and _rows_meet(place, box)


def _beside(box: Box, spot: Box) -> bool:
    gap = max(box.x - spot.x - spot.width, spot.x - box.x - box.width)
    inside = box.x >= spot.x - 2 and box.x + box.width <= spot.x + spot.width + 2
    same_rows = abs(box.y - spot.y) <= _SAME_ROWS and abs(box.y + box.height - spot.y - spot.height) <= _SAME_ROWS
    return gap <= _BESIDE * spot.height and (same_rows or (inside and _rows_meet(box, spot)))


def _joined(spot: Box, boxes: Sequence[Box]) -> Box:
    every = [spot, *boxes]
    x, y = min(box.x for box in every), min(box.y for box in every)
    right, bottom = max(box.x + box.width for box in every), max(box.y + box.height for box in every)
    return Box(x, y, right - x, bottom - y)
