"""What tests of X11 sources share: opening one, keeping its picture, waiting for events, servers that lack things."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pepys.clock import SystemClock
from pepys.record.adapters.x11.display import open_x11
from pepys.record.adapters.x11.source import X11Source
from pepys.record.exclusions import Exclusions
from pepys.record.ports import Changed, Patch, VideoEvent
from pepys.record.sources import SourceName, Wish
from tests.waiting import wait_until


def opened(
    display: str,
    kind: str = "display",
    arg: str = "",
    *,
    pointer: bool = False,
    fps: int = 30,
    exclude: tuple[str, ...] = (),
) -> X11Source:
    """A source of `display`; nothing is excluded unless it is named."""
    wish = Wish(display, pointer=pointer, fps=fps, exclusions=Exclusions(exclude, builtin=False))
    return open_x11(SourceName(kind, arg or display), wish, SystemClock())


class Viewer:
    """Keeps a picture up to date with patches alone, as the recorder does."""

    def __init__(self, source: X11Source) -> None:
        self.source = source
        self.picture = self.blank()

    def blank(self) -> NDArray[np.uint8]:
        """A black picture of the source's size."""
        return np.zeros((self.source.geometry.height, self.source.geometry.width, 4), np.uint8)

    def update(self) -> list[Patch]:
        """Take what changed."""
        patches = self.source.take(2)
        if self.picture.shape[:2] != (self.source.geometry.height, self.source.geometry.width):
            self.picture = self.blank()
        for patch in patches:
            height, width = patch.pixels.shape[:2]
            self.picture[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
        return patches

    def colour(self, x: int, y: int) -> int:
        """A pixel as 0xRRGGBB."""
        blue, green, red = (int(value) for value in self.picture[y, x, :3])
        return red << 16 | green << 8 | blue

    def differs(self) -> int:
        """How many pixels differ from the screen."""
        even = self.picture[: self.picture.shape[0] & ~1, : self.picture.shape[1] & ~1, :3]
        now = self.source.grab()[: even.shape[0], : even.shape[1], :3]
        return int((even != now).any(axis=2).sum())

    def follow(self, x: int, y: int, colour: int) -> None:
        """Hear and take until the pixel has that colour."""

        def shown() -> bool:
            self.hear()
            self.update()
            height, width = self.picture.shape[:2]
            return x < width and y < height and self.colour(x, y) == colour

        wait_until(shown, 5, f"pixel {x}, {y} to be {colour:06x}")

    def hear(self, seconds: float = 0.02) -> list[VideoEvent]:
        """Events, waited for on the descriptor for a moment as the recorder does."""
        select.select([self.source.fileno()], [], [], seconds)
        return self.source.poll()


def event(source: X11Source, kind: type[VideoEvent] = Changed) -> Any:
    """The first event of `kind`, waited for on the descriptor as the recorder does."""

    def heard() -> VideoEvent | None:
        select.select([source.fileno()], [], [], 0.05)
        return next((found for found in source.poll() if isinstance(found, kind)), None)

    return wait_until(heard, 5, kind.__name__)


@contextmanager
def odd_server(*options: str, program: str = "Xvfb", env: dict[str, str] | None = None) -> Iterator[str]:
    """A server that lacks something; its display's name."""
    assert shutil.which(program), f"{program} is not installed (see system-packages.txt)"
    reading, writing = os.pipe()
    argv = [program, "-displayfd", str(writing), "-nolisten", "tcp", "-noreset", *options]
    where = {**os.environ, **(env or {})}
    child = subprocess.Popen(argv, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=where)
    os.close(writing)
    try:
        assert select.select([reading], [], [], 20)[0], f"{program} does not start"
        yield f":{int(os.read(reading, 16))}"
    finally:
        child.terminate()
        child.wait(10)
        os.close(reading)
