"""What was counted lately, of a count that only grows: trouble that is over is told no more.

Pure: it is told the count and the time. Invariant: what came within less than the given time of one another is one
trouble and is counted together; of a trouble whose last is that long ago, nothing is left.
"""

from __future__ import annotations


class Lately:
    """How much of a count belongs to the trouble that there is."""

    def __init__(self, while_ns: int) -> None:
        """Take how long a trouble lasts after the last that was counted."""
        self._while_ns = while_ns
        self._total = self._before = 0
        self._grew_ns = 0

    def count(self, total: int, now_ns: int) -> int:
        """What of `total` was counted lately; as exact in time as it is asked often."""
        if now_ns - self._grew_ns >= self._while_ns:
            self._before = self._total
        if total > self._total:
            self._total, self._grew_ns = total, now_ns
        return self._total - self._before
