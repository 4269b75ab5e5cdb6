"""Recording one window of a real X server: whole, whatever lies over it and wherever it goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pepys.clock import SystemClock
from pepys.demo.servers import WindowManager, XServer
from pepys.errors import DeviceMissing, Usage
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.display import list_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Changed, Resized, SourceEnded
from pepys.record.sources import Wish
from tests.painter import Painter
from tests.waiting import wait_until
from tests.x11_client import Client
from tests.x11_sources import Viewer, event, odd_server, opened

pytestmark = pytest.mark.unhurried

RED, GREEN, BLUE = 0xFF0000, 0x00FF00, 0x0000FF


@pytest.fixture(scope="module")
def running() -> Iterator[XServer]:
    """One server for all: windows leave nothing behind on it."""
    with XServer() as server:
        yield server


@pytest.fixture
def xserver(running: XServer, monkeypatch: pytest.MonkeyPatch) -> XServer:
    """The server, in force for this process and its children."""
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    return running


@contextmanager
def recorded(display: str, client: Client, *, pointer: bool = False) -> Iterator[tuple[X11Source, Viewer]]:
    source = opened(display, "window", f"{client.window:#x}", pointer=pointer)
    viewer = Viewer(source)
    viewer.update()
    yield source, viewer
    source.close()


@pytest.mark.parametrize("depth", [24, 32])
def test_a_covered_window_is_recorded_whole(xserver: XServer, depth: int) -> None:
    with (
        Client(xserver.display, "below", border=3, depth=depth) as client,
        Painter(xserver.display),
        recorded(xserver.display, client) as (source, viewer),
    ):
        assert (source.geometry.width, source.geometry.height) == (300, 200)
        client.fill(0, 0, 1, 1, GREEN)
        client.fill(299, 199, 1, 1, BLUE)
        viewer.follow(299, 199, BLUE)
        assert [viewer.colour(0, 0), viewer.colour(150, 100), viewer.colour(299, 199)] == [GREEN, RED, BLUE]
        client.fill(50, 60, 20, 10, BLUE)
        viewer.follow(55, 65, BLUE)
        assert viewer.differs() == 0
        client.fill(201, 11, 7, 9, GREEN)
        event(source)
        (patch,) = viewer.update()
        assert (patch.x, patch.y, patch.pixels.shape) == (200, 10, (10, 8, 4))


def test_it_is_recorded_beyond_the_edge_and_while_it_is_moved(xserver: XServer) -> None:
    with Client(xserver.display, "mover") as client, recorded(xserver.display, client) as (source, viewer):
        client.configure(x=1800, y=-150)
        client.fill(10, 10, 20, 20, GREEN)
        viewer.follow(15, 15, GREEN)
        client.fill(280, 100, 20, 20, BLUE)
        viewer.follow(290, 110, BLUE)
        assert source.geometry.epoch == 0


def test_a_resize_is_an_event_and_then_the_new_picture(xserver: XServer) -> None:
    with Client(xserver.display, "sizer") as client, recorded(xserver.display, client) as (source, viewer):
        client.configure(width=401, height=333)
        geometry = event(source, Resized).geometry
        assert (geometry.width, geometry.height, geometry.epoch) == (401, 333, 1)
        client.fill(380, 320, 10, 10, GREEN)
        viewer.follow(385, 325, GREEN)
        assert viewer.differs() == 0
        for number in range(50):
            client.configure(width=200 + number * 7, height=400 - number * 5)
            source.poll()
            viewer.update()
        client.fill(5, 5, 10, 10, BLUE)
        viewer.follow(8, 8, BLUE)
        assert (source.geometry.width, source.geometry.height) == (543, 155)
        assert viewer.differs() == 0


def test_a_hidden_window_stays_as_it_was_and_comes_back(xserver: XServer) -> None:
    with Client(xserver.display, "hider") as client, recorded(xserver.display, client) as (source, viewer):
        client.fill(10, 10, 20, 20, GREEN)
        viewer.follow(15, 15, GREEN)
        client.hide()
        source.refresh()
        source.poll()
        viewer.update()
        assert (viewer.colour(15, 15), viewer.colour(100, 100)) == (GREEN, RED)
        client.show()
        client.fill(10, 10, 20, 20, BLUE)
        viewer.follow(15, 15, BLUE)
        for number in range(50):
            client.hide()
            client.show()
            if number % 7 == 0:
                source.poll()
                viewer.update()
        client.fill(100, 100, 20, 20, GREEN)
        viewer.follow(105, 105, GREEN)
        assert source.geometry.epoch == 0


def test_a_window_that_is_not_shown_yet_is_black_until_then(xserver: XServer) -> None:
    with Client(xserver.display, "late", shown=False) as client, recorded(xserver.display, client) as (_, viewer):
        assert viewer.colour(100, 100) == 0
        client.show()
        viewer.follow(100, 100, RED)


def test_closing_it_is_the_end_and_names_what_was_asked_for(xserver: XServer) -> None:
    with Client(xserver.display, "A letter") as client:
        source = opened(xserver.display, "window", "a let*")
        source.take(2)
        client.destroy()
        end = event(source, SourceEnded)
        assert (end.reason, end.message) == ("source_closed", "window 'a let*' was closed")
        assert source.take(2) == []
        source.close()


def test_below_a_window_manager_it_is_found_iconified_and_shown(
    xserver: XServer, window_manager: WindowManager
) -> None:
    with Client(xserver.display, "Framed: naïve – title") as client:
        source = opened(xserver.display, "window", "*NAÏVE*", pointer=True)
        assert (source.geometry.width, source.geometry.height) == (300, 200)
        viewer = Viewer(source)
        viewer.follow(100, 100, RED)
        client.fill(10, 10, 20, 20, GREEN)
        viewer.follow(15, 15, GREEN)
        client.iconify()
        source.refresh()
        source.poll()
        viewer.update()
        assert viewer.colour(15, 15) == GREEN
        listed = list_x11(Wish(xserver.display, exclusions=Exclusions(builtin=False)), SystemClock())
        assert [found.title for found in listed if found.name.kind == "window"] == ["Framed: naïve – title"]
        client.show()
        client.fill(40, 40, 20, 20, BLUE)
        viewer.follow(45, 45, BLUE)
        client.configure(width=350, height=222)
        assert event(source, Resized).geometry.height == 222
        client.destroy()
        assert event(source, SourceEnded).reason == "source_closed"
        source.close()


def test_a_menu_without_a_frame_is_a_window_too(xserver: XServer, window_manager: WindowManager) -> None:
    with Client(xserver.display, "menu", override=True) as client:
        source = opened(xserver.display, "window", "menu")
        viewer = Viewer(source)
        client.fill(1, 1, 5, 5, BLUE)
        viewer.follow(3, 3, BLUE)
        source.close()


@pytest.mark.parametrize(
    ("wanted", "title"),
    [("ONE", "Letter one"), ("letter t*", "Letter two"), ("letter", "letter"), ("*[!e]", "Letter two")],
)
def test_titles_are_matched_in_part_or_as_patterns(xserver: XServer, wanted: str, title: str) -> None:
    names = ("Letter one", "Letter two", "letter")
    clients = [Client(xserver.display, name, (0, 0, 100 + len(name), 50)) for name in names if name != "letter"]
    if wanted == "letter":
        clients.append(Client(xserver.display, "letter", (0, 0, 106, 50)))
    source = opened(xserver.display, "window", wanted)
    assert source.geometry.width == 100 + len(title)
    assert source.name == f"window:{wanted}"
    source.close()
    for client in clients:
        client.close()


def test_many_and_none_are_refused_with_what_there_is(xserver: XServer) -> None:
    with Client(xserver.display, "Letter one") as one, Client(xserver.display, "Letter two"):
        with pytest.raises(Usage, match="2 windows") as several:
            opened(xserver.display, "window", "letter")
        assert f"{one.window:#x} 'Letter one'" in several.value.message
        for wanted in ("invoice", "0x7fffffff", "99999999999"):
            with pytest.raises(DeviceMissing, match="no window matches") as none:
                opened(xserver.display, "window", wanted)
            assert "Letter two" in none.value.remedy
        with pytest.raises(Usage, match="whole screen"):
            opened(xserver.display, "window", f"{one.root}")
        source = opened(xserver.display, "window", f"{one.window}")
        source.close()


def test_without_composite_no_window_can_be_recorded() -> None:
    with (
        odd_server("-screen", "0", "320x240x24", "-extension", "Composite") as display,
        Client(display, "any"),
        pytest.raises(DeviceMissing, match="Composite"),
    ):
        opened(display, "window", "any")


def test_a_window_is_compared_and_fetched_where_extensions_lack() -> None:
    options = ("-extension", "DAMAGE", "-extension", "MIT-SHM")
    with (
        odd_server("-screen", "0", "640x480x24", *options) as display,
        Client(display, "any") as client,
        recorded(display, client) as (source, viewer),
    ):
        client.configure(width=320, height=240)
        event(source, Resized)
        client.fill(300, 230, 5, 5, BLUE)
        viewer.follow(302, 232, BLUE)
        client.hide()
        client.show()
        client.fill(30, 30, 5, 5, GREEN)
        viewer.follow(32, 32, GREEN)


def test_the_pointer_is_drawn_only_over_the_window_itself(xserver: XServer) -> None:
    with Client(xserver.display, "pointed") as client:
        client.move_pointer(900, 900)
        with recorded(xserver.display, client, pointer=True) as (_, viewer):

            def drawn() -> bool:
                viewer.hear()
                viewer.update()
                return viewer.differs() > 10

            assert not drawn()
            client.move_pointer(200, 180)
            wait_until(drawn, 5, "the pointer")
            assert viewer.colour(100, 80) != RED
            with Client(xserver.display, "above", (150, 150, 120, 120), override=True):
                wait_until(lambda: not drawn(), 5, "no pointer, for another window is below it")
            wait_until(drawn, 5, "the pointer again")
            client.move_pointer(900, 900)
            wait_until(lambda: not drawn(), 5, "no pointer")


def test_a_change_of_another_window_is_none_of_this_one(xserver: XServer) -> None:
    with Client(xserver.display, "quiet") as client, recorded(xserver.display, client) as (source, viewer):
        source.poll()
        source.take(2)
        with Painter(xserver.display) as painter:
            painter.fill(0, 0, 1920, 1080, BLUE)
            assert [found for found in viewer.hear(0.1) if isinstance(found, Changed)] == []
            assert viewer.update() == []


def test_an_excluded_window_is_refused_and_not_named(xserver: XServer) -> None:
    with Client(xserver.display, "My secret diary") as client, Client(xserver.display, "A letter"):
        for wanted in ("diary", f"{client.window:#x}"):
            with pytest.raises(DeviceMissing, match="excluded") as refused:
                opened(xserver.display, "window", wanted, exclude=("*secret*",))
            assert "My" not in str(refused.value.to_json())
        with pytest.raises(DeviceMissing, match="no window") as none:
            opened(xserver.display, "window", "nothing", exclude=("*secret*",))
        assert "letter" in none.value.remedy
        assert "secret" not in none.value.remedy
        wish = Wish(xserver.display, exclusions=Exclusions(("*secret*",), builtin=False))
        assert "secret" not in str(list_x11(wish, SystemClock()))


def black(viewer: Viewer, never: int) -> bool:
    viewer.hear()
    viewer.update()
    assert viewer.colour(150, 100) != never, "the excluded window was seen"
    return not viewer.picture[:, :, :3].any()


def test_a_window_that_becomes_excluded_is_black_while_it_is(xserver: XServer) -> None:
    with Client(xserver.display, "A letter", border=2) as client:
        source = opened(xserver.display, "window", "A letter", exclude=("*secret*",))
        viewer = Viewer(source)
        viewer.follow(100, 100, RED)
        for colour in (GREEN, BLUE):
            client.name("A secret")
            client.fill(0, 0, 300, 200, colour)
            wait_until(lambda shown=colour: black(viewer, shown), 5, "the window to be black")
            assert not source.grab()[:, :, :3].any()
            client.fill(0, 0, 300, 200, RED)
            viewer.hear()
            viewer.update()
            assert not viewer.picture[:, :, :3].any()
            client.configure(width=310)
            event(source, Resized)
            viewer.update()
            assert not viewer.picture[:, :, :3].any()
            client.configure(width=300)
            event(source, Resized)
            client.name("A letter")
            client.fill(0, 0, 300, 200, RED)
            viewer.follow(100, 100, RED)
        source.close()


def test_what_becomes_excluded_during_a_capture_is_black_in_it(xserver: XServer) -> None:
    with Client(xserver.display, "A letter") as client:
        source = opened(xserver.display, "window", "A letter", exclude=("*secret*",))
        viewer = Viewer(source)
        viewer.follow(100, 100, RED)
        find = source._wanted

        def find_and_rename(align: int) -> list[Rect]:
            wanted = find(align)
            client.name("A secret")
            client.fill(0, 0, 300, 200, GREEN)
            return wanted

        source._wanted = find_and_rename  # type: ignore[method-assign]  # between finding and reading
        source.refresh()
        assert viewer.update()
        assert not viewer.picture[:, :, :3].any()
        source.close()


@pytest.mark.parametrize(("outer", "inner"), [(24, 32), (32, 24)])
def test_children_of_another_depth_are_part_of_it(xserver: XServer, outer: int, inner: int) -> None:
    with Client(xserver.display, "outer", depth=outer) as client:
        child = Client(xserver.display, "inner", (50, 40, 100, 80), depth=inner)
        client.core.ReparentWindow(child.window, client.window, 50, 40)
        client.sync()
        child.show()
        with recorded(xserver.display, client) as (_, viewer), Painter(xserver.display):
            child.fill(0, 0, 100, 80, GREEN)
            viewer.follow(60, 50, GREEN)
            client.fill(200, 10, 10, 10, BLUE)
            viewer.follow(205, 15, BLUE)
            assert [viewer.colour(149, 119), viewer.colour(150, 119), viewer.colour(49, 50)] == [GREEN, RED, RED]
        child.close()


def test_a_deep_window_on_a_deeper_screen_keeps_its_colours() -> None:
    with (
        odd_server("-screen", "0", "640x480x30") as display,
        Client(display, "deep", depth=32) as client,
        recorded(display, client) as (_, viewer),
    ):
        client.fill(10, 10, 20, 20, 0xFF80C020)
        viewer.follow(15, 15, 0x80C020)


def test_a_window_manager_that_comes_and_goes_changes_nothing(xserver: XServer) -> None:
    with Client(xserver.display, "steady") as client, recorded(xserver.display, client) as (source, viewer):

        def framed(wanted: bool) -> bool:
            parent = client.core.QueryTree(client.window).reply().parent
            return (parent != client.root) == wanted and client.viewable()

        for colour in (GREEN, BLUE):
            with WindowManager(xserver.env):
                wait_until(lambda: framed(True), 5, "the frame")
                client.fill(0, 0, 100, 100, colour)
                viewer.follow(50, 50, colour)
            wait_until(lambda: framed(False), 5, "no frame")
            client.fill(0, 0, 100, 100, RED)
            viewer.follow(50, 50, RED)
        assert source.geometry.width == 300


def test_a_program_that_dies_is_the_end_of_its_window(xserver: XServer) -> None:
    client = Client(xserver.display, "mortal")
    source = opened(xserver.display, "window", "mortal")
    client.close()
    assert event(source, SourceEnded).message == "window 'mortal' was closed"
    source.close()


def test_a_server_that_dies_is_the_end_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    with XServer(320, 240) as server:
        monkeypatch.setenv("XAUTHORITY", server.env["XAUTHORITY"])
        client = Client(server.display, "mortal")
        source = opened(server.display, "window", "mortal")
        server.kill()
        end = event(source, SourceEnded)
        assert (end.reason, end.message) == ("source_closed", "window 'mortal': the X server has ended")
        source.close()
        client.close()
