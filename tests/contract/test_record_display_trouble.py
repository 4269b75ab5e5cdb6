"""A display that hangs or storms: one silence is found once for all its sources, and nobody else is held up."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S, X11_SILENCE_S
from pepys.record.adapters.opening import open_source
from pepys.record.adapters.x11.source import X11Source
from pepys.record.feeds import Feed
from pepys.record.focus import FocusWatch
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.playback import SpanPlace
from pepys.record.ports import Changed, SourceEnded
from pepys.record.sources import SourceName, Wish
from pepys.record.wire import Message
from tests.desk import Desk
from tests.video_stage import NOTHING_EXCLUDED
from tests.waiting import wait_until
from tests.x11_sources import opened


@contextlib.contextmanager
def stopped(server: XServer) -> Iterator[None]:
    """The server is there and does nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def _descriptors() -> list[str]:
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


def test_one_silence_ends_all_sources_of_a_display(xserver: XServer) -> None:
    clock = SystemClock()
    sources = [opened(xserver.display, "region", f"100x100+{100 * n}+0") for n in range(5)]
    with stopped(xserver):
        began_ns = clock.now_ns()
        assert sources[0].take(2) == []
        ends = [event for source in sources for event in source.poll()]
        assert clock.now_ns() - began_ns < (X11_SILENCE_S + 0.5) * NS_PER_S
    assert [type(end) for end in ends] == [SourceEnded] * 5
    assert {end.reason for end in ends if isinstance(end, SourceEnded)} == {"device_lost"}
    for source in sources:
        source.close()
    # A server that answers again is no longer silent for those who come now.
    with contextlib.closing(opened(xserver.display)) as fresh:
        assert fresh.take(2) and not any(isinstance(event, SourceEnded) for event in fresh.poll())


def test_connecting_to_a_display_that_hangs_ends(xserver: XServer) -> None:
    before, clock = _descriptors(), SystemClock()
    with stopped(xserver):
        began_ns = clock.now_ns()
        with pytest.raises(DeviceMissing, match="does not answer"):
            opened(xserver.display)
        assert clock.now_ns() - began_ns < (X11_SILENCE_S + 0.5) * NS_PER_S
    assert _descriptors() == before


def test_a_display_that_hangs_for_long_costs_neither_threads_nor_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REOPEN_MIN_NS", "REOPEN_MAX_NS"):
        monkeypatch.setattr(limits, name, 50 * NS_PER_MS)
    path = Path("/tmp/.X11-unix/X3977")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    loop, tries = Loop(SystemClock()), []
    wish = Wish(":3977", exclusions=NOTHING_EXCLUDED)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen(50)
        try:
            feed = Feed(SourceName("display", ":3977"), wish, open_source, loop)
            feed.join(lambda: None, lambda: tries.append(threading.active_count()), lambda: None)
            feed.open()
            wait_until(lambda: loop.turn(20 * NS_PER_MS) or len(tries) >= 3, 10, "three tries")
            assert max(tries) <= tries[0] + 1
            feed.close()
        finally:
            path.unlink()
            loop.close()


def test_a_storm_of_popups_holds_nobody_up(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.record.adapters.x11.source.X11_PUMP_NS", NS_PER_MS // 5)
    desk, clock = Desk(xserver.display), SystemClock()
    popups = [desk.window((10 * n, 10, 30, 30), override=True, shown=False) for n in range(40)]
    with contextlib.closing(opened(xserver.display, exclude=("*secret*",))) as source:
        source.take(2)
        for _ in range(20):
            for window in popups:
                desk.core.MapWindow(window)
                desk.core.UnmapWindow(window)
        desk.sync()
        longest_ns = _longest(source, clock)
        assert longest_ns < 60 * NS_PER_MS
        # What is left is heard though no descriptor tells of it, and the picture is shown again.
        source.refresh()
        wait_until(lambda: source.poll() is not None and bool(source.take(2)), 10, "a picture")
        assert (source.wake_ns() or 0) > clock.now_ns()
    desk.connection.disconnect()


def _longest(source: X11Source, clock: SystemClock) -> int:
    longest_ns, behind = 0, False
    for _ in range(1000):
        began_ns = clock.now_ns()
        source.poll()
        longest_ns = max(longest_ns, clock.now_ns() - began_ns)
        if (source.wake_ns() or 0) > clock.now_ns():
            break
        if not behind:
            behind = True
            assert source.take(2) == [], "nothing is shown that was not judged"
            assert any(isinstance(event, Changed) for event in source.poll())
    assert behind, "it did not take long enough to be a storm"
    return longest_ns


def test_a_frame_that_a_window_has_left_is_not_listened_to(xserver: XServer) -> None:
    with Desk(xserver.display) as desk:
        window, frame = desk.window((10, 10, 80, 60), title="letter"), desk.window((200, 200, 120, 100))
        with contextlib.closing(opened(xserver.display, "window", "letter")) as source:
            core = source._connection.core
            for parent, listens in ((frame, True), (desk.root, False)):
                desk.reparent(window, parent)
                source.poll()
                assert bool(core.GetWindowAttributes(frame).reply().your_event_mask) is listens
            assert frame not in source._connection._watched and window in source._connection._watched


def test_the_focus_of_a_display_that_hangs_is_waited_for_by_nobody(xserver: XServer) -> None:
    loop, pushed = Loop(SystemClock()), list[Message]()
    health = Health(lambda _events, _then: None, pushed.append)
    watch = FocusWatch(loop, health, NOTHING_EXCLUDED)
    with stopped(xserver):
        began_ns = loop.clock.now_ns()
        watch.open(xserver.display)
        assert watch.waits and loop.clock.now_ns() - began_ns < 200 * NS_PER_MS
        wait_until(lambda: loop.turn(20 * NS_PER_MS) or not watch.waits, 5, "an outcome")
        watch.show(xserver.display)
        assert health.tracks["activity"].state == "restarting"
    watch.reopen()
    wait_until(lambda: loop.turn(20 * NS_PER_MS) or not watch.waits, 5, "an outcome")
    watch.begin(SpanPlace(0, loop.clock.now_ns(), 0, 0))
    assert health.tracks["activity"].state == "healthy"
    watch.show(None, 7)
    assert health.tracks["activity"].state == "off"
    watch.close()
    loop.close()


def _segments() -> int:
    return Path("/proc/self/maps").read_text().count("/SYSV")


def test_what_is_closed_shares_no_memory_any_more(xserver: XServer) -> None:
    before = _segments()
    source = opened(xserver.display)
    assert source.capabilities.without == () and _segments() == before + 1
    source.close()
    assert _segments() == before, "though the source is kept"
    assert source.take(2) == [] and source.wake_ns() is None


def test_an_opening_that_gets_no_thread_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pepys.record.adapters.opening.threading.Thread", Refused)
    before = _descriptors()
    with pytest.raises(RuntimeError):
        open_source(SourceName("display", ":3978"), Wish(":3978"), SystemClock())
    assert _descriptors() == before
