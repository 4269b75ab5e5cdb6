"""Opening an X11 display, or a part of it, as a source of pictures; and listing what it has.

Owns the way from a source's name to an `X11Source`, and every reason for which there is none, as a typed error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.adapters.regions import Rect
from pepys.record.sources import START_ONE, SourceName, Wish, parse_region

if TYPE_CHECKING:
    from pepys.record.adapters.x11.connection import Connection
    from pepys.record.adapters.x11.source import X11Source
    from pepys.record.adapters.x11.view import Target
    from pepys.record.adapters.x11.windows import WindowMasks

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Found:
    """A source that an X display has; `title` is what a person knows it by, `application` whose window it is."""

    name: SourceName
    title: str
    width: int
    height: int
    application: str = ""


def open_x11(name: SourceName, wish: Wish, clock: Clock) -> X11Source:
    """Open a source of one of the kinds display, monitor, region and window. May block while the server does.

    Raises:
        DeviceMissing: there is no such source, or it cannot be captured; the message says why.
        Usage: the name means nothing, or several windows.
    """
    display = _display(name, wish)
    connection = _connect(display)
    return _guarded(connection, display, lambda: _open(connection, display, name, wish, clock))


def list_x11(wish: Wish, clock: Clock) -> tuple[Found, ...]:
    """The display, its monitors and its windows; those that are excluded are left out.

    Raises:
        DeviceMissing: the display cannot be captured at all.
    """
    display = wish.display or os.environ.get("DISPLAY", "")
    name = SourceName("display", display)
    connection = _connect(_display(name, wish))
    found = _guarded(connection, display, lambda: _list(connection, display, wish, clock))
    connection.disconnect()
    return found


def lacking_x11(display: str) -> tuple[str, ...]:
    """The extensions of use here that a display lacks.

    Raises:
        DeviceMissing: the display cannot be captured at all.
    """
    connection = _connect(display)

    def look() -> tuple[str, ...]:
        from pepys.record.adapters.x11.connection import EXTENSIONS

        there = connection.extensions(EXTENSIONS)
        return tuple(name for name in EXTENSIONS if name not in there)

    lacking = _guarded(connection, display, look)
    connection.disconnect()
    return lacking


def _display(name: SourceName, wish: Wish) -> str:
    display = name.arg if name.kind == "display" else wish.display or os.environ.get("DISPLAY", "")
    if not display:
        raise DeviceMissing("no display: $DISPLAY is not set", START_ONE)
    return display


def _connect(display: str) -> Connection:
    try:
        # Loads the system's libxcb, which is not there on a machine without any X program.
        from pepys.record.adapters.x11 import connection as x11_connection
    except (ImportError, OSError) as error:
        raise DeviceMissing(f"the X client library cannot be loaded: {error}", "install libxcb1") from error
    return x11_connection.connect(display)


def _guarded(connection: Connection, display: str, make: Callable[[], Made]) -> Made:
    """What `make` makes; if it fails, the connection is ended and the error is a typed one."""
    import xcffib

    try:
        return make()
    except xcffib.XcffibException as error:
        connection.disconnect()
        why = str(error) or type(error).__name__
        raise DeviceMissing(f"display {display} cannot be captured: {why}", START_ONE) from error
    except BaseException:
        connection.disconnect()
        raise


def _open(connection: Connection, display: str, name: SourceName, wish: Wish, clock: Clock) -> X11Source:
    from pepys.record.adapters.x11.connection import EXTENSIONS
    from pepys.record.adapters.x11.source import X11Source

    there = connection.extensions(EXTENSIONS)
    masks = _masks(connection, wish, clock)
    target = _target(connection, display, name, there, masks)
    _try_pixel(connection, target)
    shown = display if name.kind == "display" else str(name)
    return X11Source(connection, target, shown, there, masks, clock, pointer=wish.pointer, fps=wish.fps)


def _try_pixel(connection: Connection, target: Target) -> None:
    """Read one pixel and let it go: a client may be allowed in and yet not be shown anything.

    Raises:
        DeviceMissing: the server refuses.
    """
    from xcffib import xproto

    place = target.readable()
    if place is None:
        return
    try:
        connection.core.GetImage(xproto.ImageFormat.ZPixmap, *place, 1, 1, 0xFFFFFFFF).reply()
    except xproto.AccessError as error:
        raise DeviceMissing(
            f"{target.words} may not be read: the X server lets this client in without that right",
            "let it be a trusted client: take the cookie that the desktop's own programs have (XAUTHORITY)",
        ) from error
    except (xproto.MatchError, xproto.DrawableError):
        return  # it was just closed or made smaller; its events tell


def _masks(connection: Connection, wish: Wish, clock: Clock) -> WindowMasks | None:
    if not wish.exclusions.active:
        return None
    from pepys.record.adapters.x11.windows import WindowMasks

    root = connection.setup.roots[connection.pref_screen].root
    connection.watch(root, WindowMasks.ROOT_EVENTS)
    return WindowMasks(connection, root, wish.exclusions, clock)


def _target(
    connection: Connection, display: str, name: SourceName, there: frozenset[str], masks: WindowMasks | None
) -> Target:
    from pepys.record.adapters.x11 import find, view
    from pepys.record.adapters.x11.window import WindowTarget

    if name.kind == "region":
        left, top, width, height = parse_region(name.arg)
        return view.RegionView(connection, f"region {name.arg}", Rect(left, top, left + width, top + height))
    if name.kind == "monitor":
        if "RANDR" not in there:
            raise DeviceMissing(
                f"monitor {name.arg!r} cannot be found: display {display} lacks RANDR", "record the whole display"
            )
        return view.MonitorView(connection, f"monitor {name.arg}", name.arg)
    if name.kind == "window":
        if "Composite" not in there:
            raise DeviceMissing(
                f"display {display} lacks Composite, without which a window cannot be recorded",
                "record the display or a region of it",
            )
        root = int(connection.setup.roots[connection.pref_screen].root)
        excluded = masks.excludes if masks is not None else lambda window: False
        window = find.find_window(connection, root, name.arg, excluded)
        return WindowTarget(connection, root, window.id, f"window {name.arg!r}")
    return view.ScreenView(connection, f"display {display}")


def _list(connection: Connection, display: str, wish: Wish, clock: Clock) -> tuple[Found, ...]:
    from pepys.record.adapters.x11 import find, monitors
    from pepys.record.adapters.x11.connection import EXTENSIONS

    there = connection.extensions(EXTENSIONS)
    screen = connection.setup.roots[connection.pref_screen]
    name = SourceName("display", display)
    found = [Found(name, f"display {display}", screen.width_in_pixels, screen.height_in_pixels)]
    if "RANDR" in there:
        for monitor in monitors.monitors(connection, screen.root):
            title = ", ".join(monitor.outputs) or monitor.name
            found.append(Found(SourceName("monitor", monitor.name), title, monitor.place.width, monitor.place.height))
    if "Composite" in there:
        masks = _masks(connection, wish, clock)
        for window in find.windows(connection, screen.root):
            if window.title and not (masks is not None and masks.excludes(window.id)):
                window_name = SourceName("window", f"{window.id:#x}")
                size = (window.width, window.height)
                found.append(Found(window_name, window.title, *size, window.application))
    return tuple(found)
