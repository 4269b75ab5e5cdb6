"""Windows that one program makes inside a window of another: terminals in tabs, players in a widget, plugs in sockets.

Owns hearing of them. No event of the root tells of a window that never was a child of the root, so that windows which
may hold such a one are listened to themselves, with all that lies in them. Invariants: a window is listened to before
its children are asked for, so that none is missed in between; the work is bounded, `DEPTH` windows deep and `MOST`
windows for one start. Who is judged, and where it lies, is left to the tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from xcffib.xproto import EventMask

from pepys.record.adapters.x11.connection import Connection
from pepys.record.adapters.x11.identity import answer

DEPTH: Final = 6
MOST: Final = 256
_SUBSTRUCTURE: Final = int(EventMask.SubstructureNotify)


class Inside:
    """What is listened to for windows that come into it.

    Args:
        connection: hears the events.
        client_of: the X client that made a window; 0 is the server itself.
    """

    def __init__(self, connection: Connection, client_of: Callable[[int], int]) -> None:
        self._connection, self._client_of = connection, client_of
        self._start_of: dict[int, tuple[int, int]] = {}
        self._counts: Counter[int] = Counter()

    def enter(self, windows: Iterable[int]) -> list[int]:
        """Listen to windows and to all inside them from now on; windows of other programs that lie there already."""
        return self._search([(window, window, 0) for window in windows if window not in self._start_of])

    def came(self, window: int, parent: int) -> list[int]:
        """A window has come into another: as `enter`, and the window itself where it is of another program."""
        if parent not in self._start_of:
            return []
        start, depth = self._start_of[parent]
        found = self._search([(window, start, depth + 1)]) if window not in self._start_of else []
        return [window, *found] if self._foreign(window, parent) else found

    def forget(self, window: int) -> None:
        """The window is gone."""
        start, _ = self._start_of.pop(window, (0, 0))
        if start:
            self._connection.unwatch(window)
            self._counts[start] -= 1
            if self._counts[start] <= 0:
                del self._counts[start]

    def _search(self, level: list[tuple[int, int, int]]) -> list[int]:
        found: list[int] = []
        while level:
            level = [place for place in level if self._listen(*place)]
            asked = [(place, self._connection.core.QueryTree(place[0])) for place in level]
            level = []
            for (parent, start, depth), cookie in asked:
                reply = answer(cookie)
                for child in list(map(int, reply.children))[:MOST] if reply is not None else ():
                    level.append((child, start, depth + 1))
                    if self._foreign(child, parent):
                        found.append(child)
        return found

    def _listen(self, window: int, start: int, depth: int) -> bool:
        """Whether a window is listened to from now on."""
        # What lies in a window of the server (a compositor's overlay) is the compositor's own.
        full = depth > DEPTH or self._counts[start] >= MOST
        if full or window in self._start_of or not self._client_of(window):
            return False
        self._start_of[window] = start, depth
        self._counts[start] += 1
        self._connection.watch(window, _SUBSTRUCTURE)
        return True

    def _foreign(self, window: int, parent: int) -> bool:
        return self._client_of(window) not in (0, self._client_of(parent))
