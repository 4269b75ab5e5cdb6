"""What holds a recording though nobody paused it: a locked screen, a machine that sleeps, no source that delivers.

Owns who holds the recording: that, or the user. Invariants: a lock pauses what records and its end resumes only what it
had paused; what the user paused or ended stays so; a lock that comes while the recording starts or changes is heeded as
soon as that is done; a recording without any source is no recording: it rests, is tried again for a while, and is then
ended in order. How a lock is noticed is left to `lock_watch`, how a death is to the sources.
"""

from __future__ import annotations

from typing import Final, Protocol

from pepys import limits
from pepys.errors import Busy, PepysError
from pepys.record.loop import Loop
from pepys.record.writing import Then

LOCKED: Final = "locked"
ASLEEP: Final = "suspended"
LOST: Final = "device_lost"
_TIMER: Final = "holding"


class Resting(Protocol):
    """A recorder that can rest and go on."""

    @property
    def state(self) -> str:
        """Its state."""
        ...

    def rest(self, reason: str, detail: str, done: Then) -> None:
        """Stop all tracks at once, for a gap of that reason."""
        ...

    def go_on(self, done: Then) -> None:
        """Begin a new span."""
        ...

    def stop_for(self, error: PepysError, reason: str = "") -> None:
        """End in order."""
        ...


class Holding:
    """Holds one recorder, and lets go.

    Attributes:
        held: `locked`, `suspended` or `device_lost` while the recording rests for it, else empty.
    """

    def __init__(self, loop: Loop, recorder: Resting, lost_ns: int) -> None:
        """Take whom to hold; without a source it is tried for `lost_ns`."""
        self.held = ""
        self._loop, self._recorder, self._lost_ns = loop, recorder, lost_ns
        self._away: dict[str, str] = {}
        self._retries = False
        self._since_ns = 0
        self._wait_ns = limits.REOPEN_MIN_NS

    def locked(self, locked: bool, detail: str) -> None:
        """The screen was locked, or is open again."""
        self._set(LOCKED, locked, detail)

    def sleeps(self, sleeps: bool) -> None:
        """The machine is about to sleep, or woke."""
        self._set(ASLEEP, sleeps, "the machine goes to sleep")

    def lost(self, detail: str) -> None:
        """No source delivers any more; only while it records."""
        if self._recorder.state == "recording":
            self._hold(LOST, detail)

    def _set(self, reason: str, holds: bool, detail: str) -> None:
        if holds:
            self._away[reason] = detail
        else:
            self._away.pop(reason, None)
        self.consider()

    def _hold(self, reason: str, detail: str) -> None:
        self.held, self._since_ns, self._wait_ns = reason, self._loop.clock.now_ns(), limits.REOPEN_MIN_NS
        self._recorder.rest(reason, detail, lambda _error: None)

    def consider(self) -> None:
        """The recording has come to a state in which it can rest or go on."""
        state = self._recorder.state
        if self._away and state == "recording":
            self._hold(*next(iter(self._away.items())))
        elif not self._away and self.held and state == "paused" and not self._retries:
            self._recorder.go_on(self._went_on)
        elif state == "recording":
            self.held = ""

    def refuse(self) -> None:
        """A user wants to go on.

        Raises:
            Busy: the screen is locked.
        """
        if self.held and LOCKED in self._away:
            raise Busy("the screen is locked: nothing is recorded meanwhile", "unlock it, and it goes on by itself")

    def release(self) -> None:
        """The user pauses or ends what was held: it stays so."""
        self.held, self._retries = "", False
        self._loop.clear_timer(_TIMER)

    def _went_on(self, error: PepysError | None) -> None:
        now_ns = self._loop.clock.now_ns()
        if error is None:
            self.held = ""
        elif self.held == LOST and now_ns - self._since_ns >= self._lost_ns:
            self.release()
            self._recorder.stop_for(error)
        elif self.held:
            # Devices may need a moment after the machine woke, a display until somebody starts it again.
            self._retries = True
            self._loop.set_timer(_TIMER, now_ns + self._wait_ns, self._retry)
            self._wait_ns = min(2 * self._wait_ns, limits.REOPEN_MAX_NS)

    def _retry(self) -> None:
        self._retries = False
        self.consider()
