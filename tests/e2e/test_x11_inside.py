"""Windows of one program inside a window of another, on a real X server: judged wherever they came from."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import xcffib

from pepys.clock import SystemClock
from pepys.demo.servers import WindowManager, XServer
from pepys.record.adapters.x11.source import X11Source
from tests.camera import count
from tests.desk import GREEN, MAGENTA, Desk
from tests.waiting import wait_until
from tests.x11_sources import opened

PATTERN = ("*secret*",)
TITLE = "My secret plan"


@pytest.fixture(params=["no window manager", "openbox"])
def desktop(request: pytest.FixtureRequest, xserver: XServer) -> Iterator[XServer]:
    if request.param == "openbox":
        with WindowManager(xserver.env), Desk(xserver.display) as desk:
            desk.until_managed()
            yield xserver
    else:
        yield xserver


def seen(source: X11Source, colour: int) -> int:
    """Pixels of a colour in a picture of a source that was left alone for a moment."""
    source.poll()
    return count(source.grab(), colour)


def shown(display: str, colour: int) -> int:
    """Pixels of a colour on the screen, as it is."""
    source = opened(display)
    try:
        return count(source.grab(), colour)
    finally:
        source.close()


@pytest.mark.parametrize("depth", [0, 3])
def test_a_window_made_inside_that_of_another_program_is_judged(desktop: XServer, depth: int) -> None:
    display = desktop.display
    with Desk(display) as ours, Desk(display) as theirs:
        host = ours.window((100, 100, 400, 400), GREEN, title="plain host")
        live = opened(display, exclude=PATTERN)
        wait_until(lambda: shown(display, GREEN) > 0, 5, "the host")
        socket = host
        for _ in range(depth):
            socket = ours.window((5, 5, 300, 300), GREEN, parent=socket)
        guest = theirs.window((20, 20, 200, 200), MAGENTA, title=TITLE, parent=socket)
        wait_until(lambda: shown(display, MAGENTA) > 0, 5, "the guest")
        later = opened(display, exclude=PATTERN)
        for source in (live, later):
            assert count(source.grab(), MAGENTA) == 0
        theirs.retitle(guest, "a plain guest")

        def bare() -> bool:
            return all(seen(source, MAGENTA) > 0 for source in (live, later))

        wait_until(bare, 5, "the plain guest to be shown")
        theirs.retitle(guest, TITLE)
        assert not any(count(source.grab(), MAGENTA) for source in (live, later))
        theirs.destroy(guest)
        wait_until(lambda: seen(live, GREEN) > 0, 5, "the host without its guest")
        for source in (live, later):
            source.close()


def test_a_guest_that_moves_to_another_host_takes_its_mask_along(xserver: XServer) -> None:
    display = xserver.display
    with Desk(display) as ours, Desk(display) as theirs:
        hosts = [ours.window((100 + 500 * n, 100, 400, 400), GREEN, title="plain host") for n in range(2)]
        live = opened(display, exclude=PATTERN)
        guest = theirs.window((20, 20, 200, 200), MAGENTA, title=TITLE, parent=hosts[0])
        assert count(live.grab(), MAGENTA) == 0
        theirs.reparent(guest, hosts[1], 10, 10)
        assert shown(display, MAGENTA) > 0
        assert count(live.grab(), MAGENTA) == 0
        live.close()


def test_a_dialog_with_a_guest_still_follows_its_window(xserver: XServer) -> None:
    """Browsers draw their menus with a second program's window inside: that makes them no frames."""
    display = xserver.display
    with Desk(display) as ours, Desk(display) as theirs:
        live = opened(display, exclude=PATTERN)
        secret = ours.window((600, 100, 200, 200), GREEN, title=TITLE)
        menu = ours.window((100, 100, 300, 300), GREEN, override=True, WM_TRANSIENT_FOR=secret)
        theirs.window((0, 0, 300, 300), MAGENTA, parent=menu)
        assert shown(display, MAGENTA) > 0
        assert count(live.grab(), MAGENTA) == 0
        live.close()


def test_a_recorded_window_is_black_while_an_excluded_one_lies_in_it(xserver: XServer) -> None:
    display = xserver.display
    with Desk(display) as ours, Desk(display) as theirs:
        host = ours.window((100, 100, 400, 400), GREEN, title="plain host")
        live = opened(display, "window", hex(host), exclude=PATTERN)
        assert count(live.grab(), GREEN) > 0
        theirs.window((20, 20, 200, 200), MAGENTA, title=TITLE, parent=host)
        assert count(live.grab(), MAGENTA) == 0
        live.close()


