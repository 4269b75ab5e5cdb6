"""Sources that come, go and come again: when each is tried, and what nobody wants any more is closed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from pepys.clock import Clock, FakeClock
from pepys.errors import Busy, DeviceMissing, PepysError, Usage
from pepys.limits import NS_PER_S, REOPEN_MAX_NS, REOPEN_MIN_NS
from pepys.record.feeds import Feed
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.ports import Bgra, Geometry, Opening, Patch, SourceEnded, VideoCapabilities, VideoEvent, VideoSource
from pepys.record.sources import SourceName, Wish
from pepys.record.spec import RecordSpec
from pepys.record.stage import Stage


class Piped:
    """A grey source with a descriptor that tests make readable by `tell`."""

    capabilities = VideoCapabilities("rectangles", "absent", without=("no DAMAGE: pictures are compared",))
    geometry = Geometry(32, 32)

    def __init__(self, name: str) -> None:
        self.name = name
        self._in, self._out = os.pipe()
        self.events: list[VideoEvent] = []
        self.closed = False

    def tell(self, event: VideoEvent) -> None:
        self.events.append(event)
        os.write(self._out, b"\0")

    def fileno(self) -> int:
        return self._in

    def poll(self) -> list[VideoEvent]:
        if self.events:
            os.read(self._in, 1000)
        events, self.events = self.events, []
        return events

    def wake_ns(self) -> int | None:
        return None

    def take(self, align: int) -> list[Patch]:
        return [Patch(0, 0, np.zeros((32, 32, 4), np.uint8))]

    def refresh(self) -> None:
        pass

    def grab(self) -> Bgra:
        return np.zeros((32, 32, 4), np.uint8)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._in)
            os.close(self._out)


class House:
    """Opens sources that are there, and says of others that they are missing; `slow` ones answer when told."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.slow: set[str] = set()
        self.opened: list[Piped] = []
        self.openings: list[Door] = []

    def __call__(self, name: SourceName, wish: Wish, clock: Clock) -> Opening:
        self.openings.append(Door(self, str(name)))
        return self.openings[-1]


class Door:
    """One opening."""

    def __init__(self, house: House, name: str) -> None:
        self._house, self.name = house, name
        self._in, self._out = os.pipe()
        self.cancelled = False
        if name not in house.slow:
            self.answer()

    def answer(self) -> None:
        os.write(self._out, b"\0")

    def fileno(self) -> int:
        return self._in

    def poll(self) -> VideoSource | None:
        if self.name in self._house.missing:
            raise DeviceMissing(f"{self.name} is missing", "look for it")
        self._house.opened.append(Piped(self.name))
        return self._house.opened[-1]

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            os.close(self._in)
            os.close(self._out)


class Bench:
    """A loop whose clock tests move."""

    def __init__(self) -> None:
        self.clock, self.house = FakeClock(), House()
        self.loop = Loop(self.clock)
        self.told: list[str] = []

    def feed(self, name: str = "window:x") -> Feed:
        kind, _, arg = name.partition(":")
        return Feed(SourceName(kind, arg), Wish(None), self.house, self.loop)

    def stage(self, **asked: object) -> Stage:
        spec = RecordSpec(home="/", session="s", name="n", socket="s", run_file="r", encoder="x264", **asked)  # type: ignore[arg-type] # fields by name
        health = Health(lambda _events, _then: None, lambda _message: None)
        self.health = health
        return Stage(spec, self.loop, health, self.told.append, self.house)

    def turn(self, count: int = 3) -> None:
        for _ in range(count):
            self.loop.turn(0)

    def advance(self, ns: int) -> None:
        self.clock.advance(ns)
        self.turn()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.loop.close()
    for source in made.house.opened:
        source.close()
    for door in made.house.openings:
        door.cancel()


