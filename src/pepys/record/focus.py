"""Whose focus is noted in a session: opened beside everything else, and again when it was lost.

Owns the life of the activity track's source, and the health and gaps of that track. Invariants: nobody waits for a
server that hangs, and nothing is opened beside an opening that hangs; a display that is not recorded any more is not
heard any more. What is noted, and how often, is left to `activity`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.activity import ActivityTrack, FocusSource
from pepys.record.adapters.opening import InThread
from pepys.record.exclusions import Exclusions
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SourceEnded

_TRACK = "activity"


class FocusOpening(Protocol):
    """A focus that is being opened; see `ports.Opening`."""

    @property
    def hangs(self) -> bool:
        """Whether a thread still tries."""
        ...

    def fileno(self) -> int:
        """Readable when `poll` has news."""
        ...

    def poll(self) -> FocusSource | None:
        """The source, once; raises a `PepysError` when there is none."""
        ...

    def cancel(self) -> None:
        """Give up."""
        ...


Opener = Callable[[str, Exclusions, Clock], FocusOpening]


def open_focus(display: str, exclusions: Exclusions, clock: Clock) -> FocusOpening:
    """Begin to open the focus of a display."""

    def opener() -> FocusSource:
        if sys.platform != "linux":
            raise DeviceMissing("which window is in front is noted on Linux only", "record without activity")
        from pepys.record.adapters.ewmh import EwmhFocus

        return EwmhFocus(display, clock, exclusions)

    return InThread(f"focus of {display}", opener)


class FocusWatch:
    """The activity track of one session, on whichever display is shown."""

    def __init__(self, loop: Loop, health: Health, exclusions: Exclusions, opener: Opener = open_focus) -> None:
        """Take what to tell; nothing is opened yet.

        Args:
            loop: where the source is waited for.
            health: told of the track, and what is noted.
            exclusions: windows that must not be told of.
            opener: opens the focus of a display.
        """
        self._loop, self._health, self._exclusions, self._opener = loop, health, exclusions, opener
        self._display: str | None = None
        self._shown = False
        self._error: PepysError | None = None
        self._opening: FocusOpening | None = None
        self._given_up: FocusOpening | None = None
        self._track: ActivityTrack | None = None
        self._place: SpanPlace | None = None

    @property
    def waits(self) -> bool:
        """Whether it is being opened right now."""
        return self._opening is not None

    def open(self, display: str | None) -> None:
        """Begin to open the focus of this display, and of no other; None for none at all."""
        if display != self._display:
            self.close()
            self._display, self._error = display, None
        self.reopen()

    def show(self, display: str | None, at_ns: int | None = None) -> None:
        """This display's focus is part of the session from `at_ns` on; None there before it has begun."""
        if display is None and self._shown:
            self._health.set(_TRACK, "off", at_ns, "no screen is shown any more")
        elif display is not None and not (self._shown and display == self._display):
            self._health.add(_TRACK, display)
        self.open(display)
        self._shown = display is not None
        if self._shown and self._error is not None:
            self._health.set(_TRACK, "failed", at_ns, self._error.message)

    def reopen(self) -> None:
        """Try at once, unless it is there or under way."""
        if self._display is None or self._track is not None or self._opening is not None:
            return
        self._loop.clear_timer(_TRACK)
        if self._given_up is not None and self._given_up.hangs:
            self._retry(limits.REOPEN_MAX_NS)
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
        at_ns = self._at_ns()
        if self._track is not None and at_ns is not None:
            self._track.begin(place.base_ns, place.at_ns)
            self._health.set(_TRACK, "healthy", at_ns)
            self._health.close_gaps_of(_TRACK, at_ns)

    def end(self) -> None:
        """The span is over."""
        self._place = None
        if self._track is not None:
            self._track.end()

    def count(self) -> None:
        """Bring the track's counters up to date."""
        if self._track is not None and self._shown:
            report = self._health.tracks[_TRACK]
            report.captured = report.encoded = self._track.count
            report.capture_ns = self._track.capture_ns

    def close(self) -> None:
        """Let go of everything."""
        self._loop.clear_timer(_TRACK)
        self._drop_opening()
        if self._track is not None:
            self._track.close()
            self._track = None
        self._display = None

    def _on_opening(self) -> None:
        opening = self._opening
        if opening is None:
            return
        try:
            source = opening.poll()
        except PepysError as error:
            self._drop_opening()
            self._fail(error)
            return
        if source is None:
            return
        self._drop_opening()
        self._error = None
        self._track = ActivityTrack(source, self._loop, self._health.note, self._on_ended)
        if self._place is not None:
            self.begin(self._place)

    def _drop_opening(self) -> None:
        if self._opening is not None:
            self._loop.remove_reader(self._opening.fileno())
            self._opening.cancel()
            self._given_up, self._opening = self._opening, None

    def _fail(self, error: PepysError) -> None:
        self._error = error
        at_ns = self._at_ns()
        if self._shown:
            self._health.set(_TRACK, "failed", at_ns, error.message)
            if at_ns is not None:
                self._health.open_gap(_TRACK, "source_closed", at_ns, error.message)
        self._retry(limits.REOPEN_MAX_NS)

    def _on_ended(self, ended: SourceEnded) -> None:
        self._track = None
        place = self._place
        at_ns = None if place is None else max(place.at_ns, ended.at_ns - place.base_ns + place.at_ns)
        self._health.set(_TRACK, "failed", at_ns, ended.message)
        if at_ns is not None:
            self._health.open_gap(_TRACK, ended.reason, at_ns, ended.message)
        self._retry(limits.REOPEN_MIN_NS)

    def _retry(self, wait_ns: int) -> None:
        self._loop.set_timer(_TRACK, self._loop.clock.now_ns() + wait_ns, self.reopen)

    def _at_ns(self) -> int | None:
        place = self._place
        return None if place is None else place.at_ns + self._loop.clock.now_ns() - place.base_ns