def test_a_title_in_compound_text_is_read(xserver: XServer) -> None:
    display = xserver.display
    with Desk(display) as desk:
        live = opened(display, exclude=("*überweisung*", "*банк*"))
        for left, raw in ((10, "Überweisung".encode("latin-1")), (400, b"\x1b-L" + "Банк".encode("iso8859-5"))):
            window = desk.window((left, 10, 200, 200), MAGENTA, shown=False)
            desk.put(window, "WM_NAME", "COMPOUND_TEXT", raw, 8)
            desk.show(window)
        unreadable = desk.window((800, 10, 200, 200), MAGENTA, shown=False)
        desk.put(unreadable, "WM_NAME", "COMPOUND_TEXT", b"\x1b$)G\xc4\xe3", 8)
        desk.show(unreadable)
        assert shown(display, MAGENTA) > 0
        assert count(live.grab(), MAGENTA) == 0
        live.close()


def test_a_thousand_menus_cost_an_event_no_more_than_ten(xserver: XServer) -> None:
    clock = SystemClock()
    with Desk(xserver.display) as desk, Desk(xserver.display) as other:
        other.window((0, 0, 50, 50), title=TITLE)
        menus = [desk.window((100 + n % 500, 100, 30, 30), override=True, shown=False) for n in range(1000)]
        for menu in menus:
            desk.core.MapWindow(menu)
        desk.sync()
        live = opened(xserver.display, exclude=PATTERN)
        live.poll()
        for menu in menus[:50]:
            desk.core.UnmapWindow(menu)
            desk.core.MapWindow(menu)
        desk.sync()
        began_ns = clock.now_ns()
        wait_until(lambda: not live.poll() and not live.take(2), 30, "all to be heard")
        assert clock.now_ns() - began_ns < 400_000_000
        live.close()


def test_what_events_tell_is_what_a_fresh_look_finds(xserver: XServer) -> None:
    """Windows of two programs, titles, owners and groups that change at random: the same are hidden either way."""
    chance = random.Random(11)
    display = xserver.display
    with Desk(display) as ours, Desk(display) as theirs, ExitStack() as stack:
        live = opened(display, exclude=PATTERN)
        stack.callback(live.close)
        alive: list[tuple[Desk, int]] = []
        for turn in range(240):
            _change(chance, (ours, theirs), alive)
            if turn % 6 == 5:
                wait_until(lambda: not live.poll(), 5, "events to be heard")
                fresh = opened(display, exclude=PATTERN)
                assert _hidden(live) - _emptied(live) <= _hidden(fresh) <= _hidden(live), turn
                fresh.close()


def _hidden(source: X11Source) -> set[int]:
    assert source._masks is not None
    return source._masks._excluded


def _emptied(source: X11Source) -> set[int]:
    """What still has the pixels of a client that is gone; a fresh look cannot know it."""
    assert source._masks is not None
    return {window for window, top in source._masks._tree.tops.items() if top.emptied}


def _change(chance: random.Random, desks: tuple[Desk, Desk], alive: list[tuple[Desk, int]]) -> None:
    title = chance.choice((TITLE, "a page", "a page", "a page", ""))
    if len(alive) < 4 or (len(alive) < 20 and chance.random() < 0.3):
        desk = chance.choice(desks)
        named = {name: chance.choice(alive)[1] for name in ("WM_TRANSIENT_FOR", "WM_CLIENT_LEADER")} if alive else {}
        wanted = {name: window for name, window in named.items() if chance.random() < 0.4}
        if chance.random() < 0.2 and "WM_CLIENT_LEADER" in wanted:
            wanted["WM_TRANSIENT_FOR"] = desk.root
        place = (chance.randrange(900), chance.randrange(500), 200, 150)
        hosts = [window for maker, window in alive if maker is not desk]
        parent = chance.choice(hosts) if hosts and chance.random() < 0.2 else 0
        override = chance.random() < 0.3
        alive.append((desk, desk.window(place, title=title, override=override, parent=parent, **wanted)))
        return
    desk, window = chance.choice(alive)
    deed = chance.randrange(5)
    if deed == 0:
        desk.hide(window)
    elif deed == 1:
        desk.show(window)
    elif deed == 2:
        desk.retitle(window, title)
    elif deed == 3:
        desk.put(window, "WM_TRANSIENT_FOR", "WINDOW", struct.pack("<I", chance.choice(alive)[1]), 32)
    else:
        alive.remove((desk, window))
        desk.destroy(window)
        gone = [pair for pair in alive if _is_gone(pair[0], pair[1])]
        for pair in gone:
            alive.remove(pair)


def _is_gone(desk: Desk, window: int) -> bool:
    try:
        desk.core.GetGeometry(window).reply()
    except xcffib.Error:
        return True
    return False
