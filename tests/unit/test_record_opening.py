"""Opening that hangs, fails or is given up; and a pushed source whose deliverer hangs, fails or is slow."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing, PepysError
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.record.adapters.mss_source import CAPABILITIES, open_mss
from pepys.record.adapters.opening import OpeningSource, open_now
from pepys.record.adapters.pushed import PushedSource
from pepys.record.adapters.tiles import changed
from pepys.record.adapters.x11.display import open_x11
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Changed, Resized, SourceEnded, VideoCapabilities, VideoSource
from pepys.record.sources import Wish, parse_source
from tests.video_stage import NOTHING_EXCLUDED
from tests.waiting import wait_until

CAN = VideoCapabilities("none", "absent")
BLACK = np.zeros((64, 96, 4), np.uint8)


def outcome(opening: OpeningSource, seconds: float = 5) -> VideoSource:
    assert select.select([opening.fileno()], [], [], seconds)[0], "nothing was told"
    source = opening.poll()
    assert source is not None
    return source


def pushed(**options: int) -> PushedSource:
    source = PushedSource("test:pictures", CAN, SystemClock(), **options)
    source.deliver(BLACK)
    source.first()
    return source


def test_what_comes_after_the_deadline_or_unwanted_is_closed_unseen() -> None:
    may, sources = threading.Event(), [pushed(), pushed()]

    def late(source: PushedSource) -> VideoSource:
        may.wait(10)
        return source

    slow = OpeningSource("test:late", lambda: late(sources[0]), deadline_s=0.05)
    unwanted = OpeningSource("test:unwanted", lambda: late(sources[1]))
    assert slow.poll() is None and unwanted.poll() is None
    for _ in range(2):
        with pytest.raises(DeviceMissing, match=r"test:late does not answer within 0\.05 s"):
            outcome(slow)
    unwanted.cancel()
    may.set()
    wait_until(lambda: all(source.fileno() == -1 for source in sources), what="both to be closed")
    slow.cancel()


def test_a_source_is_given_out_once_and_stays_open() -> None:
    source = pushed()
    opening = OpeningSource("test:one", lambda: source)
    assert outcome(opening) is source
    assert opening.poll() is None and not select.select([opening.fileno()], [], [], 0)[0]
    opening.cancel()
    assert source.grab().shape == BLACK.shape
    source.close()


def test_whatever_fails_is_told_in_words() -> None:
    def broken() -> VideoSource:
        raise ZeroDivisionError("no\nsuch luck")

    opening = OpeningSource("test:broken", broken)
    with pytest.raises(DeviceMissing, match="test:broken cannot be opened: ZeroDivisionError: no such luck"):
        outcome(opening)
    opening.cancel()


def test_a_screen_that_cannot_keep_out_what_is_excluded_is_refused(xserver: XServer) -> None:
    wish = Wish(xserver.display, exclusions=Exclusions(("*secret*",), builtin=False))
    with pytest.raises(DeviceMissing, match="cannot keep excluded windows out") as told:
        open_now(parse_source("mss:1"), wish, SystemClock())
    assert "--no-exclude" in told.value.remedy and "secret" not in told.value.message + told.value.remedy
    allowed = open_now(parse_source("mss:1"), replace(wish, exclusions=NOTHING_EXCLUDED), SystemClock())
    assert allowed.capabilities == CAPABILITIES
    allowed.close()
    for name, words in (("mss:7", "no monitor 7"), ("mss:one", "no monitor's number"), ("mss:-1", "number")):
        with pytest.raises(PepysError, match=words):
            open_now(parse_source(name), replace(wish, exclusions=NOTHING_EXCLUDED), SystemClock())


@pytest.fixture
def hung(xserver: XServer) -> Iterator[XServer]:
    """A server that is there and does nothing."""
    os.kill(xserver.pid, signal.SIGSTOP)
    yield xserver
    os.kill(xserver.pid, signal.SIGCONT)


@pytest.mark.quiet
def test_a_server_that_hangs_holds_nobody_up(hung: XServer) -> None:
    wish, clock = Wish(hung.display, exclusions=NOTHING_EXCLUDED), SystemClock()
    names = [parse_source(f"display:{hung.display}"), parse_source("mss:0")]
    openers = (lambda: open_x11(names[0], wish, clock), lambda: open_mss(names[1], wish, clock))
    for name, opener in zip(names, openers, strict=True):
        began_ns = clock.now_ns()
        opening = OpeningSource(str(name), opener, deadline_s=0.2)
        with pytest.raises(DeviceMissing, match="does not answer"):
            outcome(opening)
        assert clock.now_ns() - began_ns < NS_PER_S
        opening.cancel()


def test_a_monitor_of_a_server_that_hangs_ends(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.limits.SOURCE_SILENT_NS", 300 * NS_PER_MS)
    wish = Wish(xserver.display, exclusions=NOTHING_EXCLUDED)
    with contextlib.closing(open_now(parse_source("mss:0"), wish, SystemClock())) as source:
        assert source.wake_ns() is not None
        os.kill(xserver.pid, signal.SIGSTOP)
        try:
            (ended,) = wait_until(source.poll, 5, "the end")  # type: ignore[misc]  # a list of one event
        finally:
            os.kill(xserver.pid, signal.SIGCONT)
        assert isinstance(ended, SourceEnded) and ended.reason == "device_lost"


def test_pictures_that_nobody_takes_are_one_with_the_newest_time() -> None:
    with contextlib.closing(pushed()) as source:
        source.take(2)
        for number in range(100):
            picture = BLACK.copy()
            picture[number // 2, number // 2] = number + 1
            source.deliver(picture)
        before_ns = source.clock.now_ns()
        picture[0, 0] = 7
        source.deliver(picture)
        (changed_event,) = source.poll()
        assert isinstance(changed_event, Changed) and changed_event.at_ns >= before_ns
        shown = BLACK.copy()
        for patch in source.take(2):
            height, width = patch.pixels.shape[:2]
            shown[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
        assert np.array_equal(shown, picture)
        source.deliver(picture)
        assert source.poll() == [], "the same picture once more is no change"


@pytest.mark.quiet
def test_a_deliverer_that_fails_ends_the_source_and_one_that_hangs_does_not_hold_up_closing() -> None:
    def fails(source: PushedSource) -> None:
        source.deliver(BLACK)
        raise OSError(19, "No such device")

    source = PushedSource("test:fails", CAN, SystemClock())
    source.start(fails)
    source.first()
    ended = wait_until(lambda: next((e for e in source.poll() if isinstance(e, SourceEnded)), None), what="the end")
    assert isinstance(ended, SourceEnded) and ended.reason == "device_lost" and "No such device" in ended.message
    source.close()
    may, clock = threading.Event(), SystemClock()
    hanging = pushed()
    hanging.start(lambda _: may.wait(10) and None)
    began_ns = clock.now_ns()
    hanging.close()
    assert clock.now_ns() - began_ns < 200 * NS_PER_MS, "the recorder's loop closes sources: it waits for none"
    may.set()
    wait_until(lambda: "video test:pict" not in {thread.name for thread in threading.enumerate()}, what="its thread")


def test_what_comes_after_closing_is_not_kept() -> None:
    source = pushed()
    source.close()
    assert not source.deliver(BLACK) and source._kept is None
    assert source.fileno() == -1 and source.poll() == [] and source.take(2) == []


def test_a_size_that_comes_while_the_first_picture_is_taken_is_told() -> None:
    source, small = PushedSource("test:grows", CAN, SystemClock()), BLACK[:32]
    source.deliver(BLACK)

    class Shaken:
        """The source's own lock; the next picture is there as soon as it is free."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock, self.free = lock, 0

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()
            self.free += 1
            if self.free == 1:
                source.deliver(small)

    source._lock = Shaken(source._lock)  # type: ignore[assignment]  # what `with` needs of it
    source.first()
    assert source.geometry.height == 64
    (resized,) = source.poll()
    assert isinstance(resized, Resized) and resized.geometry == source.geometry
    assert source.geometry.height == 32 and source.take(2)
    source.close()


def test_a_source_without_a_first_picture_is_missing() -> None:
    source = PushedSource("test:dark", CAN, SystemClock())
    with pytest.raises(DeviceMissing, match="test:dark gives no picture"):
        source.first(0.02)
    assert source.fileno() == -1


def test_tiles_cover_every_difference_and_little_else() -> None:
    chance = np.random.default_rng(3)
    for _ in range(30):
        height, width = int(chance.integers(1, 200)), int(chance.integers(1, 200))
        old = chance.integers(0, 255, (height, width, 4), dtype=np.uint8)
        new = old.copy()
        for _ in range(int(chance.integers(0, 4))):
            y, x = int(chance.integers(height)), int(chance.integers(width))
            new[y : y + 5, x : x + 40, :3] += 1
        rest = (old != new).any(axis=2)
        for left, top, right, bottom in changed(old, new):
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            tiles = rest[top:bottom, left:right]
            assert all(
                tiles[y : y + 32, x : x + 32].any()
                for y in range(0, bottom - top, 32)
                for x in range(0, right - left, 32)
            )
            rest[top:bottom, left:right] = False
        assert not rest.any()
