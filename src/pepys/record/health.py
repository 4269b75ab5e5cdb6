"""The health of every track, and the gaps that are open: told first to the journal, then to whoever listens.

Invariants: every change is journalled once and pushed when it is durable, or at once while the disk stands still; what
is journalled follows `model.health`, step by step; a gap that was opened is closed with the same start, so that a
reader sees one gap. Deciding what is healthy is left to those who capture, and to `coordinator` where a clock stands
still: its word lies over theirs for as long as it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pepys import limits
from pepys.errors import PepysError
from pepys.model import events as ev
from pepys.model.health import HEALTH, way
from pepys.model.session import Session
from pepys.record.standing import Clocks, Standing
from pepys.record.wire import Message

Then = Callable[[PepysError | None], None]

_LIVES: Final = frozenset({"starting", "healthy", "degraded"})
"""States in which a clock that stands still is news: in the others it is known that nothing comes."""


@dataclass(slots=True)
class TrackReport:
    """What is known of a track; the clocks are of the last try and capture, that of writing is the writer's.

    `state` and `detail` are what its owner says, `told` is what everybody is told.
    """

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
    tries: int = 0
    """How often it was tried again since it was well."""
    restarts: int = 0
    """How often it was started again in the session."""
    standing: Standing | None = None
    """Which of its clocks stands still."""
    level: dict[str, float | bool] | None = None
    """How loud a sound track is now."""
    journalled: tuple[str, str] | None = None
    """The state and detail that the journal was told last."""
    earlier: str = "starting"
    """The state in which an earlier recorder of the session left it."""
    lost_by: str = "source_closed"
    """The reason of the gap that was opened for it last."""

    @property
    def told(self) -> tuple[str, str]:
        """State and detail: what the owner says, unless a clock stands still that should go."""
        if self.standing is None or self.state not in _LIVES:
            return self.state, self.detail
        words = (self.standing.words, self.detail if self.state == "degraded" else "")
        return self.standing.state, "; ".join(filter(None, words))

    def clocks(self, written_ns: int | None = None) -> Clocks:
        """The clocks as they are; `written_ns` where steady writing is expected."""
        return Clocks(self.attempt_ns, self.capture_ns, written_ns)

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
        (state, detail), stands, stands_ns = self.told, "", 0
        if self.standing is not None and self.state in _LIVES:
            stands, stands_ns = self.standing.clock, self.standing.for_ns(now_ns)
            words = self.standing.words
            detail = detail.replace(words, f"{words} for {stands_ns // limits.NS_PER_S} s", 1)
        return {
            "track": self.track,
            "source": self.source,
            "state": state,
            "detail": detail,
            "attempt_ms_ago": ago(self.attempt_ns),
            "capture_ms_ago": ago(self.capture_ns),
            "write_ms_ago": ago(write_ns),
            "stands": stands,
            "stands_ms": stands_ns // limits.NS_PER_MS,
            "tries": self.tries,
            "restarts": self.restarts,
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
        self._untold: dict[int, Message] = {}
        """What is told once it is durable, by its number."""
        self._numbers = 0
        self._disk_stands = False

    @property
    def open_gaps(self) -> list[ev.GapNoted]:
        """Gaps that still last."""
        return list(self._gaps.values())

    def add(
        self, track: str, source: str, state: str = "starting", detail: str = "", *, same: bool = False
    ) -> TrackReport:
        """A track that is recorded, or would have been; one that is there already begins anew and counts on.

        Whoever counts begins at 0 again, unless it is the `same` as before.
        """
        report = TrackReport(track, source, state, detail)
        known = self.tracks.get(track)
        if known is not None:
            report.before, report.restarts = known.totals, known.restarts
            if same:
                report.before = known.before
                report.captured, report.encoded, report.dropped = known.captured, known.encoded, known.dropped
            report.journalled, report.earlier = known.journalled, known.earlier
        self.tracks[track] = report
        return report

    def go_on(self, counters: Mapping[str, tuple[int, int, int]], view: Session | None) -> None:
        """A session begins, or (with a view) goes on after an earlier recorder of it, with what that had counted."""
        states = {track.track: track.state for track in view.tracks} if view is not None else {}
        for report in self.tracks.values():
            report.before = counters.get(report.track, (0, 0, 0))
            state = states.get(report.track)
            report.earlier = state if state in HEALTH else report.earlier

    def events(self, at_ns: int) -> tuple[ev.Event, ...]:
        """The state of tracks that are left out, for the start of a session."""
        left_out = [r for r in self.tracks.values() if r.state == "off"]
        for report in left_out:
            report.journalled = report.told
        return tuple(ev.TrackHealth(r.track, r.state, at_ns, r.detail) for r in left_out)

    def set(self, track: str, state: str, at_ns: int | None, detail: str = "") -> None:
        """A track has another state; `at_ns` is None before the session has begun, when nothing is journalled."""
        report = self.tracks[track]
        before = report.told
        report.state, report.detail = state, detail
        self._tell_state(report, before, at_ns)

    def stand(self, track: str, standing: Standing | None, at_ns: int) -> None:
        """One of a track's clocks stands still, or (None) all go again, as of `at_ns` on the axis."""
        report = self.tracks[track]
        before = report.told
        report.standing = standing
        if report.told != before:
            self._tell_state(report, before, at_ns)

    def disk_stands(self, stands: bool) -> None:
        """Whether nothing becomes durable for now: then whoever listens is told at once, of what waits too."""
        self._disk_stands = stands
        while stands and self._untold:
            self._push(self._untold.pop(next(iter(self._untold))))

    def forget_standing(self) -> None:
        """Nothing is due any more: what stood still then is neither told nor journalled."""
        for report in self.tracks.values():
            report.standing = None

    def _tell_state(self, report: TrackReport, before: tuple[str, str], at_ns: int | None) -> None:
        now = report.told
        message = {"push": "track", "track": report.track, "state": now[0], "detail": now[1]}
        if at_ns is None:
            if before != now:
                self._push(message)
        elif report.journalled != now:
            last = report.journalled[0] if report.journalled is not None else report.earlier
            # Readers find no step that a track cannot take, so those in between are steps of their own.
            between = tuple(ev.TrackHealth(report.track, state, at_ns) for state in way(last, now[0])[:-1])
            if self._tell_durably((*between, ev.TrackHealth(report.track, now[0], at_ns, now[1])), message):
                report.journalled = now

    def open_gap(self, track: str | None, reason: str, start_ns: int, detail: str = "") -> None:
        """Nothing is recorded, of the session or of one track, from `start_ns` on."""
        if (track, reason) not in self._gaps:
            gap = ev.GapNoted(start_ns, None, reason, track, detail)
            self._gaps[track, reason] = gap
            if track in self.tracks:
                self.tracks[track].lost_by = reason
            self._tell(gap)

    def lacks(self, track: str) -> bool:
        """Whether a gap of the track is open, for any reason."""
        return any(of == track for of, _reason in self._gaps)

    def disk_takes(self, track: str, at_ns: int, taken: bool) -> None:
        """From `at_ns` on the disk does not keep up with a track's media, or (taken) does so again."""
        if taken:
            self.close_gap(track, "disk_full", at_ns)
        else:
            self.open_gap(track, "disk_full", at_ns, "the disk did not keep up")

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

    def when_durable(self, then: Then) -> None:
        """Call `then` once everything that was given to the writer so far is durable, or with why it is not."""
        self._journal((), then)

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
        self._tell_durably((gap,), message)

    def _tell_durably(self, events: tuple[ev.Event, ...], message: Message) -> bool:
        """Journal events, and push a message when they are durable; at once while nothing becomes so.

        Whether the journal takes them: a disk that does not keep up may have filled the writer's queue.
        """
        number = self._numbers = self._numbers + 1
        self._untold[number] = message

        def told(_error: PepysError | None) -> None:
            if number in self._untold:
                self._push(self._untold.pop(number))

        taken = self._journal(events, told) is not False
        if self._disk_stands or not taken:
            told(None)
        return taken
