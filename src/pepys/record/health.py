"""The health of every track, and the gaps that are open: told first to the journal, then to whoever listens.

Invariants: every change is journalled once and pushed only when it is durable; a gap that was opened is closed with the
same start, so that a reader sees one gap. Deciding what is healthy is left to those who capture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pepys import limits
from pepys.errors import PepysError
from pepys.model import events as ev
from pepys.record.wire import Message

Then = Callable[[PepysError | None], None]


@dataclass(slots=True)
class TrackReport:
    """What is known of a track; the clocks are of the last try, capture and durable write."""

    track: str
    source: str
    state: str = "starting"
    detail: str = ""
    attempt_ns: int = 0
    capture_ns: int = 0
    captured: int = 0
    encoded: int = 0
    dropped: int = 0
    before: tuple[int, int, int] = (0, 0, 0)
    """What was counted by an earlier recorder of the session, or before the source was opened again."""
    level: dict[str, float | bool] | None = None
    """How loud a sound track is now."""
    journalled: tuple[str, str] | None = None
    """The state and detail that the journal was told last."""

    @property
    def totals(self) -> tuple[int, int, int]:
        """Captured, encoded and dropped since the session began."""
        captured, encoded, dropped = self.before
        return captured + self.captured, encoded + self.encoded, dropped + self.dropped

    def to_json(self, now_ns: int, write_ns: int) -> dict[str, Any]:
        """The track's part of a status."""

        def ago(then_ns: int) -> int | None:
            return (now_ns - then_ns) // limits.NS_PER_MS if then_ns else None

        captured, encoded, dropped = self.totals
        return {
            "track": self.track,
            "source": self.source,
            "state": self.state,
            "detail": self.detail,
            "attempt_ms_ago": ago(self.attempt_ns),
            "capture_ms_ago": ago(self.capture_ns),
            "write_ms_ago": ago(write_ns),
            "captured": captured,
            "encoded": encoded,
            "dropped": dropped,
            "level": self.level,
        }


class Health:
    """Keeps reports and gaps; `journal` writes events and calls back when they are durable."""

    def __init__(
        self, journal: Callable[[tuple[ev.Event, ...], Then | None], object], push: Callable[[Message], None]
    ) -> None:
        self.tracks: dict[str, TrackReport] = {}
        self._journal, self._push = journal, push
        self._gaps: dict[tuple[str | None, str], ev.GapNoted] = {}

    @property
    def open_gaps(self) -> list[ev.GapNoted]:
        """Gaps that still last."""
        return list(self._gaps.values())

    def add(self, track: str, source: str, state: str = "starting", detail: str = "") -> TrackReport:
        """A track that is recorded, or would have been; one that is there already begins anew and counts on."""
        before = self.tracks[track].totals if track in self.tracks else (0, 0, 0)
        report = TrackReport(track, source, state, detail, before=before)
        self.tracks[track] = report
        return report

    def events(self, at_ns: int) -> tuple[ev.Event, ...]:
        """The state of tracks that are left out, for the start of a session."""
        left_out = [r for r in self.tracks.values() if r.state == "off"]
        for report in left_out:
            report.journalled = (report.state, report.detail)
        return tuple(ev.TrackHealth(r.track, r.state, at_ns, r.detail) for r in left_out)

    def set(self, track: str, state: str, at_ns: int | None, detail: str = "") -> None:
        """A track has another state; `at_ns` is None before the session has begun, when nothing is journalled."""
        report, now = self.tracks[track], (state, detail)
        known = (report.state, report.detail) == now
        report.state, report.detail = now
        message = {"push": "track", "track": track, "state": state, "detail": detail}
        if at_ns is None:
            if not known:
                self._push(message)
        elif report.journalled != now:
            report.journalled = now
            self._journal((ev.TrackHealth(track, state, at_ns, detail),), lambda _error: self._push(message))

    def open_gap(self, track: str | None, reason: str, start_ns: int, detail: str = "") -> None:
        """Nothing is recorded, of the session or of one track, from `start_ns` on."""
        if (track, reason) not in self._gaps:
            gap = ev.GapNoted(start_ns, None, reason, track, detail)
            self._gaps[track, reason] = gap
            self._tell(gap)

    def rename_gap(self, track: str | None, reason: str, detail: str) -> None:
        """More is known of why a gap that is open came about; a gap that is not open is passed over."""
        gap = self._gaps.get((track, reason))
        if gap is not None:
            self._gaps[track, reason] = replace(gap, detail=detail)

    def close_gap(self, track: str | None, reason: str, end_ns: int) -> None:
        """It is recorded again; a gap that is not open is passed over."""
        gap = self._gaps.pop((track, reason), None)
        if gap is not None:
            self._tell(ev.GapNoted(gap.start_ns, max(end_ns, gap.start_ns), reason, track, gap.detail))

    def close_gaps_of(self, track: str, end_ns: int) -> None:
        """A track is recorded again, whatever it was that stopped it."""
        for key in [key for key in self._gaps if key[0] == track]:
            self.close_gap(*key, end_ns)

    def close_track_gaps(self, end_ns: int) -> None:
        """A span ends: what lasts longer is the session's gap, not a track's."""
        for track, reason in [key for key in self._gaps if key[0] is not None]:
            self.close_gap(track, reason, end_ns)

    def note(self, *events: ev.Event) -> None:
        """Journal events that tell of no health."""
        if events:
            self._journal(events, None)

    def tell(self, message: Message) -> None:
        """Tell whoever listens of what stands in no journal, at once."""
        self._push(message)

    def _tell(self, gap: ev.GapNoted) -> None:
        message = {
            "push": "gap",
            "reason": gap.reason,
            "track": gap.track,
            "start_ms": gap.start_ns // limits.NS_PER_MS,
            "end_ms": None if gap.end_ns is None else gap.end_ns // limits.NS_PER_MS,
            "detail": gap.detail,
        }
        self._journal((gap,), lambda _error: self._push(message))
