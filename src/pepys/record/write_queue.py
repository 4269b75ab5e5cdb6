"""What waits for the recorder's writer: in order, bounded, and with room kept for what must not be lost.

Owns the queue and who is let into it. Invariants: it never holds more than `WRITE_QUEUE_ITEMS` and the reserve of
control work, and the end besides; pictures are refused first, then sound, then what only describes; what is refused is
counted. Nothing is let in behind the end. What is done when control work finds no room is left to `writing`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError
from pepys.model import events as ev
from pepys.record.work import End, Events, Fragment, Leave, Picture, Work

Then = Callable[[PepysError | None], None]

_DESCRIBING: Final = (
    ev.AnchorNoted, ev.Beat, ev.FocusChanged, ev.IdleNoted, ev.InputCounted, ev.LevelsNoted, ev.NoteAdded,
    ev.SoundCorrected, ev.WindowsNoted,
)  # fmt: skip
"""Events that go on coming while a disk stands still; without one of them a reader knows less, and nothing wrong."""


class Room(IntEnum):
    """How full the queue may be for an item to be let in; `END` always is, and closes the door behind it."""

    PICTURES = limits.WRITE_QUEUE_ITEMS - 2 * limits.WRITE_QUEUE_SOUND_RESERVE
    SOUND = limits.WRITE_QUEUE_ITEMS - limits.WRITE_QUEUE_SOUND_RESERVE
    TOLD = limits.WRITE_QUEUE_ITEMS
    CONTROL = limits.WRITE_QUEUE_ITEMS + limits.WRITE_QUEUE_CONTROL_RESERVE
    END = CONTROL + 1


class WriteQueue:
    """Filled by the loop's thread, emptied by the writer's.

    Attributes:
        refused: how many items were not let in.
        closed: the end was let in.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin empty; `clock` tells how long items wait."""
        self.refused = 0
        self.closed = False
        self._clock = clock
        self._items: deque[tuple[Work, Then | None, int]] = deque()
        self._oldest_ns = 0
        self._some = threading.Condition()

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._items)

    @property
    def pressed(self) -> bool:
        """Whether pictures that can be left out should be."""
        return len(self._items) > Room.PICTURES // 2

    def waits_ns(self, now_ns: int) -> int:
        """For how long the oldest item has not been done that was let in; 0 where there is none."""
        oldest_ns = self._oldest_ns
        if not oldest_ns:
            with self._some:
                oldest_ns = self._items[0][2] if self._items else 0
        return max(0, now_ns - oldest_ns) if oldest_ns else 0

    def put(self, work: Work, then: Then | None, room: Room) -> bool:
        """Let an item in; false when it was refused, and counted."""
        with self._some:
            if self.closed or (room is not Room.END and len(self._items) >= room):
                self.refused += 1
                return False
            self.closed = room is Room.END
            self._items.append((work, then, self._clock.now_ns()))
            self._some.notify()
        return True

    def take(self) -> list[tuple[Work, Then | None]]:
        """Wait for items, and take all; they count as waiting until `done`."""
        with self._some:
            while not self._items:
                self._some.wait()
            self._oldest_ns = self._items[0][2]
            batch = [(work, then) for work, then, _ in self._items]
            self._items.clear()
        return batch

    def done(self) -> None:
        """What was taken last is done."""
        self._oldest_ns = 0


def room_for(work: Work) -> Room:
    """How much room there must be for an item."""
    if isinstance(work, End | Leave):
        return Room.END
    if isinstance(work, Fragment):
        return Room.PICTURES if work.pictures else Room.SOUND
    if isinstance(work, Picture):
        return Room.PICTURES
    told = isinstance(work, Events) and work.events and all(_describes(event) for event in work.events)
    return Room.TOLD if told else Room.CONTROL


def _describes(event: ev.Event) -> bool:
    return isinstance(event, _DESCRIBING) or (isinstance(event, ev.SoundAccounted) and not event.final)
