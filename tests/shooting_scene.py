"""A `Shooting` with a source that tests steer, in a loop whose clock they move."""

from __future__ import annotations

import numpy as np

from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.record.activity import Focus
from pepys.record.health import Health, Then
from pepys.record.playback import SpanPlace
from pepys.record.ports import Bgra, Changed, Geometry, Patch
from pepys.record.shooting import Shooting
from pepys.record.shot_schedule import Activity
from pepys.record.shown import Shown
from pepys.record.spec import RecordSpec
from tests.feeds_bench import Bench, Piped, Shots

AXIS = 7 * NS_PER_S
PAGE = (0, 0, 640, 480)


class Front:
    """What is in front, as a test says: the next answers, then the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Focus | None] = [focus("xterm", "one")]
        self.activity: Activity | None = Activity()
        self.asked = 0

    def now(self) -> Focus | None:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def recent(self, now_ns: int) -> Activity | None:
        return self.activity


def focus(app: str, title: str, excluded: bool = False) -> Focus:
    return Focus(0, app, title, excluded)


class Grabbed(Piped):
    """A source that counts what is read of it, and is of 640 x 480 pixels."""

    geometry = Geometry(640, 480)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.grabs = self.takes = 0
        self.broken = False
        self.patches = [Patch(0, 0, np.zeros((480, 640, 4), np.uint8))]

    def grab(self) -> Bgra:
        self.grabs += 1
        if self.broken:
            raise DeviceMissing("it is gone", "look")
        return np.full((480, 640, 4), self.grabs % 250, np.uint8)

    def take(self, align: int) -> list[Patch]:
        self.takes += 1
        return self.patches


class Scene:
    """A `Shooting` with all around it."""

    def __init__(self, bench: Bench, **asked: object) -> None:
        asked = {"shots_interval_ns": 300 * NS_PER_S, "shots_adaptive": True, **asked}
        spec = RecordSpec(home="/", session="s", name="n", socket="s", run_file="r", **asked)  # type: ignore[arg-type] # fields by name
        self.bench, self.clock = bench, bench.clock
        self.source = Grabbed("window:a")
        bench.house.opened.append(self.source)
        feed = bench.feed("window:a")
        feed.source = self.source
        self.journal: list[tuple[tuple[ev.Event, ...], Then | None]] = []
        self.health = Health(self._note, lambda _message: None)
        self.health.add("shots", "window:a")
        self.shown = Shown(feed, ["shots"])
        if spec.video:
            self.shown.view.pending = False  # it has taken all
        self.shooting = Shooting(spec, self.shown, bench.loop, self.health, self.hear)
        self.shots, self.front = Shots(), Front()
        self.shooting.use(self.shots, self.front)  # type: ignore[arg-type] # all that is called
        self.heard = 0

    def _note(self, events: tuple[ev.Event, ...], then: Then | None) -> bool:
        self.journal.append((events, then))
        return True

    def hear(self) -> None:
        """As the screen does without video."""
        self.heard += 1
        for event in self.source.poll():
            if isinstance(event, Changed):
                self.shooting.changed()

    def begin(self) -> None:
        self.shooting.begin(SpanPlace(0, self.clock.now_ns(), AXIS, 0))

    def draw(self, *areas: tuple[int, int, int, int]) -> None:
        self.shooting.drawn(areas or [PAGE])

    def advance(self, seconds: float) -> None:
        """In steps of 50 ms, so that timers come when they are due."""
        for _ in range(round(seconds * 20)):
            self.clock.advance(50 * NS_PER_MS)
            self.bench.turn(1)

    @property
    def triggers(self) -> list[str]:
        return [why.trigger for why in self.shots.whys]
