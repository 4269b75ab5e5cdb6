"""How long a loop was busy, and how much memory is too much."""

from __future__ import annotations

import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.limits import NS_PER_MS
from pepys.record import memory as memories
from pepys.record.lags import Lags
from pepys.record.loop import Loop
from pepys.record.memory import MemoryWatch, resident_bytes


def test_the_longest_turn_and_the_share_below() -> None:
    lags = Lags()
    assert (lags.longest_ns, lags.share_ns(99)) == (0, 0)
    for ms in range(1, 101):
        lags.add(ms * NS_PER_MS)
    assert (lags.longest_ns, lags.share_ns(99), lags.share_ns(50)) == (100 * NS_PER_MS, 99 * NS_PER_MS, 50 * NS_PER_MS)
    assert lags.to_json() == {"longest_ms": 100.0, "p99_ms": 99.0}
    for _ in range(limits.LAGS_KEPT):
        lags.add(NS_PER_MS)
    assert lags.longest_ns == NS_PER_MS, "a bad moment is not shown forever"


def test_a_loop_counts_what_it_does_and_not_what_it_waits() -> None:
    clock = FakeClock()
    loop = Loop(clock)
    loop.set_timer("slow", clock.now_ns(), lambda: clock.advance(30 * NS_PER_MS))
    loop.turn()
    assert loop.lags.longest_ns == 30 * NS_PER_MS and loop.turned_ns == clock.now_ns()
    loop.close()


def test_memory_that_grows_is_found_and_large_sources_are_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [300]
    monkeypatch.setattr(memories, "resident_bytes", lambda: now[0])
    watch = MemoryWatch(400)
    assert not any(watch.look() for _ in range(limits.MEMORY_SETTLED_LOOKS))
    assert watch.limit_bytes == 600, "twice what it takes once its sources are open"
    now[0] = 600
    assert not watch.look()
    now[0] = 601
    assert watch.look() and not watch.beyond_help
    now[0] = 1201
    assert watch.look() and watch.beyond_help


def test_the_memory_of_this_process_is_read() -> None:
    assert 10_000_000 < resident_bytes() < 4_000_000_000
