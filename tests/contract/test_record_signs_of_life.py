"""Whether an X server lives is known without anybody waiting for it, and nobody who sleeps is called dead."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import closing

from pepys.clock import Clock, FakeClock, SystemClock
from pepys.demo.servers import XServer
from pepys.limits import NS_PER_S, X11_PING_NS, X11_SILENCE_S
from pepys.record.adapters.x11.display import open_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Lives, SourceEnded
from pepys.record.sources import SourceName, Wish
from tests.waiting import wait_until

_SILENCE_NS = int(X11_SILENCE_S * NS_PER_S)


def _opened(display: str, clock: Clock) -> X11Source:
    wish = Wish(display, pointer=False, fps=30, exclusions=Exclusions((), builtin=False))
    return open_x11(SourceName("display", display), wish, clock)


@contextlib.contextmanager
def _stopped(server: XServer) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_still_screen_shows_that_it_lives(xserver: XServer) -> None:
    clock = FakeClock()
    with closing(_opened(xserver.display, clock)) as source:
        assert isinstance(source, Lives)
        source.take(2)
        for _ in range(5):
            clock.advance(X11_PING_NS)
            assert (source.wake_ns() or 0) <= clock.now_ns()
            source.poll()
            wait_until(lambda: source.poll() == [] and source.alive_ns == clock.now_ns(), 5, "a sign of life")


def test_a_server_that_hangs_is_given_up_within_two_seconds_and_holds_nobody_up(xserver: XServer) -> None:
    clock = SystemClock()
    with closing(_opened(xserver.display, clock)) as source, _stopped(xserver):
        source.poll()
        stopped_ns, longest_ns = clock.now_ns(), 0
        ends: list[SourceEnded] = []

        def ended() -> bool:
            nonlocal longest_ns
            if (source.wake_ns() or 0) <= (before_ns := clock.now_ns()):
                ends.extend(event for event in source.poll() if isinstance(event, SourceEnded))
                longest_ns = max(longest_ns, clock.now_ns() - before_ns)
            return bool(ends)

        wait_until(ended, 5, "the end")
        assert clock.now_ns() - stopped_ns < 2 * NS_PER_S
        assert longest_ns < _SILENCE_NS // 2, "it was waited for"
        assert ends[0].reason == "device_lost" and ends[0].at_ns == source.alive_ns <= stopped_ns


def test_who_did_not_look_for_long_blames_no_server(xserver: XServer) -> None:
    clock = FakeClock()
    with closing(_opened(xserver.display, clock)) as source:
        source.poll()
        clock.advance(X11_PING_NS)
        source.poll()
        clock.advance(60 * NS_PER_S)  # asleep, with an answer that waits
        wait_until(lambda: source.poll() == [] and source.alive_ns == clock.now_ns(), 5, "the answer")
        with _stopped(xserver):
            clock.advance(X11_PING_NS)
            assert source.poll() == []
            clock.advance(60 * NS_PER_S)  # asleep, and so was the server
            assert source.poll() == []
            clock.advance(_SILENCE_NS // 2)
            assert [type(event) for event in source.poll()] == [SourceEnded]
