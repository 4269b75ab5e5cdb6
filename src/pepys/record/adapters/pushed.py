"""Sources whose pictures are pushed by a thread of their own: the other face of the port.

Owns the newest whole picture, in memory that both threads share, and what of it changed since it was last taken.
Invariants: a picture that nobody took is overwritten by the next one, so that at most one waits; the lock is held for
copying only; events are coalesced, there are three at most; `geometry` changes when `Resized` is handed out; the end is
told once; closing waits for nobody: a deliverer that is asked to stop closes what it holds (a container, a connection)
itself, in its own thread, and nothing that it delivers then is kept. Where pictures come from is left to the deliverers
(`mss_source`, `film_source`, `camera`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.adapters.regions import Rect, plan
from pepys.record.adapters.tiles import changed
from pepys.record.adapters.wake import Wake
from pepys.record.ports import Bgra, Changed, Geometry, Patch, Resized, SourceEnded, VideoCapabilities, VideoEvent

Deliver = Callable[["PushedSource"], None]
"""Runs in the source's thread: calls `deliver` for each picture until `stopping`, and tells the end by `end`."""

EndReason = Literal["source_closed", "device_lost"]

_BYTES_A_PIXEL: Final = 4
_DIRTY_MOST: Final = 64


class PushedSource:
    """A kept picture that a thread brings up to date.

    Call `start` with what delivers, then `first` to wait for the first picture; before it there is no size.
    `silent_ns` is how long the deliverer may show no sign of life before it counts as lost; None for ever.
    """

    def __init__(
        self, name: str, capabilities: VideoCapabilities, clock: Clock, *, silent_ns: int | None = None
    ) -> None:
        self.name, self.capabilities, self.clock = name, capabilities, clock
        self.geometry = Geometry(0, 0, -1)
        self._silent_ns = silent_ns
        self._wake = Wake()
        self._lock = threading.Lock()
        self._stop, self._arrived, self._going = threading.Event(), threading.Event(), threading.Event()
        self._going.set()
        # Shared by both threads, under the lock.
        self._kept: Bgra | None = None
        self._dirty: list[Rect] = []
        self._changed_ns = self._resized_ns = 0
        self._alive_ns = clock.now_ns()
        self._ended: SourceEnded | None = None
        self._closed = False
        # The reader's alone.
        self._told_end = False
        self._memory = np.empty(0, np.uint8)

    # The deliverer's side.

    def start(self, deliver: Deliver) -> None:
        """Run `deliver` in a thread of its own until it returns, fails, or is to stop."""
        threading.Thread(target=self._run, args=(deliver,), name=f"video {self.name}"[:15], daemon=True).start()

    @property
    def stopping(self) -> bool:
        """Whether the deliverer is to return."""
        return self._stop.is_set()

    def pause_until(self, at_ns: int) -> bool:
        """Wait until a time of the clock or until `stopping`; whether there is reason to go on."""
        left_ns = at_ns - self.clock.now_ns()
        if left_ns > 0:
            self._stop.wait(left_ns / limits.NS_PER_S)
        self._going.wait()
        self.alive()
        return not self._stop.is_set()

    def alive(self) -> None:
        """A sign of life, also without a new picture."""
        self._alive_ns = self.clock.now_ns()

    def deliver(self, pixels: Bgra, rects: Sequence[Rect] | None = None) -> bool:
        """The newest picture, whole; it is copied. `rects` is where it changed, when the deliverer knows.

        A picture of another size than the one before is a change of size. Returns whether anything changed.
        """
        now_ns = self.clock.now_ns()
        self._alive_ns = now_ns
        kept = self._kept  # only this thread replaces it
        if kept is None or kept.shape != pixels.shape:
            fresh = pixels.copy()
            with self._lock:
                if self._closed:
                    return False
                self._kept = fresh
                self._dirty = [_whole(fresh)]
                self._resized_ns, self._changed_ns = now_ns, 0
        else:
            found = changed(kept, pixels) if rects is None else [r for rect in rects if (r := rect.clip(_whole(kept)))]
            if not found:
                return False
            with self._lock:
                for left, top, right, bottom in found:
                    kept[top:bottom, left:right] = pixels[top:bottom, left:right]
                self._dirty += found
                if len(self._dirty) > _DIRTY_MOST:
                    self._dirty = [_around(self._dirty)]
                self._changed_ns = now_ns
        self._arrived.set()
        self._wake.ring()
        return True

    def end(self, reason: EndReason, message: str) -> None:
        """There will be no more pictures; the first end counts."""
        with self._lock:
            if self._ended is None:
                self._ended = SourceEnded(self.clock.now_ns(), reason, f"{self.name}: {message}")
        self._arrived.set()
        self._wake.ring()

    def _run(self, deliver: Deliver) -> None:
        try:
            deliver(self)
        except Exception as error:  # noqa: BLE001 - codecs and drivers fail in their own ways; an end is told, never a silence
            told = " ".join(str(error).split())[: limits.UNIT_ERROR_CHARS]
            self.end("device_lost", f"{type(error).__name__}: {told}")
        self.end("source_closed", "it has ended")

    # The reader's side.

    def first(self, seconds: float = limits.OPEN_S) -> None:
        """Wait for the first picture.

        Raises:
            DeviceMissing: there came none; the source is closed then.
        """
        self._arrived.wait(seconds)
        with self._lock:
            kept, ended = self._kept, self._ended
            if kept is not None:
                # In one breath: a size that comes after this one is told.
                self.geometry = Geometry(kept.shape[1], kept.shape[0])
                self._resized_ns = 0
        if kept is None:
            self.close()
            raise DeviceMissing(ended.message if ended else f"{self.name} gives no picture", "see `pepys doctor`")

    def fileno(self) -> int:
        """Readable when `poll` has news; -1 when the source is closed."""
        return self._wake.fileno()

    def poll(self) -> list[VideoEvent]:
        """What happened since the last call."""
        self._wake.quiet()
        if self._closed or self._told_end:
            return []
        events: list[VideoEvent] = []
        with self._lock:
            if self._resized_ns and self._kept is not None:
                height, width = self._kept.shape[:2]
                self.geometry = Geometry(width, height, self.geometry.epoch + 1)
                events.append(Resized(self._resized_ns, self.geometry))
            if self._changed_ns:
                events.append(Changed(self._changed_ns))
            self._resized_ns = self._changed_ns = 0
            if self._ended is None and self._silent():
                # Nothing is known of what came after its last sign of life.
                self._ended = SourceEnded(self._alive_ns, "device_lost", f"{self.name} does not answer")
            if self._ended is not None:
                events.append(self._ended)
                self._told_end = True
        return events

    @property
    def alive_ns(self) -> int | None:
        """When the deliverer last showed that it lives; None where it may rest for as long as it likes."""
        return None if self._silent_ns is None else self._alive_ns

    def wake_ns(self) -> int | None:
        """When to look whether the deliverer still lives."""
        over = self._silent_ns is None or self._ended is not None or self._closed
        return None if over or self._silent_ns is None else self._alive_ns + self._silent_ns

    def take(self, align: int) -> list[Patch]:
        """What changed since the last call, as copies."""
        with self._lock:
            kept = self._kept
            if self._closed or kept is None or self._resized_ns:
                return []
            height, width = kept.shape[:2]
            wanted = plan(self._dirty, width, height, align, limits.PATCHES_A_CAPTURE)
            self._dirty, self._changed_ns = [], 0
            if self._memory.size != kept.size:
                self._memory = np.empty(kept.size, np.uint8)
            return list(self._copied(kept, wanted))

    def refresh(self) -> None:
        """The next `take` yields the whole picture."""
        with self._lock:
            if self._kept is not None:
                self._dirty = [_whole(self._kept)]

    def grab(self) -> Bgra:
        """A copy of the newest picture."""
        with self._lock:
            if self._kept is None or self._closed or self._ended is not None:
                raise DeviceMissing(f"{self.name} gives no pictures any more", "start it again, then pepys resume")
            return self._kept.copy()

    def hold(self, held: bool) -> None:
        """Let the deliverer stand still at its next `pause_until`, or go on."""
        if held and not self._closed:
            self._going.clear()
        else:
            self._going.set()

    def close(self) -> None:
        """Ask the deliverer to stop, without waiting for it: a driver may hold it long, and the caller is a loop."""
        self._stop.set()
        self._going.set()
        self._wake.close()
        with self._lock:
            self._closed = True
            self._kept, self._dirty = None, []
        self._memory = np.empty(0, np.uint8)

    def _silent(self) -> bool:
        return self._silent_ns is not None and self.clock.now_ns() - self._alive_ns >= self._silent_ns

    def _copied(self, kept: Bgra, wanted: list[Rect]) -> list[Patch]:
        """Copies side by side in one memory, which is used again: pages that are already there cost nothing."""
        patches, offset = [], 0
        for rect in wanted:
            end = offset + rect.area * _BYTES_A_PIXEL
            pixels = self._memory[offset:end].reshape(rect.height, rect.width, _BYTES_A_PIXEL)
            pixels[:] = kept[rect.top : rect.bottom, rect.left : rect.right]
            patches.append(Patch(rect.left, rect.top, pixels))
            offset = end
        return patches


def _whole(pixels: Bgra) -> Rect:
    return Rect(0, 0, pixels.shape[1], pixels.shape[0])


def _around(rects: Sequence[Rect]) -> Rect:
    found = rects[0]
    for rect in rects[1:]:
        found = found.union(rect)
    return found
