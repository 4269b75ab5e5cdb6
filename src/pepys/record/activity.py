"""The activity track: which window is in front, and its title.

Changes come as events; nothing is polled. Titles that change many times a second (a progress bar) are noted at most
once every `limits.FOCUS_MIN_NS`, the newest one; whoever must act on a change hears of each at once. Whether a window
is excluded is judged by the source, before its title reaches anybody. Windows and inputs are `desk`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from pepys import limits
from pepys.model.events import FocusChanged
from pepys.record.inputs import Input
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import SourceEnded

EXCLUDED: Final = "excluded"
"""The application that is told of while an excluded window is in front."""

WindowShown = tuple[str, str, int, int, int, int]
"""Application, title and rectangle of a window, as `events.WindowsNoted` has it."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The window in front; empty strings when there is none. Of an excluded one: `EXCLUDED`, and no title.

    `window` tells windows of one application apart.
    """

    at_ns: int
    app: str
    title: str
    excluded: bool = False
    window: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class WindowsShown:
    """The windows of which something can be seen from `at_ns` on, topmost first."""

    at_ns: int
    windows: tuple[WindowShown, ...]


class FocusSource(Protocol):
    """Tells which window is in front."""

    @property
    def heard_ns(self) -> int:
        """When the server told something last, or answered."""
        ...

    def fileno(self) -> int:
        """Readable when `poll` has news."""
        ...

    def poll(self) -> Sequence[Focus | SourceEnded]:
        """Changes since the last call, oldest first; never blocks for long, never raises for a source that died."""
        ...

    def ping(self) -> None:
        """Ask the server for a sign of life, without waiting: `poll` finds it."""
        ...

    def now(self) -> Focus | None:
        """What is in front at this moment; None when the server does not tell within `limits.FOCUS_NOW_NS`.

        What it finds to have changed is told by `poll` too.
        """
        ...

    def close(self) -> None:
        """Let go; safe to call twice."""
        ...


class DeskSource(Protocol):
    """Tells which windows can be seen, and what the user does; what waits may wait for long."""

    @property
    def counts(self) -> bool:
        """Whether it tells of inputs at all."""
        ...

    @property
    def behind(self) -> bool:
        """Whether the last `poll` left something."""
        ...

    def fileno(self) -> int:
        """Readable when `poll` has news, unless `behind`."""
        ...

    def poll(self) -> Sequence[Input | WindowsShown | SourceEnded]:
        """What happened since the last call: inputs oldest first, of windows what is now if that is another.

        Never blocks for long, never raises for a source that died.
        """
        ...

    def listen(self, *, inputs: bool) -> None:
        """Tell of inputs from now on, or no more; before the first call of none."""
        ...

    def close(self) -> None:
        """Let go; safe to call twice."""
        ...


class ActivityTrack:
    """Notes focus while a span is open; between spans it hears and notes nothing."""

    def __init__(
        self,
        source: FocusSource,
        loop: Loop,
        note: Callable[[FocusChanged], None],
        on_ended: Callable[[SourceEnded], None],
        on_focus: Callable[[str], None],
    ) -> None:
        """Take a source, and listen to it.

        Args:
            source: tells of the focus.
            loop: where it is waited for.
            note: takes what is to be noted.
            on_ended: told that the source is over; it is closed then.
            on_focus: told at once, in a span, of another window in front (`focus`) or another title of it (`title`).
        """
        self.count = 0
        self.source = source
        self._loop, self._note, self._on_ended, self._on_focus = loop, note, on_ended, on_focus
        self._now: Focus | None = None
        self._past: deque[Focus] = deque(maxlen=limits.FOCUS_KEPT)
        self._noted: tuple[str, str, bool] | None = None
        self._noted_ns = 0
        self._place: SpanPlace | None = None
        # Kept: a connection that is gone does not tell its descriptor any more.
        self._fd = source.fileno()
        loop.add_reader(self._fd, self.hear)

    def hear(self) -> None:
        """Take what the source tells."""
        for item in self.source.poll():
            if isinstance(item, SourceEnded):
                self.close()
                self._on_ended(item)
                return
            before, self._now = self._now, item
            if self._place is not None:
                other = before is None or (before.window, before.app) != (item.window, item.app)
                if other:
                    self._past.append(item)
                self._on_focus("focus" if other else "title")
        self._consider()

    def now(self) -> Focus | None:
        """What is in front at this moment, within `limits.FOCUS_NOW_NS`; None when that is not known."""
        found = self.source.now()
        # What it brought along is heard from the loop: whoever asks is in the middle of something.
        self._loop.set_timer("focus heard", self._loop.clock.now_ns(), self.hear)
        return found

    def changes(self, since_ns: int) -> tuple[int, int]:
        """How often another application, and how often another window came to the front since then."""
        past = [item for item in self._past if item.at_ns >= since_ns]
        before = [item.app for item in self._past if item.at_ns < since_ns][-1:]
        apps = [*before, *(item.app for item in past)]
        return sum(one != other for one, other in pairwise(apps)), len(past)

    def begin(self, place: SpanPlace) -> None:
        """A span is open: what is in front now is noted first."""
        self._place, self._noted, self._noted_ns = None, None, 0
        self.hear()  # what came to the front before it is no change in it
        self._place = place
        self._consider()

    def end(self) -> None:
        """The span is over."""
        self._place = None
        self._past.clear()
        self._loop.clear_timer("focus")

    def close(self) -> None:
        """Let go of the source."""
        self.end()
        self._loop.clear_timer("focus heard")
        self._loop.remove_reader(self._fd)
        self.source.close()

    def _consider(self) -> None:
        now, place = self._now, self._place
        if now is None or place is None:
            return
        told = now.app, now.title, now.excluded
        if told == self._noted:
            return
        clock_ns = self._loop.clock.now_ns()
        free_ns = self._noted_ns + limits.FOCUS_MIN_NS
        if clock_ns < free_ns:
            self._loop.set_timer("focus", free_ns, self._consider)
            return
        self._noted, self._noted_ns = told, clock_ns
        self.count += 1
        # What came to the front before the span counts from the span's start.
        self._note(FocusChanged(place.axis(max(now.at_ns, place.base_ns)), *told))