def test_what_is_lost_is_tried_again_after_ever_longer_waits(bench: Bench) -> None:
    feed = bench.feed()
    feed.join(lambda: bench.told.append("open"), lambda: bench.told.append("failed"), lambda: None)
    feed.open()
    bench.turn()
    (source,) = bench.house.opened
    assert bench.told == ["open"] and feed.source is source
    bench.house.missing.add("window:x")
    feed.end(SourceEnded(bench.clock.now_ns(), "source_closed", "closed"))
    assert source.closed and feed.source is None and feed.returns
    waits, last_ns = [], bench.clock.now_ns()
    while len(waits) < 7:
        bench.advance(NS_PER_S // 2)
        if len(bench.told) > len(waits) + 1:
            waits.append(round((bench.clock.now_ns() - last_ns) / NS_PER_S))
            last_ns = bench.clock.now_ns()
    assert waits == [1, 2, 4, 8, 16, 30, 30] and REOPEN_MIN_NS == NS_PER_S and REOPEN_MAX_NS == 30 * NS_PER_S
    assert feed.why_not.message == "window:x is missing"
    bench.house.missing.clear()
    bench.advance(REOPEN_MAX_NS)
    assert bench.told[-1] == "open" and feed.ended is None
    feed.close()
    assert bench.house.opened[-1].closed
    assert all(door.cancelled for door in bench.house.openings), "descriptors of openings are let go of"


def test_a_film_that_is_over_is_not_played_again(bench: Bench) -> None:
    feed = bench.feed("file:talk.mp4")
    feed.join(lambda: None, lambda: None, lambda: None)
    feed.open()
    bench.turn()
    feed.end(SourceEnded(bench.clock.now_ns(), "source_closed", "its end"))
    bench.advance(100 * NS_PER_S)
    feed.open()
    bench.turn()
    assert len(bench.house.openings) == 1 and not feed.returns


def test_what_is_closed_while_it_opens_is_cancelled(bench: Bench) -> None:
    bench.house.slow.add("window:x")
    feed = bench.feed()
    feed.open()
    bench.turn()
    assert feed.opens
    feed.close()
    assert bench.house.openings[0].cancelled and not feed.opens
    bench.advance(REOPEN_MAX_NS)
    assert len(bench.house.openings) == 1


def test_nobody_is_woken_before_somebody_listens(bench: Bench) -> None:
    feed = bench.feed()
    feed.open()
    bench.turn()
    bench.house.opened[0].tell(SourceEnded(0, "source_closed", ""))
    woken: list[int] = []
    feed.join(lambda: None, lambda: None, lambda: woken.append(1))
    assert not woken
    bench.turn(1)
    assert woken == [1]


def _started(bench: Bench, **asked: object) -> Stage:
    stage = bench.stage(**asked)
    stage.open()
    bench.turn()
    assert not stage.waits
    stage.require()
    return stage


def test_a_composition_that_fails_leaves_the_old_one(bench: Bench) -> None:
    stage = _started(bench, sources=("window:a", "window:b"), layout="grid")
    assert (stage.layout, stage.sources) == ("grid", ["window:a", "window:b"])
    outcomes: list[PepysError | None] = []
    bench.house.missing.add("window:c")
    stage.compose(None, ["window:a", "window:d", "window:c"], outcomes.append)
    bench.turn()
    (error,) = outcomes
    assert isinstance(error, DeviceMissing) and "window:c" in error.message
    assert stage.sources == ["window:a", "window:b"] and stage.layout == "grid"
    assert {source.name: source.closed for source in bench.house.opened} == {
        "window:a": False, "window:b": False, "window:d": True,
    }  # fmt: skip
    for layout, sources in ((None, []), (None, ["window:a", "window:a"]), ("pip", ["window:a"]), ("x", None)):
        with pytest.raises(Usage):
            stage.compose(layout, sources, outcomes.append)
    stage.close()
    assert all(source.closed for source in bench.house.opened)


def test_what_stays_on_show_is_not_opened_anew(bench: Bench) -> None:
    stage = _started(bench, sources=("window:a", "window:b"), layout="grid")
    outcomes: list[PepysError | None] = []
    stage.compose("pip:top-left", ["window:b", "window:c"], outcomes.append)
    with pytest.raises(Busy):
        stage.compose("grid", None, outcomes.append)
    bench.turn()
    assert outcomes == [None] and stage.sources == ["window:a", "window:b"], "not before it is switched"
    stage.switch(5)
    assert (stage.layout, stage.sources) == ("pip:top-left:small", ["window:b", "window:c"])
    assert {source.name: source.closed for source in bench.house.opened} == {
        "window:a": True, "window:b": False, "window:c": False,
    }  # fmt: skip
    stage.compose(None, ["window:b"], outcomes.append)
    bench.turn()
    stage.switch(6)
    assert stage.layout == "passthrough"
    assert {name: report.state for name, report in bench.health.tracks.items()}["video.2"] == "off"
    stage.close()


def test_whoever_waits_for_a_composition_is_told_of_the_end(bench: Bench) -> None:
    stage = _started(bench, sources=("window:a",))
    bench.house.slow.add("window:b")
    outcomes: list[PepysError | None] = []
    stage.compose("grid", ["window:a", "window:b"], outcomes.append)
    bench.turn()
    assert outcomes == []
    stage.close()
    assert isinstance(outcomes[0], Busy) and all(door.cancelled for door in bench.house.openings)


def test_required_and_default_sources_that_are_missing(bench: Bench) -> None:
    bench.house.missing.add("window:b")
    stage = bench.stage(sources=("window:a", "window:b"), layout="side-by-side", sources_required=True)
    stage.open()
    bench.turn()
    with pytest.raises(DeviceMissing, match="window:b"):
        stage.require()
    stage.close()
    stage = _started(bench, sources=("window:b", "window:a", "window:c"), layout="grid:3")
    assert (stage.layout, stage.sources) == ("grid:3", ["window:a", "window:c"])
    assert bench.health.tracks["video.3"].state == "off" and bench.health.tracks["video.1"].source == "window:a"
    stage.close()
    with pytest.raises(Usage):
        bench.stage(sources=("window:a", "window:b")).open()


def test_whose_focus_is_noted(bench: Bench) -> None:
    assert _started(bench, sources=("window:a", "display::7"), layout="grid").focus_display == ":7"
    assert _started(bench, sources=("region:9x9+0+0",), display=":8").focus_display == ":8"
    assert _started(bench, sources=("window:a", "mss:1"), layout="grid", display=":8").focus_display is None
    assert _started(bench, display=":9").focus_display == ":9"
