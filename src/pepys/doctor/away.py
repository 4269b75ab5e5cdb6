"""Checks of what tells that the user is away: the lock of the screen, the machine's sleep, hands off the keyboard.

Nothing is waited for but answers of buses and of the display, which have deadlines of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

from pepys.clock import SystemClock
from pepys.doctor.findings import Finding, less, ok
from pepys.errors import PepysError

_BY_HAND: Final = "pause by hand before you leave: a locked screen is recorded as it looks"
_INPUTS: Final = "XInputExtension"


def away() -> Iterator[Finding]:
    """Which signals of locks, sleep and idleness there are."""
    if sys.platform != "linux":
        yield less("lock", "nothing tells pepys on this system when the screen is locked", _BY_HAND)
        return
    from pepys.record.adapters.lockers import LOGIN, SessionBus, SystemBus

    told: list[str] = []
    reasons: list[str] = []
    sleeps = False
    for kind in (SessionBus, SystemBus):
        try:
            bus = kind(SystemClock())
        except PepysError as error:
            reasons.append(error.message)
            continue
        told.extend(bus.told)
        sleeps |= isinstance(bus, SystemBus)
        bus.close()
    saver, idle = _display()
    if told:
        yield ok("lock", "\n".join(f"{name} tells" for name in (*told, *saver)))
    elif saver:
        found = "noticed only of xscreensaver and of lockers that the X server starts, such as xss-lock"
        yield less("lock", "; ".join((found, *reasons)), f"start your locker through xss-lock; else {_BY_HAND}")
    else:
        yield less("lock", "; ".join(("nothing tells when the screen is locked", *reasons)), _BY_HAND)
    by_clock = "seen afterwards by the clocks, to the moment"
    yield ok("suspend", f"{LOGIN} tells before, and the clocks afterwards" if sleeps else by_clock)
    yield (
        ok("idle", f"{_INPUTS} tells")
        if idle
        else less("idle", "no display counts inputs", "start an X display with the extension XInput2")
    )


def _display() -> tuple[tuple[str, ...], bool]:
    """What the display's screen saver is called, if it tells of locks; and whether the display counts inputs."""
    display = os.environ.get("DISPLAY", "")
    if not display:
        return (), False
    import xcffib

    from pepys.record.adapters.screensaver import Saver
    from pepys.record.adapters.x11.connection import Connection

    try:
        connection = Connection(display)
        inputs = _INPUTS in connection.extensions([_INPUTS])
        connection.disconnect()
        Saver(display).close()
    except (xcffib.XcffibException, PepysError):
        return (), False
    return ("the display's screen saver",), inputs
