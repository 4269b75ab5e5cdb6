"""A program with windows on a display, for tests: it makes, names, moves and ends them, and waits for the server.

`python -m tests.desk DISPLAY WINDOWS SEED` plays windows that come, move, change their size and go.
"""

from __future__ import annotations

import random
import select
import struct
import sys
from types import TracebackType
from typing import Any, Final, Self

import xcffib
import xcffib.xproto as x

from tests.waiting import wait_until

MAGENTA: Final = 0xFF00FF
GREEN: Final = 0x00FF00
BLUE: Final = 0x2040FF


class Desk:
    """One X client and its windows, each filled with one colour."""

    def __init__(self, display: str) -> None:
        self.connection = xcffib.connect(display=display)
        self.core = self.connection.core
        self.screen = self.connection.setup.roots[self.connection.pref_screen]
        self.root = self.screen.root
        self._atoms: dict[str, int] = {}

    def window(
        self,
        x_y_w_h: tuple[int, int, int, int],
        colour: int = MAGENTA,
        *,
        title: str = "",
        wm_class: str = "",
        override: bool = False,
        border: int = 0,
        parent: int = 0,
        shown: bool = True,
        **properties: int,
    ) -> int:
        """Make a window, name it, and then map it; `properties` are windows or numbers, such as WM_TRANSIENT_FOR."""
        window = self.connection.generate_id()
        values = [colour, colour, int(override)]
        mask = x.CW.BackPixel | x.CW.BorderPixel | x.CW.OverrideRedirect
        left, top, width, height = x_y_w_h
        self.core.CreateWindow(
            self.screen.root_depth, window, parent or self.root, left, top, width, height, border,
            x.WindowClass.InputOutput, self.screen.root_visual, mask, values,
        )  # fmt: skip
        # Where a window manager would put it is its business; a place that the user chose is kept.
        self.put(window, "WM_NORMAL_HINTS", "WM_SIZE_HINTS", struct.pack("<18I", 3, *[0] * 17), 32)
        if title:
            self.retitle(window, title)
        if wm_class:
            self.put(window, "WM_CLASS", "STRING", f"{wm_class.lower()}\0{wm_class}\0".encode(), 8)
        for name, value in properties.items():
            kind = "WINDOW" if name.startswith("WM_") else "CARDINAL"
            self.put(window, name, kind, struct.pack("<I", value), 32)
        if shown:
            self.show(window)
        return window

    def paint_root(self, colour: int) -> None:
        """Fill the root with a colour."""
        self.core.ChangeWindowAttributes(self.root, x.CW.BackPixel, [colour])
        self.core.ClearArea(False, self.root, 0, 0, 0, 0)
        self.sync()

    def argb(self, x_y_w_h: tuple[int, int, int, int]) -> int:
        """Make and map a window with an alpha channel, in which nothing is drawn."""
        window, colours = self.connection.generate_id(), self.connection.generate_id()
        visual = next(v.visual_id for d in self.screen.allowed_depths if d.depth == 32 for v in d.visuals)
        self.core.CreateColormap(0, colours, self.root, visual)
        mask = x.CW.BackPixel | x.CW.BorderPixel | x.CW.OverrideRedirect | x.CW.Colormap
        kind = x.WindowClass.InputOutput
        self.core.CreateWindow(32, window, self.root, *x_y_w_h, 0, kind, visual, mask, [0, 0, 1, colours])
        self.show(window)
        return window

    def bitmap(self, width: int, height: int) -> int:
        """A bitmap with every bit set, as shapes are made of."""
        bitmap, context = self.connection.generate_id(), self.connection.generate_id()
        self.core.CreatePixmap(1, bitmap, self.root, width, height)
        self.core.CreateGC(context, bitmap, x.GC.Foreground, [1])
        self.core.PolyFillRectangle(bitmap, context, 1, [struct.pack("<hhHH", 0, 0, width, height)])
        return bitmap

    def until_managed(self) -> None:
        """Wait until a window manager shows windows: one that just started drops the first requests."""
        window = self.window((0, 0, 50, 50), GREEN, title="a trial", shown=False)

        def shown() -> bool:
            self.show(window)
            return int(self.core.GetWindowAttributes(window).reply().map_state) == x.MapState.Viewable

        wait_until(shown, 5, "the window manager to map a window")
        self.destroy(window)

    def put(self, window: int, name: str, kind: str, value: bytes, bits: int) -> None:
        """Write a property."""
        arguments = (x.PropMode.Replace, window, self.atom(name), self.atom(kind), bits)
        self.core.ChangeProperty(*arguments, len(value) * 8 // bits, value)

    def retitle(self, window: int, title: str) -> None:
        """Give a window another title."""
        self.put(window, "_NET_WM_NAME", "UTF8_STRING", title.encode(), 8)
        self.sync()

    def show(self, window: int) -> None:
        """Map it."""
        self.core.MapWindow(window)
        self.sync()

    def hide(self, window: int) -> None:
        """Unmap it."""
        self.core.UnmapWindow(window)
        self.sync()

    def place(self, window: int, **values: int) -> None:
        """Move, resize or restack it: `x`, `y`, `width`, `height`, `sibling`, `stack_mode`."""
        bits = {"x": 1, "y": 2, "width": 4, "height": 8, "sibling": 32, "stack_mode": 64}
        ordered = sorted(values, key=lambda name: bits[name])
        # Signed places travel as they are; the library packs them unsigned.
        words = [values[name] & 0xFFFFFFFF for name in ordered]
        self.core.ConfigureWindow(window, sum(bits[name] for name in ordered), words)
        self.sync()

    def raise_(self, window: int) -> None:
        """Put it above all others."""
        self.place(window, stack_mode=x.StackMode.Above)

    def destroy(self, window: int) -> None:
        """End it."""
        self.core.DestroyWindow(window)
        self.sync()

    def reparent(self, window: int, parent: int, left: int = 0, top: int = 0) -> None:
        """Put it into another window, as a window manager does."""
        self.core.ReparentWindow(window, parent, left, top)
        self.sync()

    def atom(self, name: str) -> int:
        """The number of a name."""
        if name not in self._atoms:
            self._atoms[name] = int(self.core.InternAtom(False, len(name), name).reply().atom)
        return self._atoms[name]

    def sync(self) -> Any:
        """Wait until the server has done everything."""
        return self.core.GetInputFocus().reply()

    def close(self) -> None:
        """End the program and its windows."""
        self.connection.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def play(display: str, windows: int, seed: int) -> None:
    """Windows with a secret that come, move, change their size and go, faster than pictures are taken."""
    chance = random.Random(seed)
    with Desk(display) as desk:
        for _ in range(windows):
            secret = desk.window((chance.randrange(1300), chance.randrange(700), 300, 200), title="My secret plan")
            for _ in range(4):
                desk.place(secret, x=chance.randrange(1300), y=chance.randrange(700))
                # Not as fast as it can: pictures fall between, before and after what it does.
                select.select([], [], [], chance.random() * 0.005)
                if chance.random() < 0.5:
                    desk.place(secret, width=chance.randrange(20, 500), height=chance.randrange(20, 300))
            if chance.random() < 0.5:
                desk.hide(secret)
                desk.show(secret)
            desk.destroy(secret)


if __name__ == "__main__":
    play(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
