"""An application of the tests: one window with a title, which does what a test says."""

from __future__ import annotations

import struct

import xcffib
import xcffib.xproto

from tests.painter import Painter
from tests.waiting import wait_until


class Client(Painter):
    """An application with one window of its own, which it paints red once it is shown."""

    def __init__(
        self,
        display: str,
        title: str,
        place: tuple[int, int, int, int] = (100, 100, 300, 200),
        *,
        border: int = 0,
        override: bool = False,
        depth: int = 24,
        shown: bool = True,
    ) -> None:
        self.connection = xcffib.connect(display=display)
        self.core = self.connection.core
        screen = self.connection.setup.roots[self.connection.pref_screen]
        self.root = screen.root
        self.window, self.context, colours = (self.connection.generate_id() for _ in range(3))
        visual = next(d.visuals[0].visual_id for d in screen.allowed_depths if d.depth == depth)
        self.core.CreateColormap(0, colours, self.root, visual)
        names = xcffib.xproto.CW
        mask = names.BackPixel | names.BorderPixel | names.OverrideRedirect | names.EventMask | names.Colormap
        values = [0xFF0000, 0, int(override), xcffib.xproto.EventMask.StructureNotify, colours]
        self.core.CreateWindow(depth, self.window, self.root, *place, border, 1, visual, mask, values)
        self.core.CreateGC(self.context, self.window, 0, [])
        self.name(title)
        if shown:
            self.show()
        self.sync()

    def name(self, title: str) -> None:
        """Give it a title."""
        data = title.encode()
        atoms = [self.core.InternAtom(False, len(n), n).reply().atom for n in ("_NET_WM_NAME", "UTF8_STRING")]
        self.core.ChangeProperty(xcffib.xproto.PropMode.Replace, self.window, *atoms, 8, len(data), data)
        self.sync()

    def show(self) -> None:
        """Show it, and wait until it is."""

        def shown() -> bool:
            # A window manager that has just started forgets what was asked of it before.
            self.core.MapWindow(self.window)
            return self.viewable()

        wait_until(shown, 5, "the window to be shown")

    def hide(self) -> None:
        """Take it off the screen."""
        self.core.UnmapWindow(self.window)
        self.sync()

    def viewable(self) -> bool:
        """Whether it is shown."""
        state = self.core.GetWindowAttributes(self.window).reply().map_state
        return bool(state == xcffib.xproto.MapState.Viewable)

    def configure(self, **values: int) -> None:
        """Move or resize it; `x`, `y`, `width`, `height` in this order."""
        names = xcffib.xproto.ConfigWindow
        fields = {"x": names.X, "y": names.Y, "width": names.Width, "height": names.Height}
        mask = 0
        for name in values:
            mask |= fields[name]
        self.core.ConfigureWindow(self.window, mask, list(values.values()))
        self.sync()

    def iconify(self) -> None:
        """Ask the window manager to iconify it."""
        atom = self.core.InternAtom(False, len("WM_CHANGE_STATE"), "WM_CHANGE_STATE").reply().atom
        message = struct.pack("=BBHIIIIIII", 33, 32, 0, self.window, atom, 3, 0, 0, 0, 0)
        masks = xcffib.xproto.EventMask.SubstructureRedirect | xcffib.xproto.EventMask.SubstructureNotify
        self.core.SendEvent(False, self.root, masks, message)
        wait_until(lambda: not self.viewable(), 5, "the window to be iconified")

    def destroy(self) -> None:
        """Take it away for good."""
        self.core.DestroyWindow(self.window)
        self.sync()
