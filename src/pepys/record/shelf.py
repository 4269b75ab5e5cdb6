"""Bytes of earlier shots in one block of memory: the longest unused make room for the newest.

One block, because hundreds of small ones, taken between a picture and the next, keep the allocator from giving back
what lies between them: 18 MB were measured for 6 MB kept. Invariant: what is kept never exceeds the block.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Part = NDArray[np.uint8]


@dataclass(slots=True)
class _Place:
    start: int
    ends: list[int]


class Shelf:
    """Entries of several parts each, by key."""

    def __init__(self, size: int, most: int) -> None:
        """Reserve the block.

        Args:
            size: its bytes; the system gives them now, so that nothing grows while a session lasts.
            most: how many entries there may be.
        """
        self._block: Part = np.empty(size, np.uint8)
        self._block.fill(0)
        self._most, self._used = most, 0
        self._places: OrderedDict[bytes, _Place] = OrderedDict()

    @property
    def used(self) -> int:
        """Bytes that are kept."""
        return self._used

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[bytes]:
        """The keys, the longest unused first."""
        return iter(list(self._places))

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def put(self, key: bytes, parts: Sequence[bytes]) -> bool:
        """Keep an entry in place of what the key stood for; false when it is larger than the block."""
        self.drop(key)
        ends = np.cumsum([len(part) for part in parts]).tolist()
        if ends[-1] > len(self._block):
            return False
        while self._used + ends[-1] > len(self._block) or len(self._places) >= self._most:
            self.drop(next(iter(self._places)))
        place = _Place(self._used, ends)
        for begin, end, part in zip([0, *ends], ends, parts, strict=False):
            self._block[place.start + begin : place.start + end] = np.frombuffer(part, np.uint8)
        self._used += ends[-1]
        self._places[key] = place
        return True

    def part(self, key: bytes, number: int) -> Part:
        """One part of an entry, as a view that the next change of the shelf makes meaningless."""
        place = self._places[key]
        begin = place.ends[number - 1] if number else 0
        return self._block[place.start + begin : place.start + place.ends[number]]

    def use(self, key: bytes) -> None:
        """Let an entry be the one that was used last."""
        self._places.move_to_end(key)

    def drop(self, key: bytes) -> None:
        """Forget an entry, if there is one, and close its gap."""
        gone = self._places.pop(key, None)
        if gone is None:
            return
        size = gone.ends[-1]
        self._block[gone.start : self._used - size] = self._block[gone.start + size : self._used]
        self._used -= size
        for place in self._places.values():
            if place.start > gone.start:
                place.start -= size
