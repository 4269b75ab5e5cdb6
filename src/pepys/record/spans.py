"""Where the spans of a session lie: on the clock, on its axis, and on the playback timeline.

Owns the span that runs and the count of those that were. Invariants: spans follow one another without overlap; nothing
of a span lies past its end, which is journalled after all that is in it. What makes them begin and end is the
recorder's.
"""

from __future__ import annotations

from collections.abc import Callable

from pepys.clock import Clock
from pepys.model import events as ev
from pepys.record.capture import Capture
from pepys.record.health import Health
from pepys.record.playback import SpanPlace
from pepys.record.session_start import Beginning
from pepys.record.writing import SealSegments, Writer


class Spans:
    """The spans of one session.

    Attributes:
        place: the one that runs; None between two.
        count: how many there have been, those of earlier recorders too.
        recorded_ns: how much was recorded in those that are over.
    """

    def __init__(self, clock: Clock, capture: Capture, health: Health, work: Callable[[], Writer]) -> None:
        self.place: SpanPlace | None = None
        self.count = 0
        self.recorded_ns = 0
        self._clock, self._capture, self._health, self._work = clock, capture, health, work
        self._origin_ns = 0
        self._ended_ns = 0

    def take_up(self, beginning: Beginning, base_ns: int) -> None:
        """The next span stands where the session's beginning says; `base_ns` is the clock's time of that."""
        self._origin_ns = base_ns - beginning.at_ns
        self.count, self.recorded_ns, self._ended_ns = beginning.span, beginning.media_ns, beginning.at_ns

    def axis(self, clock_ns: int) -> int:
        """The axis time of a moment on the clock."""
        return clock_ns - self._origin_ns

    def now(self) -> int:
        """The axis time of now, never before the last span's end: that may lie some milliseconds ahead."""
        return max(self.axis(self._clock.now_ns()), self._ended_ns)

    def clock(self, at_ns: int) -> int:
        """The moment on the clock of an axis time."""
        return at_ns + self._origin_ns

    def recorded_by(self, now_ns: int) -> int:
        """How much is recorded by now."""
        return self.recorded_ns if self.place is None else self.place.media(now_ns)

    def begin(self, base_ns: int) -> None:
        """A span begins at `base_ns` on the clock; what it needs is prepared."""
        place = SpanPlace(self.count, base_ns, self.axis(base_ns), self.recorded_ns)
        self.place = place
        self.count += 1
        started = ev.SpanStarted(
            place.span, place.at_ns, place.media_ns, self._clock.boot_id(), base_ns, self._clock.wall_ns()
        )
        self._work().events(started, *self._capture.tracks())
        self._capture.begin(place)

    def end(self, *, rests: bool = False) -> int:
        """Close everything exactly now; the axis time of the end. Unless it `rests`, a span begins there.

        Where the disk has refused something, the span ends with what was written.
        """
        place = self.place
        assert place is not None
        until_ns = self._capture.finish(rests=rests)
        at_ns = self._kept(place, self.axis(until_ns))
        self.recorded_ns = place.media(self.clock(at_ns))
        self._health.close_track_gaps(at_ns)
        self._work().give(SealSegments())
        self._work().events(ev.SpanEnded(place.span, at_ns, self.recorded_ns))
        self.place, self._ended_ns = None, at_ns
        return at_ns

    def _kept(self, place: SpanPlace, at_ns: int) -> int:
        """Where a span ends of which the disk may have refused the last part; a track that ends sooner has a gap."""
        writer = self._work()
        if writer.failure is None:
            return at_ns
        # As recovery judges: media and shots, or where there are none, whatever else was written.
        ends = dict(writer.reached_ns)
        reached = [end_ns for end_ns in ends.values() if end_ns > place.at_ns]
        end_ns = min(at_ns, max(reached or [writer.told_ns, place.at_ns]))
        told = {gap.track: gap.start_ns for gap in self._health.open_gaps}
        for track, span in writer.headed.items():
            since = max(place.at_ns, ends.get(track, 0))
            if span == place.span and since < min(end_ns, told.get(track, end_ns)):
                self._health.note(ev.GapNoted(since, end_ns, "disk_full", track))
        return end_ns
