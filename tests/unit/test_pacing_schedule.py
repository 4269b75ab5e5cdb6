"""The schedule of captures, with a clock that tests move."""

from __future__ import annotations

import itertools

from pepys.clock import FakeClock
from pepys.limits import CAPTURE_DELAY_NS, NS_PER_MS, NS_PER_S, POINTER_MOVING_NS
from pepys.record.pacing import Pacer

FPS = 30
INTERVAL = NS_PER_S // FPS


def run(pacer: Pacer, clock: FakeClock, changes_ns: list[int], work_ns: int = 0) -> list[int]:
    """Captures whenever it is due; each takes `work_ns`. Gives the times of the captures."""
    captures = []
    for index, change_ns in enumerate(changes_ns):
        clock.advance(max(0, change_ns - clock.now_ns()))
        pacer.changed(change_ns)
        following = changes_ns[index + 1] if index + 1 < len(changes_ns) else clock.now_ns() + NS_PER_S
        due_ns = pacer.due_ns()
        assert due_ns is not None
        if due_ns < following:
            clock.advance(max(0, due_ns - clock.now_ns()))
            captures.append(clock.now_ns())
            pacer.captured(clock.now_ns())
            clock.advance(work_ns)
    return captures


def test_nothing_changed_is_never_due() -> None:
    pacer = Pacer(FPS)
    assert pacer.due_ns() is None
    assert pacer.captured(5) == 0
    assert pacer.due_ns() is None


def test_a_change_after_stillness_is_captured_at_once() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    pacer.changed(clock.now_ns())
    assert pacer.due_ns() == clock.now_ns() + CAPTURE_DELAY_NS


def test_the_first_of_several_changes_counts() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    first = clock.now_ns()
    pacer.changed(first)
    pacer.changed(first + 2 * NS_PER_MS)
    assert pacer.changed_ns == first


def test_a_film_at_the_same_rate_loses_no_frame_whatever_its_jitter() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    start = clock.now_ns()
    changes = [start + number * INTERVAL + (number * 7919 % 11 - 5) * NS_PER_MS for number in range(1, 600)]
    captures = run(pacer, clock, changes, work_ns=7 * NS_PER_MS)
    assert len(captures) == len(changes)


def test_a_faster_film_is_held_to_the_mean_rate() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    start = clock.now_ns()
    captures = run(pacer, clock, [start + number * 5 * NS_PER_MS for number in range(2000)])
    assert 295 <= len(captures) <= 302
    gaps = [after - before for before, after in itertools.pairwise(captures)]
    assert min(gaps) >= INTERVAL * 55 // 100


def test_lateness_of_whole_frames_is_counted_as_loss() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    pacer.changed(clock.now_ns())
    due_ns = pacer.due_ns()
    assert due_ns is not None
    assert pacer.captured(due_ns + INTERVAL * 3 + 5) == 3
    pacer.changed(due_ns + INTERVAL * 10)
    assert pacer.captured(due_ns + INTERVAL * 10 + CAPTURE_DELAY_NS) == 0


def test_a_pointer_alone_waits_longer_and_joins_other_changes() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    pacer.changed(clock.now_ns())
    pacer.captured(clock.now_ns())
    last = clock.now_ns()
    pacer.changed(last + NS_PER_MS, pointer_only=True)
    assert pacer.due_ns() == last + POINTER_MOVING_NS
    pacer.changed(last + 2 * NS_PER_MS)
    due_ns = pacer.due_ns()
    assert due_ns is not None
    assert due_ns < last + INTERVAL
    assert pacer.changed_ns == last + NS_PER_MS


def test_a_forgotten_change_is_not_captured() -> None:
    clock, pacer = FakeClock(), Pacer(FPS)
    pacer.changed(clock.now_ns())
    pacer.forget()
    assert pacer.due_ns() is None
