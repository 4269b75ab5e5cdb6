"""What a measure asks of a virtual display: monitors it does not have by itself, and windows by their title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import xcffib
import xcffib.randr
import xcffib.xproto

from pepys.demo.desktop import Desktop, display_connection
from pepys.errors import DeviceMissing

_MM: Final = 0.2646
"""Millimetres a pixel at 96 dots an inch."""


def split_monitors(env: Mapping[str, str], places: Mapping[str, tuple[int, int, int, int]]) -> None:
    """Give a display monitors (RandR 1.5): a name, and x, y, width, height of each. They stay until the server ends.

    Raises:
        DeviceMissing: the display does not answer, or has no RandR 1.5.
    """
    connection = display_connection(env)
    try:
        randr = connection(xcffib.randr.key)
        randr.QueryVersion(1, 5).reply()
        root = connection.setup.roots[0].root
        for number, (name, (x, y, width, height)) in enumerate(places.items()):
            atom = connection.core.InternAtom(False, len(name), name).reply().atom
            # Outputs belong to one monitor: the first takes the virtual display's only one.
            outputs = list(randr.GetScreenResourcesCurrent(root).reply().outputs) if number == 0 else []
            told = xcffib.randr.MonitorInfo.synthetic(
                atom, int(number == 0), 0, len(outputs), x, y, width, height,
                int(width * _MM), int(height * _MM), outputs,
            )  # fmt: skip
            randr.SetMonitor(root, told, is_checked=True).check()
    except (xcffib.ExtensionNotFoundException, xcffib.ProtocolException) as error:
        raise DeviceMissing(f"the display takes no monitors: {error}", "use an X server with RandR 1.5") from error
    finally:
        connection.disconnect()


def find_window(env: Mapping[str, str], title: str) -> int:
    """The id of the window of that title.

    Raises:
        DeviceMissing: there is none.
    """
    with Desktop(env) as desktop:
        found = desktop.windows().get(title)
    if found is None:
        raise DeviceMissing(f"no window is called {title}", "measure again")
    return found
