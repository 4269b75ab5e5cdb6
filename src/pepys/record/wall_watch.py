"""Notices when the wall clock is set, by a person, by NTP or by a machine that wakes.

Pure but for the injected clock. A clock that is slewed, as NTP does it (half a millisecond a second), is no step.
"""

from __future__ import annotations

from pepys import limits
from pepys.clock import Clock


class WallWatch:
    """Compares the wall clock with the boot clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart_ns = self._read()

    def look(self) -> int:
        """By how much the wall clock was set since the last look, in nanoseconds; 0 for less than half a second.

        Look about once a second: what it drifts between two looks is passed over.
        """
        apart_ns = self._read()
        if apart_ns is None:
            return 0
        before_ns, self._apart_ns = self._apart_ns, apart_ns
        step_ns = 0 if before_ns is None else apart_ns - before_ns
        return step_ns if abs(step_ns) > limits.WALL_STEP_NS else 0

    def _read(self) -> int | None:
        """How far the clocks are apart; None where this process was held up between readings each time."""
        for _ in range(limits.WALL_READS):
            before_ns = self._clock.now_ns()
            wall_ns = self._clock.wall_ns()
            after_ns = self._clock.now_ns()
            if after_ns - before_ns < limits.WALL_READ_NS:
                return wall_ns - before_ns
        return None
