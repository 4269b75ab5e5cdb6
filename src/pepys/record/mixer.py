"""The mixed sound of the playback stream: the sum of all inputs, position by position.

Invariants: what is mixed has no hole; it never waits for a late input longer than `limits.SOUND_LATE_NS` (silence
stands in, and what comes too late is left out of the mix, not out of the input's own track); sums are clipped, not
wrapped. Positions are counts of samples since the span's start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]


class _Line:
    """The samples of one input that are not mixed yet; `skip` of those to come are too late."""

    def __init__(self) -> None:
        self.blocks: deque[Pcm] = deque()
        self.waiting = 0
        self.skip = 0

    def add(self, pcm: Pcm) -> None:
        late = min(self.skip, len(pcm))
        self.skip -= late
        if len(pcm) > late:
            self.blocks.append(pcm[late:])
            self.waiting += len(pcm) - late

    def take(self, wanted: int, into: NDArray[np.int32]) -> None:
        """Add `wanted` samples to `into`; what is missing is silence, and is owed."""
        done = 0
        while done < wanted and self.blocks:
            block = self.blocks.popleft()
            part = block[: wanted - done]
            if len(part) < len(block):
                self.blocks.appendleft(block[len(part) :])
            into[done : done + len(part)] += part  # one channel spreads over both
            done += len(part)
        self.waiting -= done
        self.skip += wanted - done


class Mixer:
    """Sums the inputs of one span into two channels."""

    def __init__(self, tracks: Iterable[str]) -> None:
        self._lines = {track: _Line() for track in tracks}
        self.position = 0
        self.late = 0

    def add(self, track: str, pcm: Pcm) -> None:
        """Take the next samples of an input, of shape (n, 1) or (n, 2)."""
        self._lines[track].add(pcm)

    def mix(self, at_least: int) -> Pcm:
        """What all inputs have, and up to position `at_least` whatever they have, of shape (n, 2)."""
        ready = min((line.waiting for line in self._lines.values()), default=0)
        return self._mix(max(ready, at_least - self.position, 0))

    def end(self, until: int) -> Pcm:
        """The rest up to position `until`; nothing when it is mixed already."""
        return self._mix(max(0, until - self.position))

    def _mix(self, count: int) -> Pcm:
        total = np.zeros((count, 2), np.int32)
        for line in self._lines.values():
            self.late += max(0, count - line.waiting)
            line.take(count, total)
        self.position += count
        return np.clip(total, -32768, 32767).astype(np.int16)
