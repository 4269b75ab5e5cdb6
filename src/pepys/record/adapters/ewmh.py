"""Which window is in front on an X display, by the properties that window managers keep (EWMH).

PropertyNotify on the root tells of another active window, on the active window of another title; nothing is polled.
Without a window manager there is no such property, and nothing is told. A connection of its own keeps these few round
trips away from the capture of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import xcffib
import xcffib.xproto

from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.activity import Focus
from pepys.record.ports import SourceEnded

_TEXT_LONGS: Final = 1024
_TITLE_CHARS: Final = 1024
_ATOMS: Final = ("_NET_ACTIVE_WINDOW", "_NET_WM_NAME", "UTF8_STRING")


class EwmhFocus:
    """The focus of one display."""

    def __init__(self, display: str, clock: Clock) -> None:
        """Connect and ask for events.

        Raises:
            DeviceMissing: no X server answers.
        """
        self._clock = clock
        try:
            self._connection = xcffib.connect(display=display)
            core = self._connection.core
            self._root = self._connection.setup.roots[self._connection.pref_screen].root
            asked = {name: core.InternAtom(False, len(name), name) for name in _ATOMS}
            self._atoms = {name: cookie.reply().atom for name, cookie in asked.items()}
            self._watch(self._root)
            self._connection.flush()
        except xcffib.XcffibException as error:
            raise DeviceMissing(f"no X server answers on display {display!r}", "start it, or name another") from error
        self._window = 0
        # Without a window manager nothing is ever in front, and nothing is told.
        self._told = ("", "")
        self._fresh = True
        self._ended = self._closed = False

    def fileno(self) -> int:
        """The connection's descriptor."""
        return int(self._connection.get_file_descriptor())

    def poll(self) -> Sequence[Focus | SourceEnded]:
        """The window in front, when it is another one than last time or has another title."""
        if self._ended:
            return ()
        found: list[Focus | SourceEnded] = []
        try:
            # Replies bring events along, of which no descriptor tells: look until there is none.
            while self._heard() or self._fresh:
                self._fresh = False
                now = self._look()
                if now != self._told:
                    self._told = now
                    found.append(Focus(self._clock.now_ns(), *now))
        except xcffib.XcffibException:
            self._ended = True
            found.append(SourceEnded(self._clock.now_ns(), "source_closed", "the X server is gone"))
        return found

    def close(self) -> None:
        """Disconnect."""
        if not self._closed:
            self._closed = self._ended = True
            self._connection.disconnect()

    def _heard(self) -> bool:
        """Whether an event that matters has come."""
        matters = False
        while True:
            try:
                event = self._connection.poll_for_event()
            except xcffib.Error:
                continue  # the answer to a request about a window that is gone
            if event is None:
                return matters
            if isinstance(event, xcffib.xproto.PropertyNotifyEvent):
                names = {self._atoms["_NET_ACTIVE_WINDOW"], self._atoms["_NET_WM_NAME"], xcffib.xproto.Atom.WM_NAME}
                matters = matters or event.atom in names

    def _look(self) -> tuple[str, str]:
        values = self._property(self._root, self._atoms["_NET_ACTIVE_WINDOW"], 1)
        window = int.from_bytes(values[:4], "little") if len(values) >= 4 else 0
        if window != self._window:
            self._window = window
            if window:
                self._watch(window)
        if not window:
            return "", ""
        title = self._property(window, self._atoms["_NET_WM_NAME"], _TEXT_LONGS).decode("utf-8", errors="replace")
        if not title:
            title = self._property(window, xcffib.xproto.Atom.WM_NAME, _TEXT_LONGS).decode("latin-1")
        # WM_CLASS is instance and class, each ended by a zero byte; the class names the application.
        names = self._property(window, xcffib.xproto.Atom.WM_CLASS, _TEXT_LONGS).rstrip(b"\0").split(b"\0")
        return names[-1].decode("utf-8", errors="replace"), title[:_TITLE_CHARS]

    def _watch(self, window: int) -> None:
        mask = xcffib.xproto.EventMask.PropertyChange
        self._connection.core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, [mask])

    def _property(self, window: int, name: int, longs: int) -> bytes:
        cookie: Any = self._connection.core.GetProperty(
            False, window, name, xcffib.xproto.GetPropertyType.Any, 0, longs
        )
        try:
            return bytes(cookie.reply().value.buf())
        except xcffib.Error:
            return b""  # the window is gone
