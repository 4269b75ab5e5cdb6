"""Shots of a source that tests steer, in a loop whose clock they move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pepys import limits
from pepys.errors import Busy, PepysError, Usage
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.activity import EXCLUDED
from pepys.record.playback import SpanPlace
from pepys.record.ports import Changed, Patch, SourceEnded
from pepys.record.shooting import Shooting
from pepys.record.shot_schedule import Activity
from pepys.record.shots import ShotTaker, Why
from pepys.record.wire import Message
from pepys.record.writing import Picture
from tests.feeds_bench import Bench
from tests.shooting_scene import AXIS, Scene, focus
from tests.waiting import wait_until


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_the_first_shot_of_a_span_is_its_start(bench: Bench) -> None:
    scene = Scene(bench)
    scene.advance(400)
    assert scene.shots.whys == [], "nothing before a span"
    scene.begin()
    assert scene.shots.whys == [Why("start", "xterm", "one")] and scene.shots.times == [AXIS]
    assert (scene.shots.taken, scene.shots.repeated) == (1, 0)


def test_a_still_screen_is_repeated_after_five_minutes(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    scene.advance(299)
    assert scene.triggers == ["start"]
    scene.advance(2)
    assert scene.triggers == ["start", "adaptive"] and scene.shots.repeated == 1 and scene.source.grabs == 1
    assert scene.shots.whys[1] == Why("adaptive", "xterm", "one"), "a repeat knows what is in front, too"


def test_activity_and_curiosity_shorten_the_wait(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    scene.advance(60)
    scene.front.activity, scene.shots.changed = Activity(10, 50, 8), 1.0
    scene.draw((0, 0, 16, 14))  # too little for a burst; that something happens is enough to ask anew
    scene.advance(0.2)
    assert scene.triggers == ["start", "adaptive"]
    for n in range(40):
        scene.advance(1)
        scene.draw((16 * (n % 2), 0, 16, 14))
    assert scene.triggers == ["start"] + ["adaptive"] * 5, "ten seconds apart"


def test_activity_is_heeded_while_a_film_plays(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    for second in range(80):
        if second == 60:
            seen = len(scene.shots.whys)
            scene.front.activity, scene.shots.changed = Activity(10, 50, 8), 1.0
        for _ in range(20):
            scene.draw((0, 0, 320, 240))
            scene.advance(0.05)
    assert "adaptive" in scene.triggers[seen:] and "adaptive" not in scene.triggers[:seen]


def test_without_counts_half_is_taken_for_known(bench: Bench) -> None:
    scene = Scene(bench)
    scene.front.activity, scene.shots.changed = None, 0.5
    scene.begin()
    scene.advance(154)
    assert scene.triggers == ["start"]
    scene.advance(2)
    assert scene.triggers == ["start", "adaptive"]


def test_windows_titles_and_bursts_trigger_shots(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    scene.advance(5)
    scene.front.answers = [focus("firefox", "two")]
    scene.shooting.told("focus")
    scene.draw()
    scene.advance(1)
    assert scene.shots.whys[1:] == [Why("focus", "firefox", "two")] and scene.source.grabs == 2
    scene.advance(5)
    scene.shooting.told("title")
    scene.advance(1)
    assert scene.triggers[2:] == ["title"] and scene.shots.repeated == 1, "a title alone changes no pixels"
    scene.advance(5)
    scene.draw()
    scene.advance(1)
    assert scene.triggers[3:] == ["change"]
    assert scene.shots.times[3] - AXIS <= 17 * NS_PER_S + 500 * NS_PER_MS


def test_fixed_intervals_know_no_triggers(bench: Bench) -> None:
    scene = Scene(bench, shots_adaptive=False, shots_interval_ns=30 * NS_PER_S)
    scene.begin()
    for _ in range(10):
        scene.shooting.told("focus")
        scene.draw()
        scene.advance(10)
    assert scene.triggers == ["start"] + ["interval"] * 3
    scene.shooting.shoot(lambda _error, _shape: None)
    scene.advance(21)
    assert scene.triggers[4:] == ["manual", "interval"], "what the user asks for comes beside them"
    del scene.shots.whys[4:], scene.shots.times[4:]
    assert [(at_ns - AXIS) // NS_PER_S for at_ns in scene.shots.times] == [0, 30, 60, 90]
    scene.shooting.halt()
    scene.advance(35)
    scene.begin()
    scene.advance(29)
    assert scene.triggers[4:] == ["start"], "a span has intervals of its own"
    scene.advance(2)
    assert scene.triggers[4:] == ["start", "interval"]


def test_what_is_in_front_must_agree_before_and_after(bench: Bench) -> None:
    scene = Scene(bench)
    one, two, three = focus("xterm", "one"), focus("xterm", "two"), focus("bank", "three")
    scene.front.answers = [one, two, two]
    scene.begin()
    assert scene.shots.whys == [Why("start", "xterm", "two")] and scene.source.grabs == 2
    scene.advance(20)
    scene.front.answers = [one, two, three, one, two]
    scene.draw()
    scene.advance(1)
    assert scene.source.grabs == 2 + limits.SHOT_FOCUS_TRIES and scene.front.asked == 3 + 4
    assert scene.shots.whys[1] == Why("change", "xterm", "one"), "the newest, with what was read after it"
    scene.advance(20)
    scene.front.answers = [focus(EXCLUDED, "", True)]
    scene.draw()
    scene.advance(1)
    assert scene.shots.whys[2] == Why("change", EXCLUDED, "")
    scene.advance(20)
    scene.front.answers = [None]
    scene.draw()
    scene.advance(1)
    assert scene.shots.whys[3] == Why("change") and scene.source.grabs == 7


def test_nothing_is_shot_in_a_pause(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    scene.advance(5)
    scene.draw()
    scene.shooting.told("focus")
    scene.shooting.changed()
    scene.shooting.halt()
    assert not [name for name in bench.loop._timers if name.startswith("shot")], "nobody is woken"
    scene.draw()
    scene.shooting.told("focus")
    scene.shooting.changed()
    scene.shooting.back()
    scene.shooting.restart()
    scene.shooting.take()
    scene.front.activity, scene.shots.changed = Activity(10, 50, 8), 1.0
    scene.advance(400)
    with pytest.raises(Busy):
        scene.shooting.shoot(lambda _error, _shape: None)
    assert scene.triggers == ["start"] and scene.source.grabs == 1 and scene.source.takes == 0
    assert not scene.shooting.due(scene.clock.now_ns())
    scene.begin()
    scene.advance(5)
    assert scene.triggers == ["start", "start"], "what was told in the pause is in the first shot"
    scene.shooting.halt()
    scene.begin()
    assert scene.source.grabs == 3, "who knows what was missed: a span begins with pixels"


def test_a_source_that_ended_is_left_alone_until_it_is_back(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    scene.advance(5)
    scene.source.broken = True
    scene.front.activity, scene.shots.changed = Activity(10, 50, 8), 1.0
    scene.draw()
    scene.advance(1)
    assert scene.source.grabs == 2 and scene.triggers == ["start"]
    scene.advance(100)
    assert scene.source.grabs == 2, "not tried again and again"
    assert scene.shooting.due(scene.clock.now_ns()), "it is there: the coordinator is to try it"
    scene.shooting.restart()
    assert scene.source.grabs == 3
    feed = scene.shown.feed
    feed.source = None
    assert not scene.shooting.due(scene.clock.now_ns()), "it is away: that is known"
    feed.ended = SourceEnded(scene.clock.now_ns(), "device_lost", "pulled out")
    with pytest.raises(Busy):
        scene.shooting.shoot(lambda _error, _shape: None)
    scene.advance(300)
    feed.source, scene.source.broken = scene.source, False
    scene.shooting.back()
    assert not scene.shooting.due(scene.clock.now_ns())
    assert scene.triggers == ["start", "adaptive"], "at once, whatever the schedule said"
    scene.advance(11)
    assert scene.triggers == ["start", "adaptive", "adaptive"]


def test_a_grab_that_fails_once_is_tried_again(bench: Bench) -> None:
    scene = Scene(bench)
    scene.source.broken = True
    scene.begin()
    scene.source.broken = False
    scene.advance(299)
    assert scene.triggers == []
    scene.advance(2)
    assert scene.triggers == ["adaptive"] and scene.shots.taken == 1


def test_a_shot_that_is_asked_for_is_answered_when_it_is_durable(bench: Bench) -> None:
    scene = Scene(bench)
    given: list[Picture] = []
    takes = [True]

    def give(picture: Picture) -> bool:
        given.append(picture)
        return takes[0]

    def turned(happened: Callable[[], object]) -> Callable[[], object]:
        def look() -> object:
            bench.turn(1)
            return happened()

        return look

    taker = ShotTaker(give)
    try:
        scene.shooting.use(taker, scene.front)
        scene.begin()
        answers: list[tuple[PepysError | None, Message]] = []
        wait_until(lambda: given, what="the first shot")
        scene.advance(1)
        scene.shooting.shoot(lambda error, shape: answers.append((error, shape)))
        wait_until(turned(lambda: scene.journal), what="the question when it is durable")
        assert not answers and [picture.trigger for picture in given] == ["start", "manual"]
        ((events, then),) = scene.journal
        assert events == () and then is not None
        then(None)
        at_ms = (AXIS + NS_PER_S) // NS_PER_MS
        assert answers == [(None, {"at_ms": at_ms, "repeat": False, "app": "xterm", "title": "one"})]
        takes[0] = False
        scene.shooting.shoot(lambda error, shape: answers.append((error, shape)))
        wait_until(turned(lambda: len(answers) == 2), what="the refusal")
        assert answers[1][0] is not None and "disk" in answers[1][0].message
        grabs, takes[0] = scene.source.grabs, True
        scene.shooting.take()
        assert scene.source.grabs == grabs + 1, "nobody knows what a repeat would repeat"
        wait_until(lambda: not taker.missed, what="the shot after it")
        scene.shooting.take()
        assert scene.source.grabs == grabs + 1
    finally:
        taker.finish()


def test_a_shot_that_found_no_room_is_taken_anew_and_not_repeated(bench: Bench) -> None:
    scene = Scene(bench)
    gate, reached = threading.Event(), threading.Event()
    given: list[Picture] = []

    def give(picture: Picture) -> bool:
        reached.set()
        gate.wait(10)
        given.append(picture)
        return True

    taker = ShotTaker(give)
    try:
        scene.shooting.use(taker, scene.front)
        scene.begin()
        assert reached.wait(5)
        for _ in range(limits.SHOTS_QUEUE + 1):
            scene.draw()
            scene.shooting.take()
        grabs = scene.source.grabs
        assert taker.counters.dropped == 1 and grabs == limits.SHOTS_QUEUE + 2
        gate.set()
        wait_until(lambda: not taker.busy, what="the shots that waited")
        scene.shooting.take()
        assert scene.source.grabs == grabs + 1, "what was dropped is what the screen shows"
        wait_until(lambda: not taker.busy, what="the shot anew")
        assert given[-1].data is not None
        scene.shooting.take()
        assert scene.source.grabs == grabs + 1
    finally:
        gate.set()
        taker.finish()


def test_without_shots_there_are_none_to_ask_for(bench: Bench) -> None:
    scene = Scene(bench)
    none = Shooting(scene.shooting._spec, None, bench.loop, scene.health, lambda: None)
    none.begin(SpanPlace(0, scene.clock.now_ns(), AXIS, 0))
    with pytest.raises(Usage):
        none.shoot(lambda _error, _shape: None)


def test_the_coordinator_is_told_when_a_shot_is_late(bench: Bench) -> None:
    scene = Scene(bench)
    scene.begin()
    assert tuple(scene.shooting.tracks) == ("shots",)
    scene.clock.advance(299 * NS_PER_S)
    assert not scene.shooting.due(scene.clock.now_ns())
    scene.clock.advance(2 * NS_PER_S)
    assert scene.shooting.due(scene.clock.now_ns()), "the loop did not turn"
    scene.shooting.restart()
    assert scene.triggers == ["start", "adaptive"] and not scene.shooting.due(scene.clock.now_ns())
    report = scene.health.tracks["shots"]
    assert report.attempt_ns == report.capture_ns == scene.clock.now_ns() and report.restarts == 1
    scene.shown.feed.source = None
    scene.clock.advance(400 * NS_PER_S)
    assert not scene.shooting.due(scene.clock.now_ns()), "what is away is not late"


def test_without_video_the_source_is_asked_where_it_changed(bench: Bench) -> None:
    scene = Scene(bench, video=False)
    scene.begin()
    scene.advance(5)
    takes = scene.source.takes
    scene.source.tell(Changed(scene.clock.now_ns()))
    scene.hear()
    scene.advance(1)
    assert scene.triggers == ["start", "change"], scene.triggers
    assert scene.source.takes == takes + 2, "once to learn where, once for the shot"
    takes = scene.source.takes
    scene.source.patches = [Patch(0, 0, np.zeros((14, 16, 4), np.uint8))]
    for _ in range(100):
        scene.source.tell(Changed(scene.clock.now_ns()))
        scene.hear()
        scene.advance(0.1)
    assert scene.triggers == ["start", "change"], "it blinks"
    assert 15 <= scene.source.takes - takes <= 21, "at most every half second"
    scene.advance(2)
    takes = scene.source.takes
    scene.advance(100)
    assert scene.source.takes == takes, "a still screen is not asked"
    scene.advance(200)
    scene.shooting.take()
    assert scene.triggers[-1] == "adaptive" and scene.shots.repeated == 1


def test_a_composition_that_is_not_shown_any_more_takes_nothing(bench: Bench) -> None:
    scene = Scene(bench)
    assert scene.shown.view.watch is not None
    scene.begin()
    scene.shooting.halt()
    scene.shooting.close()
    assert scene.shown.view.watch is None
    scene.begin()
    scene.draw()
    scene.advance(10)
    assert scene.triggers == ["start"]
