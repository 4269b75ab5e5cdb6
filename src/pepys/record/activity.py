"""The activity track: which window is in front, and its title.

Changes come as events; nothing is polled. Titles that change many times a second (a progress bar) are noted at most
once every `limits.FOCUS_MIN_NS`, the newest one. Whether a window is excluded is judged by the source, before its title
reaches anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pepys import limits
from pepys.model.events import FocusChanged
from pepys.record.loop import Loop
from pepys.record.ports import SourceEnded

EXCLUDED: Final = "excluded"
"""The application that is told of while an excluded window is in front."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The window in front; empty strings when there is none. Of an excluded one: `EXCLUDED`, and no title."""

    at_ns: int
    app: str
    title: str
    excluded: bool = False


class FocusSource(Protocol):
    """Tells which window is in front."""

    def fileno(self) -> int:
        """Readable when `poll` has news."""
        ...

    def poll(self) -> Sequence[Focus | SourceEnded]:
        """Changes since the last call, oldest first; never blocks for long, never raises for a source that died."""
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
    ) -> None:
        self.count = 0
        self.capture_ns = 0
        self._source, self._loop, self._note, self._on_ended = source, loop, note, on_ended
        self._now: Focus | None = None
        self._noted: tuple[str, str, bool] | None = None
        self._noted_ns = 0
        self._origin_ns: int | None = None
        self._base_ns = 0
        # Kept: a connection that is gone does not tell its descriptor any more.
        self._fd = source.fileno()
        loop.add_reader(self._fd, self.hear)

    def hear(self) -> None:
        """Take what the source tells."""
        for item in self._source.poll():
            if isinstance(item, SourceEnded):
                self.close()
                self._on_ended(item)
                return
            self._now = item
        self._consider()

    def begin(self, base_ns: int, at_ns: int) -> None:
        """A span is open; `base_ns` on the clock is `at_ns` on the axis. What is in front now is noted first."""
        self._base_ns, self._origin_ns, self._noted = base_ns, base_ns - at_ns, None
        self._noted_ns = 0
        self.hear()

    def end(self) -> None:
        """The span is over."""
        self._origin_ns = None
        self._loop.clear_timer("focus")

    def close(self) -> None:
        """Let go of the source."""
        self.end()
        self._loop.remove_reader(self._fd)
        self._source.close()

    def _consider(self) -> None:
        now = self._now
        if now is None or self._origin_ns is None:
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
        self.capture_ns = clock_ns
        # What came to the front before the span counts from the span's start.
        self._note(FocusChanged(max(now.at_ns, self._base_ns) - self._origin_ns, *told))
