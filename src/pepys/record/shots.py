"""Shots: the whole screen at native size, each distinct picture stored once.

Hashing and encoding run in a thread of their own, so that no frame of the video waits for them; what waits there is
bounded, and a shot that finds it full is counted as dropped. A picture that equals an earlier one becomes a repeat,
which stores nothing. The pointer is never in a shot: sources grab without it.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pepys import limits
from pepys.media.image import encode_shot
from pepys.record.ports import Bgra
from pepys.record.writing import Picture


@dataclass(slots=True)
class ShotCounters:
    """Shots taken, stored as new pictures, and lost because the disk or the encoder did not keep up."""

    captured: int = 0
    encoded: int = 0
    dropped: int = 0


class ShotTaker:
    """Takes pictures from the loop's thread and gives finished shots to the writer from its own."""

    def __init__(self, give: Callable[[Picture], bool]) -> None:
        self.counters = ShotCounters()
        self._give = give
        self._waiting: queue.Queue[tuple[int, Bgra] | None] = queue.Queue(limits.SHOTS_QUEUE)
        self._known: dict[bytes, None] = {}
        self._last: tuple[bytes, int, int] | None = None
        self._thread = threading.Thread(target=self._run, name="shots", daemon=True)
        self._thread.start()

    def take(self, at_ns: int, pixels: Bgra) -> None:
        """A new picture, taken at `at_ns` on the axis; this object owns the array from now on."""
        self.counters.captured += 1
        try:
            self._waiting.put_nowait((at_ns, pixels))
        except queue.Full:
            self.counters.dropped += 1

    def repeat(self, at_ns: int) -> None:
        """The screen has not changed since the last shot."""
        last = self._last
        if last is None or not self._waiting.empty():
            return
        self.counters.captured += 1
        digest, width, height = last
        if not self._give(Picture(at_ns, digest, width, height, None)):
            self.counters.dropped += 1

    def finish(self) -> None:
        """Give what is left and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._shoot_next():
            pass

    def _shoot_next(self) -> bool:
        # In a frame of its own: no name here keeps a picture of 8 MB until the next one comes.
        item = self._waiting.get()
        if item is not None:
            self._shoot(*item)
        return item is not None

    def _shoot(self, at_ns: int, pixels: Bgra) -> None:
        height, width = pixels.shape[:2]
        # The unused fourth byte may hold anything: it must not tell equal pictures apart.
        pixels[:, :, 3] = 255
        digest = hashlib.blake2b(pixels.data, digest_size=32, person=b"%d" % width).digest()
        known = digest in self._known
        picture = Picture(at_ns, digest, width, height, None if known else encode_shot(pixels))
        if not self._give(picture):
            self.counters.dropped += 1
            return
        self._last = (digest, width, height)
        if not known:
            self.counters.encoded += 1
            if len(self._known) >= limits.SHOT_HASHES:
                del self._known[next(iter(self._known))]
            self._known[digest] = None
