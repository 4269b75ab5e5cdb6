"""When the next shot is due, as far as time decides: at fixed intervals, or by how much happens and how new it is.

Owns the published formula and the state of the schedule. Pure: it is told times and what happened, and answers times.
Invariants: adaptive shots are 10 to 300 s apart; the answer follows what happens now, so that a wait that began while
nobody did anything ends early when somebody does. What triggers a shot at once is left to `shot_triggers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pepys import limits

_SHORTEST_S: Final = 10
_LONGEST_S: Final = 300
_UNKNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Activity:
    """What the user did within the last `limits.SHOT_ACTIVITY_NS`: counts, never content."""

    app_switches: int = 0
    clicks: int = 0
    focus_changes: int = 0


def delay_ns(activity: Activity | None, curiosity: float) -> int:
    """How long to wait between two shots.

    `A = .5 min(switches/10, 1) + .3 min(clicks/50, 1) + .2 min(focus changes/8, 1)`, half where it is not known;
    `U = .65 A + .35 C`; the wait is `300 - 290 U` seconds. The formula is that of the system which pepys replaces.

    Args:
        activity: counts of the last minute; None where they are not known.
        curiosity: how new the last shot was, the share of its tiles of text that changed; clamped to 0..1.

    Returns:
        10 to 300 seconds, in nanoseconds.
    """
    active = _UNKNOWN if activity is None else _share(activity)
    urgency = 0.65 * active + 0.35 * min(1.0, max(0.0, curiosity))
    return round((_LONGEST_S - (_LONGEST_S - _SHORTEST_S) * urgency) * limits.NS_PER_S)


def _share(activity: Activity) -> float:
    parts = (
        (0.5, activity.app_switches, 10),
        (0.3, activity.clicks, 50),
        (0.2, activity.focus_changes, 8),
    )
    return sum(weight * min(max(0, count) / enough, 1.0) for weight, count, enough in parts)


class ShotSchedule:
    """The shots that time asks for. Nothing is due before the first shot, or after `stop`."""

    def __init__(self, interval_ns: int, *, adaptive: bool) -> None:
        """Take how often.

        Args:
            interval_ns: time between two shots; the longest where it is adaptive.
            adaptive: whether the wait follows what happens.
        """
        self.adaptive = adaptive
        self._interval_ns = interval_ns
        self._from_ns: int | None = None
        self._failed = False

    @property
    def trigger(self) -> Literal["adaptive", "interval"]:
        """What a shot that is due is called."""
        return "adaptive" if self.adaptive else "interval"

    def taken(self, now_ns: int, *, asked: bool = False) -> None:
        """A shot was taken, by whatever trigger; one that the user `asked` for moves no fixed interval."""
        late_ns = now_ns - self._from_ns - self._interval_ns if self._from_ns is not None else -1
        if self.adaptive or self._failed or self._from_ns is None:
            self._from_ns = now_ns
        elif not asked:
            # Being a little late does not add up: intervals are counted from when they were due.
            self._from_ns = now_ns if not 0 <= late_ns < self._interval_ns else now_ns - late_ns
        self._failed = False

    def failed(self, now_ns: int) -> None:
        """No pixels were to be had: the longest wait, unless the source tells that it is back."""
        self._from_ns, self._failed = now_ns, True

    def stop(self) -> None:
        """Nothing is due any more."""
        self._from_ns, self._failed = None, False

    def due_ns(self, activity: Activity | None, curiosity: float) -> int | None:
        """When the next shot is due, by what is known now; see `delay_ns` for the arguments."""
        if self._from_ns is None:
            return None
        if self._failed:
            return self._from_ns + limits.SHOT_FAILED_NS
        if not self.adaptive:
            return self._from_ns + self._interval_ns
        return self._from_ns + min(delay_ns(activity, curiosity), self._interval_ns)
