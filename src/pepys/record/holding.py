"""What holds a recording though nobody paused it: a locked screen, a machine that sleeps, no source that delivers.

Owns who holds the recording: that, or the user. Invariants: a lock pauses what records and its end resumes only what it
had paused; what the user paused or ended stays so; a lock that comes while the recording starts or changes is heeded as
soon as that is done, and one that comes while it rests is why it rests from then on; a recording without any source,
after a lock or a sleep too, is no recording: it rests, is tried again for a while, and is then ended in order, whether
the sources stay away or come and go. How a lock is noticed is left to `lock_watch`, how a death is to the sources.
"""

from __future__ import annotations

from typing import Final, Protocol

from pepys import limits
from pepys.errors import Busy, DeviceMissing, PepysError
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

    def rest_for(self, reason: str, detail: str) -> None:
        """It rests already: from now on for another reason."""
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

    def __init__(self, loop: Loop, recorder: Resting, lost_ns: int, *, heeds_locks: bool = True) -> None:
        """Take whom to hold; without a source it is tried for `lost_ns`; a lock may be none of its business."""
        self.held = ""
        self._loop, self._recorder, self._lost_ns, self._heeds_locks = loop, recorder, lost_ns, heeds_locks
        self._away: dict[str, str] = {}
        self._retries = False
        self._detail = ""
        self._since_ns: int | None = None
        """Since when sources are missing, or come and go; None when all was well."""
        self._went_on_ns = 0
        self._wait_ns = limits.REOPEN_MIN_NS

    def locked(self, locked: bool, detail: str) -> None:
        """The screen was locked, or is open again."""
        self._set(LOCKED, locked and self._heeds_locks, detail)

    def sleeps(self, sleeps: bool) -> None:
        """The machine is about to sleep, or woke."""
        self._set(ASLEEP, sleeps, "the machine goes to sleep")

    def lost(self, detail: str) -> None:
        """No source delivers any more; only while it records."""
        if self._recorder.state != "recording":
            return
        now_ns = self._loop.clock.now_ns()
        if self._since_ns is None or now_ns - self._went_on_ns >= limits.STEADY_NS:
            self._since_ns, self._wait_ns = now_ns, limits.REOPEN_MIN_NS
        elif self._too_long(now_ns):
            self._end(DeviceMissing(f"the sources come and go: {detail}", "look at their cables and servers"))
            return
        else:
            # It was there for a moment only: another try at once would end as soon.
            self._try_later(now_ns)
        self._hold(LOST, detail)

    def _set(self, reason: str, holds: bool, detail: str) -> None:
        if holds:
            self._away[reason] = detail
        else:
            self._away.pop(reason, None)
        self.consider()

    def _hold(self, reason: str, detail: str) -> None:
        self.held, self._detail = reason, detail
        self._recorder.rest(reason, detail, lambda _error: None)

    def _turn(self, reason: str, detail: str) -> None:
        """What holds it is over, or of no more account: something else does."""
        if (reason, detail) != (self.held, self._detail):
            self._recorder.rest_for(reason, detail)
        self.held, self._detail = reason, detail

    def consider(self) -> None:
        """The recording has come to a state in which it can rest or go on."""
        state = self._recorder.state
        if self._away and state == "recording":
            self._hold(*next(iter(self._away.items())))
        elif self._away and self.held and state == "paused":
            if self.held not in self._away:
                self._stop_trying()
                self._turn(*next(iter(self._away.items())))
        elif self.held and state == "paused" and not self._retries:
            self._recorder.go_on(self._went_on)
        elif self.held and state == "recording":
            self.held, self._went_on_ns = "", self._loop.clock.now_ns()

    def refuse(self) -> None:
        """A user wants to go on.

        Raises:
            Busy: the screen is locked.
        """
        if LOCKED in self._away:
            raise Busy("the screen is locked: nothing is recorded meanwhile", "unlock it, and it goes on by itself")

    def release(self) -> None:
        """The user pauses or ends what was held: it stays so."""
        self.held, self._since_ns = "", None
        self._stop_trying()

    def _went_on(self, error: PepysError | None) -> None:
        # What went on, and what is locked or asleep again by now, is considered as soon as it has settled.
        if error is None or self._away or not self.held:
            return
        now_ns = self._loop.clock.now_ns()
        if self.held != LOST:
            self._since_ns, self._wait_ns = now_ns, limits.REOPEN_MIN_NS
            self._turn(LOST, error.message)
        if self._too_long(now_ns):
            self._end(error)
        else:
            # Devices may need a moment after the machine woke, a display until somebody starts it again.
            self._try_later(now_ns)

    def _too_long(self, now_ns: int) -> bool:
        return self._since_ns is not None and now_ns - self._since_ns >= self._lost_ns

    def _end(self, error: PepysError) -> None:
        self.release()
        self._recorder.stop_for(error)

    def _try_later(self, now_ns: int) -> None:
        self._retries = True
        self._loop.set_timer(_TIMER, now_ns + self._wait_ns, self._retry)
        self._wait_ns = min(2 * self._wait_ns, limits.REOPEN_MAX_NS)

    def _stop_trying(self) -> None:
        self._retries = False
        self._loop.clear_timer(_TIMER)

    def _retry(self) -> None:
        self._retries = False
        self.consider()
