"""Whether a clock of a track stands still, and when what is gone is tried again.

Pure: it is told times and answers. Three clocks tell of a track: when it was tried last (attempt), when something was
taken or its source proved that it lives (capture), and when something of it was durable (write). A clock stands only
while something is due: a still screen, a pause or a window that was closed stops none. What follows from that is left
to `coordinator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pepys import limits

Which = Literal["attempt", "capture", "write"]


@dataclass(frozen=True, slots=True)
class Clocks:
    """The last moments of a track's three clocks; `written_ns` is None where no steady writing is expected."""

    attempt_ns: int
    capture_ns: int
    written_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A clock that stands still: which one, since when, and how often that was tried to be changed."""

    clock: Which
    since_ns: int
    tries: int = 0

    @property
    def state(self) -> str:
        """What the track's health is, whatever its owner says."""
        if not self.tries:
            return "degraded"
        return "restarting" if self.tries <= limits.RESTART_TRIES else "failed"

    @property
    def words(self) -> str:
        """What the journal and people are told; how long it lasts is told by who knows the time."""
        return f"{self.clock} stands still"

    def for_ns(self, now_ns: int) -> int:
        """How long it stands."""
        return max(0, now_ns - self.since_ns)


def standing(clocks: Clocks, due_ns: int | None, now_ns: int, waits_ns: int) -> Standing | None:
    """The first of a track's clocks that stands still; None while all of them go.

    The earlier ones are looked at first: what is not tried is not taken, and what is not taken is not written.

    Args:
        clocks: of the track.
        due_ns: since when something has been due without a break; None while nothing is.
        now_ns: the time.
        waits_ns: how long the writer has been at work on the oldest thing that it was given.
    """
    if due_ns is not None:
        for clock, last_ns in (("attempt", clocks.attempt_ns), ("capture", clocks.capture_ns)):
            since_ns = max(last_ns, due_ns)
            if now_ns - since_ns >= limits.STAND_NS:
                return Standing("attempt" if clock == "attempt" else "capture", since_ns)
    if waits_ns >= limits.STAND_WRITE_NS:
        return Standing("write", now_ns - waits_ns)
    if due_ns is not None and clocks.written_ns is not None:
        # What was captured just now is written when its fragment closes, and then it has to reach the disk.
        since_ns = max(clocks.written_ns, due_ns)
        if now_ns - since_ns >= limits.STAND_NS + limits.FRAGMENT_NS:
            return Standing("write", since_ns)
    return None


def stands_next_ns(clocks: Clocks, due_ns: int | None) -> int | None:
    """When the first of the clocks would stand if none went on; None while nothing is due."""
    if due_ns is None:
        return None
    return max(min(clocks.attempt_ns, clocks.capture_ns), due_ns) + limits.STAND_NS


class Tries:
    """When something that is gone is tried again: after 1, 2, 4, 8, 16 s, from then on every 30 s.

    Invariant: what came back counts as well only once it has lasted for `limits.STEADY_NS`: what comes and goes is
    waited for ever longer too.

    Args:
        first_ns: the first wait.
        longest_ns: the longest one.
    """

    def __init__(self, first_ns: int = limits.RESTART_MIN_NS, longest_ns: int = limits.RESTART_MAX_NS) -> None:
        self.count = 0
        """How often it was tried since it was well."""
        self.restarts = 0
        """How often it was started again, in all."""
        self._first_ns, self._longest_ns = first_ns, longest_ns
        self._came_ns: int | None = None

    @property
    def in_vain(self) -> bool:
        """Whether it was tried often enough to call it failed."""
        return self.count >= limits.RESTART_TRIES

    @property
    def wait_ns(self) -> int:
        """How long to wait before the next try."""
        # Each is twice the one before; bounded first, for what is gone may be gone for days.
        return min(self._first_ns << min(self.count, limits.RESTART_TRIES), self._longest_ns)

    def tried(self) -> None:
        """It is tried now."""
        self.count += 1

    def well(self) -> None:
        """It has been well for long enough: what comes now is another trouble."""
        self.count = 0

    def came(self, now_ns: int) -> None:
        """It is there."""
        self._came_ns = now_ns
        self.restarts += self.count > 0

    def went(self, now_ns: int, *, in_order: bool = False) -> None:
        """It is gone; `in_order` where that is how such things go, and no trouble."""
        if in_order or (self._came_ns is not None and now_ns - self._came_ns >= limits.STEADY_NS):
            self.well()
        self._came_ns = None
