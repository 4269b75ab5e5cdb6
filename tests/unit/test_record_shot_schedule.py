"""When time asks for a shot: the published formula, and the schedule on it."""

from __future__ import annotations

import pytest

from pepys import limits
from pepys.limits import NS_PER_S
from pepys.record.shot_schedule import Activity, ShotSchedule, delay_ns

_LONG, _BUSY = 300 * NS_PER_S, Activity(10, 50, 8)


@pytest.mark.parametrize(
    ("activity", "curiosity", "seconds"),
    [
        (Activity(), 0.0, 300.0),
        (Activity(10, 50, 8), 1.0, 10.0),
        (Activity(99, 999, 99), 7.0, 10.0),
        (Activity(-5, -1, -1), -3.0, 300.0),
        (Activity(5, 0, 0), 0.0, 300 - 290 * 0.65 * 0.25),
        (Activity(0, 25, 0), 0.0, 300 - 290 * 0.65 * 0.15),
        (Activity(0, 0, 4), 0.0, 300 - 290 * 0.65 * 0.1),
        (Activity(), 1.0, 300 - 290 * 0.35),
        (None, 0.5, 155.0),
    ],
)
def test_the_formula_is_the_published_one(activity: Activity | None, curiosity: float, seconds: float) -> None:
    assert delay_ns(activity, curiosity) == round(seconds * NS_PER_S)


def test_an_adaptive_wait_follows_what_happens() -> None:
    schedule = ShotSchedule(_LONG, adaptive=True)
    assert schedule.trigger == "adaptive" and schedule.due_ns(_BUSY, 1.0) is None, "nothing before the first shot"
    schedule.taken(1000 * NS_PER_S)
    assert schedule.due_ns(Activity(), 0.0) == 1300 * NS_PER_S
    assert schedule.due_ns(_BUSY, 1.0) == 1010 * NS_PER_S, "somebody came"
    assert schedule.due_ns(Activity(), 0.0) == 1300 * NS_PER_S, "and went"
    schedule.taken(1100 * NS_PER_S, asked=True)
    assert schedule.due_ns(Activity(), 0.0) == 1400 * NS_PER_S, "a shot is a shot, whoever asked for it"
    assert ShotSchedule(20 * NS_PER_S, adaptive=True).due_ns(None, 0.5) is None
    short = ShotSchedule(20 * NS_PER_S, adaptive=True)
    short.taken(0)
    assert short.due_ns(Activity(), 0.0) == 20 * NS_PER_S, "the longest wait"
    schedule.stop()
    assert schedule.due_ns(_BUSY, 1.0) is None


def test_fixed_intervals_are_kept_whatever_happens() -> None:
    schedule = ShotSchedule(30 * NS_PER_S, adaptive=False)
    assert schedule.trigger == "interval"
    schedule.taken(100 * NS_PER_S)
    assert schedule.due_ns(_BUSY, 1.0) == 130 * NS_PER_S == schedule.due_ns(Activity(), 0.0)
    schedule.taken(131 * NS_PER_S)
    assert schedule.due_ns(None, 0.5) == 160 * NS_PER_S, "being late does not add up"
    schedule.taken(140 * NS_PER_S, asked=True)
    assert schedule.due_ns(None, 0.5) == 160 * NS_PER_S, "what the user asks for comes beside them"
    schedule.taken(500 * NS_PER_S)
    assert schedule.due_ns(None, 0.5) == 530 * NS_PER_S, "what was missed is not made up for"


def test_a_shot_that_failed_is_tried_again_after_long() -> None:
    for adaptive in (True, False):
        schedule = ShotSchedule(15 * NS_PER_S, adaptive=adaptive)
        schedule.taken(0)
        schedule.failed(15 * NS_PER_S)
        assert schedule.due_ns(_BUSY, 1.0) == 15 * NS_PER_S + limits.SHOT_FAILED_NS
        schedule.taken(40 * NS_PER_S)
        assert schedule.due_ns(_BUSY, 0.0) == 55 * NS_PER_S, "it is back: as before"
