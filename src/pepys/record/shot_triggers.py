"""What takes a shot at once: another window or title in front, and a burst of changes that settles.

Pure: it is told times, triggers and changed rectangles, and answers when a shot is due and why. Invariants:
- a shot waits until nothing has changed for `limits.SHOT_SETTLE_NS`, but not longer than `limits.SHOT_UNSETTLED_NS`
  after what triggered it, or after the last shot of a burst that goes on;
- what changes all the time in its place (a cursor that blinks, a clock, a film) neither begins a burst nor holds one
  up; once it rests, it counts;
- less than `limits.SHOT_BURST_PX` is no burst, but adds up until the next shot: a line that is typed letter by letter
  is one;
- no shot is due within `limits.SHOT_TRIGGER_MIN_NS` after another one, for little change not within
  `limits.SHOT_SMALL_MIN_NS`; in the long run they are `limits.SHOT_TRIGGER_MEAN_NS` apart. What waits is not lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys import limits

_CELL: Final = 8
_CELL_PX: Final = _CELL * _CELL
_BEAT: Final = 3
"""What a change adds to a cell; each step of time takes one: what changes each second step is on its way up too."""
_RESTLESS: Final = 16
_MOST: Final = 20

Area = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the source."""


class Unseen:
    """Where the picture changed since the last shot, and which places change all the time.

    Places are cells of 8 x 8 pixels. Each has a measure that rises with every step of `limits.SHOT_RESTLESS_NS` in
    which it changed and falls with every one; above a threshold it is restless.
    """

    def __init__(self, width: int, height: int) -> None:
        """Take the size of the picture in pixels."""
        shape = (-(-height // _CELL), -(-width // _CELL))
        self.size = (width, height)
        self._unseen: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self._stirred: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self._measure: NDArray[np.int8] = np.zeros(shape, np.int8)
        self._restless: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        self._step: int | None = None

    def add(self, areas: Iterable[Area], now_ns: int) -> bool:
        """Something changed; whether any of it lies where not all is restless."""
        self._advance(now_ns)
        calm = False
        for left, top, width, height in areas:
            rows = slice(top // _CELL, -(-(top + height) // _CELL))
            columns = slice(left // _CELL, -(-(left + width) // _CELL))
            self._unseen[rows, columns] = True
            self._stirred[rows, columns] = True
            calm = calm or not self._restless[rows, columns].all()
        return calm

    def pixels(self, now_ns: int) -> int:
        """How much changed since the last shot, in pixels, what is restless left out."""
        self._advance(now_ns)
        return int(np.count_nonzero(self._unseen & ~self._restless)) * _CELL_PX

    def hidden(self) -> bool:
        """Whether something that is restless changed since the last shot, more than is no burst."""
        return int(np.count_nonzero(self._unseen & self._restless)) * _CELL_PX >= limits.SHOT_BURST_PX

    def seen(self) -> None:
        """A shot was taken."""
        self._unseen[:] = False

    def _advance(self, now_ns: int) -> None:
        step = now_ns // limits.SHOT_RESTLESS_NS
        if self._step is None:
            self._step = step
        passed = step - self._step
        if passed <= 0:
            return
        self._step = step
        self._measure += self._stirred * np.int8(_BEAT)
        self._measure -= np.int8(min(passed, _MOST + _BEAT))
        np.clip(self._measure, 0, _MOST, out=self._measure)
        self._restless = self._measure >= _RESTLESS
        self._stirred[:] = False


class ShotTriggers:
    """Decides whether something that happened is worth a shot, and when."""

    def __init__(self) -> None:
        self._unseen = Unseen(1, 1)
        self._told: str | None = None
        self._began_ns: int | None = None
        self._ask_ns: int | None = None
        self._latest_ns = 0
        self._shot_ns: int | None = None
        self._left_ns = limits.SHOT_TRIGGERS_AT_ONCE * limits.SHOT_TRIGGER_MEAN_NS
        self._filled_ns: int | None = None

    def resized(self, width: int, height: int) -> None:
        """The picture has this size in pixels; the source tells of a new one's parts as changed."""
        if (width, height) != self._unseen.size:
            self._unseen = Unseen(width, height)

    def told(self, trigger: str, now_ns: int) -> None:
        """Another window (`focus`) or title (`title`) is in front; a window counts more than its title."""
        if self._told != "focus":
            self._told = trigger
        self._stir(now_ns)

    def damaged(self, areas: Iterable[Area], now_ns: int) -> None:
        """These parts of the picture changed."""
        if self._unseen.add(areas, now_ns):
            self._stir(now_ns)

    def due_ns(self, now_ns: int) -> int | None:
        """When to ask `due`; None while nothing waits for a shot."""
        if self._began_ns is None:
            if self._ask_ns is None and self._unseen.hidden():
                # What was restless may rest by then, and nothing tells of that.
                self._ask_ns = now_ns + 2 * limits.SHOT_RESTLESS_NS
            return self._ask_ns
        at_ns = min(self._latest_ns + limits.SHOT_SETTLE_NS, self._began_ns + limits.SHOT_UNSETTLED_NS)
        return max(at_ns, self._free_ns(now_ns))

    def due(self, now_ns: int) -> str | None:
        """The trigger of the shot that is due now, or None; what turned out to be no burst is let go of."""
        self._ask_ns = None
        if self._began_ns is None and self._unseen.pixels(now_ns) >= limits.SHOT_BURST_PX:
            self._began_ns = self._latest_ns = now_ns - limits.SHOT_SETTLE_NS  # it rests since a while
        at_ns = self.due_ns(now_ns)
        if self._began_ns is None or at_ns is None or at_ns > now_ns:
            return None
        if self._told is not None:
            return self._told
        if self._unseen.pixels(now_ns) >= limits.SHOT_BURST_PX:
            return "change"
        self._began_ns = None
        return None

    def shot(self, now_ns: int, trigger: str = "") -> None:
        """A shot was taken; `trigger` is one that `due` gave, or another, which costs nothing of what these may."""
        if trigger in {"focus", "title", "change"}:
            self._fill(now_ns)
            self._left_ns = max(0, self._left_ns - limits.SHOT_TRIGGER_MEAN_NS)
        self._told, self._began_ns, self._ask_ns, self._shot_ns = None, None, None, now_ns
        self._unseen.seen()

    def forget(self) -> None:
        """A span is over: nothing waits any more."""
        self._told, self._began_ns, self._ask_ns = None, None, None
        self._unseen.seen()

    def _stir(self, now_ns: int) -> None:
        if self._began_ns is None:
            self._began_ns = now_ns
        self._latest_ns = now_ns

    def _free_ns(self, now_ns: int) -> int:
        """The earliest time of the next shot."""
        if self._shot_ns is None:
            return 0
        width, height = self._unseen.size
        big = self._unseen.pixels(now_ns) * 100 >= width * height * limits.SHOT_BIG_PERCENT
        least_ns = limits.SHOT_TRIGGER_MIN_NS if big or self._told is not None else limits.SHOT_SMALL_MIN_NS
        self._fill(now_ns)
        return max(self._shot_ns + least_ns, now_ns + max(0, limits.SHOT_TRIGGER_MEAN_NS - self._left_ns))

    def _fill(self, now_ns: int) -> None:
        if self._filled_ns is not None:
            most_ns = limits.SHOT_TRIGGERS_AT_ONCE * limits.SHOT_TRIGGER_MEAN_NS
            self._left_ns = min(most_ns, self._left_ns + max(0, now_ns - self._filled_ns))
        self._filled_ns = now_ns
