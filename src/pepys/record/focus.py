"""Whose activity is noted in a session: opened beside everything else, and again when it was lost.

Owns the life of the activity track's sources, and the health, clocks and gaps of that track. Invariants: nobody waits
for a server that hangs, and nothing is opened beside an opening that hangs; a display that is not recorded any more is
not heard any more; while a span is open the server is asked for a sign of life at each grid point, so that one that
hangs is known by the clock of the track's captures. What is noted, and how often, is left to `activity` and `desk`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.activity import ActivityTrack, DeskSource, Focus, FocusSource
from pepys.record.adapters.opening import InThread
from pepys.record.desk import DeskTrack
from pepys.record.exclusions import Exclusions
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SourceEnded
from pepys.record.probe import display_gone
from pepys.record.shot_schedule import Activity
from pepys.record.standing import Tries

_TRACK = "activity"
_PING = "activity ping"


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sources of a display: they live and end together."""

    focus: FocusSource
    desk: DeskSource

    def close(self) -> None:
        """Let go of both."""
        self.focus.close()
        self.desk.close()


class FocusOpening(Protocol):
    """Sources that are being opened; see `ports.Opening`."""

    @property
    def hangs(self) -> bool:
        """Whether a thread still tries."""
        ...

    def fileno(self) -> int:
        """Readable when `poll` has news."""
        ...

    def poll(self) -> Opened | None:
        """The sources, once; raises a `PepysError` when there are none."""
        ...

    def cancel(self) -> None:
        """Give up."""
        ...


Opener = Callable[[str, Exclusions, Clock], FocusOpening]


def open_focus(display: str, exclusions: Exclusions, clock: Clock) -> FocusOpening:
    """Begin to open what tells of the activity on a display."""

    def opener() -> Opened:
        if sys.platform != "linux":
            raise DeviceMissing("which window is in front is noted on Linux only", "record without activity")
        from pepys.record.adapters.ewmh import EwmhFocus
        from pepys.record.adapters.x11.desk import X11Desk

        focus = EwmhFocus(display, clock, exclusions)
        try:
            return Opened(focus, X11Desk(display, clock, exclusions))
        except BaseException:
            focus.close()
            raise

    return InThread(f"focus of {display}", opener)


