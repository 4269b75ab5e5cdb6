"""The shots of a composition: when one is taken, what was in front then, and whether the picture is a new one.

Brings together time (`shot_schedule`), what happens (`shot_triggers`) and the user's own wish, on one timer of the
loop. Invariants: outside a span no shot is taken; a picture is read only when something changed since the last one,
else the last one is repeated; what was in front is read before and after the pixels and is the same, or it is tried
again; a source that is gone is left alone until it is back, and is shot then at once. Where changes are is learnt from
what the video takes anyway; without video the source is asked at most every `limits.SHOT_LOOK_NS`. Hashing, comparing
and encoding are left to `shots`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from pepys import limits
from pepys.errors import Busy, DeviceMissing, PepysError, StorageProblem, Usage
from pepys.record.activity import Focus
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import Bgra, Patch, VideoSource
from pepys.record.shot_schedule import Activity, ShotSchedule
from pepys.record.shot_triggers import Area, ShotTriggers
from pepys.record.shots import ShotTaker, Why
from pepys.record.shown import Shown
from pepys.record.spec import RecordSpec
from pepys.record.wire import Message
from pepys.record.writing import Picture

TRACK: Final = "shots"
_TIMER: Final = "shot"
_LOOK: Final = "shot look"

Shot = Callable[[PepysError | None, Message], None]
"""Told how a shot that was asked for came out: `at_ms`, `repeat`, `app` and `title`."""


class InFront(Protocol):
    """What is used of the focus."""

    def now(self) -> Focus | None:
        """The window in front as it is now; None when that is not known. Bounded in time."""
        ...

    def recent(self, now_ns: int) -> Activity | None:
        """What the user did within the last `limits.SHOT_ACTIVITY_NS`; None when that is not known."""
        ...


class Shooting:
    """Takes shots of one of the composition's sources."""

    tracks: Sequence[str] = (TRACK,)

    def __init__(
        self, spec: RecordSpec, shown: Shown | None, loop: Loop, health: Health, hear: Callable[[], None]
    ) -> None:
        """Take what to shoot.

        Args:
            spec: what is asked for.
            shown: whose pictures are taken; None for no shots.
            loop: where shots wait for their time.
            health: told of the track.
            hear: takes what the sources tell; what has changed is heard before it is decided.
        """
        self._spec, self._shown, self._loop, self._health, self._hear = spec, shown, loop, health, hear
        self._schedule = ShotSchedule(spec.shots_interval_ns, adaptive=spec.shots_adaptive)
        self._triggers = ShotTriggers()
        self._shots: ShotTaker | None = None
        self._front: InFront | None = None
        self._place: SpanPlace | None = None
        self._changed, self._failed = True, False
        self._looked_ns = 0
        self._time_due_ns: int | None = None
        self._look_ns: int | None = None
        if shown is not None and spec.video:
            shown.view.watch = self.drawn

    @property
    def of(self) -> Shown | None:
        """Whose pictures are taken."""
        return self._shown

    def use(self, shots: ShotTaker, front: InFront | None = None) -> None:
        """Where shots go, once there is a session, and who knows what is in front; None for nobody."""
        self._shots, self._front = shots, front

    # --- a span

    def begin(self, place: SpanPlace) -> None:
        """A span is open: its first shot is taken now."""
        self._place = place
        self._triggers.forget()
        self._take("start", fresh=True)

    def halt(self) -> None:
        """The span is over: no shot is taken any more."""
        self._place = None
        self._schedule.stop()
        self._triggers.forget()
        self._disarm()

    def close(self) -> None:
        """The composition is not shown any more, or never was: keep nothing of it. Timers may be another's by now."""
        if self._shown is not None:
            self._shown.view.watch = None
        self._shown, self._front, self._hear = None, None, lambda: None

    def back(self) -> None:
        """The source is there again."""
        if self._place is not None:
            self._take(self._schedule.trigger, fresh=True)

    # --- what happens

    def told(self, trigger: str) -> None:
        """Another window (`focus`) or title (`title`) is in front, now."""
        if self._place is not None and self._schedule.adaptive:
            self._triggers.told(trigger, self._loop.clock.now_ns())
            self._arm()

    def drawn(self, areas: Sequence[Area]) -> None:
        """These parts of the picture changed; the pointer alone is no change."""
        self._changed = True
        if self._place is None or not self._schedule.adaptive or self._shown is None:
            return
        self._triggers.resized(*self._shown.view.size)
        self._triggers.damaged(areas, self._loop.clock.now_ns())
        self._arm()

    def changed(self) -> None:
        """Something was drawn, and no captured picture tells where: without video."""
        self._changed = True
        if self._place is not None and self._schedule.adaptive:
            if self._look_ns is None:
                now_ns = self._loop.clock.now_ns()
                self._look_ns = max(now_ns + limits.SHOT_SETTLE_NS, self._looked_ns + limits.SHOT_LOOK_NS)
            self._loop.set_timer(_LOOK, self._look_ns, self._look, limits.SHOT_SLACK_NS)

    def _look(self) -> None:
        self._look_ns = None
        source = self._source()
        if source is not None and self._shown is not None:
            self._looked_ns = self._loop.clock.now_ns()
            self._shown.view.measure()
            self._hear_of(source.take(2))
            self._hear()

    def _hear_of(self, patches: Sequence[Patch]) -> None:
        if patches:
            self.drawn([(p.x, p.y, p.pixels.shape[1], p.pixels.shape[0]) for p in patches])

    # --- shots

    def take(self) -> None:
        """Take a shot now, or repeat the last one, because its time has come."""
        self._take(self._schedule.trigger)

    def shoot(self, done: Shot) -> None:
        """Take a shot because the user asks for one; `done` is told of it in the loop's thread, once it is durable.

        Raises:
            Busy: nothing is recorded right now, or the source is away.
            Usage: the session takes no shots.
        """
        shots = self._shots
        if self._shown is None or shots is None:
            raise Usage("this session takes no shots", "record with --shots adaptive")
        if self._place is None:
            raise Busy("nothing is recorded right now", "resume the recording, then try again")
        if not self._take("manual", fresh=True, done=done):
            raise Busy(f"{self._shown.label} is not there right now", "try again once it is back")

    def count(self) -> None:
        """Bring the track's counters up to date."""
        if self._shots is not None and TRACK in self._health.tracks:
            taken, report = self._shots.counters, self._health.tracks[TRACK]
            report.captured, report.encoded, report.dropped = taken.captured, taken.encoded, taken.dropped

    def _take(self, trigger: str, *, fresh: bool = False, done: Shot | None = None) -> bool:
        """Take a shot, with new pixels if `fresh` or changed; whether there was anything to take it from."""
        shots = self._shots
        if self._source() is None or shots is None:
            return False
        self._hear()
        source, place = self._source(), self._place
        if source is None or place is None:
            return False
        report = self._health.tracks[TRACK]
        now_ns = report.attempt_ns = self._loop.clock.now_ns()
        took = True
        if self._changed or fresh or shots.missed or self._awaits():
            took = self._shoot(shots, source, trigger, done)
        else:
            front = self._in_front()
            shots.repeat(place.axis(now_ns), _why(trigger, front))
            report.capture_ns = now_ns
        self._failed = not took
        if took:
            self._schedule.taken(now_ns, asked=trigger == "manual")
            self._triggers.shot(now_ns, trigger)
        else:
            self._schedule.failed(now_ns)
            self._triggers.forget()
        self._consider(now_ns)
        # The reply has brought events along, of which no descriptor tells.
        self._hear()
        self._arm()
        return took

    def _shoot(self, shots: ShotTaker, source: VideoSource, trigger: str, done: Shot | None) -> bool:
        place = self._place
        assert place is not None
        self._changed = False
        try:
            at_ns, pixels, front = self._grab(source)
        except DeviceMissing:
            self._changed = True  # its end is told by the source's next event
            return False
        why = _why(trigger, front)
        self._health.tracks[TRACK].capture_ns = at_ns
        then = None if done is None else partial(self._made, done)
        if not shots.take(place.axis(at_ns), pixels, why, then):
            self._changed = True  # the screen shows what nobody keeps: no repeat may stand for it
        return True

    def _grab(self, source: VideoSource) -> tuple[int, Bgra, Focus | None]:
        """Pixels, when they were read, and what was in front both before and after.

        Raises:
            DeviceMissing: the source has ended.
        """
        front = self._in_front()
        for _ in range(limits.SHOT_FOCUS_TRIES):
            if not self._spec.video:
                list(source.take(2))  # spends the damage told so far: a later change is told again
            at_ns, before = self._loop.clock.now_ns(), front
            pixels = source.grab()
            front = self._in_front()
            if _same(before, front):
                break
        return at_ns, pixels, front

    def _in_front(self) -> Focus | None:
        return self._front.now() if self._front is not None else None

    def _made(self, done: Shot, picture: Picture | None) -> None:
        """A shot that was asked for was given to the writer, or was not; called in the shots' thread."""

        def told(error: PepysError | None) -> None:
            done(error, {} if error is not None or picture is None else _shape(picture))

        def durable() -> None:
            if picture is None:
                told(StorageProblem("the disk does not keep up with the recording", "try again in a moment"))
            else:
                self._health.when_durable(told)

        self._loop.post(durable)

    # --- time

    def due(self, now_ns: int) -> bool:
        """Whether a shot should have been taken by now: its time has passed, or none came, and the source is there."""
        late = self._time_due_ns is not None and now_ns > self._time_due_ns
        return self._source() is not None and (late or self._failed)

    def restart(self) -> None:
        """Nothing came of a shot that was due: try again now."""
        if self._take(self._schedule.trigger, fresh=True):
            self._health.tracks[TRACK].restarts += 1

    def _awaits(self) -> bool:
        """Whether a change was told that the video has not taken yet."""
        view = self._shown.view if self._shown is not None and self._spec.video else None
        return view is not None and view.pending and view.drawn

    def _source(self) -> VideoSource | None:
        """What is shot; None outside a span and while it is away."""
        return self._shown.feed.source if self._shown is not None and self._place is not None else None

    def _consider(self, now_ns: int) -> None:
        """Ask anew how much happens; each change of the picture leads here, be it too little for a burst."""
        activity = self._front.recent(now_ns) if self._front is not None and self._schedule.adaptive else None
        self._time_due_ns = self._schedule.due_ns(activity, self._shots.changed if self._shots is not None else 0.5)

    def _arm(self) -> None:
        """Wait for whatever comes first."""
        times = [self._time_due_ns, self._triggers.due_ns(self._loop.clock.now_ns())]
        at_ns = min((time_ns for time_ns in times if time_ns is not None), default=None)
        if at_ns is None or self._source() is None:
            self._loop.clear_timer(_TIMER)
        else:
            slack_ns = limits.SHOT_SLACK_NS if self._schedule.adaptive else 0
            self._loop.set_timer(_TIMER, at_ns, self._on_time, slack_ns)

    def _disarm(self) -> None:
        self._time_due_ns = self._look_ns = None
        self._loop.clear_timer(_TIMER)
        self._loop.clear_timer(_LOOK)

    def _on_time(self) -> None:
        now_ns = self._loop.clock.now_ns()
        self._consider(now_ns)
        trigger = self._triggers.due(now_ns)
        if trigger is not None:
            self._take(trigger)
        elif self._time_due_ns is not None and self._time_due_ns <= now_ns:
            self.take()
        else:
            self._arm()


def _why(trigger: str, front: Focus | None) -> Why:
    return Why(trigger) if front is None else Why(trigger, front.app, front.title)


def _same(one: Focus | None, other: Focus | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.app, one.title, one.excluded) == (other.app, other.title, other.excluded)


def _shape(picture: Picture) -> Message:
    return {
        "at_ms": picture.at_ns // limits.NS_PER_MS,
        "repeat": picture.data is None,
        "app": picture.app,
        "title": picture.title,
    }
