"""Excluded windows on a real X server: whatever they do, no picture shows them, and what lies over them is shown."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import xcffib.composite
import xcffib.shape
import xcffib.xproto as x

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import WindowManager, XServer
from pepys.record.adapters.x11.display import open_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.sources import SourceName, Wish
from tests.camera import Camera, camera, count, watched
from tests.compositor import Compositor
from tests.desk import BLUE, GREEN, MAGENTA, Desk

pytestmark = pytest.mark.unhurried

SECRET = "My secret plan"
BLACK = 0
GREY = 0x606060
ROOT = (1800, 1000)
"""A place that no window of these tests covers."""


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One take hears all there is, however slow this machine: what is shown too late is not what is proved here."""
    monkeypatch.setattr("pepys.record.adapters.x11.source.X11_PUMP_NS", 2 * limits.NS_PER_S)


@pytest.fixture(autouse=True)
def grey_root(xserver: XServer) -> Iterator[None]:
    """A root that is not black, so that black is a mask."""
    with Desk(xserver.display) as desk:
        desk.paint_root(GREY)
        yield


@pytest.fixture(params=["no window manager", "openbox"])
def desktop(request: pytest.FixtureRequest, xserver: XServer) -> Iterator[XServer]:
    if request.param == "openbox":
        with WindowManager(xserver.env), Desk(xserver.display) as desk:
            desk.until_managed()
            yield xserver
    else:
        yield xserver


def test_nothing_leaks_while_windows_come_move_and_go(desktop: XServer) -> None:
    with camera(desktop.display) as watching:
        # A busy machine sees less of each turn: the desk plays again until enough was seen.
        for seed in ("7", "8", "9"):
            argv = [sys.executable, "-m", "tests.desk", desktop.display, "80", seed]
            with subprocess.Popen(argv, cwd=Path(__file__).parents[2]) as player:
                while player.poll() is None:
                    watching.take()
                    if watching.captures % 50 == 0:
                        watching.grab()
            assert player.returncode == 0
            if watching.seen > 50:
                break
        assert watching.seen > 50
        assert watching.leaks == 0


