"""Monitors by their number, through the portable library `mss`: for systems that pepys has no adapter of its own for.

Owns one connection a source, used by the source's thread alone. The library tells no changes, knows no windows and no
pointer: whole pictures are read at the wished rate and compared, and what is excluded cannot be kept out. A monitor's
size is looked up again each second; a monitor that is gone ends the source.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, Usage
from pepys.record.adapters.pushed import PushedSource
from pepys.record.ports import VideoCapabilities
from pepys.record.sources import SourceName, Wish

if TYPE_CHECKING:
    from mss import MSS

CAPABILITIES: Final = VideoCapabilities(
    damage="none",
    cursor="absent",
    exclusion="refused",
    without=("no changes told: whole pictures are compared", "no pointer"),
)

_LOOK_NS: Final = limits.NS_PER_S
_STILL_NS: Final = limits.NS_PER_S
_STILL_PERIOD_NS: Final = 100 * limits.NS_PER_MS
"""A screen that was still for a while is read less often: reading and comparing cost as much as when it moves."""
_MOST: Final = 32


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor as the library counts it: 0 is all of them together."""

    number: int
    left: int
    top: int
    width: int
    height: int
    words: str = ""

    @property
    def box(self) -> dict[str, int]:
        """What the library reads."""
        return {"left": self.left, "top": self.top, "width": self.width, "height": self.height}


def list_monitors(display: str | None) -> list[Monitor]:
    """Every monitor with its number.

    Raises:
        DeviceMissing: there is no screen, or one that X11 cannot see; the message says why.
    """
    from mss import ScreenShotError

    _answering(display)
    try:
        with _connect(display) as library:
            return _monitors(library)
    except (ScreenShotError, OSError) as error:
        told = " ".join(str(error).split())
        raise DeviceMissing(f"no screen can be read: {told}", "look at `pepys doctor`, or record a window") from error


def open_mss(name: SourceName, wish: Wish, clock: Clock) -> PushedSource:
    """The monitor of that number; 0 for all together.

    Raises:
        DeviceMissing: no such monitor.
        Usage: no number.
    """
    if not name.arg.isdecimal() or not name.arg.isascii() or len(name.arg) > 2:
        raise Usage(f"{name}: {name.arg!r} is no monitor's number", "write mss:1, or mss:0 for all together")
    found = list_monitors(wish.display)
    number = int(name.arg)
    if number >= len(found):
        there = ", ".join(f"mss:{monitor.number} ({monitor.width}x{monitor.height})" for monitor in found)
        raise DeviceMissing(f"there is no monitor {number}", f"there are: {there}")
    source = PushedSource(str(name), CAPABILITIES, clock, silent_ns=limits.SOURCE_SILENT_NS)
    source.start(lambda source: _deliver(source, number, wish))
    source.first()
    return source


def _deliver(source: PushedSource, number: int, wish: Wish) -> None:
    from mss import ScreenShotError

    period_ns = limits.NS_PER_S // max(1, wish.fps)
    next_ns = changed_ns = source.clock.now_ns()
    while not source.stopping:
        try:
            with _connect(wish.display) as library:
                found = _monitors(library)
                if number >= len(found):
                    source.end("device_lost", "the monitor is gone")
                    return
                until_ns = source.clock.now_ns() + _LOOK_NS
                while next_ns < until_ns:
                    if not source.pause_until(next_ns):
                        return
                    shot = library.grab(found[number].box)
                    pixels = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
                    now_ns = source.clock.now_ns()
                    changed_ns = now_ns if source.deliver(pixels) else changed_ns
                    still = now_ns - changed_ns > _STILL_NS
                    # After a slow picture the next one is due at once; what was missed is not made up for.
                    next_ns = max(next_ns + (max(period_ns, _STILL_PERIOD_NS) if still else period_ns), now_ns)
        except ScreenShotError:
            # A monitor that shrank is looked up anew; a screen that is gone fails here too, and ends it.
            if not _answers(wish.display):
                source.end("device_lost", "the screen cannot be read any more")
                return
            source.pause_until(source.clock.now_ns() + period_ns)


def _answers(display: str | None) -> bool:
    try:
        return bool(list_monitors(display))
    except DeviceMissing:
        return False


def _answering(display: str | None) -> None:
    """Ask the server with a deadline, which the library does not have, and refuse one whose pictures are black."""
    if sys.platform == "linux":
        name = display or os.environ.get("DISPLAY", "")
        if not name:
            raise DeviceMissing("no display: $DISPLAY is not set", "name one with --display")
        from pepys.record.adapters.x11.connection import connect

        connect(name).disconnect()


def _connect(display: str | None) -> MSS:
    from mss import MSS

    # Elsewhere there are no displays with names.
    return MSS(display=display, with_cursor=False) if sys.platform == "linux" else MSS()


def _monitors(library: MSS) -> list[Monitor]:
    found = []
    for number, monitor in enumerate(library.monitors[: _MOST + 1]):
        words = str(monitor.get("name") or monitor.get("output") or "") if number else "all monitors"
        found.append(Monitor(number, monitor["left"], monitor["top"], monitor["width"], monitor["height"], words))
    return found
