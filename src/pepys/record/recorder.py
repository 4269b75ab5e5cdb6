"""The recorder of one session: its states, and what happens between them.

Owns the order of things at the start, at a pause, at a resume and at the end. Invariants: nothing of a session exists
before its sources are open; `paused` is told only when nothing can be captured any more and all is durable; whatever
fails, what was recorded is closed in order. Commands arrive through `commands`; capture is in `capture`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pepys import limits
from pepys.errors import Busy, Interrupted, PepysError
from pepys.model import events as ev
from pepys.record.capture import Capture
from pepys.record.health import Health, Then
from pepys.record.holding import Holding
from pepys.record.lock_watch import LockWatch
from pepys.record.loop import Loop
from pepys.record.rounds import Rounds
from pepys.record.runfile import write_run_file
from pepys.record.session_start import Beginning, begin_new, go_on
from pepys.record.spans import Spans
from pepys.record.spare import Spare
from pepys.record.spec import RecordSpec
from pepys.record.status import ready
from pepys.record.switching import Switching
from pepys.record.wire import Message
from pepys.record.writing import End, Events, Fragment, InitHeader, Leave, Picture, Writer
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
        self.writer: Writer | None = None
        self.health = Health(self._journal, push)
        self.capture = Capture(spec, loop, self.health, self._give, self._on_source, self._waits_ns, self._written)
        self._store, self._loop, self._clock = store, loop, loop.clock
        self.spans = Spans(self._clock, self.capture, self.health, self._work)
        self.rounds = Rounds(spec, loop, self.health, self.capture, self.spans, self._work, self)
        self.holding = Holding(loop, self, spec.lost_ns, heeds_locks=spec.when_locked == "pause")
        self._lock_watch = LockWatch(loop, self.holding.locked, self.holding.sleeps)
        self._switching = Switching(self, self._work)
        self.hosted: Callable[[], bool] = lambda: False
        """Whether a host listens, which can start another recorder."""
        self._push, self._report = push, report
        self._after: list[Callable[[], None]] = []
        self._ended: list[Done] = []
        self._why: tuple[str, str] | None = None
        """The reason of the gap that the end leaves, and what is told of it."""

    # --- the start

    def start(self) -> None:
        """Open the sources; the session begins once they deliver.

        Raises:
            PepysError: something that is required is missing; nothing of the session is left.
        """
        self.rounds.disk.begin()
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
        self.spans.take_up(beginning, base_ns)
        self.health.go_on(beginning.counters, beginning.view)
        self.writer = Writer(
            beginning.writer, self._clock, self._loop.post, self._stop_full, beginning.view, Spare(Path(self.spec.home))
        )
        self.capture.use_shots()
        sound = self.capture.sounds.desk.declared(beginning.at_ns)
        self.writer.events(*beginning.events, *sound, *self.health.events(beginning.at_ns))
        self.spans.begin(base_ns)
        self.rounds.begin(base_ns)
        self._lock_watch.open(self.spec.display)
        self.writer.events(then=self._on_begun)

    def _on_begun(self, error: PepysError | None) -> None:
        try:
            if error is not None:
                raise error
            told = write_run_file(Path(self.spec.run_file), self.spec.session, self.spec.socket, self._clock)
        except PepysError as problem:
            self._report({"error": problem.to_json()})
            self.state = "recording"
            self.stop_for(problem, "disk_full")
            return
        self._report({"ready": ready(told, self.started_wall_ns, self.health.tracks.values())})
        self.settle("recording", lambda _error: None, None)

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
            self._take_from_lock(done)
            return
        self._must_be("recording", "paused")
        self.rest("pause", "", done)

    def rest(self, reason: str, detail: str, done: Done) -> None:
        """Stop all tracks at once, for a gap of that reason; `done` when it is durable. Only while it records."""
        self.state = "pausing"
        at_ns = self.end_span(rests=True)
        self.capture.let_go()
        self.health.open_gap(None, reason, at_ns, detail)
        self._work().events(then=lambda error: self.settle("paused", done, error))

    def rest_for(self, reason: str, detail: str) -> None:
        """It is held, and from now on rests for another reason."""
        at_ns = self.spans.now()
        self.health.close_gap(None, self.holding.held, at_ns)
        self.health.open_gap(None, reason, at_ns, detail)

    def _take_from_lock(self, done: Done) -> None:
        """It is paused: by the user from now on."""
        if self.holding.held:
            self.rest_for("pause", "")
            self.holding.release()
        self._work().events(then=done)

    def resume(self, done: Done) -> None:
        """Begin a new span, once the sources deliver again; `done` when it is durable.

        Raises:
            Busy: it is starting or ending, or the screen is locked.
        """
        if self.state == "recording":
            done(None)
            return
        self._must_be("paused", "resumed")
        self.holding.refuse()
        self.go_on(done)

    def go_on(self, done: Done) -> None:
        """Begin a new span, once the sources deliver again. Only while it is paused."""
        self.state = "resuming"
        self.capture.reopen()
        self.capture.await_sources(lambda: self._resume_span(done))

    def _resume_span(self, done: Done) -> None:
        try:
            self.holding.refuse()
            self.capture.require_any()
            self.capture.prepare()
        except PepysError as error:
            self.capture.let_go()
            self.settle("paused", done, error)
            return
        at_ns = self.spans.now()
        self._close_gaps(at_ns)
        self.spans.begin(self.spans.clock(at_ns))
        self._work().events(then=lambda error: self.settle("recording", done, error))

    def _close_gaps(self, at_ns: int) -> None:
        """Recording begins or has ended: whatever gap of the session is open lasts no longer."""
        for gap in self.health.open_gaps:
            self.health.close_gap(gap.track, gap.reason, at_ns)

    def compose(self, layout: str | None, sources: Sequence[str] | None, done: Done) -> None:
        """Show other sources, or the same in another layout, without loss of time; `done` when it is durable.

        Raises:
            Busy: it is starting or ending, or changes already.
            Usage: the composition makes no sense.
        """
        self._must_be("recording", "given other sources", "paused")
        self._switching.compose(layout, sources, done)

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
        self.rounds.end()
        self._lock_watch.close()
        self.holding.release()
        # A span that could not be begun is none to end.
        running = was == "recording" and self.spans.place is not None
        at_ns = self.end_span(rests=True) if running else self.spans.now()
        self.capture.close()
        if self._why:
            reason, detail = self._why
            self.health.open_gap(None, reason, at_ns, detail)
            at_ns = self.spans.now()
        self._close_gaps(at_ns)
        self.rounds.note_beats(at_ns)
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
        noted = self.capture.sounds.desk.declared(self.spans.now())
        self._work().events(*noted, then=lambda error: self.settle(self.state, done, error))

    def shoot(self, done: Callable[[PepysError | None, Message], None]) -> None:
        """Take a shot now; `done` with what it is when it is durable.

        Raises:
            Busy: it does not record.
            Usage: the session takes no shots.
        """
        self._must_be("recording", "given a shot")
        self.capture.shoot(done)

    def note(self, note: ev.NoteAdded, done: Then) -> bool:
        """Write a note; `done` when it is durable. False when the disk does not keep up."""
        return self._work().events(note, then=done)

    # --- spans

    def end_span(self, *, rests: bool = False) -> int:
        """Close the span now; from when on the axis what follows counts: a stall before that is a gap of its own."""
        at_ns, stall = self.spans.end(rests=rests), self.capture.stall
        if stall.extent != "session":
            return at_ns
        self.health.open_gap(None, "suspended", at_ns, stall.detail)
        at_ns = self.spans.now()
        if rests:
            self.health.close_gap(None, "suspended", at_ns)
        else:
            self.capture.start_anew()
        return at_ns

    def begin_span(self, at_ns: int) -> None:
        """Begin the span that is prepared: pictures that are others lose no time, but after a stall it begins now."""
        if self.capture.stall.extent == "session":
            at_ns = self.spans.now()
            self.health.close_gap(None, "suspended", at_ns)
        self.spans.begin(self.spans.clock(at_ns))

    def prepare(self, *, pictures: bool = True) -> bool:
        """Prepare the next span; whether it can be begun. If not, what was recorded is closed in order."""
        try:
            self.capture.prepare(pictures=pictures)
        except PepysError as error:
            self.stop_for(error)
            return False
        return True

    def _on_source(self, what: str, detail: str) -> None:
        """The span cannot go on: the pictures need another, time stood still for long, or the last source is gone."""
        if what == "back" and self.state in {"recording", "resuming", "paused"}:
            self._lock_watch.open(self.spec.display)
        if what == "back" or self.state != "recording":
            return
        if what == "finished":
            self.stop(lambda _error: None)
            return
        if what == "gone":
            self.holding.lost(detail)
            return
        at_ns = self.end_span()
        if self.prepare():
            self.begin_span(at_ns)

    # --- trouble

    def stop_for(self, error: PepysError, reason: str = "") -> None:
        """The recording cannot go on: end it in order, and say why."""
        if self.state not in {"recording", "paused"}:
            return
        self.exit_code = error.exit_code
        self._push({"push": "error", "error": error.to_json()})
        self._why = (reason, error.message) if reason else None
        self.stop(lambda _error: None)

    def begin_anew(self, detail: str) -> bool:
        """End this process and leave the session to the host's next recorder; False where no host would start one."""
        if self.state != "recording" or self.spans.place is None or not self.hosted():
            return False
        self.exit_code, self.state = limits.RECORDER_ANEW, "ending"
        self._push({"push": "warning", "track": None, "kind": "anew", "text": f"{detail}: another one goes on"})
        self.rounds.end()
        self._lock_watch.close()
        at_ns = self.end_span(rests=True)
        self.capture.close()
        self.rounds.note_beats(at_ns)
        self.health.open_gap(None, "crash", at_ns, f"started anew: {detail}")
        self._work().give(Leave(), self._completed)
        return True

    def _stop_full(self, error: PepysError) -> None:
        self.stop_for(error, "disk_full")

    def _completed(self, error: PepysError | None) -> None:
        if error is not None:
            self.exit_code = error.exit_code
        self._work().join(limits.WRITER_END_S)
        with contextlib.suppress(OSError):  # on a disk that takes nothing it stays: nobody of that pid lives
            Path(self.spec.run_file).unlink(missing_ok=True)
        whole = self._work().completed
        self._enter("completed" if whole else "interrupted")
        for done in self._ended:
            done(None if whole else error)
        self._loop.stop()

    # --- small things

    def settle(self, state: str, done: Done, error: PepysError | None) -> None:
        """Come to rest in a state, answer, and do what waited for that."""
        self._enter(state)
        done(error)
        self.holding.consider()
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

    def _journal(self, events: tuple[ev.Event, ...], then: Then | None) -> bool:
        return self._work().give(Events(events), then)

    def _waits_ns(self) -> int:
        return self.writer.waits_ns(self._clock.now_ns()) if self.writer is not None else 0

    def _written(self) -> Mapping[str, int]:
        return self.writer.written_ns if self.writer is not None else {}
