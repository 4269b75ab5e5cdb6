"""Monitors and regions of a real X server: the part that is asked for, wherever it goes."""

from __future__ import annotations

import pytest
import xcffib.randr

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.errors import DeviceMissing, Usage
from pepys.record.adapters.x11.display import list_x11
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Changed, Resized, SourceEnded
from pepys.record.sources import Wish
from tests.monitors import delete_monitor, move_monitor, set_monitor
from tests.painter import Painter
from tests.x11_client import Client
from tests.x11_sources import Viewer, event, odd_server, opened

pytestmark = pytest.mark.unhurried


def test_a_region_is_that_part_of_the_screen_and_no_more(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, "region", "401x301+101+51")
        assert source.name == "region:401x301+101+51"
        viewer = Viewer(source)
        viewer.update()
        painter.fill(100, 50, 2, 2, 0xFF0000)
        painter.fill(300, 200, 40, 20, 0x00FF00)
        event(source)
        patches = viewer.update()
        assert all(patch.x + patch.pixels.shape[1] <= 400 for patch in patches)
        assert viewer.colour(0, 0) == 0xFF0000
        assert viewer.colour(1, 0) == viewer.colour(198, 149) == 0x404040
        assert viewer.colour(199, 149) == 0x00FF00
        assert viewer.differs() == 0
        assert source.grab().shape == (301, 401, 4)
        source.close()


def test_what_goes_on_beside_the_view_is_not_told(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, "region", "400x300+200+100")
        viewer = Viewer(source)
        viewer.update()
        for number in range(30):
            painter.fill(700 + number, 500, 300, 300, number * 12345)
            assert viewer.hear(0.002) == []
        painter.fill(300, 200, 40, 20, 0x00FF00)
        event(source)
        viewer.update()
        for number in range(30):
            painter.fill(700 + number, 500, 300, 300, number * 12345)
            assert viewer.hear(0.002) == []
        # Changes on both sides of it are one box to the server: told once, and nothing is missed after it.
        painter.fill(0, 0, 10, 10, 0xFF)
        viewer.hear()
        assert viewer.update() == []
        painter.fill(590, 390, 40, 40, 0x123456)
        event(source)
        viewer.update()
        assert (viewer.colour(395, 295), viewer.differs()) == (0x123456, 0)
        source.close()


def test_a_region_that_hangs_over_the_edge_is_what_the_screen_has_of_it(xserver: XServer) -> None:
    source = opened(xserver.display, "region", "400x300+1700+1000")
    assert (source.geometry.width, source.geometry.height) == (220, 80)
    source.close()


def test_nonsense_is_no_region(xserver: XServer) -> None:
    for text in ("800x600", "0x600+1+1", "800x600+1", "-5x5+1+1", "800x600-10+20", "x+1+1", "9x9+0+0", "1e3x9+0+0"):
        with pytest.raises(Usage):
            opened(xserver.display, "region", text)


def test_a_region_outside_the_screen_is_missing(xserver: XServer) -> None:
    with pytest.raises(DeviceMissing, match="outside") as caught:
        opened(xserver.display, "region", "100x100+1920+0")
    assert "1920x1080" in caught.value.remedy


def test_a_screen_that_shrinks_leaves_what_is_left_and_then_nothing(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, "region", "400x300+1000+700")
        viewer = Viewer(source)
        viewer.update()
        painter.resize_screen(1280, 768)
        size = event(source, Resized).geometry
        assert (size.width, size.height, size.epoch) == (280, 68, 1)
        viewer.update()
        assert viewer.differs() == 0
        painter.resize_screen(1920, 1080)
        assert event(source, Resized).geometry.width == 400
        painter.resize_screen(640, 480)
        ended = event(source, SourceEnded)
        assert ended.reason == "source_closed"
        assert "outside" in ended.message
        source.close()


