"""Servers that lack extensions, have other colours, hang, or are guests of Wayland: what is done instead is right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xcffib.xproto

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S
from pepys.record.adapters.x11.source import X11Source
from pepys.record.ports import SourceEnded
from tests.painter import Painter
from tests.waiting import wait_until
from tests.x11_sources import Viewer, event, odd_server, opened


@contextmanager
def lacking(*extensions: str, screen: str = "640x480x24", pointer: bool = False) -> Iterator[tuple[X11Source, Painter]]:
    options = [option for name in extensions for option in ("-extension", name)]
    with odd_server("-screen", "0", screen, *options) as display, Painter(display) as painter:
        source = opened(display, pointer=pointer)
        yield source, painter
        source.close()


@pytest.mark.parametrize(
    ("extensions", "damage", "without"),
    [
        (("DAMAGE",), "none", ["no DAMAGE"]),
        (("MIT-SHM",), "rectangles", ["no MIT-SHM"]),
        (("XFIXES",), "box", ["no XFIXES"]),
        (("DAMAGE", "MIT-SHM", "XFIXES"), "none", ["no MIT-SHM", "no DAMAGE", "no XFIXES"]),
    ],
)
def test_what_is_lacking_is_said_and_the_picture_is_right_all_the_same(
    extensions: tuple[str, ...], damage: str, without: list[str]
) -> None:
    chance = random.Random(5)
    with lacking(*extensions, pointer=True) as (source, painter):
        assert source.capabilities.damage == damage
        assert [words.split(":")[0] for words in source.capabilities.without] == without
        assert source.capabilities.cursor == ("absent" if "XFIXES" in extensions else "embedded")
        painter.move_pointer(0, 479)
        viewer = Viewer(source)
        viewer.update()
        for _ in range(12):
            x, y = chance.randrange(20, 600), chance.randrange(400)
            painter.fill(x, y, chance.randint(1, 200), chance.randint(1, 60), chance.randrange(2**24))
            event(source)
            viewer.update()
        painter.fill(300, 100, 30, 30, 0xABCDEF)
        viewer.follow(310, 110, 0xABCDEF)
        assert (viewer.picture[:440, 20:, :3] == source.grab()[:440, 20:, :3]).all()


def test_a_still_screen_that_is_compared_tells_of_no_change() -> None:
    with lacking("DAMAGE") as (source, painter):
        viewer = Viewer(source)
        event(source)
        viewer.update()
        painter.fill(10, 10, 5, 5, 0xFFFFFF)
        viewer.follow(12, 12, 0xFFFFFF)
        source.poll()
        source.take(2)
        due = source.wake_ns()
        assert due is not None
        assert due - SystemClock().now_ns() < NS_PER_S
        for _ in range(4):
            assert viewer.hear(0.05) == []
        painter.fill(600, 400, 8, 8, 0xFF0000)
        event(source)
        assert all(patch.pixels.shape[0] <= 64 for patch in viewer.update())
        assert viewer.colour(604, 404) == 0xFF0000


@pytest.mark.parametrize(
    ("depth", "pixel", "shown"),
    [
        (15, 0b10000_00000_11111, 0x8400FF),
        (16, 0b10000_000000_11111, 0x8400FF),
        (16, 0b00000_100000_00000, 0x008200),
        (30, 512 << 20 | 1023, 0x8000FF),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_other_depths_are_converted(depth: int, pixel: int, shown: int, shared: bool) -> None:
    with lacking(*(() if shared else ("MIT-SHM",)), screen=f"321x200x{depth}") as (source, painter):
        viewer = Viewer(source)
        viewer.update()
        painter.fill(101, 51, 21, 10, pixel)
        viewer.follow(110, 55, shown)
        assert viewer.colour(121, 60) == shown
        assert viewer.colour(100, 55) == viewer.colour(122, 55) == viewer.colour(110, 61) == viewer.colour(0, 0)
        assert viewer.differs() == 0


def test_a_palette_is_refused() -> None:
    with odd_server("-screen", "0", "320x240x8") as display, pytest.raises(DeviceMissing, match="depth 8"):
        opened(display)


def test_large_pictures_come_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.record.adapters.x11.reader.X11_REPLY_BYTES", 100_000)
    with lacking("MIT-SHM") as (source, painter):
        for y in range(0, 480, 7):
            painter.fill(y, y, 100, 5, y * 40_007)
        viewer = Viewer(source)
        viewer.update()
        monkeypatch.undo()
        assert viewer.differs() == 0
        assert len(np.unique(viewer.picture.reshape(-1, 4), axis=0)) > 50


@pytest.mark.parametrize("pointer", [True, False])
def test_a_hung_server_ends_the_source_and_blocks_nobody(
    xserver: XServer, pointer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepys.record.adapters.x11.connection.X11_SILENCE_S", 0.2)
    monkeypatch.setattr("pepys.record.adapters.x11.signs.X11_PING_NS", NS_PER_S // 4)
    clock, source = SystemClock(), opened(xserver.display, pointer=pointer)
    source.take(2)
    assert xserver.child is not None
    os.kill(xserver.child.process.pid, signal.SIGSTOP)
    try:
        slowest = 0

        def ended() -> SourceEnded | None:
            nonlocal slowest
            before = clock.now_ns()
            found = source.poll()
            slowest = max(slowest, clock.now_ns() - before)
            return next((item for item in found if isinstance(item, SourceEnded)), None)

        end = wait_until(ended, 5, "the end")
        assert isinstance(end, SourceEnded)
        assert end.reason == "device_lost"
        assert "does not answer" in end.message
        assert slowest < NS_PER_S
        assert source.take(2) == []
        with pytest.raises(DeviceMissing):
            source.grab()
        source.close()
    finally:
        os.kill(xserver.child.process.pid, signal.SIGCONT)


def test_a_server_that_hangs_during_a_take_is_the_same_end(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepys.record.adapters.x11.connection.X11_SILENCE_S", 0.2)
    source = opened(xserver.display)
    assert xserver.child is not None
    os.kill(xserver.child.process.pid, signal.SIGSTOP)
    try:
        assert source.take(2) == []
        assert event(source, SourceEnded).reason == "device_lost"
        source.close()
    finally:
        os.kill(xserver.child.process.pid, signal.SIGCONT)


def test_xwayland_is_refused_because_it_records_black(short_folder: Path) -> None:
    weston = shutil.which("weston")
    assert weston, "weston is not installed (see system-packages.txt)"
    env = {**os.environ, "XDG_RUNTIME_DIR": str(short_folder)}
    short_folder.chmod(0o700)
    argv = [weston, "--backend=headless-backend.so", "--socket=wl", "--idle-time=0", "--width=320", "--height=240"]
    child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until((short_folder / "wl").exists, 10, "weston")
        wayland = {"XDG_RUNTIME_DIR": str(short_folder), "WAYLAND_DISPLAY": "wl"}
        with odd_server("-rootless", program="Xwayland", env=wayland) as display:
            for kind, arg in (("display", display), ("region", "64x64+0+0"), ("window", "x"), ("monitor", "x")):
                with pytest.raises(DeviceMissing, match="XWayland") as caught:
                    opened(display, kind, arg)
                assert "black" in caught.value.message
    finally:
        child.terminate()
        child.wait(10)


def test_memory_that_is_not_shared_after_all_is_noticed(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a server on another machine, which may know a segment of the same number."""
    monkeypatch.setattr(
        "pepys.record.adapters.x11.memory._view", lambda library, address, size: np.zeros(size, np.uint8)
    )
    with Painter(xserver.display) as painter:
        source = opened(xserver.display)
        assert source.capabilities.without == ("MIT-SHM is refused: pictures come over the connection",)
        viewer = Viewer(source)
        painter.fill(10, 10, 50, 50, 0x00FF00)
        viewer.follow(20, 20, 0x00FF00)
        source.close()


def test_a_program_that_floods_with_events_is_not_shown_unjudged(
    xserver: XServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, exclude=("*nothing*",))
        viewer = Viewer(source)
        source.poll()
        viewer.update()
        read = source._reader.read

        def read_in_a_flood(*place: Any) -> Any:
            patches = read(*place)
            for number in range(8):
                painter.core.ConfigureWindow(painter.window, xcffib.xproto.ConfigWindow.X, [number % 2])
            painter.sync()
            return patches

        painter.fill(0, 0, 64, 64, 0xFF00FF)
        monkeypatch.setattr(source._reader, "read", read_in_a_flood)
        monkeypatch.setattr("pepys.record.adapters.x11.source.X11_EVENTS_A_PUMP", 4)
        assert viewer.update() == []
        monkeypatch.undo()
        painter.core.ConfigureWindow(painter.window, xcffib.xproto.ConfigWindow.X, [0])
        viewer.follow(8, 8, 0xFF00FF)
        source.close()
