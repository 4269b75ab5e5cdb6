"""Compositions that are shown, changed and paused: what stays open, and what nobody wants any more is closed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from pepys.errors import Busy, DeviceMissing, PepysError, Usage
from pepys.limits import FRAGMENT_NS, NS_PER_S, REOPEN_MAX_NS
from pepys.record.coordinator import Coordinator
from pepys.record.playback import SpanPlace
from pepys.record.ports import Changed, Lives, SourceEnded
from pepys.record.stage import Stage
from tests.feeds_bench import Bench, Shots


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


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
    assert bench.health.tracks["video.1"].state == "off" and bench.health.tracks["video.2"].source == "window:a"
    stage.close()
    with pytest.raises(Usage):
        bench.stage(sources=("window:a", "window:b")).open()


def test_whose_focus_is_noted(bench: Bench) -> None:
    assert _started(bench, sources=("window:a", "display::7"), layout="grid").focus_display == ":7"
    assert _started(bench, sources=("region:9x9+0+0",), display=":8").focus_display == ":8"
    assert _started(bench, sources=("window:a", "mss:1"), layout="grid", display=":8").focus_display is None
    assert _started(bench, display=":9").focus_display == ":9"


def test_what_is_not_shown_any_more_is_freed_at_once(bench: Bench) -> None:
    """Not when somebody collects garbage: a source may hold tens of megabytes that it shares with a server."""
    stage = _started(bench, sources=("window:a", "window:b"), layout="grid")
    assert stage.screen is not None
    stage.screen.prepare()
    gone: list[Callable[[], object]] = [weakref.ref(bench.house.opened[0]), weakref.ref(stage.screen)]
    outcomes: list[PepysError | None] = []
    gc.collect()
    gc.disable()
    try:
        stage.compose("passthrough", ["window:b"], outcomes.append)
        bench.turn()
        stage.switch(5)
        assert outcomes == [None] and bench.house.opened.pop(0).closed
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()
    stage.close()


def test_shots_without_video_look_where_nothing_tells(bench: Bench) -> None:
    """A mask that is lifted after a while, or a server that is silent, shows by looking alone."""
    stage = bench.stage(sources=("window:a",), video=False, shots_interval_ns=10 * NS_PER_S)
    stage.open()
    bench.turn()
    stage.require()
    (source,) = bench.house.opened
    assert stage.screen is not None
    shots = Shots()
    stage.screen.use_shots(shots)  # type: ignore[arg-type]  # all that is called
    source.wake_at_ns = bench.clock.now_ns() + NS_PER_S
    stage.screen.begin(SpanPlace(0, bench.clock.now_ns(), 0, 0), None, lambda _work: True)
    bench.turn()
    polled = source.polled
    bench.advance(NS_PER_S // 2)
    assert source.polled == polled and shots.taken == 1
    bench.advance(NS_PER_S // 2)
    assert source.polled > polled, "looked at when it asked for"
    # Looked at before it is decided whether a picture is new, whichever of the two timers comes first.
    source.wake_at_ns = None
    source.events.append(Changed(bench.clock.now_ns()))
    bench.advance(9 * NS_PER_S)
    assert (shots.taken, shots.repeated) == (2, 0)
    stage.screen.halt(bench.clock.now_ns())
    polled = source.polled
    source.wake_at_ns = bench.clock.now_ns()
    bench.advance(NS_PER_S)
    assert source.polled == polled, "nothing is looked at between spans"
    stage.close()


def test_a_pointer_that_moves_alone_changes_no_shot(bench: Bench) -> None:
    interval_ns = 10 * NS_PER_S
    stage = _started(bench, sources=("window:a",), shots_interval_ns=interval_ns)
    (source,) = bench.house.opened
    assert stage.screen is not None
    shots = Shots()
    stage.screen.use_shots(shots)  # type: ignore[arg-type]  # all that is called
    stage.screen.prepare()
    stage.screen.begin(SpanPlace(0, bench.clock.now_ns(), 0, 0), None, lambda _work: True)
    for pointer_only, so_far in ((True, (1, 1)), (False, (2, 1)), (True, (2, 2))):
        source.tell(Changed(bench.clock.now_ns(), pointer_only))
        for _ in range(interval_ns // FRAGMENT_NS):
            bench.advance(FRAGMENT_NS)
            stage.screen.grid(bench.clock.now_ns())
        bench.advance(interval_ns % FRAGMENT_NS)
        assert (shots.taken, shots.repeated) == so_far, f"pointer_only={pointer_only}"
    bench.clock.advance(interval_ns)
    source.tell(Changed(bench.clock.now_ns()))
    bench.turn()
    assert (shots.taken, shots.repeated) == (3, 2), "told just now, and not shown yet"
    stage.screen.halt(bench.clock.now_ns())
    stage.close()


def test_a_pause_lets_go_of_cameras_and_keeps_films(bench: Bench) -> None:
    stage = _started(bench, sources=("webcam:first", "file:talk.mp4", "window:a"), layout="grid")
    camera, film, window = bench.house.opened
    assert stage.screen is not None
    stage.screen.prepare()
    bench.house.slow.add("webcam:first")
    stage.screen.halt(bench.clock.now_ns())
    stage.suspend()
    bench.advance(REOPEN_MAX_NS)
    assert camera.closed and len(bench.house.openings) == 3, "the lamp stays off"
    assert (film.held, film.closed, window.closed) == (True, False, False)
    stage.reopen()
    assert stage.waits and not film.held
    bench.house.openings[-1].answer()
    bench.turn()
    again = bench.house.opened[-1]
    assert not stage.waits and not again.closed and again.name == "webcam:first"
    config = stage.screen.prepare()
    assert config is None and stage.screen.lives
    assert stage.screen._video is not None
    assert [view.source for view in stage.screen._video._compositor.views] == [again, film, window]
    stage.close()


def test_a_camera_that_is_lost_is_not_tried_in_a_pause(bench: Bench) -> None:
    stage = _started(bench, sources=("webcam:first", "window:a"), layout="grid")
    bench.house.missing.add("webcam:first")
    bench.house.opened[0].tell(SourceEnded(bench.clock.now_ns(), "device_lost", "pulled out"))
    bench.turn()
    stage.suspend()
    tries = len(bench.house.openings)
    bench.advance(REOPEN_MAX_NS)
    assert len(bench.house.openings) == tries
    stage.reopen()
    bench.turn()
    assert len(bench.house.openings) == tries + 1
    stage.close()


def test_another_composition_is_prepared_while_the_old_one_is_recorded(bench: Bench) -> None:
    stage = _started(bench, sources=("window:a",), shots_interval_ns=0)
    old = stage.screen
    assert old is not None
    old.prepare()
    old.begin(SpanPlace(0, bench.clock.now_ns(), 0, 0), None, lambda _work: True)
    outcomes: list[PepysError | None] = []
    stage.compose("side-by-side", ["window:a", "window:b"], outcomes.append)
    bench.turn()
    stage.prepare_switch()
    assert stage.screen is old and old._video is not None and old._video._encoder is not None
    assert set(bench.health.tracks) == {"video"}, "nothing is told of it yet"
    # What the old one still takes is missing in the new one's pictures, unless it looks again.
    shared = bench.house.opened[0]
    shared.refreshed = 0
    bench.clock.advance(NS_PER_S)
    old.halt(bench.clock.now_ns())
    old.finish(bench.clock.now_ns())
    stage.switch(5)
    assert stage.screen is not old and stage.screen is not None and stage.screen._video is not None
    assert stage.screen._video._encoder is not None and shared.refreshed == 1
    assert [view.pending for view in stage.screen._video._compositor.views] == [True, True]
    stage.compose("passthrough", ["window:b"], outcomes.append)
    bench.turn()
    stage.prepare_switch()
    stage.drop_coming()
    assert stage.sources == ["window:a", "window:b"] and stage.screen._video._encoder is not None
    assert stage.screen.feeds[0].source is not None
    stage.close()


def test_a_source_that_shows_no_life_is_opened_again_and_a_gap_since_it_showed_some(bench: Bench) -> None:
    stage = _started(bench, sources=("display::7", "window:a"), layout="grid", shots_interval_ns=0)
    dead, other = bench.house.opened
    assert stage.screen is not None and isinstance(dead, Lives)
    dead.alive_ns = bench.clock.now_ns()
    place = SpanPlace(0, bench.clock.now_ns(), 0, 0)
    stage.screen.prepare()
    stage.screen.begin(place, None, lambda _work: True)
    coordinator = Coordinator(bench.loop, bench.health, lambda: 0)
    coordinator.begin(place, stage.screen.watched())
    second_ns = bench.clock.now_ns()
    while not dead.closed:
        other.alive_ns = bench.clock.now_ns()
        bench.advance(NS_PER_S // 5)
        stage.screen.grid(bench.clock.now_ns())
        assert bench.clock.now_ns() - second_ns < 7 * NS_PER_S
    assert bench.clock.now_ns() - second_ns >= 5 * NS_PER_S and not other.closed
    reports = bench.health.tracks
    assert {track: report.told[0] for track, report in reports.items()} == {
        "video": "degraded", "video.1": "restarting", "video.2": "healthy",
    }  # fmt: skip
    (gap,) = bench.health.open_gaps
    assert (gap.track, gap.reason, gap.start_ns) == ("video.1", "device_lost", 0)
    bench.advance(NS_PER_S)
    assert reports["video.1"].told[0] == "healthy" and bench.health.open_gaps == []
    assert (reports["video.1"].restarts, reports["video.2"].restarts) == (1, 0)
    coordinator.end()
    stage.screen.halt(bench.clock.now_ns())
    stage.close()
