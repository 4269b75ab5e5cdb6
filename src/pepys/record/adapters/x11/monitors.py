"""The monitors of an X screen, as RandR 1.5 names them. Asks and answers; what follows from a change is the view's."""

from __future__ import annotations

from dataclasses import dataclass

from xcffib import randr

from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import Connection


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor.

    Attributes:
        name: what RandR calls it, such as `HDMI-1`.
        outputs: the connectors that show it.
        place: its rectangle of the screen.
        primary: whether it is the first one.
    """

    name: str
    outputs: tuple[str, ...]
    place: Rect
    primary: bool


def monitors(connection: Connection, root: int) -> list[Monitor]:
    """All active monitors, the primary one first. RANDR must be there.

    Raises:
        xcffib.XcffibException: the server fails, or knows no monitors (RandR before 1.5).
    """
    extension, core = connection(randr.key), connection.core
    found = list(extension.GetMonitors(root, True).reply().monitors)
    names = [core.GetAtomName(info.name) for info in found]
    asked = [[extension.GetOutputInfo(output, 0) for output in info.outputs] for info in found]
    known = []
    for info, name, outputs in zip(found, names, asked, strict=True):
        place = Rect(info.x, info.y, info.x + info.width, info.y + info.height)
        connectors = tuple(_text(cookie.reply().name) for cookie in outputs)
        known.append(Monitor(_text(name.reply().name), connectors, place, bool(info.primary)))
    return sorted(known, key=lambda monitor: not monitor.primary)


def find(known: list[Monitor], name: str) -> Monitor | None:
    """The monitor of that name or, if there is none, the one on that connector; letters may be large or small."""
    wanted = name.casefold()
    for monitor in known:
        if monitor.name.casefold() == wanted:
            return monitor
    for monitor in known:
        if wanted in (output.casefold() for output in monitor.outputs):
            return monitor
    return None


def watch(connection: Connection, root: int) -> None:
    """Ask to be told when monitors come, go, move or change."""
    masks = randr.NotifyMask
    events = masks.ScreenChange | masks.CrtcChange | masks.OutputChange | masks.ResourceChange
    connection(randr.key).SelectInput(root, events)


def tells_of_change(event: object) -> bool:
    """Whether an event is one that `watch` asked for."""
    return isinstance(event, (randr.ScreenChangeNotifyEvent, randr.NotifyEvent))


def _text(value: object) -> str:
    return bytes(value.buf()).decode("utf-8", "replace")  # type: ignore[attr-defined]  # xcffib carries no types
