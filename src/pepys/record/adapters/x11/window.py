"""One window of an X display: the whole of it, though others cover it or it hangs over the screen's edge.

The server keeps the window's picture apart (Composite), and that pixmap is read. Invariants:

- the picture has the size of the pixmap, never that of the window, which is ahead of it while it is resized;
- a pixmap that has a name here stays as it is: an unmapped window goes on as its last picture, and a window that is
  mapped or resized has a new pixmap;
- a window manager may unmap or move the window's frame instead of the window: the frames are listened to as well.
"""

from __future__ import annotations

from typing import Any, Final

import xcffib
from xcffib import composite, xproto

from pepys.errors import DeviceMissing
from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.format import format_of
from pepys.record.adapters.x11.pointer import PointerQuery
from pepys.record.adapters.x11.view import Gone

_NONE: Final = 0
_DEEPEST: Final = 8


class WindowTarget:
    """A window that is being recorded."""

    of_screen: bool = False
    without: tuple[str, ...] = ()

    def __init__(self, connection: Connection, root: int, window: int, words: str) -> None:
        """Redirect the window.

        Raises:
            DeviceMissing: its colours cannot be recorded, or it went meanwhile.
            xcffib.XcffibException: the server failed.
        """
        self.words, self.window = words, window
        self._connection, self._root = connection, root
        self._composite = connection(composite.key)
        self._queries = PointerQuery(connection, root), PointerQuery(connection, window)
        self._pixmap = _NONE
        self._border = 0
        self._gone = False
        self._stale = True
        self._ancestors: tuple[int, ...] = ()
        try:
            # Before anything is asked, so that what changes after the answers is heard of.
            self._listen()
            attributes = connection.core.GetWindowAttributes(window).reply()
            geometry = connection.core.GetGeometry(window).reply()
            self._composite.RedirectWindowChecked(window, composite.Redirect.Automatic).check()
        except xcffib.Error as error:
            raise DeviceMissing(f"{words} cannot be recorded: it went away", "name another window") from error
        self.layout = format_of(connection.setup, attributes.visual, geometry.depth, words)
        self._size = (int(geometry.width), int(geometry.height))
        self.follow()

    @property
    def size(self) -> tuple[int, int]:
        """As `Target` says."""
        return self._size

    @property
    def corner(self) -> tuple[int, int]:
        """As `Target` says: the picture is the window, without its border."""
        return 0, 0

    def concerns(self) -> None:
        """As `Target` says: all of it is the picture."""

    def readable(self) -> tuple[int, int, int] | None:
        """As `Target` says. Until it has been shown once there is nothing."""
        return (self._pixmap, self._border, self._border) if self._pixmap else None

    def hear(self, event: Any) -> bool:
        """As `Target` says."""
        number = getattr(event, "window", _NONE)
        if number != self.window and number not in self._ancestors:
            return False
        if isinstance(event, xproto.ConfigureNotifyEvent):
            # Frames and the window itself are moved more often than resized: a move is none of ours.
            size = (event.width, event.height, event.border_width)
            self._stale = self._stale or (number == self.window and size != (*self._size, self._border))
        elif isinstance(event, xproto.MapNotifyEvent):
            self._stale = True
        elif isinstance(event, xproto.ReparentNotifyEvent):
            self._listen()
            self._stale = True
        elif isinstance(event, xproto.DestroyNotifyEvent):
            self._gone = self._gone or number == self.window
        return self._stale or self._gone

    def follow(self) -> bool:
        """As `Target` says: name the pixmap that the window has now."""
        if self._gone:
            raise Gone(f"{self.words} was closed")
        if not self._stale:
            return False
        self._stale = False
        core, pixmap = self._connection.core, self._connection.generate_id()
        self._composite.NameWindowPixmap(self.window, pixmap)
        asked = core.GetGeometry(pixmap), core.GetGeometry(self.window)
        answers = []
        for cookie in asked:
            try:
                answers.append(cookie.reply())
            except xcffib.Error:
                answers.append(None)
        picture, window = answers
        if picture is None or window is None:
            return False  # it is not shown, and the last picture stays; or it is gone, which its event tells
        if self._pixmap:
            core.FreePixmap(self._pixmap)
        self._pixmap, self._border = pixmap, int(window.border_width)
        self._size = max(1, picture.width - 2 * self._border), max(1, picture.height - 2 * self._border)
        return True

    def pointer(self) -> tuple[int, int] | None:
        """As `Target` says: only where this window, and no other, is under the pointer."""
        asked = [(query, query.send()) for query in self._queries]
        try:
            screen, window = (query.read(sequence) for query, sequence in asked)
        except xcffib.Error:
            return None  # the window is gone, which its event tells
        frame = self._ancestors[-1] if self._ancestors else self.window
        if screen is None or window is None or screen.child != frame:
            return None
        inside = 0 <= window.x < self._size[0] and 0 <= window.y < self._size[1]
        return (window.x, window.y) if inside else None

    def _listen(self) -> None:
        """Hear of the window and of the frames around it."""
        chain, number = [], self.window
        for _ in range(_DEEPEST):
            self._connection.watch(number, xproto.EventMask.StructureNotify)
            chain.append(number)
            parent = self._connection.core.QueryTree(number).reply().parent
            if parent in (_NONE, self._root):
                break
            number = int(parent)
        for left in set(self._ancestors).difference(chain):
            # What moves there is none of ours any more.
            self._connection.ignore(left, xproto.EventMask.StructureNotify)
        self._ancestors = tuple(chain[1:])
