"""A window on a display that tests paint, so that they know every pixel of it."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import Self

import xcffib
import xcffib.randr
import xcffib.xproto


class Painter:
    """Covers the screen with one window without a frame; calls return when the server has done it."""

    def __init__(self, display: str) -> None:
        self.connection = xcffib.connect(display=display)
        self.core = self.connection.core
        screen = self.connection.setup.roots[self.connection.pref_screen]
        self.root = screen.root
        self.window, self.context = self.connection.generate_id(), self.connection.generate_id()
        place = (0, 0, screen.width_in_pixels, screen.height_in_pixels, 0)
        attributes = xcffib.xproto.CW.BackPixel | xcffib.xproto.CW.OverrideRedirect
        kind = xcffib.xproto.WindowClass.InputOutput
        self.core.CreateWindow(
            screen.root_depth, self.window, self.root, *place, kind, screen.root_visual, attributes, [0x404040, 1]
        )
        self.core.CreateGC(self.context, self.window, 0, [])
        self.core.MapWindow(self.window)
        self.sync()

    def sync(self) -> None:
        """Wait until the server has done everything that was asked."""
        self.core.GetInputFocus().reply()

    def fill(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """Paint a rectangle in `colour`, written as 0xRRGGBB."""
        self.core.ChangeGC(self.context, xcffib.xproto.GC.Foreground, [colour])
        rectangle = struct.pack("<hhHH", x, y, width, height)
        self.core.PolyFillRectangle(self.window, self.context, 1, [rectangle])
        self.sync()

    def move_pointer(self, x: int, y: int) -> None:
        """Put the pointer at (x, y) of the screen."""
        self.core.WarpPointer(0, self.root, 0, 0, 0, 0, x, y)
        self.sync()

    def resize_screen(self, width: int, height: int) -> None:
        """Give the screen another size, as a change of mode does."""
        randr = self.connection(xcffib.randr.key)
        randr.QueryVersion(1, 3).reply()
        resources = randr.GetScreenResources(self.root).reply()
        for crtc in resources.crtcs:
            randr.SetCrtcConfig(crtc, 0, resources.config_timestamp, 0, 0, 0, 1, 0, []).reply()
        randr.SetScreenSize(self.root, width, height, width // 4, height // 4)
        self.sync()

    def close(self) -> None:
        """Take the window away."""
        if self.connection is not None:
            self.connection.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
