"""Shots: the whole screen at native size, each distinct picture stored once.

Hashing, comparing and encoding run in a thread of their own, so that no frame of the video waits for them; what waits
there is bounded, and a shot that finds it full is counted as dropped; so is one that cannot be made, whatever the
reason: the thread goes on with the next, and whoever waits for the shot is told. A picture that equals an earlier one
becomes a repeat, which stores nothing; so does one that differs from it by nothing that carries text (`near`), unless
the user asked for it. The pointer is never in a shot: sources grab without it. What is compared with what is left
to `near`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import blake3
import numpy as np

from pepys import limits
from pepys.media.image import encode_shot
from pepys.record.near import Gallery
from pepys.record.ports import Bgra
from pepys.record.writing import Picture

_CURIOSITY_AT_FIRST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Why:
    """Why a shot is taken (`events.ShotTaken`), and what was in front before and after its pixels were read."""

    trigger: str = ""
    app: str = ""
    title: str = ""


NO_REASON: Final = Why()

Then = Callable[[Picture | None], None]
MANUAL: Final = "manual"
"""The trigger of a shot that the user asked for: only an exact repeat of it is stored as a reference."""


@dataclass(slots=True)
class ShotCounters:
    """Shots taken, stored as new pictures, and lost because the disk or the encoder did not keep up.

    Attributes:
        near: how many were stored as a reference to a picture that they equal but for what carries no text.
    """

    captured: int = 0
    encoded: int = 0
    dropped: int = 0
    near: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the last shot was stored as: the stored picture's digest, and whether it only comes near."""

    digest: bytes
    width: int
    height: int
    near: bool


class ShotTaker:
    """Takes pictures from the loop's thread and gives finished shots to the writer from its own."""

    def __init__(self, give: Callable[[Picture], bool]) -> None:
        self.counters = ShotCounters()
        self.changed: float = _CURIOSITY_AT_FIRST
        """Share of the text's tiles that changed between the last two shots, 0 to 1; .5 until there are two."""
        self.missed = False
        """The last picture that was worked on was not stored: the screen is not what a repeat would say."""
        self._give = give
        self._waiting: queue.Queue[tuple[int, Bgra, Why, Then | None] | None] = queue.Queue(limits.SHOTS_QUEUE)
        self._known: dict[bytes, None] = {}
        self._last: _Stored | None = None
        self._exact = b""
        self._taken = self._done = 0
        self._given: Picture | None = None
        self._over = self._logged = False
        self._gallery = Gallery()
        self._thread = threading.Thread(target=self._run, name="shots", daemon=True)
        self._thread.start()

    def take(self, at_ns: int, pixels: Bgra, why: Why = NO_REASON, then: Then | None = None) -> bool:
        """A new picture, taken at `at_ns` on the axis; this object owns the array from now on.

        False when there is no room for it: the screen is then not what a repeat would say, whatever comes of those that
        wait. `then` is told, mostly in the thread of the shots, of what was given to the writer, or None when it was
        dropped.
        """
        self.counters.captured += 1
        try:
            self._waiting.put_nowait((at_ns, pixels, why, then))
        except queue.Full:
            self.counters.dropped += 1
            if then is not None:
                then(None)
            return False
        self._taken += 1
        return True

    def repeat(self, at_ns: int, why: Why = NO_REASON) -> None:
        """The screen has not changed since the last shot."""
        last = self._last
        if last is None or self.busy:
            # What it would repeat is not known yet, and is only a moment old.
            return
        self.counters.captured += 1
        self.changed = 0.0
        self._give_repeat(at_ns, last, why)

    @property
    def busy(self) -> bool:
        """Whether shots wait, or one is being made."""
        return self._taken != self._done

    def finish(self) -> None:
        """Give what is left and end the thread; what hangs is left behind, and what waits then is dropped."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=limits.SHOTS_END_S)
            self._thread.join(limits.SHOTS_END_S)
        if self._thread.is_alive():
            self._over = True
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if (item := self._waiting.get_nowait()) is not None:
                    self._taken -= 1
                    self.counters.dropped += 1
                    self._tell(item[3], None)
        self._waiting.put_nowait(None)

    def _run(self) -> None:
        while self._shoot_next():
            pass

    def _shoot_next(self) -> bool:
        # In a frame of its own: no name here keeps a picture of 8 MB until the next one comes.
        item = self._waiting.get()
        if item is not None:
            at_ns, pixels, why, then = item
            self._given = None
            try:
                self._shoot(at_ns, pixels, why)
            except Exception:  # noqa: BLE001 - whatever a shot fails of, the next ones are made
                self._log()
                # What is known of the last picture may be of one before it, even where this one was given.
                self.missed = True
                self.counters.dropped += self._given is None
            self._done += 1
            self._tell(then, self._given)
        return item is not None

    def _tell(self, then: Then | None, picture: Picture | None) -> None:
        if then is not None:
            try:
                then(picture)
            except Exception:  # noqa: BLE001 - who cannot be told keeps no other shot waiting
                self._log()

    def _log(self) -> None:
        """Once: what fails again and again would fill the disk with its own account."""
        if not self._logged:
            self._logged = True
            traceback.print_exc()

    def _shoot(self, at_ns: int, pixels: Bgra, why: Why) -> None:
        height, width = pixels.shape[:2]
        # The unused fourth byte may hold anything: it must not tell equal pictures apart.
        pixels[:, :, 3] = 255
        digest = _digest(pixels)
        last = self._last
        if digest == self._exact and last is not None and (not last.near or why.trigger != MANUAL):
            self.changed = 0.0
            self._give_repeat(at_ns, last, why)
            return
        compared = self._gallery.compare(pixels)
        if compared.changed is not None:
            self.changed = compared.changed
        known = digest in self._known
        near = None if known or why.trigger == MANUAL else compared.near
        if known or near is not None:
            stored = _Stored(near or digest, width, height, near is not None)
            if not self._give_repeat(at_ns, stored, why):
                return
        else:
            stored = _Stored(digest, width, height, False)
            data = encode_shot(pixels)
            if not self._hand(Picture(at_ns, digest, width, height, data, why.trigger, why.app, why.title)):
                return
            self.counters.encoded += 1
            self._remember(digest)
        if near is None:
            self._gallery.keep(digest)
        self._exact, self._last = digest, stored

    def _give_repeat(self, at_ns: int, stored: _Stored, why: Why) -> bool:
        picture = Picture(
            at_ns, stored.digest, stored.width, stored.height, None, why.trigger, why.app, why.title, stored.near
        )
        if not self._hand(picture):
            return False
        self.counters.near += stored.near
        return True

    def _hand(self, picture: Picture) -> bool:
        self.missed = self._over or not self._give(picture)
        if self.missed:
            self.counters.dropped += 1
            return False
        # Its bytes are the writer's alone.
        self._given = picture if picture.data is None else replace(picture, data=b"")
        return True

    def _remember(self, digest: bytes) -> None:
        if len(self._known) >= limits.SHOT_HASHES:
            del self._known[next(iter(self._known))]
        self._known[digest] = None


def _digest(pixels: Bgra) -> bytes:
    """What tells exactly equal pictures, and only them."""
    height, width = pixels.shape[:2]
    hashed = blake3.blake3(b"%dx%d:" % (width, height))
    hashed.update(np.ascontiguousarray(pixels).data)
    return bytes(hashed.digest())
