"""When to capture: the schedule of a video track.

Pure: it is told times and answers times. There is no fixed tick, because a tick beats against the rhythm of what is
shown and loses frames (5-9 % measured). A change is captured a moment after it was learnt, so that what belongs
together comes together, but not sooner than about half a frame after the last; a token bucket of two holds the mean
rate.
"""

from __future__ import annotations

from typing import Final

from pepys.limits import CAPTURE_DELAY_NS, NS_PER_S, POINTER_MOVING_NS

_SHORTEST_PERCENT: Final = 55
"""The least distance of two captures in percent of a frame: a whole frame would lose every change that comes early."""

_BUCKET: Final = 2


class Pacer:
    """Decides when the pending change is captured.

    Invariants: the first change decides when it is captured, later ones join it; over any long time there are no more
    captures than `fps` a second; a change of the pointer alone waits longer.
    """

    def __init__(self, fps: int) -> None:
        self._interval_ns = NS_PER_S // fps
        self._changed_ns: int | None = None
        self._newest_ns: int | None = None
        self._pointer_only = False
        self._last_ns = -self._interval_ns * _BUCKET
        self._tokens_ns = self._interval_ns * _BUCKET  # one frame costs one interval
        self._filled_ns = 0

    @property
    def changed_ns(self) -> int | None:
        """When the oldest change that is not captured was learnt."""
        return self._changed_ns

    @property
    def newest_ns(self) -> int | None:
        """When the newest change was learnt, those of the pointer left out where there is any other."""
        return self._newest_ns

    def changed(self, at_ns: int, pointer_only: bool = False) -> None:
        """Something changed."""
        if self._changed_ns is None or self._newest_ns is None:
            self._changed_ns = self._newest_ns = at_ns
            self._pointer_only = pointer_only
            return
        if pointer_only == self._pointer_only:
            self._newest_ns = max(self._newest_ns, at_ns)
        elif self._pointer_only:
            self._newest_ns, self._pointer_only = at_ns, False

    def due_ns(self) -> int | None:
        """When to capture; None while nothing is pending."""
        if self._changed_ns is None:
            return None
        distance = POINTER_MOVING_NS if self._pointer_only else self._interval_ns * _SHORTEST_PERCENT // 100
        missing = max(0, self._interval_ns - self._tokens_ns)
        return max(self._changed_ns + CAPTURE_DELAY_NS, self._last_ns + distance, self._filled_ns + missing)

    def captured(self, now_ns: int) -> int:
        """The pending change was captured now; how many frames of this rate were lost by being late."""
        due = self.due_ns()
        lost = 0 if due is None else max(0, now_ns - due) // self._interval_ns
        self._tokens_ns = min(_BUCKET * self._interval_ns, self._tokens_ns + max(0, now_ns - self._filled_ns))
        self._tokens_ns = max(0, self._tokens_ns - self._interval_ns)
        self._filled_ns = self._last_ns = now_ns
        self._changed_ns = self._newest_ns = None
        return lost

    def forget(self) -> None:
        """Drop the pending change: a pause begins, or the whole picture is taken anyway."""
        self._changed_ns = self._newest_ns = None
