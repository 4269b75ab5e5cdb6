"""A connection to the display for drawing, and pictures that lie in the server, so that showing one costs nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, Final

import xcffib
import xcffib.xproto

from pepys.errors import DeviceMissing

_STRIPE_BYTES: Final = 1 << 20
_TITLE_BYTES: Final = 8
_USER_POSITION: Final = 1


class Board:
    """One connection, with what drawing on it needs."""

    def __init__(self) -> None:
        self.connection = xcffib.connect()
        self.core: Any = self.connection.core
        self.screen = self.connection.setup.roots[0]
        self.context = self.connection.generate_id()
        self.core.CreateGC(self.context, self.screen.root, xcffib.xproto.GC.GraphicsExposures, [0])

    def window(self, x: int, y: int, width: int, height: int, *, title: str, framed: bool, colour: int = 0) -> int:
        """Make a window that is not shown yet. One that is not framed is kept from the window manager."""
        made: int = self.connection.generate_id()
        mask = xcffib.xproto.CW.BackPixel | xcffib.xproto.CW.OverrideRedirect
        kind = xcffib.xproto.WindowClass.InputOutput
        visual = self.screen.root_visual
        self.core.CreateWindow(
            24, made, self.screen.root, x, y, width, height, 0, kind, visual, mask, [colour, int(not framed)]
        )
        atoms, name = xcffib.xproto.Atom, title.encode()
        replace = xcffib.xproto.PropMode.Replace
        self.core.ChangeProperty(replace, made, atoms.WM_NAME, atoms.STRING, _TITLE_BYTES, len(name), name)
        # WM_NORMAL_HINTS with USPosition: the window manager leaves the window where it was asked for.
        hints = [_USER_POSITION, x, y] + [0] * 15
        self.core.ChangeProperty(replace, made, atoms.WM_NORMAL_HINTS, atoms.WM_SIZE_HINTS, 32, len(hints), hints)
        return made

    def show(self, window: int) -> None:
        """Show a window and wait until the server has it so."""
        self.core.MapWindow(window)
        self.settle()

    def settle(self) -> None:
        """Wait until the server has done all it was asked."""
        self.core.GetInputFocus().reply()
        while self.connection.poll_for_event() is not None:
            pass  # events are of no interest; left alone they would pile up

    def pixmap(self, width: int, height: int) -> int:
        """A picture in the server."""
        made: int = self.connection.generate_id()
        self.core.CreatePixmap(24, made, self.screen.root, width, height)
        return made

    def put(self, target: int, width: int, height: int, pixels: bytes) -> None:
        """Write BGRX rows into a picture, in stripes that fit a request."""
        row = width * 4
        rows = max(1, _STRIPE_BYTES // row)
        for top in range(0, height, rows):
            part = pixels[top * row : (top + rows) * row]
            count = len(part) // row
            # 2 is ZPixmap.
            self.core.PutImage(2, target, self.context, width, count, 0, top, 0, 24, len(part), part)
            self.settle()

    def copy(self, source: int, target: int, width: int, height: int, *, top: int = 0, to: int = 0) -> None:
        """Copy a part of a picture; leaves sending it to the caller."""
        self.core.CopyArea(source, target, self.context, 0, top, 0, to, width, height)

    def fill(self, target: int, colour: int, rectangles: Sequence[tuple[int, int, int, int]]) -> None:
        """Fill rectangles (x, y, width, height) with 0xRRGGBB."""
        self.core.ChangeGC(self.context, xcffib.xproto.GC.Foreground, [colour])
        areas = [xcffib.xproto.RECTANGLE.synthetic(*rectangle) for rectangle in rectangles]
        self.core.PolyFillRectangle(target, self.context, len(areas), areas)

    def destroy(self, window: int) -> None:
        """Take a window away."""
        self.core.DestroyWindow(window)
        self.settle()

    def place(self, window: int) -> tuple[int, int]:
        """Where a window's corner is on the screen."""
        told = self.core.TranslateCoordinates(window, self.screen.root, 0, 0).reply()
        return int(told.dst_x), int(told.dst_y)


def pictures(arguments: Sequence[str], width: int, height: int, count: int) -> Iterator[bytes]:
    """Pictures that ffmpeg makes, as BGRX rows.

    Raises:
        DeviceMissing: ffmpeg cannot make them.
    """
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", *arguments, "-frames:v", str(count)]
    argv += ["-f", "rawvideo", "-pix_fmt", "bgr0", "-"]
    size = width * height * 4
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        for number in range(count):
            picture = maker.stdout.read(size)
            if len(picture) != size:
                raise DeviceMissing(f"ffmpeg made {number} of {count} pictures", "see the load's log")
            yield picture
