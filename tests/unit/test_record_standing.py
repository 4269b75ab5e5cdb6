"""Which clock of a track stands still, and when what is gone is tried again: pure rules."""

from __future__ import annotations

import pytest

from pepys import limits
from pepys.limits import NS_PER_S
from pepys.record.standing import Clocks, Standing, Tries, standing, stands_next_ns

_NOW = 100 * NS_PER_S


@pytest.mark.parametrize(
    ("attempt_s", "capture_s", "written_s", "due_s", "waits_s", "stands", "for_s"),
    [
        (0.5, 0.5, None, 60, 0, None, 0),
        (0.5, 2.0, None, 60, 0, "capture", 2),
        (0.5, 1.9, None, 60, 0, None, 0),
        (3.0, 9.0, None, 60, 0, "attempt", 3),
        (0.5, 9.0, None, 1, 0, None, 0),
        (90, 90, None, 3, 0, "attempt", 3),
        (90, 90, None, None, 0, None, 0),
        (90, 90, None, None, 2.5, "write", 2.5),
        (0.5, 0.5, 0.9, 60, 1.0, None, 0),
        (0.5, 0.5, 0.9, 60, 1.2, "write", 1.2),
        (0.5, 0.5, 0.9, 60, 4, "write", 4),
        (0.5, 7.0, 0.9, 60, 4, "capture", 7),
        (0.5, 0.5, 2.7, 60, 0, None, 0),
        (0.5, 0.5, 2.9, 60, 0, "write", 2.9),
        (0.5, 0.5, 90, 2, 0, None, 0),
    ],
)  # fmt: skip
def test_the_first_clock_that_should_go_and_does_not_is_named(
    attempt_s: float, capture_s: float, written_s: float | None, due_s: float | None, waits_s: float,
    stands: str | None, for_s: float,
) -> None:  # fmt: skip
    def ago(seconds: float) -> int:
        return _NOW - int(seconds * NS_PER_S)

    clocks = Clocks(ago(attempt_s), ago(capture_s), None if written_s is None else ago(written_s))
    found = standing(clocks, None if due_s is None else ago(due_s), _NOW, int(waits_s * NS_PER_S))
    if stands is None:
        assert found is None
    else:
        assert found is not None and (found.clock, found.for_ns(_NOW)) == (stands, int(for_s * NS_PER_S))


def test_the_next_look_is_when_the_oldest_clock_would_stand() -> None:
    assert stands_next_ns(Clocks(5 * NS_PER_S, 4 * NS_PER_S), NS_PER_S) == 6 * NS_PER_S
    assert stands_next_ns(Clocks(5 * NS_PER_S, 4 * NS_PER_S), 9 * NS_PER_S) == 11 * NS_PER_S
    assert stands_next_ns(Clocks(0, 0), None) is None


def test_what_is_tried_is_restarting_and_in_vain_it_is_failed() -> None:
    states = [Standing("capture", 0, tries).state for tries in range(7)]
    assert states == ["degraded", *["restarting"] * limits.RESTART_TRIES, "failed"]


def test_waits_double_up_to_half_a_minute() -> None:
    tries, waits, failed = Tries(), [], []
    for _ in range(8):
        waits.append(tries.wait_ns // NS_PER_S)
        failed.append(tries.in_vain)
        tries.tried()
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert failed == [False] * 5 + [True] * 3
    tries.count = 10**6
    assert tries.wait_ns == 30 * NS_PER_S


def test_what_comes_and_goes_is_waited_for_ever_longer() -> None:
    tries = Tries()
    tries.tried()
    tries.came(0)
    tries.went(limits.STEADY_NS - 1)
    assert (tries.count, tries.restarts, tries.wait_ns) == (1, 1, 2 * NS_PER_S)
    tries.tried()
    tries.came(0)
    tries.went(limits.STEADY_NS)
    assert (tries.count, tries.restarts) == (0, 2)
    tries.came(0)
    assert tries.restarts == 2, "nobody had to start it again"
    tries.tried()
    tries.went(1, in_order=True)
    assert tries.count == 0
