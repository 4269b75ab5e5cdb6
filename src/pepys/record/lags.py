"""How long a loop was busy at a time: what whoever waits for it had to wait at most.

Pure: it is told durations. The longest is of the last while, so that one bad moment is not shown forever.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from pepys import limits


class Lags:
    """The last turns of a loop."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=limits.LAGS_KEPT)

    def add(self, busy_ns: int) -> None:
        """A turn kept the loop busy for so long."""
        self._last.append(busy_ns)

    @property
    def longest_ns(self) -> int:
        """The longest of the last turns."""
        return max(self._last, default=0)

    def share_ns(self, percent: int) -> int:
        """What so many per cent of the last turns did not exceed; 0 where there were none."""
        ordered = sorted(self._last)
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0

    def to_json(self) -> dict[str, Any]:
        """The `loop` part of a status, in milliseconds with three digits."""
        return {
            "longest_ms": round(self.longest_ns / limits.NS_PER_MS, 3),
            "p99_ms": round(self.share_ns(99) / limits.NS_PER_MS, 3),
        }
