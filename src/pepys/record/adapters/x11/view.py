"""Views of a screen: the whole of it, one monitor, or a region. And what any target of X11 capture tells its source.

A view's place is its rectangle of the root window; the picture is that rectangle. A screen that changes its size, a
monitor that moves: the view follows. One of which nothing is left is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import xcffib
from xcffib import xproto

from pepys.errors import DeviceMissing
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11 import monitors
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.format import PixelFormat, format_of
from pepys.record.adapters.x11.pointer import PointerQuery
from pepys.record.sources import REGION_SMALLEST


class Gone(Exception):  # an end, not an error
    """What was recorded is not there any more."""

    def __init__(self, message: str, reason: Literal["source_closed", "device_lost"] = "source_closed") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class Target(Protocol):
    """What a source records: a view of the screen, or a window.

    Attributes:
        words: what messages call it.
        layout: of its pixels.
        window: where changes are told of.
        of_screen: whether it shows a screen, with whatever windows lie there.
        without: what is missing of what was asked for, in words.
    """

    words: str
    layout: PixelFormat
    window: int
    of_screen: bool
    without: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        ...

    @property
    def corner(self) -> tuple[int, int]:
        """Where the picture's corner lies in `window`; of a view: on the screen."""
        ...

    def concerns(self) -> Callable[[Rect], bool] | None:
        """Whether a rectangle of `window` touches the picture; None when the picture is all of it."""
        ...

    def readable(self) -> tuple[int, int, int] | None:
        """What is read: a drawable, and where the picture's corner lies in it; None: nothing, the picture is black."""
        ...

    def hear(self, event: Any) -> bool:
        """Take an event; whether `follow` has to be called."""
        ...

    def follow(self) -> bool:
        """Look what became of it; whether the picture is another one.

        Raises:
            Gone: there is none any more.
            xcffib.XcffibException: the server failed.
        """
        ...

    def pointer(self) -> tuple[int, int] | None:
        """Where the pointer is in the picture; None when it does not belong there."""
        ...


class ScreenView:
    """The whole screen; the other views narrow it."""

    of_screen: bool = True
    without: tuple[str, ...] = ()

    def __init__(self, connection: Connection, words: str) -> None:
        self.words = words
        self._connection = connection
        screen = connection.setup.roots[connection.pref_screen]
        self.window = self._root = int(screen.root)
        self.layout = format_of(connection.setup, screen.root_visual, screen.root_depth, words)
        self._screen = Rect(0, 0, screen.width_in_pixels, screen.height_in_pixels)
        connection.watch(self._root, xproto.EventMask.StructureNotify)
        self._query = PointerQuery(connection, self._root)
        self.place = self._screen

    @property
    def size(self) -> tuple[int, int]:
        """As the protocol says."""
        return self.place.width, self.place.height

    @property
    def corner(self) -> tuple[int, int]:
        """As the protocol says."""
        return self.place.left, self.place.top

    def concerns(self) -> Callable[[Rect], bool] | None:
        """As the protocol says."""
        return None

    def readable(self) -> tuple[int, int, int] | None:
        """As the protocol says."""
        return self._root, self.place.left, self.place.top

    def hear(self, event: Any) -> bool:
        """As the protocol says."""
        if isinstance(event, xproto.ConfigureNotifyEvent) and event.window == self._root:
            self._screen = Rect(0, 0, event.width, event.height)
            return True
        return False

    def follow(self) -> bool:
        """As the protocol says."""
        place = self._narrow()
        changed, self.place = place != self.place, place
        return changed

    def pointer(self) -> tuple[int, int] | None:
        """As the protocol says."""
        found = self._query.read(self._query.send())
        return None if found is None else (found.root_x - self.place.left, found.root_y - self.place.top)

    def _narrow(self) -> Rect:
        return self._screen


class _PartView(ScreenView):
    """A part of the screen."""

    def concerns(self) -> Callable[[Rect], bool] | None:
        """As the protocol says."""
        return lambda rect: rect.clip(self.place) is not None


class RegionView(_PartView):
    """A rectangle of the screen, or what the screen leaves of it."""

    def __init__(self, connection: Connection, words: str, wanted: Rect) -> None:
        super().__init__(connection, words)
        self._wanted = wanted
        try:
            self.place = self._narrow()
        except Gone as gone:
            size = f"{self._screen.width}x{self._screen.height}"
            raise DeviceMissing(gone.message, f"name a part of the screen, which is {size}") from gone
        if self.place != wanted:
            part = f"{self.place.width}x{self.place.height}"
            self.without = (f"the region reaches beyond the screen: {part} of it are recorded",)

    def _narrow(self) -> Rect:
        shared = self._wanted.clip(self._screen)
        if shared is None or min(shared.width, shared.height) < REGION_SMALLEST:
            raise Gone(f"{self.words} lies outside the screen")
        return shared


class MonitorView(_PartView):
    """One monitor, wherever it is moved to."""

    def __init__(self, connection: Connection, words: str, name: str) -> None:
        super().__init__(connection, words)
        self._name = name
        monitors.watch(connection, self._root)
        try:
            self.place = self._narrow()
        except Gone as gone:
            names = [monitor.name for monitor in monitors.monitors(connection, self._root)]
            raise DeviceMissing(f"there is no monitor {name!r}", f"there are: {', '.join(names) or 'none'}") from gone
        except xcffib.Error as error:
            raise DeviceMissing(
                f"monitor {name!r} cannot be found: the display's RANDR is older than 1.5", "record the whole display"
            ) from error

    def hear(self, event: Any) -> bool:
        """As the protocol says."""
        return super().hear(event) or monitors.tells_of_change(event)

    def _narrow(self) -> Rect:
        monitor = monitors.find(monitors.monitors(self._connection, self._root), self._name)
        # A monitor may be told of before the screen has grown for it.
        shared = None if monitor is None else monitor.place.clip(self._screen)
        if shared is None or min(shared.width, shared.height) < REGION_SMALLEST:
            raise Gone(f"{self.words} is gone")
        return shared
