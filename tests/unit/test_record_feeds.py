"""Sources that come, go and come again: when each is tried, and what stands still when it is held."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.limits import NS_PER_S, REOPEN_MAX_NS, REOPEN_MIN_NS
from pepys.record import probe
from pepys.record.adapters.pushed import PushedSource
from pepys.record.ports import Holds, SourceEnded
from pepys.record.shown import Shown
from tests.feeds_bench import Bench, Piped
from tests.waiting import wait_until


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


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


def test_a_display_that_was_gone_is_tried_as_soon_as_somebody_listens_for_it(
    bench: Bench, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After many deaths the next try is 30 s away: a display that is back must not wait for it."""
    monkeypatch.setattr(probe, "_SOCKETS", short_folder)
    bench.house.missing.add("display::4077")
    feed = bench.feed("display::4077")
    feed.join(lambda: bench.told.append("open"), lambda: bench.told.append("failed"), lambda: None)
    feed.open()
    bench.turn()
    for _ in range(80):
        bench.advance(NS_PER_S)
    tried = len(bench.told)
    assert tried <= 8 and bench.told[-1] == "failed"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_folder / "X4077"))
        server.listen()
        bench.house.missing.clear()
        bench.advance(NS_PER_S)
    assert bench.told[tried:] == ["open"]
    feed.close()


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


def test_nothing_is_opened_beside_an_opening_that_hangs(bench: Bench) -> None:
    feed = bench.feed()
    feed.join(lambda: None, lambda: bench.told.append("failed"), lambda: None)
    bench.house.missing.add("window:x")
    bench.house.hanging.add("window:x")
    feed.open()
    bench.turn()
    for _ in range(100):
        bench.advance(NS_PER_S)
    assert len(bench.house.openings) == 1 and bench.told == ["failed"] and feed.returns is True
    assert feed.why_not.message == "window:x is missing"
    bench.house.hanging.clear()
    bench.house.missing.clear()
    bench.advance(REOPEN_MAX_NS)
    assert len(bench.house.openings) == 2 and feed.source is not None
    feed.close()


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
def test_a_process_that_has_nothing_left_to_open_with_tries_again(bench: Bench, error: Exception) -> None:
    feed = bench.feed()
    feed.join(lambda: bench.told.append("open"), lambda: bench.told.append("failed"), lambda: None)
    bench.house.broken = error
    feed.open()
    assert bench.told == [], "never from within"
    bench.turn()
    assert bench.told == ["failed"] and "window:x" in feed.why_not.message
    bench.house.broken = None
    bench.advance(REOPEN_MAX_NS)
    assert bench.told == ["failed", "open"]
    feed.close()


def test_a_deliverer_that_is_held_stands_still_and_can_be_ended() -> None:
    clock, shown = SystemClock(), [0]
    black = np.zeros((32, 32, 4), np.uint8)

    def play(source: PushedSource) -> None:
        while source.pause_until(clock.now_ns() + NS_PER_S // 500):
            shown[0] += 1
            source.deliver(black + np.uint8(shown[0] % 200))

    source = PushedSource("pattern:x", Piped.capabilities, clock)
    assert isinstance(source, Holds)
    source.start(play)
    source.first()
    source.hold(True)
    wait_until(lambda: shown[0] == (wait_until(lambda: source.poll() == [], what="it to rest"), shown[0])[1], 5)
    held = shown[0]
    assert not select.select([source.fileno()], [], [], 0.05)[0] and shown[0] == held
    source.hold(False)
    wait_until(lambda: shown[0] > held, 5, "it to go on")
    source.hold(True)
    source.close()
    source.hold(True)
    wait_until(lambda: source.stopping and not any(t.name == "video pattern:x"[:15] for t in threading.enumerate()), 5)


def test_what_comes_and_goes_is_tried_ever_later_but_not_what_is_closed(bench: Bench) -> None:
    for name, reason, expected in (("display::7", "device_lost", [1, 2, 4]), ("window:x", "source_closed", [1, 1, 1])):
        feed, waits = bench.feed(name), list[int]()
        feed.join(lambda: None, lambda: None, lambda: None)
        feed.open()
        bench.turn()
        for _ in range(3):
            feed.end(SourceEnded(bench.clock.now_ns(), reason, "it went"))  # type: ignore[arg-type] # one of both
            gone_ns = bench.clock.now_ns()
            assert feed.awaited is (name == "window:x")
            while feed.source is None:
                bench.advance(NS_PER_S // 4)
            waits.append((bench.clock.now_ns() - gone_ns) // NS_PER_S)
        assert waits == expected
        feed.close()


def test_five_tries_in_vain_make_a_failure(bench: Bench) -> None:
    feed = bench.feed("display::7")
    feed.join(lambda: None, lambda: None, lambda: None)
    feed.open()
    bench.turn()
    shown = Shown(feed, ["video"])
    bench.house.missing.add("display::7")
    feed.end(SourceEnded(bench.clock.now_ns(), "source_closed", "closed"))
    states = []
    for _ in range(32):
        states.append(shown.health[0])
        bench.advance(NS_PER_S)
    assert states == ["restarting"] * 31 + ["failed"]
    bench.house.missing.clear()
    bench.advance(REOPEN_MAX_NS)
    assert shown.health == ("healthy", "no DAMAGE: pictures are compared")
    window = bench.feed("window:x")
    bench.house.missing.add("window:x")
    window.join(lambda: None, lambda: None, lambda: None)
    window.open()
    bench.turn()
    assert Shown(window, ["video"]).health[0] == "failed", "there is nothing to start again"
    window.close()
    feed.close()
