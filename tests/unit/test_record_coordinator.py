"""A track's clocks over time: told after 2 s, started again after 5 s and then ever later, failed after five tries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model import events as ev
from pepys.model.health import STEPS
from pepys.record.coordinator import Coordinator
from pepys.record.health import Health, Then
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.wire import Message

_STEP_NS = 100 * NS_PER_MS


class Source:
    """Something that is watched: its clocks go while it `lives`."""

    def __init__(self, bench: Bench, track: str) -> None:
        self.tracks = (track,)
        self._bench, self._track = bench, track
        self.lives = self.there = self.tried = True
        self.restarted: list[int] = []

    def go(self, now_ns: int) -> None:
        report = self._bench.health.tracks[self._track]
        if self.tried:
            report.attempt_ns = now_ns
        if self.lives and self.there:
            report.capture_ns = now_ns

    def due(self, now_ns: int) -> bool:
        return self.there

    def restart(self) -> None:
        self.restarted.append(self._bench.clock.now_ns())


class Bench:
    """A coordinator whose clock, sources and writer a test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = Loop(self.clock)
        self.events: list[ev.Event] = []
        self.pushed: list[Message] = []
        self.waiting: list[Then] = []
        self.waits_ns, self.written, self.keeps_up = 0, dict[str, int](), True
        self.health = Health(self._journal, self.pushed.append)
        self.coordinator = Coordinator(self.loop, self.health, lambda: self.waits_ns, lambda: self.written)
        self.sources = {name: self._source(name) for name in ("video", "activity")}

    def _source(self, name: str) -> Source:
        self.health.add(name, "a source")
        return Source(self, name)

    def _journal(self, events: tuple[ev.Event, ...], then: Then | None) -> bool:
        self.events += events
        if then is not None:
            self.waiting.append(then)
        if self.keeps_up:
            self.sync()
        return True

    def sync(self) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then(None)

    def begin(self) -> None:
        now_ns = self.clock.now_ns()
        for name in self.sources:
            self.health.set(name, "healthy", now_ns)
        self.coordinator.begin(SpanPlace(0, now_ns, now_ns, 0), self.sources)
        self.pushed.clear()

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * NS_PER_S) // _STEP_NS):
            self.clock.advance(_STEP_NS)
            for source in self.sources.values():
                source.go(self.clock.now_ns())
            if self.keeps_up:
                self.written.update(dict.fromkeys(self.sources, self.clock.now_ns()))
            self.loop.turn(0)

    def states(self, track: str) -> list[str]:
        return [event.state for event in self.events if isinstance(event, ev.TrackHealth) and event.track == track]

    def told(self, track: str) -> tuple[str, str]:
        return self.health.tracks[track].told


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.begin()
    yield made
    for track in made.health.tracks:
        for one, other in pairwise(["starting", *made.states(track)]):
            assert one == other or other in STEPS[one], f"{track}: {one} -> {other}"
    made.loop.close()


def test_a_clock_that_stands_is_told_started_again_ever_later_and_fails(bench: Bench) -> None:
    video = bench.sources["video"]
    bench.run(3)
    began_ns = bench.clock.now_ns()
    video.lives = False
    bench.run(2.1)
    assert bench.told("video") == ("degraded", "capture stands still")
    assert bench.pushed == [{"push": "track", "track": "video", "state": "degraded", "detail": "capture stands still"}]
    status = bench.health.tracks["video"].to_json(bench.clock.now_ns(), 0)
    assert (status["stands"], status["detail"]) == ("capture", "capture stands still for 2 s")
    assert 2000 <= status["stands_ms"] < 3100
    bench.run(45)
    waits = [round((at_ns - began_ns) / NS_PER_S) for at_ns in video.restarted]
    assert waits == [5, 6, 8, 12, 20, 36] or [w - waits[0] for w in waits] == [0, 1, 3, 7, 15, 31]
    assert bench.told("video")[0] == "failed"
    assert bench.states("video") == ["healthy", "degraded", "restarting", "failed"]
    assert bench.states("activity") == ["healthy"], "the rest goes on"
    bench.run(30)
    assert len(video.restarted) == 7, "it is still looked for"
    video.lives = True
    bench.run(1.5)
    assert bench.told("video") == ("healthy", "") and bench.health.tracks["video"].tries == 0
    assert bench.states("video")[-3:] == ["failed", "restarting", "healthy"]


