"""Capture of a real X server: what is taken is what is shown, whatever happens to the screen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.display import open_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Changed, Resized, SourceEnded
from pepys.record.sources import SourceName, Wish
from tests.painter import Painter
from tests.x11_sources import Viewer, event, opened

pytestmark = pytest.mark.unhurried


@contextmanager
def watched(display: str, *, pointer: bool = False) -> Iterator[tuple[X11Source, Painter]]:
    with Painter(display) as painter:
        source = opened(display, pointer=pointer)
        yield source, painter
        source.close()


def test_only_the_changed_rectangle_is_taken(xserver: XServer) -> None:
    with watched(xserver.display) as (source, painter):
        viewer = Viewer(source)
        (whole,) = viewer.update()
        assert whole.pixels.shape == (1080, 1920, 4)
        assert viewer.differs() == 0
        assert source.take(2) == []
        painter.fill(301, 203, 40, 20, 0x1080F0)
        assert event(source, Changed).pointer_only is False
        (patch,) = viewer.update()
        assert (patch.x, patch.y, patch.pixels.shape) == (300, 202, (22, 42, 4))
        assert viewer.picture[210, 310, :3].tolist() == [0xF0, 0x80, 0x10]
        assert viewer.differs() == 0


def test_capture_never_freezes_and_misses_nothing(xserver: XServer) -> None:
    chance = random.Random(11)
    with watched(xserver.display) as (source, painter):
        viewer = Viewer(source)
        viewer.update()
        for _ in range(150):
            for _ in range(chance.randint(1, 3)):
                x, y = chance.randrange(1900), chance.randrange(1060)
                painter.fill(x, y, chance.randint(1, 300), chance.randint(1, 200), chance.randrange(2**24))
            if chance.random() < 0.7:
                event(source, Changed)
            viewer.update()
        source.poll()
        viewer.update()
        assert viewer.differs() == 0


@pytest.mark.parametrize("whole", [False, True])
def test_what_changes_during_a_capture_is_told_after_it(xserver: XServer, whole: bool) -> None:
    with watched(xserver.display) as (source, painter):
        viewer = Viewer(source)
        viewer.update()
        painter.fill(10, 10, 50, 50, 0xFF0000)
        event(source, Changed)
        find = source._wanted

        def find_and_paint(align: int) -> list[Rect]:
            wanted = find(align)
            painter.fill(700, 700, 50, 50, 0x00FF00)
            return wanted

        source._wanted = find_and_paint  # type: ignore[method-assign]  # the moment at which events get lost
        if whole:
            source.refresh()
        viewer.update()
        source._wanted = find  # type: ignore[method-assign]  # as it was
        # A whole picture needs no answer to its Subtract, so that both reach the server after the painting.
        assert whole or any(isinstance(found, Changed) for found in source.poll())
        viewer.update()
        assert viewer.differs() == 0


def test_the_pointer_is_drawn_and_leaves_no_trail(xserver: XServer) -> None:
    with watched(xserver.display, pointer=True) as (source, painter):
        viewer = Viewer(source)
        viewer.update()
        for x, y in ((100, 100), (101, 103), (900, 500), (0, 0), (1919, 1079), (640, 360)):
            painter.move_pointer(x, y)
            assert event(source, Changed).pointer_only
            viewer.update()
        changed = (viewer.picture[:, :, :3] != source.grab()[:, :, :3]).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert len(rows) > 10
        assert 340 <= rows.min() <= rows.max() <= 385
        assert 620 <= columns.min() <= columns.max() <= 665


def test_shots_never_hold_the_pointer(xserver: XServer) -> None:
    with watched(xserver.display, pointer=True) as (source, painter):
        painter.move_pointer(500, 500)
        source.poll()
        source.take(2)
        grabbed = source.grab()[:, :, :3]
        assert (grabbed == grabbed[0, 0]).all()


def test_a_resized_screen_is_an_event_and_then_a_whole_picture(xserver: XServer) -> None:
    with watched(xserver.display) as (source, painter):
        source.take(2)
        painter.resize_screen(1024, 768)
        resized = event(source, Resized)
        assert (resized.geometry.width, resized.geometry.height, resized.geometry.epoch) == (1024, 768, 1)
        assert source.geometry == resized.geometry
        (whole,) = source.take(2)
        assert whole.pixels.shape == (768, 1024, 4)
        assert source.grab().shape == (768, 1024, 4)


def test_a_screen_that_shrinks_under_a_request_ends_nothing(xserver: XServer) -> None:
    with watched(xserver.display) as (source, painter):
        painter.resize_screen(1024, 768)
        source._connection.next_event = lambda: None  # the event is still on its way
        source.refresh()
        assert source.take(2) == []
        del source._connection.next_event  # as it was
        assert event(source, Resized).geometry.width == 1024
        assert source.grab().shape == (768, 1024, 4)


def test_a_dead_server_is_the_end_and_no_exception(xserver: XServer) -> None:
    source = opened(xserver.display, pointer=True)
    source.take(2)
    xserver.kill()
    ended = event(source, SourceEnded)
    assert ended.reason == "source_closed"
    assert xserver.display in ended.message
    assert source.poll() == []
    assert source.take(2) == []
    assert source.wake_ns() is None
    with pytest.raises(DeviceMissing, match=xserver.display):
        source.grab()
    source.close()
    source.close()


def test_a_server_that_dies_during_a_grab_is_a_typed_error(xserver: XServer) -> None:
    source = opened(xserver.display, pointer=True)
    xserver.kill()
    with pytest.raises(DeviceMissing):
        source.grab()
    assert isinstance(event(source, SourceEnded), SourceEnded)
    source.close()


@pytest.mark.parametrize("name", [":98765", "nonsense", "snö:1"])
def test_no_display_is_a_clear_error(name: str) -> None:
    with pytest.raises(DeviceMissing) as caught:
        opened(name)
    assert "display" in caught.value.message
    assert caught.value.remedy


def test_a_part_of_no_display_is_a_clear_error() -> None:
    with pytest.raises(DeviceMissing, match="DISPLAY"):
        open_x11(SourceName("monitor", "screen"), Wish(None), SystemClock())


def test_the_display_of_the_environment_is_the_default(xserver: XServer) -> None:
    source = open_x11(
        SourceName("region", "64x64+0+0"), Wish(None, exclusions=Exclusions(builtin=False)), SystemClock()
    )
    assert source.name == "region:64x64+0+0"
    source.close()
