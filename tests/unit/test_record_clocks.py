"""Time that stood still, and a wall clock that was set: judged on a clock that the test moves."""

from __future__ import annotations

import pytest

from pepys.clock import FakeClock, SystemClock
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.stall import Slept, judge
from pepys.record.wall_watch import WallWatch


@pytest.mark.parametrize(
    ("late_ms", "slept_ms", "extent", "detail"),
    [
        (0, 0, "", ""),
        (2000, 0, "", ""),
        (2100, 0, "pictures", "pepys did not run for 2.1 s"),
        (5000, 0, "pictures", "pepys did not run for 5.0 s"),
        (5100, 0, "session", "pepys did not run for 5.1 s"),
        (300, 400, "", ""),
        (900, 900, "session", "the machine slept for 0.9 s"),
        (3_600_200, 3_600_000, "session", "the machine slept for 3600.0 s"),
    ],
)
def test_what_a_late_grid_point_means(late_ms: int, slept_ms: int, extent: str, detail: str) -> None:
    stall = judge(late_ms * NS_PER_MS, slept_ms * NS_PER_MS)
    assert (stall.extent, stall.detail) == (extent, detail)


def test_sleep_is_what_the_boot_clock_counts_and_the_other_does_not() -> None:
    clock = FakeClock()
    slept = Slept(clock)
    clock.advance(7 * NS_PER_S)
    assert slept.since_mark_ns() == 0
    clock.suspend(9 * NS_PER_S)
    assert slept.since_mark_ns() == slept.since_mark_ns() == 9 * NS_PER_S
    slept.mark()
    assert slept.since_mark_ns() == 0
    system = SystemClock()
    assert Slept(system).since_mark_ns() < 5 * NS_PER_MS, "this machine is awake"


def test_a_clock_that_is_set_is_told_once_and_one_that_is_slewed_never() -> None:
    clock = FakeClock()
    watch = WallWatch(clock)
    clock.advance(NS_PER_S)
    assert watch.look() == 0
    for step_ns in (3600 * NS_PER_S, -90 * NS_PER_S, 501 * NS_PER_MS):
        clock.step_wall(step_ns)
        assert watch.look() == step_ns
        assert watch.look() == 0
    clock.step_wall(499 * NS_PER_MS)
    assert watch.look() == 0
    for _ in range(3600):
        clock.advance(NS_PER_S)
        clock.step_wall(NS_PER_MS // 2)
        assert watch.look() == 0, "NTP slews"
    clock.suspend(8 * 3600 * NS_PER_S)
    assert watch.look() == 0, "a night is no step"


class Held(FakeClock):
    """A process that is stopped between two readings."""

    held_ns = 0

    def wall_ns(self) -> int:
        if self.held_ns:
            self.advance(self.held_ns)
        return super().wall_ns()


def test_a_process_that_is_stopped_between_two_readings_sees_no_step() -> None:
    clock = Held()
    watch = WallWatch(clock)
    clock.held_ns = 10 * NS_PER_S
    assert watch.look() == 0
    clock.held_ns = 0
    assert watch.look() == 0
    clock.step_wall(2 * NS_PER_S)
    assert watch.look() == 2 * NS_PER_S
