"""The recorder of one session: its states, and what happens between them.

Owns the order of things at the start, at a pause, at a resume and at the end. Invariants: nothing of a session exists
before its sources are open; `paused` is told only when nothing can be captured any more and all is durable; whatever
fails, what was recorded is closed in order. Commands arrive through `commands`; capture is in `capture`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pepys import limits
from pepys.errors import Busy, DeviceMissing, Interrupted, PepysError, StorageProblem
from pepys.model import events as ev
from pepys.record.capture import Capture
from pepys.record.health import Health, Then
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.runfile import write_run_file
from pepys.record.session_start import Beginning, begin_new, go_on
from pepys.record.spec import RecordSpec
from pepys.record.status import Disk, ready
from pepys.record.wire import Message
from pepys.record.writing import End, Events, Fragment, InitHeader, Picture, SealSegments, Writer
from pepys.store.store import Store

Done = Callable[[PepysError | None], None]


class Recorder:
    """Records one session from start to end; all but the writer and the shots happens in the thread of `loop`."""

    def __init__(
        self,
        spec: RecordSpec,
        store: Store,
        loop: Loop,
        push: Callable[[Message], None],
        report: Callable[[Message], None],
    ) -> None:
        """Take the order.

        Args:
            spec: what to record.
            store: where to.
            loop: the loop that is about to run.
            push: tells all subscribers.
            report: tells the starter, once, that it records or why not.
        """
        self.spec, self.state, self.exit_code = spec, "starting", 0
        self.started_wall_ns = 0
        self.spans = 0
        self.recorded_ns = 0
        self.place: SpanPlace | None = None
        self.writer: Writer | None = None
        self.disk = Disk(Path(spec.home), spec.disk_reserve_bytes)
        self.health = Health(self._journal, push)
        self.capture = Capture(spec, loop, self.health, self._give, self._on_source)
        self._store, self._loop, self._clock = store, loop, loop.clock
        self._push, self._report = push, report
        self._origin_ns = 0
        self._media_ns = 0
        self._beats = 0
        self._after: list[Callable[[], None]] = []
        self._ended: list[Done] = []
        self._lived_ns = 0

    # --- the start

    def start(self) -> None:
        """Open the sources; the session begins once they deliver.

        Raises:
            PepysError: something that is required is missing; nothing of the session is left.
        """
        self.disk.look(self._clock.now_ns(), 0)
        self.capture.open()
        self.capture.await_sources(self._begin_session)

    def _begin_session(self) -> None:
        try:
            self.capture.require()
            self.capture.prepare()
            base_ns = self._clock.now_ns()
            begin = go_on if self.spec.resume else begin_new
            self._take_up(begin(self.spec, self._store, base_ns), base_ns)
        except PepysError as error:
            self.fail_start(error)

    def _take_up(self, beginning: Beginning, base_ns: int) -> None:
        self.started_wall_ns = beginning.started_wall_ns
        self._origin_ns = base_ns - beginning.at_ns
        self._media_ns, self.spans, self.recorded_ns = beginning.media_ns, beginning.span, beginning.media_ns
        for report in self.health.tracks.values():
            report.before = beginning.counters.get(report.track, (0, 0, 0))
        self.writer = Writer(beginning.writer, self._clock, self._loop.post, self._stop_full, beginning.view)
        self.capture.use_shots()
        sound = self.capture.sounds.desk.declared(beginning.at_ns)
        self.writer.events(*beginning.events, *sound, *self.health.events(beginning.at_ns))
        self._begin_span(base_ns)
        self._loop.set_timer("second", base_ns + limits.DISK_LOOK_NS, self._on_second)
        self._loop.set_timer("beat", base_ns + limits.BEAT_NS, self._on_beat)
        self.writer.events(then=self._on_begun)

    def _on_begun(self, error: PepysError | None) -> None:
        try:
            if error is not None:
                raise error
            told = write_run_file(Path(self.spec.run_file), self.spec.session, self.spec.socket, self._clock)
        except PepysError as problem:
            self._report({"error": problem.to_json()})
            self.state = "recording"
            self._stop_for(problem, "disk_full")
            return
        self._report({"ready": ready(told, self.started_wall_ns, self.health.tracks.values())})
        self._settle("recording", lambda _error: None, None)

    def fail_start(self, error: PepysError) -> None:
        """Nothing was begun: say why, and end."""
        self.exit_code = error.exit_code
        self._report({"error": error.to_json()})
        self._push({"push": "error", "error": error.to_json()})
        self.capture.close()
        self._loop.stop()

    # --- commands

    def pause(self, done: Done) -> None:
        """Stop all tracks at once; `done` when it is durable.

        Raises:
            Busy: it is starting or ending.
        """
        if self.state == "paused":
            done(None)
            return
        self._must_be("recording", "paused")
        self.state = "pausing"
        at_ns = self._end_span(rests=True)
        self.capture.let_go()
        self.health.open_gap(None, "pause", at_ns)
        self._work().events(then=lambda error: self._settle("paused", done, error))

    def resume(self, done: Done) -> None:
        """Begin a new span, once the sources deliver again; `done` when it is durable.

        Raises:
            Busy: it is starting or ending.
        """
        if self.state == "recording":
            done(None)
            return
        self._must_be("paused", "resumed")
        self.state = "resuming"
        self.capture.reopen()
        self.capture.await_sources(lambda: self._resume_span(done))

    def _resume_span(self, done: Done) -> None:
        try:
            self.capture.require_any()
            self.capture.prepare()
        except PepysError as error:
            self.capture.let_go()
            self._settle("paused", done, error)
            return
        base_ns = self._clock.now_ns()
        self.health.close_gap(None, "pause", self.axis(base_ns))
        self._begin_span(base_ns)
        self._work().events(then=lambda error: self._settle("recording", done, error))

    def compose(self, layout: str | None, sources: Sequence[str] | None, done: Done) -> None:
        """Show other sources, or the same in another layout, without loss of time; `done` when it is durable.

        Raises:
            Busy: it is starting or ending, or changes already.
            Usage: the composition makes no sense.
        """
        self._must_be("recording", "given other sources", "paused")
        self.capture.compose(layout, sources, lambda error: self._switch(error, done))

    def _switch(self, error: PepysError | None, done: Done) -> None:
        if error is None and self.state not in {"recording", "paused"}:
            self.capture.give_up_switch()
            error = Busy(f"the recording is {self.state}", "wait a moment and try again")
        if error is not None:
            done(error)
            return
        if self.state == "paused":
            self.capture.switch(self.axis(self._clock.now_ns()))
            self.capture.let_go()
        else:
            try:
                self.capture.prepare_switch()
            except PepysError as problem:
                self.capture.give_up_switch()
                done(problem)
                return
            at_ns = self._end_span()
            self.capture.switch(at_ns)
            if not self._prepare(pictures=False):
                done(Busy("the recording ends", "start another one"))
                return
            self._begin_span(at_ns + self._origin_ns)
        shown = ev.CompositionSet(self.axis(self._clock.now_ns()), tuple(self.capture.sources), self.capture.layout)
        self._work().events(shown, then=lambda error: self._settle(self.state, done, error))

    def stop(self, done: Done) -> None:
        """End the session in order; `done` when it is completed. While a change is under way it waits for that."""
        if self.state in {"starting", "pausing", "resuming"}:
            self._after.append(lambda: self.stop(done))
            return
        self._ended.append(done)
        if self.state == "ending":
            return
        was, self.state = self.state, "ending"
        self._push({"push": "state", "state": "ending"})
        self._loop.clear_timer("second")
        self._loop.clear_timer("beat")
        # A span that could not be begun is none to end.
        running = was == "recording" and self.place is not None
        at_ns = self._end_span(rests=True) if running else self.axis(self._clock.now_ns())
        self.capture.close()
        self.health.close_gap(None, "pause", at_ns)
        for gap in self.health.open_gaps:
            self.health.close_gap(gap.track, gap.reason, at_ns)
        self._note_beats(at_ns)
        self._work().give(End(at_ns), self._completed)

    def terminate(self) -> None:
        """A signal asks for the end."""
        if self.writer is None:
            self.fail_start(Interrupted("the recording was ended before it began", "start it again"))
        else:
            self.stop(lambda _error: None)

    def set_sound(self, mute: Sequence[str], unmute: Sequence[str], balance: int | None, done: Done) -> None:
        """Mute, unmute or balance the sound from now on; `done` when it is durable.

        Raises:
            Busy: it is starting or ending.
            Usage: there is no such sound.
            DeviceMissing: no sound is recorded.
        """
        self._must_be("recording", "changed", "paused")
        self.capture.sounds.set(mute, unmute, balance)
        noted = self.capture.sounds.desk.declared(self.axis(self._clock.now_ns()))
        self._work().events(*noted, then=lambda error: self._settle(self.state, done, error))

    def note(self, note: ev.NoteAdded, done: Then) -> bool:
        """Write a note; `done` when it is durable. False when the disk does not keep up."""
        return self._work().events(note, then=done)

    def axis(self, clock_ns: int) -> int:
        """The axis time of a moment on the clock."""
        return clock_ns - self._origin_ns

    # --- spans

    def _begin_span(self, base_ns: int) -> None:
        place = SpanPlace(self.spans, base_ns, self.axis(base_ns), self._media_ns)
        self.place = place
        self.spans += 1
        started = ev.SpanStarted(
            place.span, place.at_ns, place.media_ns, self._clock.boot_id(), base_ns, self._clock.wall_ns()
        )
        self._work().events(started, *self.capture.tracks())
        self.capture.begin(place)

    def _end_span(self, *, rests: bool = False) -> int:
        """Close everything exactly now; the axis time of the end. Unless it `rests`, a span begins there."""
        place = self.place
        assert place is not None
        until_ns = self.capture.finish(rests=rests)
        at_ns = self.axis(until_ns)
        self._media_ns = place.media(until_ns)
        self.recorded_ns = self._media_ns
        self.health.close_track_gaps(at_ns)
        self._work().give(SealSegments())
        self._work().events(ev.SpanEnded(place.span, at_ns, self._media_ns))
        self.place = None
        return at_ns

    def _prepare(self, *, pictures: bool = True) -> bool:
        """Prepare the next span; whether it can be begun. If not, what was recorded is closed in order."""
        try:
            self.capture.prepare(pictures=pictures)
        except PepysError as error:
            self._stop_for(error)
            return False
        return True

    def _on_source(self, what: str, detail: str) -> None:
        """The span cannot go on: the pictures need another, time stood still for long, or the last source is gone."""
        if self.state != "recording":
            return
        if what == "finished":
            self.stop(lambda _error: None)
            return
        if what == "gone":
            self._stop_for(DeviceMissing(detail, "start the display again, then pepys resume"))
            return
        at_ns = self._end_span()
        if what == "stalled":
            self.health.open_gap(None, "suspended", at_ns, detail)
            self.capture.start_anew()
        if not self._prepare():
            return
        # Other pictures lose no time; after a stall the span begins now.
        base_ns = self._clock.now_ns() if what == "stalled" else at_ns + self._origin_ns
        self.health.close_gap(None, "suspended", self.axis(base_ns))
        self._begin_span(base_ns)

    # --- by the clock

    def _on_second(self) -> None:
        now_ns = self._clock.now_ns()
        self._loop.set_timer("second", now_ns + limits.DISK_LOOK_NS, self._on_second, limits.LOOP_SLACK_NS)
        try:
            if (failure := self._work().failure) is not None:
                self._stop_full(failure)
            if self.state != "recording" or self.capture.lives():
                self._lived_ns = now_ns
            elif now_ns - self._lived_ns > limits.NOTHING_LEFT_NS:
                self._on_source("gone", "no source has delivered anything for a while")
            self.disk.look(now_ns, self._work().bytes)
        except StorageProblem as error:
            self._stop_for(error, "disk_full")

    def _on_beat(self) -> None:
        now_ns = self._clock.now_ns()
        self._loop.set_timer("beat", now_ns + limits.BEAT_NS, self._on_beat, limits.LOOP_SLACK_NS)
        if self.state != "recording":
            return
        self._note_beats(self.axis(now_ns))
        self._beats += 1
        if self._beats * limits.BEAT_NS % limits.ANCHOR_NS == 0:
            self._work().events(ev.AnchorNoted(self.axis(now_ns), self._clock.wall_ns()))

    def _note_beats(self, at_ns: int) -> None:
        self.capture.count()
        beats = [
            ev.Beat(r.track, at_ns, *r.totals) for r in self.health.tracks.values() if r.state != "off" or any(r.totals)
        ]
        self._work().events(*beats, *self.capture.sounds.accounts())

    # --- trouble

    def _stop_for(self, error: PepysError, reason: str = "") -> None:
        """The recording cannot go on: end it in order, and say why."""
        if self.state not in {"recording", "paused"}:
            return
        self.exit_code = error.exit_code
        self._push({"push": "error", "error": error.to_json()})
        if reason:
            self.health.open_gap(None, reason, self.axis(self._clock.now_ns()), error.message)
        self.stop(lambda _error: None)

    def _stop_full(self, error: PepysError) -> None:
        self._stop_for(error, "disk_full")

    def _completed(self, error: PepysError | None) -> None:
        if error is not None:
            self.exit_code = error.exit_code
        self._work().join(limits.WRITER_END_S)
        Path(self.spec.run_file).unlink(missing_ok=True)
        whole = self._work().completed
        self._enter("completed" if whole else "interrupted")
        for done in self._ended:
            done(None if whole else error)
        self._loop.stop()

    # --- small things

    def _settle(self, state: str, done: Done, error: PepysError | None) -> None:
        self._enter(state)
        done(error)
        for call in [self._after.pop(0) for _ in range(len(self._after))]:
            call()

    def _enter(self, state: str) -> None:
        self.state = state
        self._push({"push": "state", "state": state})

    def _must_be(self, state: str, done: str, other: str = "") -> None:
        if self.state not in {state, other}:
            raise Busy(f"the recording is {self.state} and cannot be {done} now", "wait a moment and try again")

    def _work(self) -> Writer:
        assert self.writer is not None, "no session has begun"
        return self.writer

    def _give(self, work: Fragment | InitHeader | Picture) -> bool:
        given = self._work().give(work)
        self.capture.pressed(self._work().pressed)
        return given

    def _journal(self, events: tuple[ev.Event, ...], then: Then | None) -> None:
        self._work().give(Events(events), then)
