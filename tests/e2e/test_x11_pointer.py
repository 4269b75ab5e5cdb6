"""The pointer of a real X server in the picture: where it is, as it looks, and not at all when that is asked."""

from __future__ import annotations

import numpy as np
import pytest
import xcffib
import xcffib.xproto

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.limits import NS_PER_S
from pepys.record.ports import Changed
from tests.desk import Desk
from tests.painter import Painter
from tests.waiting import wait_until
from tests.x11_sources import Viewer, event, opened

CROSSHAIR = 34


def glyph(painter: Painter, number: int) -> int:
    """A cursor of the server's own font."""
    font, cursor = painter.connection.generate_id(), painter.connection.generate_id()
    painter.core.OpenFont(font, len("cursor"), "cursor")
    painter.core.CreateGlyphCursor(cursor, font, font, number, number + 1, 0xFFFF, 0, 0, 0, 0, 0)
    return int(cursor)


def nothing(painter: Painter) -> int:
    """A cursor without any pixel, as programs hide the pointer."""
    pixmap, cursor = painter.connection.generate_id(), painter.connection.generate_id()
    context = painter.connection.generate_id()
    painter.core.CreatePixmap(1, pixmap, painter.root, 8, 8)
    painter.core.CreateGC(context, pixmap, xcffib.xproto.GC.Foreground, [0])
    painter.core.PolyFillRectangle(pixmap, context, 1, [b"\0\0\0\0\x08\0\x08\0"])
    painter.core.CreateCursor(cursor, pixmap, pixmap, 0, 0, 0, 0, 0, 0, 0, 0)
    return int(cursor)


def red(viewer: Viewer) -> int:
    """How many red pixels lie around the pointer's place, which has no others."""
    around = viewer.picture[380:420, 480:520, :3]
    return int((around == (0, 0, 255)).all(axis=2).sum())


def use(painter: Painter, cursor: int) -> None:
    painter.core.ChangeWindowAttributes(painter.window, xcffib.xproto.CW.Cursor, [cursor])
    painter.sync()