def test_a_monitor_is_found_by_name_and_followed(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        set_monitor(painter, "Left-1", 0, 0, 800, 600)
        set_monitor(painter, "Right-1", 800, 100, 640, 480)
        source = opened(xserver.display, "monitor", "right-1")
        viewer = Viewer(source)
        assert (source.geometry.width, source.geometry.height) == (640, 480)
        painter.fill(810, 120, 10, 10, 0x123456)
        viewer.follow(12, 22, 0x123456)
        move_monitor(painter, "Right-1", 900, 100, 640, 480)
        painter.fill(900, 100, 10, 10, 0x654321)
        assert event(source, Resized).geometry.epoch == 1
        viewer.update()
        assert viewer.colour(1, 1) == 0x654321
        move_monitor(painter, "Right-1", 900, 100, 320, 200)
        assert event(source, Resized).geometry.width == 320
        move_monitor(painter, "Left-1", 0, 0, 100, 100)
        painter.fill(0, 0, 10, 10, 0xFFFFFF)
        assert viewer.hear(0.1) == []
        delete_monitor(painter, "Right-1")
        ended = event(source, SourceEnded)
        assert (ended.reason, "right-1" in ended.message) == ("source_closed", True)
        source.close()


def test_a_monitor_is_found_by_its_output_too(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        extension = painter.connection(xcffib.randr.key)
        resources = extension.GetScreenResources(painter.root).reply()
        output = bytes(extension.GetOutputInfo(resources.outputs[0], 0).reply().name.buf()).decode()
    source = opened(xserver.display, "monitor", output)
    assert (source.geometry.width, source.geometry.height) == (1920, 1080)
    source.close()


def test_an_unknown_monitor_names_those_that_exist(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        set_monitor(painter, "Left-1", 0, 0, 800, 600)
        with pytest.raises(DeviceMissing, match="HDMI-7") as caught:
            opened(xserver.display, "monitor", "HDMI-7")
        assert "Left-1" in caught.value.remedy
        wish = Wish(xserver.display, exclusions=Exclusions(builtin=False))
        listed = {str(found.name): (found.width, found.height) for found in list_x11(wish, SystemClock())}
        assert listed[f"display:{xserver.display}"] == (1920, 1080)
        assert listed["monitor:Left-1"] == (800, 600)


def test_without_randr_there_is_no_monitor_by_name() -> None:
    with odd_server("-screen", "0", "320x240x24", "-extension", "RANDR") as display:
        with pytest.raises(DeviceMissing, match="RANDR"):
            opened(display, "monitor", "screen")
        source = opened(display)
        assert source.geometry.width == 320
        source.close()


def test_the_pointer_is_drawn_where_it_is_in_the_view(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        painter.move_pointer(20, 20)
        source = opened(xserver.display, "region", "400x300+200+100", pointer=True)
        viewer = Viewer(source)
        source.poll()
        viewer.update()
        assert viewer.differs() == 0
        painter.move_pointer(300, 200)
        assert event(source).pointer_only
        viewer.update()
        assert 10 < viewer.differs() < 1000
        assert viewer.colour(100, 100) != 0x404040
        painter.move_pointer(20, 20)
        assert event(source).pointer_only
        viewer.update()
        assert viewer.differs() == 0
        painter.move_pointer(30, 20)
        assert [found for found in viewer.hear(0.3) if isinstance(found, Changed)] == []
        source.close()


def test_an_excluded_window_is_black_in_a_region_and_a_monitor(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        set_monitor(painter, "Right-1", 400, 300, 640, 480)
        for kind, arg in (("region", "600x400+400+300"), ("monitor", "Right-1")):
            source = opened(xserver.display, kind, arg, exclude=("*secret*",))
            viewer = Viewer(source)
            viewer.update()
            with Client(xserver.display, "secret", (500, 350, 50, 40), override=True):
                viewer.follow(110, 60, 0)
                assert [viewer.colour(x, y) for x, y in ((99, 60), (150, 60), (110, 49), (110, 90))] == [0x404040] * 4
                assert not source.grab()[50:90, 100:150, :3].any()
            painter.fill(480, 330, 100, 100, 0x00FF00)
            viewer.follow(110, 60, 0x00FF00)
            assert viewer.differs() == 0
            painter.fill(480, 330, 100, 100, 0x404040)
            source.close()