def test_a_moment_is_not_told_and_tries_are_forgotten_only_after_a_while(bench: Bench) -> None:
    video = bench.sources["video"]
    for _ in range(5):
        video.lives = False
        bench.run(1.8)
        video.lives = True
        bench.run(0.3)
    assert bench.states("video") == ["healthy"]
    video.lives = False
    bench.run(5.5)
    assert bench.health.tracks["video"].tries == 1
    video.lives = True
    bench.run(5)
    video.lives = False
    bench.run(5.5)
    assert bench.health.tracks["video"].tries == 2, "it came and went"
    video.lives = True
    bench.run(limits.STEADY_NS // NS_PER_S + 3)
    video.lives = False
    bench.run(5.5)
    assert bench.health.tracks["video"].tries == 1


def test_what_is_not_tried_stands_at_its_attempt(bench: Bench) -> None:
    bench.sources["activity"].tried = bench.sources["activity"].lives = False
    bench.run(2.1)
    assert bench.told("activity") == ("degraded", "attempt stands still")


def test_what_is_away_held_or_over_never_stands(bench: Bench) -> None:
    bench.sources["activity"].there = False
    bench.run(60)
    assert bench.states("activity") == ["healthy"] and not bench.sources["activity"].restarted
    bench.sources["activity"].lives = False
    bench.sources["activity"].there = True
    bench.run(1.5)
    assert bench.states("activity") == ["healthy"], "it has as long as any other"
    bench.run(2)
    assert bench.told("activity")[0] == "degraded"


def test_outside_a_span_nothing_stands_and_nothing_is_journalled(bench: Bench) -> None:
    bench.sources["video"].lives = False
    bench.run(2.5)
    count = len(bench.events)
    bench.coordinator.end()
    assert bench.health.tracks["video"].to_json(bench.clock.now_ns(), 0)["stands"] == ""
    bench.run(600)
    assert len(bench.events) == count and not bench.sources["video"].restarted
    bench.sources["video"].lives = True
    bench.begin()
    assert bench.states("video") == ["healthy", "degraded", "healthy"]


def test_a_process_that_did_not_run_blames_nobody(bench: Bench) -> None:
    for source in bench.sources.values():
        source.lives = False
    bench.run(1)
    bench.waits_ns = 20 * NS_PER_S
    bench.clock.advance(20 * NS_PER_S)
    bench.loop.turn(0)
    bench.run(0.5)
    assert bench.states("video") == bench.states("activity") == ["healthy"]
    bench.waits_ns = 0
    bench.run(2)
    assert bench.told("video")[0] == "degraded"


def test_a_writer_that_stands_is_told_of_all_tracks_at_once_though_nothing_is_durable(bench: Bench) -> None:
    bench.health.add("audio.mic", "a microphone", "failed", "it is gone")
    bench.health.add("audio.mix", "mix")
    bench.health.set("audio.mix", "healthy", 0)
    bench.keeps_up = False
    bench.health.open_gap("audio.mic", "device_lost", 0)
    bench.pushed.clear()
    for _ in range(12):
        bench.waits_ns += _STEP_NS
        bench.run(0.1)
    assert [push["push"] for push in bench.pushed[:1]] == ["gap"], "what waited to be durable is told too"
    told = {push["track"]: push["detail"] for push in bench.pushed if push["push"] == "track"}
    assert told == dict.fromkeys(("video", "activity", "audio.mix"), "write stands still")
    assert bench.told("audio.mic") == ("failed", "it is gone")
    assert not any(source.restarted for source in bench.sources.values())
    before = len(bench.pushed)
    bench.sync()
    assert len(bench.pushed) == before, "nothing is told twice"
    bench.waits_ns, bench.keeps_up = 0, True
    bench.run(1.5)
    assert all(bench.told(track) == ("healthy", "") for track in told)


def test_a_writer_has_a_moment_after_this_process_stood_still(bench: Bench) -> None:
    bench.run(1)
    bench.clock.advance(2 * NS_PER_S - _STEP_NS)
    bench.waits_ns = 2 * NS_PER_S
    bench.run(0.1)
    assert bench.states("video") == ["healthy"]
    bench.waits_ns += _STEP_NS
    bench.run(0.1)
    assert bench.told("video") == ("degraded", "write stands still")


def test_a_track_of_which_nothing_is_written_stands_though_nothing_waits(bench: Bench) -> None:
    bench.run(2)
    bench.keeps_up = False
    bench.run(2.5)
    assert bench.states("video") == ["healthy"]
    bench.run(0.5)
    assert bench.told("video") == ("degraded", "write stands still")
    assert bench.told("activity") == ("healthy", ""), "of it something is written only now and then"


def test_the_owners_word_lies_under_what_stands(bench: Bench) -> None:
    bench.health.set("video", "degraded", 0, "stale")
    bench.sources["video"].lives = False
    bench.run(2.5)
    assert bench.told("video") == ("degraded", "capture stands still; stale")
    bench.health.set("video", "restarting", 0, "it is gone")
    assert bench.told("video") == ("restarting", "it is gone")
    bench.health.set("video", "healthy", 0, "elsewhere")
    bench.sources["video"].lives = True
    bench.run(1.5)
    assert bench.told("video") == ("healthy", "elsewhere")


def test_another_span_forgets_what_is_not_shown_any_more(bench: Bench) -> None:
    gone = bench.sources.pop("activity")
    bench.begin()
    gone.lives = False
    bench.run(10)
    assert bench.states("activity") == ["healthy"] and not gone.restarted


def test_it_is_looked_rarely_while_all_is_well(bench: Bench) -> None:
    looks = 0
    look = bench.coordinator.look

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    bench.coordinator.look = counted  # type: ignore[method-assign] # counts, and looks
    bench.begin()
    bench.run(20)
    assert 10 <= looks <= 22
