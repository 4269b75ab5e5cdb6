"""An X11 screen, a part of it, or a window as a source of pictures.

What does not change costs nothing, what changes costs the rectangles that changed. The source joins its parts: a target
(what is shown), changes (where it changed), a reader (its pixels), a pointer, and masks (what must not be seen).
Invariants:

- replies bring events along into the client library's queue, where no descriptor tells of them: each round trip ends
  with looking there;
- pixels are read, then events, then masks are laid over them: what was mapped before the reading is known by then;
- whatever the server does (resize, silence, death), no method of the port raises for it: it becomes an event;
- whether the server lives is known without waiting (`signs`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import xcffib
from xcffib import xfixes, xproto

from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_S, PATCHES_A_CAPTURE, X11_EVENTS_A_PUMP, X11_PUMP_NS
from pepys.record.adapters.regions import Rect, plan
from pepys.record.adapters.x11.changes import BoxChanges, Changes, ComparedChanges, RegionChanges
from pepys.record.adapters.x11.connection import Connection, ServerSilent
from pepys.record.adapters.x11.pointer import Pointer
from pepys.record.adapters.x11.reader import open_reader
from pepys.record.adapters.x11.signs import Signs
from pepys.record.adapters.x11.view import Gone, Target
from pepys.record.ports import Bgra, Changed, Geometry, Patch, Resized, SourceEnded, VideoCapabilities, VideoEvent

if TYPE_CHECKING:
    from pepys.record.adapters.x11.windows import WindowMasks

_GRAB_TRIES: Final = 6


class X11Source:
    """A target that is being recorded; made by `x11.open_x11`, which connects and finds the target.

    Args:
        connection: to the display; the source's own from now on.
        target: what is recorded.
        name: what the track calls it.
        there: the extensions that the server has.
        masks: what must not be seen; None when nothing is excluded.
        clock: the time.
        pointer: whether the pointer is drawn.
        fps: how often pictures are compared, where the server tells of no changes.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        name: str,
        there: frozenset[str],
        masks: WindowMasks | None,
        clock: Clock,
        *,
        pointer: bool,
        fps: int,
    ) -> None:
        self.name = name
        self._connection, self._target, self._masks, self._clock = connection, target, masks, clock
        self._root = int(connection.setup.roots[connection.pref_screen].root)
        self.geometry = Geometry(*target.size)
        self._events: list[VideoEvent] = []
        self._whole = True
        self._bared: set[Rect] = set()
        self._ended = self._closed = self._stirred = self._behind = False
        self._black = self._must_be_black()
        self._with_shm = "MIT-SHM" in there
        self._reader, slow = open_reader(connection, target.layout, target.size, self._root if self._with_shm else None)
        without = [*target.without, *([slow] if slow else [])]
        self._changes = self._open_changes(there, fps, without)
        self._pointer: Pointer | None = None
        if pointer and "XFIXES" in there:
            self._pointer = Pointer(connection, self._root, self._where, Rect(0, 0, *target.size))
        elif pointer:
            without.append("no XFIXES: no pointer")
        self._signs = Signs(connection, clock)
        self.capabilities = VideoCapabilities(
            self._changes.kind,
            "embedded" if self._pointer is not None else "absent",
            ordered_windows=True,
            exclusion="kept",
            without=tuple(without),
        )
        connection.flush()

    # --- the port

    def fileno(self) -> int:
        """The connection's descriptor; stop waiting on it after `SourceEnded`, it stays readable."""
        return self._connection.descriptor

    def poll(self) -> list[VideoEvent]:
        """Events that have arrived, and what must be looked at because nothing tells of it."""
        if not self._ended:
            try:
                self._pump()
                if self._look() and not self._behind:
                    self._pump()
                if self._connection.asked and self._connection.answered():
                    self._pump()
                self._signs.look()
            except xcffib.XcffibException as error:
                self._fail(error)
        events, self._events = self._events, []
        return events

    @property
    def alive_ns(self) -> int:
        """When the server last showed that it lives, by an event or an answer."""
        return self._signs.alive_ns

    def wake_ns(self) -> int | None:
        """When to look at the pointer, the picture or the masks next, or whether the server lives."""
        if self._ended:
            return None
        if self._behind:
            return self._clock.now_ns()  # what waits in the library's queue no descriptor tells of
        due = [self._signs.due_ns, self._changes.due_ns(), self._masks.due_ns() if self._masks is not None else None]
        if self._pointer is not None:
            due.append(self._pointer.due_ns)
        return min(moment for moment in due if moment is not None)

    def refresh(self) -> None:
        """The next `take` yields the whole picture."""
        self._whole = True

    def take(self, align: int) -> list[Patch]:
        """What changed since the last call, masked, with the pointer drawn."""
        if self._ended:
            return []
        try:
            heard = self._pump()
            if any(isinstance(event, Resized) for event in self._events):
                return []
            self._events = [event for event in self._events if not isinstance(event, Changed)]
            if not heard:
                self._events.append(Changed(self._clock.now_ns()))
                return []
            patches = self._read(self._wanted(align))
            self._signs.note()
            if not self._pump():
                # What is still unheard may tell of a window that must not be seen: look again, rather than show it.
                self._whole = True
                self._events.append(Changed(self._clock.now_ns()))
                return []
        except xproto.MatchError:
            # The screen shrank under the request; its event is on the way and brings a whole picture.
            self._whole = True
            return []
        except xcffib.XcffibException as error:
            self._fail(error)
            return []
        if any(isinstance(event, Resized) for event in self._events):
            return []  # what was read belongs to a size that is not in force any more
        self._cover(patches)
        if self._pointer is not None and not self._black:
            if self._masks is not None:
                self._pointer.veil(self._masks.hides)
            for patch in patches:
                self._pointer.draw(patch.x, patch.y, patch.pixels)
        return patches

    def grab(self) -> Bgra:
        """A copy of the whole picture, masked, without the pointer."""
        for _ in range(_GRAB_TRIES):
            try:
                if self._ended:
                    break
                if not self._pump():
                    continue
                patches = self._read([Rect(0, 0, self.geometry.width, self.geometry.height)])
                patches = [Patch(0, 0, patch.pixels.copy()) for patch in patches]
                if not self._pump():
                    continue
                self._cover(patches)
                return patches[0].pixels
            except xproto.MatchError:
                continue  # the screen shrank under the request; its event precedes the error
            except xcffib.XcffibException as error:
                self._fail(error)
        raise DeviceMissing(f"{self._target.words} cannot be read any more", "start it again, then pepys resume")

    def close(self) -> None:
        """Let go of the display."""
        if not self._closed:
            self._closed = self._ended = True
            # Its memory goes at once, also where somebody keeps the source itself.
            with contextlib.suppress(xcffib.XcffibException):
                self._reader.close()
            self._connection.disconnect()

    # --- events

    def _pump(self) -> bool:
        """Take all events that have arrived, and follow the target until it stands still.

        False when a program sends them faster than they can be heard, or they take long to judge: then not all has
        been heard, and `wake_ns` asks for more.
        """
        connection, changes = self._connection, self._changes
        self._behind = False
        until_ns = self._clock.now_ns() + X11_PUMP_NS
        for _ in range(X11_EVENTS_A_PUMP):
            if self._clock.now_ns() > until_ns:
                break
            event = None if self._ended else connection.next_event()
            if event is None:
                if self._ended or not self._stirred:
                    return True
                self._stirred = False
                self._follow()
            elif changes.hear(event):
                if not self._black:
                    self._events.append(Changed(self._clock.now_ns()))
            elif isinstance(event, xfixes.CursorNotifyEvent):
                if self._pointer is not None and self._pointer.image_changed():
                    self._events.append(Changed(self._clock.now_ns(), pointer_only=True))
            else:
                self._hear_of_windows(event)
        self._behind = True
        return False

    def _hear_of_windows(self, event: object) -> None:
        if self._masks is not None and self._masks.hear(event):
            black = self._must_be_black()
            if black != self._black:
                self._black, self._whole = black, True
                self._events.append(Changed(self._clock.now_ns()))
            elif self._unmasked():
                self._events.append(Changed(self._clock.now_ns()))
        # Followed when no more events wait: a window that is dragged sends many.
        self._stirred = self._target.hear(event) or self._stirred

    def _unmasked(self) -> bool:
        """Gather where masking changed; whether it did in the picture."""
        if self._masks is None:
            return False
        concerns = self._target.concerns()
        bared = self._masks.stale()
        if self._target.of_screen:
            self._bared.update(rect for rect in bared if concerns is None or concerns(rect))
        return bool(self._bared)

    def _follow(self) -> None:
        before = self._target.corner, self._target.size
        try:
            if not self._target.follow():
                return
        except Gone as gone:
            self._end(gone.message, gone.reason)
            return
        self._whole = True
        if (self._target.corner, self._target.size) == before:
            self._events.append(Changed(self._clock.now_ns()))
            return
        size = self._target.size
        self.geometry = Geometry(*size, self.geometry.epoch + 1)
        if self._pointer is not None:
            self._pointer.picture_changed(Rect(0, 0, *size))
        if not self._reader.fits(*size):
            self._reader.close()
            try:
                root = self._root if self._with_shm else None
                self._reader, _ = open_reader(self._connection, self._target.layout, size, root)
            except DeviceMissing as error:
                self._end(f"{self._target.words}: {error.message}", "device_lost")
                return
        self._events.append(Resized(self._clock.now_ns(), self.geometry))

    def _look(self) -> bool:
        """Look where nothing tells; whether the server was asked anything."""
        now_ns, asked = self._clock.now_ns(), False
        if self._pointer is not None and now_ns >= self._pointer.due_ns:
            asked = True
            if self._pointer.look(now_ns) and not self._black:
                self._events.append(Changed(now_ns, pointer_only=True))
        due_ns = self._changes.due_ns()
        if due_ns is not None and now_ns >= due_ns:
            asked = True
            if self._changes.look(now_ns):
                self._events.append(Changed(now_ns))
        if self._masks is not None and self._masks.look(now_ns) and self._unmasked():
            self._events.append(Changed(now_ns))
        return asked

    # --- pixels

    def _wanted(self, align: int) -> list[Rect]:
        """Where pixels are to be read: changed, unmasked or touched by the pointer."""
        width, height = self.geometry.width, self.geometry.height
        left, top = self._target.corner
        whole, self._whole = self._whole, False
        pointer = self._pointer.stale() if self._pointer is not None else []
        rects = self._changes.take(left, top, whole=whole or self._black)
        if self._masks is not None:
            self._unmasked()
            rects += [Rect(r.left - left, r.top - top, r.right - left, r.bottom - top) for r in self._bared]
            self._bared.clear()
        if self._pointer is not None:
            self._pointer.settle()
        if whole:
            rects = [Rect(0, 0, width, height)]
        elif self._black:
            rects = []
        else:
            rects += pointer
        return plan(rects, width, height, align, PATCHES_A_CAPTURE) if rects else []

    def _read(self, wanted: Sequence[Rect]) -> list[Patch]:
        if not wanted:
            return []
        place = self._target.readable()
        if place is None or self._black:
            return [Patch(r.left, r.top, np.zeros((r.height, r.width, 4), np.uint8)) for r in wanted]
        return self._reader.read(*place, wanted)

    def _read_all(self) -> Bgra | None:
        """The whole picture as it is, to be compared only."""
        if self._black or self._target.readable() is None:
            return None
        try:
            (patch,) = self._read([Rect(0, 0, self.geometry.width, self.geometry.height)])
        except xproto.MatchError:
            return None  # the screen shrank; its event tells
        return patch.pixels

    def _cover(self, patches: Sequence[Patch]) -> None:
        """Make black what must not be seen, by all that is known now."""
        if self._masks is None:
            return
        if not self._target.of_screen:
            if self._black:
                for patch in patches:
                    patch.pixels[:] = 0
            return
        left, top = self._target.corner
        for patch in patches:
            self._masks.cover(left + patch.x, top + patch.y, patch.pixels)

    def _where(self) -> tuple[int, int] | None:
        """Where the pointer is in the picture; nowhere on what is masked, for what lies there chooses its look."""
        place = self._target.pointer()
        if place is None or self._masks is None or not self._target.of_screen:
            return place
        left, top = self._target.corner
        return None if self._masks.hides(left + place[0], top + place[1]) else place

    def _must_be_black(self) -> bool:
        return self._masks is not None and not self._target.of_screen and self._masks.excludes(self._target.window)

    def _open_changes(self, there: frozenset[str], fps: int, without: list[str]) -> Changes:
        if "DAMAGE" not in there:
            without.append("no DAMAGE: pictures are compared")
            return ComparedChanges(self._read_all, NS_PER_S // fps, self._clock.now_ns)
        if "XFIXES" not in there:
            return BoxChanges(self._connection, self._target.window, self._target.concerns())
        return RegionChanges(self._connection, self._target.window, self._target.concerns())

    # --- the end

    def _fail(self, error: xcffib.XcffibException) -> None:
        words = self._target.words
        self._signs.note()
        if isinstance(error, ServerSilent):
            # What came before its last sign of life was seen; what is shown after it nobody knows.
            self._end(f"{words}: the X server does not answer", "device_lost", self._signs.alive_ns)
        elif isinstance(error, xcffib.Error):
            self._end(f"{words}: the X server refuses to show it ({type(error).__name__})", "device_lost")
        else:
            self._end(f"{words}: the X server has ended")

    def _end(
        self, message: str, reason: Literal["source_closed", "device_lost"] = "source_closed", at_ns: int | None = None
    ) -> None:
        self._ended = True
        self._events.append(SourceEnded(self._clock.now_ns() if at_ns is None else at_ns, reason, message))
