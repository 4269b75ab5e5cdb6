"""How often, how soon and why a recorder is started again: the rule, and what is told of it.

Pure but for the clock. Invariants: at most `limits.RECORDER_RESTARTS` tries within `limits.RECORDER_RESTARTS_NS`, each
after a longer wait than the one before; a recorder that asked for it (`limits.RECORDER_ANEW`) is not waited for, and
counts. Who starts it is `course`.
"""

from __future__ import annotations

from collections import deque

from pepys import limits
from pepys.clock import Clock, rfc3339


class Restarts:
    """The tries of one session.

    Args:
        clock: the clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tried_ns: deque[int] = deque(maxlen=limits.RECORDER_RESTARTS)
        self.count = 0
        self.last: dict[str, str] | None = None
        self.notice = ""
        self.given_up = False
        """Whether there were enough tries."""

    def forget(self) -> None:
        """Another session begins."""
        self._tried_ns.clear()
        self.count, self.last, self.notice, self.given_up = 0, None, "", False

    def next(self, reason: str, *, anew: bool = False) -> float | None:
        """Count one more try.

        Args:
            reason: why the last recorder is gone.
            anew: whether it asked to be started again.

        Returns:
            Seconds to wait before it; None when there were enough.
        """
        now_ns = self._clock.now_ns()
        while self._tried_ns and now_ns - self._tried_ns[0] > limits.RECORDER_RESTARTS_NS:
            self._tried_ns.popleft()
        tried = len(self._tried_ns)
        self.given_up = tried >= limits.RECORDER_RESTARTS
        if self.given_up:
            minutes = limits.RECORDER_RESTARTS_NS // (60 * limits.NS_PER_S)
            self.notice = (
                f"the recorder was started again {tried} times within {minutes} minutes, and is no more: {reason}"
            )
            return None
        self._tried_ns.append(now_ns)
        self.count += 1
        self.last = {"at": rfc3339(self._clock.wall_ns()), "reason": reason}
        self.notice = f"the recorder is started again: {reason}"
        return 0.0 if anew else limits.RECORDER_RESTART_WAITS_S[tried]

    @property
    def last_try(self) -> bool:
        """Whether the try that was counted last is the last there is: nothing is lost by asking for less."""
        return len(self._tried_ns) >= limits.RECORDER_RESTARTS

    def done(self) -> None:
        """The recorder records again, or is not wanted any more."""
        self.notice = ""
