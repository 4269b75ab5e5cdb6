"""A picture of a display kept up to date by captures alone, which looks for the colour of what must not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.record.adapters.x11.display import open_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.sources import SourceName, Wish
from tests.desk import MAGENTA, Desk
from tests.waiting import wait_until


class Camera:
    """Keeps a picture by patches alone, as the recorder does, and looks for the colour of what must not be seen."""

    def __init__(self, source: X11Source) -> None:
        self.source = source
        self.picture: NDArray[np.uint8] = np.zeros((1080, 1920, 4), np.uint8)
        self.captures = self.seen = self.leaks = 0
        source.refresh()
        self.take()

    def take(self) -> None:
        """One capture, whether anything was told or not."""
        self.source.poll()
        for patch in self.source.take(2):
            height, width = patch.pixels.shape[:2]
            self.picture[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
            self.leaks += bool(count(patch.pixels, MAGENTA))
            self.seen += 1
        self.captures += 1

    def settle(self) -> None:
        """Capture until no left place is held any more, then all that is seen."""
        masks = self.source._masks
        assert masks is not None

        def settled() -> bool:
            self.take()
            return masks.due_ns() is None

        wait_until(settled, 5, "places that were left to be shown again")
        self.look()

    def look(self) -> None:
        """Capture all that is seen."""
        self.source.refresh()
        self.take()

    def grab(self) -> None:
        """A shot."""
        self.captures += 1
        self.leaks += bool(count(self.source.grab(), MAGENTA))

    def at(self, left: int, top: int) -> int:
        """The colour of a pixel."""
        blue, green, red = (int(value) for value in self.picture[top, left, :3])
        return red << 16 | green << 8 | blue

    def until(self, left: int, top: int, colour: int) -> None:
        """Capture until a pixel has that colour."""

        def seen() -> bool:
            self.take()
            return self.at(left, top) == colour

        wait_until(seen, 5, f"#{colour:06x} at {left},{top}, which is #{self.at(left, top):06x}")


def count(pixels: NDArray[np.uint8], colour: int) -> int:
    """How many pixels have a colour."""
    whole = np.ascontiguousarray(pixels).view(np.uint32)
    return int(((whole & 0xFFFFFF) == colour).sum())


@contextmanager
def camera(display: str, *patterns: str) -> Iterator[Camera]:
    """Capture a display on which windows of these patterns (default: `*secret*`) are excluded."""
    exclusions = Exclusions(patterns or ("*secret*",), builtin=False)
    source = open_x11(SourceName("display", display), Wish(display, False, 30, exclusions), SystemClock())
    assert isinstance(source, X11Source)
    try:
        yield Camera(source)
    finally:
        source.close()


@contextmanager
def watched(server: XServer, *patterns: str) -> Iterator[tuple[Camera, Desk]]:
    """The same, with a program that has windows there."""
    with Desk(server.display) as desk, camera(server.display, *patterns) as watching:
        yield watching, desk
