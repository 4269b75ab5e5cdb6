"""The few questions and orders that a demo has for an X display.

Owns one connection. It knows the window manager's properties only as far as EWMH names them; the recorder has its own,
richer view of windows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import xcffib
import xcffib.xproto

from pepys.errors import DeviceMissing

_NAME_WORDS = 64


class Desktop:
    """A connection to the display that an environment names.

    Raises:
        DeviceMissing: the display does not answer.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._connection = display_connection(env)
        self._root = self._connection.get_setup().roots[0].root

    def has_window_manager(self) -> bool:
        """Whether a window manager serves the display (EWMH `_NET_SUPPORTING_WM_CHECK`)."""
        return bool(self._property(self._root, "_NET_SUPPORTING_WM_CHECK", xcffib.xproto.Atom.WINDOW, 1).value_len)

    def windows(self) -> dict[str, int]:
        """The managed windows' ids by title.

        Raises:
            DeviceMissing: the display is gone.
        """
        answer = self._property(self._root, "_NET_CLIENT_LIST", xcffib.xproto.Atom.WINDOW, _NAME_WORDS)
        found: dict[str, int] = {}
        for window in answer.value.to_atoms():
            try:
                title = self._property(window, "WM_NAME", xcffib.xproto.Atom.STRING, _NAME_WORDS).value.to_string()
            except xcffib.xproto.WindowError:
                continue  # closed between the two questions
            found[title] = window
        return found

    def move(self, window: int, x: int, y: int) -> None:
        """Ask the window manager to place a window."""
        mask = xcffib.xproto.ConfigWindow.X | xcffib.xproto.ConfigWindow.Y
        self._connection.core.ConfigureWindow(window, mask, [x, y])
        self._connection.flush()

    def paint(self, colour: int) -> None:
        """Give the display a ground of one colour (0xRRGGBB)."""
        self._connection.core.ChangeWindowAttributes(self._root, xcffib.xproto.CW.BackPixel, [colour])
        self._connection.core.ClearArea(False, self._root, 0, 0, 0, 0)
        self._connection.flush()

    def close(self) -> None:
        """End the connection."""
        self._connection.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _property(self, window: int, name: str, kind: int, words: int) -> xcffib.xproto.GetPropertyReply:
        try:
            atom = self._connection.core.InternAtom(False, len(name), name).reply().atom
            return self._connection.core.GetProperty(False, window, atom, kind, 0, words).reply()
        except xcffib.ConnectionException as error:
            raise _gone(None) from error


def display_connection(env: Mapping[str, str]) -> xcffib.Connection:
    """Connect to the display that an environment names.

    Raises:
        DeviceMissing: it does not answer.
    """
    before = os.environ.get("XAUTHORITY")
    # libxcb finds the authority file through the process's environment only.
    if "XAUTHORITY" in env:
        os.environ["XAUTHORITY"] = env["XAUTHORITY"]
    try:
        return xcffib.connect(display=env.get("DISPLAY"))
    except (xcffib.ConnectionException, OSError) as error:
        raise _gone(env.get("DISPLAY")) from error
    finally:
        if before is not None:
            os.environ["XAUTHORITY"] = before
        elif "XAUTHORITY" in env:
            del os.environ["XAUTHORITY"]


def _gone(name: str | None) -> DeviceMissing:
    return DeviceMissing(f"the display {name or ''} does not answer".replace("  ", " "), "see `pepys doctor`")