def test_the_first_picture_after_a_map_is_masked_100_of_100(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        masked = 0
        for number in range(100):
            place = (10 + number * 3, 20 + number * 2, 200, 150)
            secret = desk.window(place, title=SECRET)
            watching.take()
            masked += watching.at(place[0] + 100, place[1] + 75) == BLACK and not watching.leaks
            desk.destroy(secret)
        assert masked == 100


def test_a_frame_is_black_with_its_title_bar(xserver: XServer, window_manager: WindowManager) -> None:
    with watched(xserver) as (watching, desk):
        desk.until_managed()
        allowed = desk.window((900, 300, 300, 200), GREEN, title="a page")
        secret = desk.window((300, 300, 300, 200), title=SECRET)
        watching.until(450, 400, BLACK)
        watching.until(1050, 400, GREEN)
        frame = desk.core.QueryTree(secret).reply().parent
        assert frame != desk.root
        place = desk.core.GetGeometry(frame).reply()
        assert place.height > 210  # with a title bar
        inside = watching.picture[place.y : place.y + place.height, place.x : place.x + place.width, :3]
        watching.take()
        assert not inside.any()
        bar = desk.core.GetGeometry(desk.core.QueryTree(allowed).reply().parent).reply()
        assert watching.picture[bar.y : bar.y + bar.height, bar.x : bar.x + bar.width, :3].any(axis=2).mean() > 0.9
        assert watching.leaks == 0


def test_windows_that_were_there_before_are_masked(desktop: XServer) -> None:
    with Desk(desktop.display) as desk:
        desk.window((300, 300, 300, 200), title=SECRET)
        desk.window((900, 300, 300, 200), GREEN, title="a page")
        with camera(desktop.display) as early:
            early.until(450, 400, BLACK)
            early.until(1050, 400, GREEN)
        with camera(desktop.display) as watching:
            assert watching.at(450, 400) == BLACK
            assert watching.at(1050, 400) == GREEN
            assert watching.leaks == 0


def test_what_lies_over_it_is_shown(desktop: XServer) -> None:
    with watched(desktop) as (watching, desk):
        desk.window((300, 300, 400, 300), title=SECRET)
        above = desk.window((400, 350, 100, 100), GREEN, title="a page")
        watching.until(450, 400, GREEN)
        watching.until(620, 550, BLACK)
        desk.place(above, x=520, y=450)
        watching.until(570, 500, GREEN)
        watching.until(420, 370, BLACK)
        assert watching.leaks == 0


def test_a_raised_secret_is_black_at_once_and_what_is_raised_over_it_waits(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        secret = desk.window((300, 300, 400, 300), title=SECRET)
        page = desk.window((400, 350, 100, 100), GREEN, title="a page")
        watching.until(450, 400, GREEN)
        desk.raise_(secret)
        watching.take()
        assert watching.at(450, 400) == BLACK
        desk.raise_(page)
        watching.take()
        assert watching.at(450, 400) == BLACK  # a program below paints when it comes to it: until then the secret shows
        watching.until(450, 400, GREEN)
        assert watching.leaks == 0


@pytest.mark.parametrize("lets_through", ["a shape", "opacity", "an alpha channel", "the server's own overlay"])
def test_what_lies_over_it_and_lets_it_through_does_not_uncover_it(xserver: XServer, lets_through: str) -> None:
    with watched(xserver) as (watching, owner), Desk(xserver.display) as desk:
        owner.window((300, 300, 400, 300), title=SECRET)
        if lets_through == "the server's own overlay":
            composite = desk.connection(xcffib.composite.key)
            composite.QueryVersion(0, 4).reply()
            overlay = composite.GetOverlayWindow(desk.root).reply().overlay_win
            nothing = desk.connection(xcffib.shape.key)
            nothing.Rectangles(xcffib.shape.SO.Set, xcffib.shape.SK.Bounding, 0, overlay, 0, 0, 0, [])
        elif lets_through == "an alpha channel":
            clear = desk.argb((250, 250, 500, 400))
            assert desk.core.GetGeometry(clear).reply().depth == 32
        elif lets_through == "opacity":
            desk.window((250, 250, 500, 400), GREEN, title="glass", _NET_WM_WINDOW_OPACITY=0x80000000)
        else:
            glass = desk.window((250, 250, 500, 400), GREEN, title="a ring", shown=False)
            shape = desk.connection(xcffib.shape.key)
            shape.Mask(xcffib.shape.SO.Set, xcffib.shape.SK.Bounding, glass, 0, 0, desk.bitmap(100, 100))
            desk.show(glass)
        desk.sync()
        watching.take()
        assert watching.at(500, 450) == BLACK
        watching.settle()
        assert watching.at(690, 590) == BLACK
        assert watching.leaks == 0


def test_a_window_over_it_that_gets_a_shape_uncovers_it_for_the_masks(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        secret = desk.window((300, 300, 400, 300), title=SECRET)
        glass = desk.window((250, 250, 500, 400), GREEN, title="a ring")
        watching.settle()
        assert watching.at(690, 590) == GREEN
        desk.connection(xcffib.shape.key).Mask(
            xcffib.shape.SO.Set, xcffib.shape.SK.Bounding, glass, 0, 0, desk.bitmap(100, 100)
        )
        desk.sync()
        watching.take()
        assert watching.at(690, 590) == BLACK
        assert watching.leaks == 0
        masks = watching.source._masks
        assert masks is not None
        assert masks.excludes(secret)
        assert not masks.excludes(glass)
        desk.destroy(glass)
        watching.take()
        assert masks.excludes(glass)  # what is gone cannot be judged


def test_dialogs_menus_and_tooltips_go_with_their_window(desktop: XServer) -> None:
    with watched(desktop) as (watching, desk), Desk(desktop.display) as other:
        secret = desk.window((100, 100, 300, 200), title=SECRET, wm_class="Editor")
        page = desk.window((100, 700, 300, 200), BLUE, title="a page", wm_class="Editor")
        watching.until(250, 800, BLUE)
        dialog = desk.window((500, 100, 200, 100), title="Save?", wm_class="Editor", WM_TRANSIENT_FOR=secret)
        watching.until(600, 150, BLACK)
        desk.window((750, 100, 100, 50), title="Really?", wm_class="Editor", WM_TRANSIENT_FOR=dialog)
        watching.until(800, 125, BLACK)
        desk.window((900, 100, 100, 100), override=True)  # a menu
        desk.window((1050, 100, 100, 30), override=True, wm_class="Editor", WM_TRANSIENT_FOR=secret)  # a tooltip
        desk.window((1200, 100, 100, 30), GREEN, override=True, WM_TRANSIENT_FOR=page)  # a menu of the other window
        other.window((1350, 100, 100, 30), GREEN, override=True)  # a menu of another program
        desk.window((500, 700, 200, 100), GREEN, title="Find", wm_class="Editor", WM_TRANSIENT_FOR=page)
        watching.take()
        assert [watching.at(left, 115) for left in (950, 1100, 1250, 1400)] == [BLACK, BLACK, GREEN, GREEN]
        watching.until(600, 750, GREEN)
        assert watching.leaks == 0


def test_a_dialog_of_a_whole_group_follows_the_group(xserver: XServer) -> None:
    with watched(xserver, "keeper") as (watching, desk):
        leader = desk.window((0, 0, 1, 1), BLACK, wm_class="Keeper", shown=False)
        stranger = desk.window((0, 0, 1, 1), BLACK, wm_class="Player", shown=False)
        desk.window((100, 100, 100, 100), title="Unlock", WM_TRANSIENT_FOR=desk.root, WM_CLIENT_LEADER=leader)
        desk.window((300, 100, 100, 100), GREEN, title="Volume", WM_TRANSIENT_FOR=desk.root, WM_CLIENT_LEADER=stranger)
        watching.take()
        assert (watching.at(150, 150), watching.at(350, 150), watching.leaks) == (BLACK, GREEN, 0)


def test_a_title_that_comes_late_masks_at_once_and_one_that_goes_unmasks(desktop: XServer) -> None:
    with watched(desktop) as (watching, desk):
        window = desk.window((300, 300, 300, 200), BLUE, title="a page")
        watching.until(450, 400, BLUE)
        desk.retitle(window, SECRET)
        watching.take()
        assert watching.at(450, 400) == BLACK  # without damage: nothing was drawn
        desk.retitle(window, "a page")
        watching.take()
        assert watching.at(450, 400) == BLACK
        watching.settle()
        assert watching.at(450, 400) == BLUE


def test_a_left_place_stays_black_until_programs_have_painted_it(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        below = desk.window((0, 0, 800, 600), BLUE, title="a page")
        desk.core.ChangeWindowAttributes(below, x.CW.BackPixmap, [x.BackPixmap._None])
        secret = desk.window((100, 100, 200, 200), title=SECRET)
        watching.take()
        desk.place(secret, x=400, y=300)
        watching.take()
        assert watching.at(150, 150) == BLACK  # the secret's own pixels: the window below draws no background
        desk.core.ChangeWindowAttributes(below, x.CW.BackPixel, [GREEN])
        desk.core.ClearArea(False, below, 0, 0, 0, 0)
        desk.sync()
        watching.until(150, 150, GREEN)
        assert watching.leaks == 0


def test_a_compositing_manager_that_lags_behind_shows_nothing(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk), Compositor(xserver.display, GREY) as compositor:
        secret = desk.window((300, 300, 200, 200), title=SECRET)
        page = desk.window((900, 300, 200, 200), GREEN, title="a page")
        compositor.paint()
        watching.until(1000, 400, GREEN)
        assert watching.at(400, 400) == BLACK
        desk.place(secret, x=600, y=600)
        desk.place(page, x=320, y=320)
        watching.look()
        assert watching.at(400, 400) == BLACK  # the screen shows the secret still
        assert count(watching.source.grab(), MAGENTA) == 0
        compositor.paint()
        watching.until(400, 400, GREEN)
        assert watching.at(700, 700) == BLACK
        desk.hide(secret)
        watching.look()
        compositor.paint()
        watching.settle()
        assert watching.at(700, 700) == GREY
        assert watching.leaks == 0


@pytest.mark.parametrize("pattern", ["vault", "python*"])
def test_application_and_process_are_matched_too(xserver: XServer, pattern: str) -> None:
    with watched(xserver, pattern) as (watching, desk):
        desk.window((100, 100, 200, 200), title="Passwords", wm_class="Vault")
        watching.take()
        assert watching.at(150, 150) == BLACK
        assert watching.leaks == 0


def test_a_pattern_that_matches_everything_leaves_the_bare_root(desktop: XServer) -> None:
    with watched(desktop, "*") as (watching, desk):
        for number in range(40):
            desk.window((20 + 30 * number, 20 + 15 * number, 300, 200), title=f"page {number}")
        watching.until(1350, 700, BLACK)
        assert watching.at(*ROOT) == GREY
        assert watching.leaks == 0


def test_a_window_that_maps_50_times_a_second_never_shows_and_costs_little(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        secret = desk.window((300, 300, 300, 200), title=SECRET)
        spent = 0
        for _ in range(200):
            desk.hide(secret)
            desk.show(secret)
            before = time.process_time_ns()
            watching.source.poll()
            spent += time.process_time_ns() - before
        watching.take()
        assert watching.leaks == 0
        assert watching.at(450, 400) == BLACK
        assert spent / 200 < 5 * limits.NS_PER_MS  # a map and an unmap, each told twice


def test_windows_that_are_gone_before_they_are_read_end_nothing(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        for number in range(150):
            secret = desk.window((number, number, 300, 200), title=SECRET, shown=False)
            desk.core.MapWindow(secret)
            desk.core.DestroyWindow(secret)
            if number % 10 == 0:
                desk.sync()
                watching.take()
        desk.window((300, 300, 200, 200), GREEN, title="a page")
        watching.until(400, 400, GREEN)
        assert watching.leaks == 0


def test_a_client_two_levels_inside_a_frame_is_found_and_followed_out_of_it(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk), Desk(xserver.display) as manager:
        secret = desk.window((50, 50, 200, 150), title=SECRET, shown=False)
        frame = manager.window((300, 300, 240, 200), MAGENTA, override=True, shown=False)
        inner = manager.window((10, 30, 220, 160), MAGENTA, parent=frame)
        manager.reparent(secret, inner)
        desk.show(secret)
        manager.show(frame)
        watching.take()
        assert watching.at(310, 310) == watching.at(400, 400) == BLACK
        other = manager.window((900, 300, 240, 200), MAGENTA, override=True)
        watching.leaks = 0  # an empty frame says nothing of what will lie in it
        manager.reparent(secret, other)
        watching.take()
        assert watching.at(950, 350) == BLACK
        manager.reparent(secret, manager.root, 600, 700)
        watching.take()
        assert watching.at(650, 750) == BLACK
        # The frames are empty now; the secret itself is what must never show.
        assert count(watching.picture[700:850, 600:800], MAGENTA) == 0


def test_a_frame_whose_client_has_ended_stays_black_wherever_it_goes(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk), Desk(xserver.display) as manager:
        secret = desk.window((50, 50, 200, 150), title=SECRET, shown=False)
        frame = manager.window((300, 300, 200, 150), GREY, override=True, shown=False)
        manager.core.ChangeWindowAttributes(frame, x.CW.BackPixmap, [x.BackPixmap._None])
        manager.reparent(secret, frame)
        desk.show(secret)
        manager.show(frame)
        watching.take()
        desk.destroy(secret)
        manager.place(frame, x=800, y=600)  # with the pixels of what was in it
        watching.take()
        assert watching.at(900, 700) == BLACK
        assert watching.leaks == 0
        manager.hide(frame)
        watching.until(900, 700, GREY)


def test_an_event_that_a_program_made_up_unmasks_nothing(xserver: XServer) -> None:
    with watched(xserver) as (watching, desk):
        secret = desk.window((300, 300, 200, 200), title=SECRET)
        watching.take()
        event = x.UnmapNotifyEvent.synthetic(desk.root, secret, False)
        desk.core.SendEvent(False, desk.root, x.EventMask.SubstructureNotify, event.pack())
        desk.sync()
        watching.settle()
        assert watching.at(400, 400) == BLACK
        assert watching.leaks == 0


def test_nothing_is_watched_where_nothing_is_excluded(xserver: XServer) -> None:
    wish = Wish(xserver.display, False, 30, Exclusions(builtin=False))
    source = open_x11(SourceName("display", xserver.display), wish, SystemClock())
    with Desk(xserver.display) as desk:
        desk.window((300, 300, 200, 200), title=SECRET)
        assert isinstance(source, X11Source)
        seen = Camera(source)
        assert seen.leaks == 1
        assert source._masks is None
    source.close()
