"""The screen saver of an X display: whether a program that locks has the screen.

Owns one connection. Which of its words mean a lock: an *external* saver that is on (a locker that the server starts,
as xss-lock does), and xscreensaver's own note that it locks. A screen that the server merely blanks is not locked: a
film goes on behind it, and who recorded it wants to have it.
"""

from __future__ import annotations

from typing import Any, Final

import xcffib
from xcffib import screensaver, xproto

from pepys import limits
from pepys.errors import DeviceMissing
from pepys.record.adapters.x11.connection import Connection, ServerSilent

_EXTENSION: Final = "MIT-SCREEN-SAVER"
_STATUS: Final = "_SCREENSAVER_STATUS"
_LOCK: Final = "LOCK"


class Saver:
    """Hears the screen saver of a display; opened in a thread, heard in the recorder's loop."""

    def __init__(self, display: str) -> None:
        """Connect; may block while the server does.

        Raises:
            DeviceMissing: there is no such display, or it cannot tell.
        """
        try:
            self._connection = Connection(display)
        except xcffib.XcffibException as error:
            raise DeviceMissing(f"{display} cannot be opened: {error}", "start a display") from error
        self.external = self.noted = False
        try:
            self._begin()
        except xcffib.XcffibException as error:
            self.close()
            raise DeviceMissing(
                f"{display} tells nothing of its screen saver: {error}", "see `pepys doctor`"
            ) from error

    @property
    def locked(self) -> bool:
        """Whether a locker has the screen."""
        return self.external or self.noted

    def fileno(self) -> int:
        """The descriptor to hear."""
        return self._connection.descriptor

    def pump(self) -> bool:
        """Hear what has arrived; whether a locker has the screen now. Never waits but for the note's content.

        Raises:
            OSError: the display is gone, or does not answer.
        """
        try:
            for _ in range(limits.SAVER_EVENTS_A_PUMP):
                event = self._connection.next_event()
                if event is None:
                    break
                self._heard(event)
        except xcffib.XcffibException as error:
            raise ConnectionResetError("the display is gone") from error
        return self.locked

    def close(self) -> None:
        """Let go of the display."""
        self._connection.disconnect()

    def _begin(self) -> None:
        connection = self._connection
        if _EXTENSION not in connection.extensions([_EXTENSION]):
            raise ServerSilent(f"it lacks {_EXTENSION}")
        self._root = connection.get_setup().roots[connection.pref_screen].root
        atoms = connection.atoms([_STATUS, _LOCK])
        self._status, self._lock = atoms[_STATUS], atoms[_LOCK]
        saver = connection(screensaver.key)
        saver.QueryVersion(1, 1).reply()
        saver.SelectInput(self._root, screensaver.Event.NotifyMask)
        connection.watch(self._root, xproto.EventMask.PropertyChange)
        info = saver.QueryInfo(self._root).reply()
        self._take_up(info.state, info.kind)
        self._read_note()

    def _heard(self, event: Any) -> None:
        if isinstance(event, screensaver.NotifyEvent):
            self._take_up(event.state, event.kind)
        elif isinstance(event, xproto.PropertyNotifyEvent) and event.atom == self._status:
            self._read_note()

    def _take_up(self, state: int, kind: int) -> None:
        on = state in {screensaver.State.On, screensaver.State.Cycle}
        self.external = on and kind == screensaver.Kind.External

    def _read_note(self) -> None:
        """What xscreensaver does, it writes on the root window: the first word says whether it blanks or locks."""
        told = self._connection.core.GetProperty(False, self._root, self._status, xproto.Atom.Any, 0, 1).reply()
        words = list(told.value.to_atoms()) if told.format == 32 else []
        self.noted = words[:1] == [self._lock]
