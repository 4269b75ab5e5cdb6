"""Time: the system's clocks, the fake that tests move, and RFC 3339 in both directions."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepys.clock import FakeClock, SystemClock, parse_rfc3339, rfc3339


def test_the_system_s_clocks_go_on() -> None:
    clock = SystemClock()
    before, wall = clock.now_ns(), clock.wall_ns()
    clock.sleep_ns(2_000_000)
    assert clock.now_ns() - before >= 2_000_000
    assert clock.wall_ns() - wall >= 1_000_000
    clock.sleep_ns(-5)
    assert clock.boot_id() == SystemClock().boot_id() != ""


def test_a_fake_clock_moves_only_when_it_is_moved() -> None:
    clock = FakeClock(now_ns=5, wall_ns=100)
    assert (clock.now_ns(), clock.wall_ns()) == (5, 100)
    clock.advance(7)
    assert (clock.now_ns(), clock.wall_ns()) == (12, 107)
    clock.step_wall(-50)
    assert (clock.now_ns(), clock.wall_ns()) == (12, 57)
    boot = clock.boot_id()
    clock.reboot("another")
    assert (clock.now_ns(), clock.wall_ns()) == (0, 57) and clock.boot_id() != boot
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_who_sleeps_on_a_fake_clock_is_woken_by_its_time() -> None:
    clock, woken = FakeClock(), threading.Event()

    def sleep() -> None:
        clock.sleep_ns(1000)
        woken.set()

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    while not woken.is_set():
        # Whether it sleeps already cannot be seen: it is moved until it wakes.
        clock.advance(500)
        woken.wait(0.01)
    thread.join(5)
    assert not thread.is_alive()


@given(wall_ms=st.integers(0, 253_402_300_799_999))
def test_rfc3339_comes_back(wall_ms: int) -> None:
    text = rfc3339(wall_ms * 1_000_000)
    assert len(text) == 24 and text.endswith("Z")
    assert parse_rfc3339(text) == wall_ms * 1_000_000


def test_rfc3339_in_other_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rfc3339(1_750_000_000_123_999_999) == "2025-06-15T15:06:40.123Z"
    assert parse_rfc3339("2025-06-15T17:06:40.123456+02:00") == 1_750_000_000_123_456_000
    assert parse_rfc3339("2025-06-15 15:06:40Z") == 1_750_000_000_000_000_000
    assert parse_rfc3339("1969-12-31T23:59:59.5Z") == -500_000_000
    for text in ("", "yesterday", "2025-13-01", "12:00"):
        with pytest.raises(ValueError):
            parse_rfc3339(text)