def test_another_look_is_drawn_at_once_and_a_hidden_pointer_not_at_all(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        painter.move_pointer(500, 400)
        source = opened(xserver.display, pointer=True)
        viewer = Viewer(source)
        use(painter, glyph(painter, CROSSHAIR))
        source.poll()
        viewer.update()
        pictures = [viewer.picture.copy()]
        assert 20 < viewer.differs() < 600
        assert red(viewer) > 10
        use(painter, nothing(painter))
        assert event(source).pointer_only
        viewer.update()
        assert viewer.differs() == 0
        use(painter, glyph(painter, CROSSHAIR))
        event(source)
        viewer.update()
        assert np.array_equal(viewer.picture, pictures[0])
        source.close()


def test_what_is_painted_below_it_stays_below_it(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        painter.move_pointer(500, 400)
        use(painter, glyph(painter, CROSSHAIR))
        source = opened(xserver.display, pointer=True)
        viewer = Viewer(source)
        source.poll()
        viewer.update()
        painter.fill(490, 390, 20, 20, 0x00FF00)
        viewer.follow(491, 391, 0x00FF00)
        assert red(viewer) > 10
        painter.move_pointer(1200, 900)
        viewer.follow(500, 400, 0x00FF00)
        source.close()


def test_a_window_that_must_not_be_seen_does_not_show_by_the_look_it_gives_the_pointer(xserver: XServer) -> None:
    with Painter(xserver.display) as painter, Desk(xserver.display) as desk:
        same = glyph(painter, CROSSHAIR)
        use(painter, same)
        painter.move_pointer(500, 400)
        source = opened(xserver.display, pointer=True, exclude=("*secret*",))
        viewer = Viewer(source)

        def green() -> int:
            return int((viewer.picture[..., :3] == (0, 255, 0)).all(axis=2).sum())

        def back() -> bool:
            viewer.hear()
            viewer.update()
            assert green() == 0
            return red(viewer) > 10

        viewer.hear()
        viewer.update()
        assert red(viewer) > 10
        secret = desk.window((700, 300, 200, 200), title="a secret", override=True)
        desk.core.ChangeWindowAttributes(secret, xcffib.xproto.CW.Cursor, [same])
        desk.sync()
        viewer.follow(800, 400, 0)
        painter.move_pointer(800, 400)
        wait_until(lambda: not back(), 5, "the pointer to leave")
        assert not viewer.picture[300:500, 700:900, :3].any(), "of the same look, which nothing tells of"
        font, cursor = desk.connection.generate_id(), desk.connection.generate_id()
        desk.core.OpenFont(font, len("cursor"), "cursor")
        desk.core.CreateGlyphCursor(cursor, font, font, CROSSHAIR, CROSSHAIR + 1, 0, 0xFFFF, 0, 0, 0xFFFF, 0)
        desk.core.ChangeWindowAttributes(secret, xcffib.xproto.CW.Cursor, [cursor])
        desk.sync()
        for x in (701, 800, 898):  # at its edges its look would reach beyond it
            painter.move_pointer(x, 400)
            for _ in range(8):
                viewer.hear()
                viewer.update()
                assert green() == 0
            assert red(viewer) == 0, "it is nowhere, not where it was"
        painter.move_pointer(500, 400)
        wait_until(back, 5, "the pointer")
        desk.place(secret, x=400)  # it comes below the pointer, which stands still
        for _ in range(8):
            viewer.hear()
            viewer.update()
            assert green() == 0
        desk.destroy(secret)
        wait_until(back, 5, "the pointer again")
        source.close()


def test_without_the_pointer_there_is_none_and_nothing_is_asked(xserver: XServer) -> None:
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, pointer=False)
        assert source.capabilities.cursor == "absent"
        viewer = Viewer(source)
        viewer.update()
        for x in range(100, 900, 100):
            painter.move_pointer(x, x)
            assert viewer.hear(0.02) == []
        source.refresh()
        viewer.update()
        assert (viewer.picture[:, :, :3] == 0x40).all()
        due_ns = source.wake_ns()
        assert due_ns is not None
        assert due_ns - SystemClock().now_ns() > NS_PER_S // 2, "but whether the server lives"
        source.close()


def test_a_pointer_that_never_rests_is_looked_at_fifteen_times_a_second(xserver: XServer) -> None:
    clock = SystemClock()
    with Painter(xserver.display) as painter:
        source = opened(xserver.display, pointer=True)
        source.poll()
        source.take(2)
        begun_ns, told, x = clock.now_ns(), 0, 0
        while clock.now_ns() < begun_ns + NS_PER_S // 2:
            x = (x + 7) % 1900
            painter.move_pointer(x, 300)
            told += sum(isinstance(found, Changed) for found in source.poll())
            source.take(2)
        assert 4 <= told <= 8
        source.close()


def test_a_pointer_whose_picture_is_refused_ends_nothing(xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """X servers refuse the picture of a pointer whose program is gone (BadAccess)."""
    with Painter(xserver.display) as painter:
        painter.move_pointer(500, 400)
        use(painter, glyph(painter, CROSSHAIR))
        source = opened(xserver.display, pointer=True)
        viewer = Viewer(source)
        source.poll()
        viewer.update()
        assert red(viewer) > 10

        def refused(*_: object) -> None:
            raise xcffib.xproto.AccessError(xcffib.MemoryUnpacker(bytes(32)))

        monkeypatch.setattr(source._pointer._extension, "GetCursorImage", refused)
        use(painter, nothing(painter))
        event(source)
        viewer.update()
        assert red(viewer) > 10
        painter.fill(0, 0, 50, 50, 0x00FF00)
        viewer.follow(10, 10, 0x00FF00)
        source.close()
        later = opened(xserver.display, pointer=True)
        monkeypatch.setattr(later._pointer._extension, "GetCursorImage", refused)
        viewer = Viewer(later)
        later.poll()
        viewer.update()
        assert viewer.differs() > 50, "a plain arrow"
        later.close()