class FocusWatch:
    """The activity track of one session, on whichever display is shown.

    Attributes:
        tracks: what it stands for, for the coordinator.
        on_focus: told at once, in the loop's thread and while a span is open, that another window came to the front
            (`focus`) or got another title (`title`).
    """

    tracks: Sequence[str] = (_TRACK,)

    def __init__(self, loop: Loop, health: Health, exclusions: Exclusions, opener: Opener = open_focus) -> None:
        """Take what to tell; nothing is opened yet.

        Args:
            loop: where the sources are waited for.
            health: told of the track, and what is noted.
            exclusions: windows that must not be told of.
            opener: opens the sources of a display.
        """
        self.on_focus: Callable[[str], None] | None = None
        self._loop, self._health, self._exclusions, self._opener = loop, health, exclusions, opener
        self._display: str | None = None
        self._shown = False
        self._error: PepysError | None = None
        self._opening: FocusOpening | None = None
        self._given_up: FocusOpening | None = None
        self._track: ActivityTrack | None = None
        self._desk: DeskTrack | None = None
        self._place: SpanPlace | None = None
        self._tries = Tries()
        self._due_ns = 0
        self._reason = "source_closed"
        """Why there is a gap while the sources are not there: how they ended last."""
        self._lost = False
        """Whether the sources were there and are not any more."""

    @property
    def waits(self) -> bool:
        """Whether it is being opened right now."""
        return self._opening is not None

    # --- what others ask

    def now(self) -> Focus | None:
        """What is in front at this moment; None when that is not known, or not within `limits.FOCUS_NOW_NS`."""
        return self._track.now() if self._track is not None else None

    def recent(self, now_ns: int, window_ns: int = limits.SHOT_ACTIVITY_NS) -> Activity | None:
        """What the user did within `window_ns` until now, in this span; None where that is not known."""
        clicks = self._desk.clicks(now_ns - window_ns) if self._desk is not None else None
        if self._track is None or clicks is None or self._place is None:
            return None
        switches, changes = self._track.changes(now_ns - window_ns)
        return Activity(switches, clicks, changes)

    def due(self, now_ns: int) -> bool:
        """Whether its server must give signs of life: a span is open and the sources are there."""
        self.count()
        return self._place is not None and self._shown and self._track is not None

    def restart(self) -> None:
        """Let go of sources that stand still, and open them again at once."""
        if self._track is not None:
            # Nothing that happened since its last sign of life was heard.
            self._on_ended(SourceEnded(self._track.source.heard_ns, "device_lost", "the X server does not answer"))
            self.reopen()

    # --- its life

    def open(self, display: str | None) -> None:
        """Begin to open the sources of this display, and of no other; None for none at all."""
        if display != self._display:
            self.close()
            self._display, self._error, self._tries, self._lost = display, None, Tries(), False
            self._reason = "source_closed"
        self.reopen()

    def show(self, display: str | None, at_ns: int | None = None) -> None:
        """This display's activity is part of the session from `at_ns` on; None there before it has begun."""
        if display is None and self._shown:
            self._health.set(_TRACK, "off", at_ns, "no screen is shown any more")
        elif display is not None and not (self._shown and display == self._display):
            self._health.add(_TRACK, display)
        self.open(display)
        self._shown = display is not None
        if self._shown and self._error is not None:
            self._health.set(_TRACK, self._away, at_ns, self._error.message)

    def reopen(self) -> None:
        """Try at once, unless it is there or under way."""
        if self._display is None or self._track is not None or self._opening is not None:
            return
        self._loop.clear_timer(_TRACK)
        if self._given_up is not None and self._given_up.hangs:
            # Its thread ends by itself, once the server answers or is gone.
            self._loop.set_timer(_TRACK, self._loop.clock.now_ns() + limits.REOPEN_MIN_NS, self.reopen)
            return
        self._given_up = None
        try:
            self._opening = self._opener(self._display, self._exclusions, self._loop.clock)
        except (OSError, RuntimeError) as error:
            self._fail(DeviceMissing(f"the focus cannot be noted now: {error}", "close other programs"))
            return
        self._loop.add_reader(self._opening.fileno(), self._on_opening)

    def prepare(self) -> None:
        """A span is about to begin: hear what is in front."""
        self.reopen()
        if self._track is not None:
            self._track.hear()

    def begin(self, place: SpanPlace) -> None:
        """A span begins: what is in front is noted, as soon as it is known."""
        self._place = place
        at_ns = place.axis(self._loop.clock.now_ns())
        if self._track is None or self._desk is None:
            if self._shown and self._error is not None:
                self._health.set(_TRACK, self._away, place.at_ns, self._error.message)
                self._health.open_gap(_TRACK, self._reason, place.at_ns, self._error.message)
            return
        self._health.set(_TRACK, "healthy", at_ns, self._desk.without)
        self._health.close_gaps_of(_TRACK, at_ns)
        self._track.begin(place)
        if self._desk is not None:
            self._desk.begin(place)
        self._ping()

    def end(self, until_ns: int | None = None) -> None:
        """The span ends, at `until_ns` on the clock or now."""
        self._loop.clear_timer(_PING)
        if self._track is not None:
            self._track.end()
        if self._desk is not None:
            self._desk.end(self._loop.clock.now_ns() if until_ns is None else until_ns)
        self._place = None

    def count(self) -> None:
        """Bring the track's counters up to date."""
        if self._track is not None and self._shown:
            report = self._health.tracks[_TRACK]
            report.captured = report.encoded = self._track.count
            report.capture_ns = self._track.source.heard_ns

    def close(self) -> None:
        """Let go of everything."""
        self._loop.clear_timer(_TRACK)
        self._drop_opening()
        self._drop_sources()
        self._display = None

    # --- inside

    def _on_opening(self) -> None:
        opening = self._opening
        if opening is None:
            return
        try:
            opened = opening.poll()
        except PepysError as error:
            self._drop_opening()
            self._fail(error)
            return
        if opened is None:
            return
        self._drop_opening()
        self._error, self._reason = None, "source_closed"
        self._tries.came(self._loop.clock.now_ns())
        note = self._health.note
        self._track = ActivityTrack(opened.focus, self._loop, note, self._on_ended, self._on_focus)
        self._desk = DeskTrack(opened.desk, self._loop, note, self._on_ended)
        if self._shown:
            report = self._health.tracks[_TRACK]
            report.tries, report.restarts = 0, report.restarts + self._lost
        self._lost = False
        if self._place is not None:
            self.begin(self._place)

    def _on_focus(self, what: str) -> None:
        if self.on_focus is not None:
            self.on_focus(what)

    def _ping(self) -> None:
        """Ask for a sign of life at each grid point; nobody waits for the answer."""
        if self._track is None:
            return
        now_ns = self._loop.clock.now_ns()
        self._track.source.ping()
        if self._shown:
            self._health.tracks[_TRACK].attempt_ns = now_ns
        self.count()
        self._loop.set_timer(_PING, now_ns + limits.FRAGMENT_NS, self._ping, limits.LOOP_SLACK_NS)

    def _drop_opening(self) -> None:
        if self._opening is not None:
            self._loop.remove_reader(self._opening.fileno())
            self._opening.cancel()
            self._given_up, self._opening = self._opening, None

    def _drop_sources(self) -> None:
        self._loop.clear_timer(_PING)
        track, desk, self._track, self._desk = self._track, self._desk, None, None
        if track is not None:
            track.close()
        if desk is not None:
            desk.close()

    @property
    def _away(self) -> str:
        """The state of a track whose sources are not there."""
        return "failed" if self._tries.in_vain else "restarting"

    def _fail(self, error: PepysError) -> None:
        self._error = error
        self._tell_away(self._loop.clock.now_ns(), error.message)

    def _on_ended(self, ended: SourceEnded) -> None:
        self.count()
        self._drop_sources()
        self._lost = True
        self._tries.went(self._loop.clock.now_ns())
        message = f"display {self._display}: {ended.message}"
        self._error, self._reason = DeviceMissing(message, "start it again"), ended.reason
        self._tell_away(ended.at_ns, message)

    def _tell_away(self, since_ns: int, message: str) -> None:
        """The sources are not there since then; they are tried again later."""
        place = self._place
        at_ns = None if place is None else place.axis(max(place.base_ns, since_ns))
        if self._shown:
            report = self._health.tracks[_TRACK]
            report.tries = self._tries.count
            self._health.set(_TRACK, self._away, at_ns, message)
            if at_ns is not None:
                self._health.open_gap(_TRACK, self._reason, at_ns, message)
        self._due_ns = self._loop.clock.now_ns() + self._tries.wait_ns
        self._wait()

    def _wait(self) -> None:
        """Wait for the next try; a display that is gone is looked for meanwhile, as `feeds` does."""
        until_ns = self._due_ns
        if display_gone(self._display or ""):
            until_ns = min(until_ns, self._loop.clock.now_ns() + limits.DISPLAY_GONE_LOOK_NS)
        self._loop.set_timer(_TRACK, until_ns, self._on_due)

    def _on_due(self) -> None:
        if self._loop.clock.now_ns() < self._due_ns and display_gone(self._display or ""):
            self._wait()
        else:
            self._tries.tried()
            self.reopen()
