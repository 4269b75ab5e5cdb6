"""How it becomes known what of a picture changed: DAMAGE with XFIXES, DAMAGE alone, or comparing pictures.

Invariants:
- DAMAGE reports once and then stays quiet until it is subtracted: what is read before a Subtract is spent by it, what
  is read after it counts for the next time, or capture would freeze;
- rectangles are those of the picture, not of the window it is a part of.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from xcffib import damage, xfixes

from pepys.record.adapters.regions import Rect
from pepys.record.adapters.tiles import changed
from pepys.record.adapters.x11.connection import Connection, Request
from pepys.record.ports import Bgra

_NONE: Final = 0
_SUBTRACT: Final = 3
_FETCH_REGION: Final = 19
_REPLY_HEAD: Final = 32
_RECTANGLE: Final = struct.Struct("=hhHH")
_FOUND_MAX: Final = 1024


class Changes(Protocol):
    """Tells of changes and gathers where they are."""

    kind: Literal["rectangles", "box", "none"]

    def hear(self, event: Any) -> bool:
        """Take an event; whether it tells of a change."""
        ...

    def take(self, left: int, top: int, *, whole: bool) -> list[Rect]:
        """Where it changed since the last time, with (left, top) of the window as the origin.

        With `whole` all is read anyway: what was gathered is forgotten, and nothing is returned.
        """
        ...

    def due_ns(self) -> int | None:
        """When `look` is to be called; None for never."""
        ...

    def look(self, now_ns: int) -> bool:
        """Look at the picture, if it is time; whether it changed."""
        ...


class RegionChanges:
    """Exact rectangles: one event and one round trip a time.

    Args:
        connection: to the display.
        window: where changes are of interest.
        concerns: whether a rectangle of the window does, where only a part of it is recorded. Then the server tells
            each time that the box around all changes grows: what goes on beside the picture is not told for long.
    """

    kind: Literal["rectangles", "box", "none"] = "rectangles"

    def __init__(self, connection: Connection, window: int, concerns: Callable[[Rect], bool] | None) -> None:
        self._connection, self._concerns = connection, concerns
        self._changes, self._region = connection.generate_id(), connection.generate_id()
        connection(xfixes.key).CreateRegion(self._region, 0, [])
        level = damage.ReportLevel.NonEmpty if concerns is None else damage.ReportLevel.BoundingBox
        connection(damage.key).CreateChecked(self._changes, window, level).check()
        self._event = connection.first_event(damage.key)
        if concerns is None:
            connection.quiet_events.add(self._event)
        self._subtract = Request(connection, damage.key, _SUBTRACT, "III", answered=False)
        self._fetch = Request(connection, xfixes.key, _FETCH_REGION, "I", answered=True)

    def hear(self, event: Any) -> bool:
        """As the protocol says."""
        if self._concerns is None:
            return bool(event == self._event)
        return isinstance(event, damage.NotifyEvent) and self._concerns(_area(event))

    def take(self, left: int, top: int, *, whole: bool) -> list[Rect]:
        """As the protocol says."""
        if whole:
            self._subtract.send(self._changes, _NONE, _NONE)
            return []
        self._subtract.send(self._changes, _NONE, self._region)
        answer = self._connection.reply_bytes(self._fetch.send(self._region))
        found = _RECTANGLE.iter_unpack(memoryview(answer)[_REPLY_HEAD:])
        return [Rect(x - left, y - top, x - left + width, y - top + height) for x, y, width, height in found]

    def due_ns(self) -> None:
        """Never: events tell."""

    def look(self, now_ns: int) -> bool:
        """Nothing to look at."""
        return False


class BoxChanges:
    """One box around all changes, where the server has no regions to fetch. Arguments as of `RegionChanges`."""

    kind: Literal["rectangles", "box", "none"] = "box"

    def __init__(self, connection: Connection, window: int, concerns: Callable[[Rect], bool] | None) -> None:
        self._damage, self._concerns = connection(damage.key), concerns
        self._changes = connection.generate_id()
        level = damage.ReportLevel.BoundingBox
        self._damage.CreateChecked(self._changes, window, level).check()
        self._box: Rect | None = None

    def hear(self, event: Any) -> bool:
        """As the protocol says."""
        if not isinstance(event, damage.NotifyEvent):
            return False
        box = _area(event)
        self._box = box if self._box is None else self._box.union(box)
        return self._concerns is None or self._concerns(self._box)

    def take(self, left: int, top: int, *, whole: bool) -> list[Rect]:
        """As the protocol says."""
        self._damage.Subtract(self._changes, _NONE, _NONE)
        box, self._box = self._box, None
        if box is None or whole:
            return []
        return [Rect(box.left - left, box.top - top, box.right - left, box.bottom - top)]

    def due_ns(self) -> None:
        """Never: events tell."""

    def look(self, now_ns: int) -> bool:
        """Nothing to look at."""
        return False


class ComparedChanges:
    """The whole picture is read at the rate and compared with the last one.

    Args:
        read: the whole picture as it is now; None while there is none.
        interval_ns: how often at most.
        now_ns: the time. Looking takes a third of it at most, however slow the server is.
    """

    kind: Literal["rectangles", "box", "none"] = "none"

    def __init__(self, read: Callable[[], Bgra | None], interval_ns: int, now_ns: Callable[[], int]) -> None:
        self._read, self._interval_ns, self._now_ns = read, interval_ns, now_ns
        self._last: Bgra | None = None
        self._found: list[Rect] = []
        self._due_ns = 0

    def hear(self, event: Any) -> bool:
        """No event tells."""
        return False

    def take(self, left: int, top: int, *, whole: bool) -> list[Rect]:
        """As the protocol says."""
        # What was compared last stays: a change between that and this reading is told once more, and never lost.
        found, self._found = self._found, []
        return [] if whole else found

    def due_ns(self) -> int | None:
        """As the protocol says."""
        return self._due_ns

    def look(self, now_ns: int) -> bool:
        """As the protocol says."""
        if now_ns < self._due_ns:
            return False
        pixels = self._read()
        took_ns = self._now_ns() - now_ns
        self._due_ns = now_ns + max(self._interval_ns, 3 * took_ns)
        if pixels is None:
            return False
        if self._last is None or self._last.shape != pixels.shape:
            found = [Rect(0, 0, pixels.shape[1], pixels.shape[0])]
            self._last = pixels.copy()
        else:
            found = changed(self._last, pixels)
            for left, top, right, bottom in found:
                self._last[top:bottom, left:right] = pixels[top:bottom, left:right]
        self._found += found
        if len(self._found) > _FOUND_MAX:
            self._found = [functools.reduce(Rect.union, self._found)]
        return bool(found)


def _area(event: Any) -> Rect:
    area = event.area
    return Rect(area.x, area.y, area.x + area.width, area.y + area.height)
