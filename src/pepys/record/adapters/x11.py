"""Opening an X11 display as a source of pictures.

Owns the way from a display's name to an `X11Source`, and every reason for which there is none, as a typed error.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pepys.clock import Clock
from pepys.errors import DeviceMissing

if TYPE_CHECKING:
    from pepys.record.adapters.x11_source import X11Source

_START_ONE = "start an X server, or name its display with --display, or record without video (--no-video)"


def open_x11(display: str | None, clock: Clock, *, pointer: bool = True) -> X11Source:
    """The screen of `display` (None: of $DISPLAY); `pointer` draws the pointer into what is taken.

    Raises:
        DeviceMissing: no such display, or one that cannot be captured; the message says why.
    """
    name = os.environ.get("DISPLAY", "") if display is None else display
    if not name:
        raise DeviceMissing("no display: $DISPLAY is not set", _START_ONE)
    try:
        # Loads the system's libxcb, which is not there on a machine without any X program.
        import xcffib

        from pepys.record.adapters.x11_source import X11Source
    except (ImportError, OSError) as error:
        raise DeviceMissing(f"the X client library cannot be loaded: {error}", "install libxcb1") from error
    try:
        connection = xcffib.connect(display=name)
    except (xcffib.XcffibException, UnicodeEncodeError) as error:
        raise DeviceMissing(f"no X server answers on display {name!r}", _START_ONE) from error
    try:
        return X11Source(connection, name, clock, pointer=pointer)
    except xcffib.XcffibException as error:
        connection.disconnect()
        raise DeviceMissing(f"display {name} cannot be captured: {type(error).__name__}", _START_ONE) from error
    except DeviceMissing:
        connection.disconnect()
        raise


class OpeningX11:
    """The port's way of opening: X11 asks nobody, so the answer is there at once."""

    def __init__(self, display: str | None, clock: Clock, *, pointer: bool = True) -> None:
        self._display, self._clock, self._pointer = display, clock, pointer

    def fileno(self) -> None:
        """Nothing to wait on."""

    def poll(self) -> X11Source:
        """The open source; raises as `open_x11` does."""
        return open_x11(self._display, self._clock, pointer=self._pointer)

    def cancel(self) -> None:
        """Nothing is under way."""
