"""Who looks whether the tracks' clocks go, tells of one that stands still, and starts again what belongs to it.

Owns when it is looked, since when something has been due, and the tries of those that stand still though they are
there: told after 2 s (what waits to be written, after 1.1 s), started again after 5 s and then after 1, 2, 4, 8, 16 s,
called failed after five tries in vain and tried every 30 s from then on. Invariants: outside a span nothing is looked
at; a moment in which this process did not run is nobody else's standing still; no state is wrong for what has nothing
to do (a still screen, a silent device, a window that is closed). What is due, how to start again, and trying what is
known to be away are left to whoever is watched; the words to `health`, the judgement to `standing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from pepys import limits
from pepys.record.health import Health, TrackReport
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.standing import Clocks, Standing, Tries, standing, stands_next_ns

_TIMER: Final = "coordinator"
_PICTURES: Final = "video"
_SOUND: Final = "audio."
"""Of these, and of tracks that begin so, each grid point writes something, whatever is captured."""
_NO_CLOCKS: Final = Clocks(0, 0)


class Watched(Protocol):
    """A track, or tracks that share a source."""

    @property
    def tracks(self) -> Sequence[str]:
        """The tracks, as `health` names them."""
        ...

    def due(self, now_ns: int) -> bool:
        """Whether their clocks of attempt and capture must go now. Bring the reports up to date before answering.

        False for what is known to be away (closed, unplugged, being opened), held, over, or has nothing to do yet:
        then its owner tells how it is, opens the gap, and tries it again by itself.
        """
        ...

    def restart(self) -> None:
        """Close it and open it again, without waiting; called again when that was in vain.

        The owner adds one to its reports' `restarts` whenever it was started again, and sets their `tries` while it
        is away.
        """
        ...


@dataclass(slots=True)
class _Known:
    """What is remembered of one that is watched."""

    watched: Watched
    tries: Tries = field(default_factory=Tries)
    due_ns: int | None = None
    """Since when something has been due without a break."""
    next_ns: int = 0
    """Before then it is not started again."""
    well_ns: int | None = None
    """Since when nothing has stood still while something was due."""


class Coordinator:
    """Looks while a span is open; everything in the thread of `loop`."""

    def __init__(
        self,
        loop: Loop,
        health: Health,
        waits_ns: Callable[[], int],
        written: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """Take whom to ask and to tell.

        Args:
            loop: where the next look is waited for.
            health: of the tracks; it is told which clock stands.
            waits_ns: for how long the oldest thing that the writer was given has not been durable; 0 for none.
            written: when something of a track was durable last, by track.
        """
        self._loop, self._clock, self._health = loop, loop.clock, health
        self._waits_ns, self._written = waits_ns, written
        self._known: dict[str, _Known] = {}
        self._place: SpanPlace | None = None
        self._expected_ns = self._awake_ns = 0

    def watch(self, name: str, watched: Watched) -> None:
        """Look after this one too; another of the same name is forgotten."""
        known = self._known.get(name)
        if known is None or known.watched is not watched:
            self._known[name] = _Known(watched)

    def unwatch(self, name: str) -> None:
        """Look after it no more; an unknown one is passed over."""
        self._known.pop(name, None)

    def begin(self, place: SpanPlace, watched: Mapping[str, Watched] | None = None) -> None:
        """A span is open and its sources were begun; with `watched`, these are looked after and no others."""
        if watched is not None:
            for name in self._known.keys() - watched.keys():
                self.unwatch(name)
            for name, each in watched.items():
                self.watch(name, each)
        self._place = place
        self._wake_up(self._clock.now_ns())
        self.look()

    def end(self) -> None:
        """The span is about to end: nothing is due any more."""
        self._place = None
        self._loop.clear_timer(_TIMER)
        self._health.forget_standing()
        self._health.disk_stands(False)

    def look(self) -> None:
        """Judge all clocks now, and wait for the next moment at which one may stand.

        Called at each grid point too: there something is given to the writer, and nobody need be woken to look.
        """
        place, now_ns = self._place, self._clock.now_ns()
        if place is None:
            return
        late_ns = now_ns - self._expected_ns
        if late_ns > limits.STAND_NS // 2:
            self._wake_up(now_ns)
        waits_ns = min(self._waits_ns(), now_ns - self._awake_ns)
        if late_ns > limits.LOOP_SLACK_NS:
            # The writer may not have run either: it has a moment before it is judged.
            waits_ns = min(waits_ns, limits.STAND_WRITE_NS - limits.STAND_LOOK_MIN_NS)
        self._health.disk_stands(waits_ns >= limits.STAND_WRITE_NS)
        nexts = [now_ns + limits.STAND_WRITE_NS - waits_ns] if waits_ns else []
        seen: set[str] = set()
        for known in list(self._known.values()):
            seen.update(known.watched.tracks)
            nexts += self._judge(known, place, now_ns, waits_ns)
        for track in self._health.tracks.keys() - seen:
            # Nobody says what is due of it; where the disk stands still, it does for all alike.
            self._health.stand(track, standing(_NO_CLOCKS, None, now_ns, waits_ns), place.axis(now_ns))
        soon_ns = min((at_ns for at_ns in nexts if at_ns > now_ns), default=now_ns + limits.STAND_LOOK_NS)
        if soon_ns < now_ns + limits.STAND_LOOK_NS:
            self._expect(max(soon_ns, now_ns + limits.STAND_LOOK_MIN_NS), 0)
        else:
            self._expect(now_ns + limits.STAND_LOOK_NS, limits.LOOP_SLACK_NS)

    # --- inside

    def _wake_up(self, now_ns: int) -> None:
        """A span begins, or we did not run: all have as long again as if something were due only from now on."""
        self._expected_ns = self._awake_ns = now_ns
        for known in self._known.values():
            known.due_ns = known.well_ns = None

    def _expect(self, at_ns: int, slack_ns: int) -> None:
        self._expected_ns = at_ns + slack_ns
        self._loop.set_timer(_TIMER, at_ns, self.look, slack_ns)

    def _judge(self, known: _Known, place: SpanPlace, now_ns: int, waits_ns: int) -> list[int]:
        """Judge one that is watched, start it again where that is due; when it is to be looked at next."""
        watched = known.watched
        if not watched.due(now_ns):
            known.due_ns = None
        elif known.due_ns is None:
            known.due_ns = now_ns
        reports = [self._health.tracks[track] for track in watched.tracks if track in self._health.tracks]
        clocks = [self._clocks(report) for report in reports]
        found = [standing(each, known.due_ns, now_ns, waits_ns) for each in clocks]
        stuck = [each for each in found if each is not None and each.clock != "write"]
        restarts = self._try_again(known, stuck, now_ns)
        for report, stands in zip(reports, found, strict=True):
            if stands is not None and stands.clock != "write":
                stands = replace(stands, tries=known.tries.count)
            if known.due_ns is not None:
                report.tries = stands.tries if stands is not None else 0
            self._health.stand(report.track, stands, place.axis(now_ns))
        if restarts:
            # Last: what its owner tells then is newer than what was told here.
            watched.restart()
        if stuck:
            return [known.next_ns, min(each.since_ns for each in stuck) + limits.STAND_RESTART_NS]
        return [at_ns for each in clocks if (at_ns := stands_next_ns(each, known.due_ns)) is not None]

    def _try_again(self, known: _Known, stuck: Sequence[Standing], now_ns: int) -> bool:
        """Count how often it was started again; whether it is to be now."""
        if not stuck:
            if known.due_ns is not None and known.well_ns is None:
                known.well_ns = now_ns
            elif known.well_ns is not None and now_ns - known.well_ns >= limits.STEADY_NS:
                known.tries.well()
            return False
        known.well_ns = None
        stands_ns = max(each.for_ns(now_ns) for each in stuck)
        if stands_ns < limits.STAND_RESTART_NS or now_ns < known.next_ns:
            return False
        known.next_ns = now_ns + known.tries.wait_ns
        known.tries.tried()
        return True

    def _clocks(self, report: TrackReport) -> Clocks:
        steady = report.track == _PICTURES or report.track.startswith(_SOUND)
        written = self._written() if steady else {}
        # What was never written has no clock of writing yet, unless the first of it is long due.
        return report.clocks(written.get(report.track, 0) if written else None)
