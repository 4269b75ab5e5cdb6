"""Monitors that tests make, move and take away on a virtual display, through RandR."""

from __future__ import annotations

import xcffib.randr

from tests.painter import Painter


def set_monitor(painter: Painter, name: str, x: int, y: int, width: int, height: int) -> None:
    """Make a monitor, as `xrandr --setmonitor` does."""
    randr = painter.connection(xcffib.randr.key)
    atom = painter.core.InternAtom(False, len(name), name).reply().atom
    info = xcffib.randr.MonitorInfo.synthetic(atom, False, False, 0, x, y, width, height, 300, 200, [])
    randr.SetMonitorChecked(painter.root, info).check()


def move_monitor(painter: Painter, name: str, x: int, y: int, width: int, height: int) -> None:
    """Take it away and make it anew where it is now; nobody sees the moment between."""
    painter.core.GrabServer()
    delete_monitor(painter, name)
    set_monitor(painter, name, x, y, width, height)
    painter.core.UngrabServer()
    painter.sync()


def delete_monitor(painter: Painter, name: str) -> None:
    """Take a monitor away, as pulling its plug does."""
    atom = painter.core.InternAtom(False, len(name), name).reply().atom
    painter.connection(xcffib.randr.key).DeleteMonitorChecked(painter.root, atom).check()
