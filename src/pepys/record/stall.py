"""Time in which nothing was watched: a machine that slept, a process that did not run.

Pure: what a late grid point means, or a span's end that comes long after one. Who looks, and what is written of it, is
left to `capture` and the recorder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pepys import limits
from pepys.clock import Clock

Extent = Literal["", "pictures", "session"]


@dataclass(frozen=True, slots=True)
class Stall:
    """What a delay means: whose gap `suspended` it is ("" for nobody's), and why, in words for the gap's detail."""

    extent: Extent
    detail: str


NONE: Final = Stall("", "")


def judge(late_ns: int, slept_ns: int) -> Stall:
    """Judge a grid point that comes late, or the end of a span.

    A process that stood still for less than five seconds finds its sound whole in the pipes and has missed pictures
    alone; of a machine that slept nothing was heard either.

    Args:
        late_ns: by how much it is late.
        slept_ns: how long the machine slept since the last one (`Slept.since_mark_ns`).
    """
    if slept_ns > limits.SLEPT_NS:
        return Stall("session", f"the machine slept for {_seconds(slept_ns)}")
    if late_ns <= limits.LATE_NS:
        return NONE
    extent: Extent = "session" if late_ns > limits.STALL_NS else "pictures"
    return Stall(extent, f"pepys did not run for {_seconds(late_ns)}")


class Slept:
    """How long the machine slept: CLOCK_BOOTTIME against CLOCK_MONOTONIC, from a mark on that is set at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asleep_ns = self._now_asleep_ns()

    def since_mark_ns(self) -> int:
        """Nanoseconds since the mark; asked twice it says the same."""
        return max(0, self._now_asleep_ns() - self._asleep_ns)

    def mark(self) -> None:
        """What was slept until now is accounted for."""
        self._asleep_ns = self._now_asleep_ns()

    def _now_asleep_ns(self) -> int:
        return self._clock.now_ns() - self._clock.awake_ns()


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / limits.NS_PER_S:.1f} s"
