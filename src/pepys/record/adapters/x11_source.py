"""An X11 screen as a source of pictures: MIT-SHM, DAMAGE and XFIXES.

An unchanged screen costs nothing, a changed one costs the rectangles that changed. Invariants:

- DAMAGE reports `NonEmpty` once and then stays quiet until the region is subtracted: events read before a Subtract are
  spent by it, events read after it are kept, or capture would freeze;
- replies bring events along into the client library's queue, where no descriptor tells of them: each round trip ends
  with looking there;
- whatever the server does (resize, death), no method of the port raises for it: it becomes an event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import xcffib
import xcffib.xproto
from xcffib import damage, shm, xfixes

from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.limits import PATCHES_A_CAPTURE
from pepys.record.adapters.x11_memory import SharedMemory
from pepys.record.adapters.x11_pointer import Pointer
from pepys.record.adapters.x11_regions import Rect, plan
from pepys.record.ports import Bgra, Changed, Geometry, Patch, Resized, SourceEnded, VideoCapabilities, VideoEvent

_EXTENSIONS: Final = {"MIT-SHM": (1, 1), "XFIXES": (5, 0), "DAMAGE": (1, 1)}
_ALL_PLANES: Final = 0xFFFFFFFF
_Z_PIXMAP: Final = 2
_NONE: Final = 0
_BYTES_A_PIXEL: Final = 4
_OFFSET_ALIGN: Final = 64
_GRAB_TRIES: Final = 3


class X11Source:
    """The root window of a display; made by `x11.open_x11`."""

    def __init__(self, connection: xcffib.Connection, name: str, clock: Clock, *, pointer: bool) -> None:
        self._connection, self._clock = connection, clock
        self.name = name
        self._descriptor = int(connection.get_file_descriptor())  # a dead connection does not tell it any more
        self.capabilities = VideoCapabilities("rectangles", "embedded" if pointer else "absent", ordered_windows=True)
        self._screen = connection.setup.roots[connection.pref_screen]
        self._root = self._screen.root
        self._require_format()
        self._require_extensions()
        self.geometry = Geometry(self._screen.width_in_pixels, self._screen.height_in_pixels)
        self._events: list[VideoEvent] = []
        self._whole = True
        self._ended = self._closed = False
        mask = xcffib.xproto.EventMask.StructureNotify
        connection.core.ChangeWindowAttributes(self._root, xcffib.xproto.CW.EventMask, [mask])
        self._memory = self._share()
        self._shm, self._damage, self._fixes = connection(shm.key), connection(damage.key), connection(xfixes.key)
        self._changes, self._region = connection.generate_id(), connection.generate_id()
        self._fixes.CreateRegion(self._region, 0, [])
        self._damage.CreateChecked(self._changes, self._root, damage.ReportLevel.NonEmpty).check()
        self._pointer = Pointer(connection, self._root) if pointer else None
        connection.flush()

    def fileno(self) -> int:
        """The connection's descriptor; stop waiting on it after `SourceEnded`, it stays readable."""
        return self._descriptor

    def poll(self) -> list[VideoEvent]:
        """Events that have arrived, and the pointer's movement when it is time to look."""
        if not self._ended:
            try:
                self._pump()
                self._look_at_pointer()
            except xcffib.XcffibException:
                self._end()
        events, self._events = self._events, []
        return events

    def wake_ns(self) -> int | None:
        """When to look at the pointer next."""
        return None if self._pointer is None or self._ended else self._pointer.due_ns

    def refresh(self) -> None:
        """The next `take` yields the whole picture."""
        self._whole = True

    def take(self, align: int) -> list[Patch]:
        """What changed since the last call, with the pointer drawn."""
        if self._ended:
            return []
        try:
            self._pump()
            if any(isinstance(event, Resized) for event in self._events):
                return []
            self._events = [event for event in self._events if not isinstance(event, Changed)]
            wanted = self._subtract(align)
            patches = list(self._read(wanted))
            self._pump()
        except xcffib.xproto.MatchError:
            # The screen shrank under the request; its event is on the way and brings a whole picture.
            self._whole = True
            return []
        except xcffib.XcffibException:
            self._end()
            return []
        if self._pointer is not None:
            for patch in patches:
                self._pointer.draw(patch.x, patch.y, patch.pixels)
        return patches

    def grab(self) -> Bgra:
        """A copy of the whole screen without the pointer."""
        for _ in range(_GRAB_TRIES):
            try:
                if self._ended:
                    break
                self._pump()
                (patch,) = self._read([Rect(0, 0, self.geometry.width, self.geometry.height)])
                self._pump()
                return patch.pixels.copy()
            except xcffib.xproto.MatchError:
                continue  # the screen shrank under the request; its event precedes the error
            except xcffib.XcffibException:
                self._end()
        raise DeviceMissing(f"display {self.name} cannot be read any more", "start it again, then pepys resume")

    def close(self) -> None:
        """Let go of the display."""
        if not self._closed:
            self._closed = self._ended = True
            self._connection.disconnect()

    def _require_format(self) -> None:
        setup, depth = self._connection.setup, self._screen.root_depth
        bits = [entry.bits_per_pixel for entry in setup.pixmap_formats if entry.depth == depth]
        visuals = [v for d in self._screen.allowed_depths for v in d.visuals if v.visual_id == self._screen.root_visual]
        usual = bool(visuals) and (visuals[0].red_mask, visuals[0].blue_mask) == (0xFF0000, 0xFF)
        if depth not in (24, 32) or bits != [32] or setup.image_byte_order != 0 or not usual:
            raise DeviceMissing(
                f"display {self.name} has colour depth {depth}; only 24 and 32 bits can be recorded",
                "run the display with 24-bit colour",
            )

    def _require_extensions(self) -> None:
        asked = {name: self._connection.core.QueryExtension(len(name), name) for name in _EXTENSIONS}
        missing = [name for name, cookie in asked.items() if not cookie.reply().present]
        if missing:
            raise DeviceMissing(
                f"display {self.name} lacks {' and '.join(missing)}, without which it cannot be recorded",
                "record on the machine that runs the display, with a server that has these extensions",
            )
        for key, name in ((xfixes.key, "XFIXES"), (damage.key, "DAMAGE")):
            self._connection(key).QueryVersion(*_EXTENSIONS[name]).reply()

    def _share(self) -> SharedMemory:
        size = self.geometry.width * self.geometry.height * _BYTES_A_PIXEL + _OFFSET_ALIGN * PATCHES_A_CAPTURE
        try:
            return SharedMemory(self._connection, size)
        except xcffib.Error as error:
            raise DeviceMissing(
                f"display {self.name} cannot share memory with this user",
                "record as the user and on the machine that the display belongs to",
            ) from error

    def _pump(self) -> None:
        while not self._ended and (event := self._next_event()) is not None:
            if isinstance(event, damage.NotifyEvent):
                self._events.append(Changed(self._clock.now_ns()))
            elif isinstance(event, xfixes.CursorNotifyEvent) and self._pointer is not None:
                self._pointer.image_changed()
                self._events.append(Changed(self._clock.now_ns(), pointer_only=True))
            elif isinstance(event, xcffib.xproto.ConfigureNotifyEvent) and event.window == self._root:
                self._resize(event.width, event.height)

    def _next_event(self) -> xcffib.Event | None:
        while True:
            try:
                return self._connection.poll_for_event()
            except xcffib.Error:
                # The answer to a request that nobody waits for, such as a Detach that crossed a resize.
                continue

    def _resize(self, width: int, height: int) -> None:
        if (width, height) == (self.geometry.width, self.geometry.height):
            return
        self.geometry = Geometry(width, height, self.geometry.epoch + 1)
        self._whole = True
        self._memory.detach()
        try:
            self._memory = self._share()
        except DeviceMissing as error:
            self._end(error.message)
            return
        self._events.append(Resized(self._clock.now_ns(), self.geometry))

    def _look_at_pointer(self) -> None:
        now_ns = self._clock.now_ns()
        if self._pointer is not None and self._pointer.look(now_ns):
            self._events.append(Changed(now_ns, pointer_only=True))
        self._pump()

    def _subtract(self, align: int) -> list[Rect]:
        width, height = self.geometry.width, self.geometry.height
        pointer = self._pointer.stale() if self._pointer is not None else []
        if self._whole:
            self._damage.Subtract(self._changes, _NONE, _NONE)
            rects = [Rect(0, 0, width, height)]
            self._whole = False
        else:
            self._damage.Subtract(self._changes, _NONE, self._region)
            found = self._fixes.FetchRegion(self._region).reply().rectangles
            rects = [Rect(r.x, r.y, r.x + r.width, r.y + r.height) for r in found] + pointer
        if self._pointer is not None:
            self._pointer.settle()
        return plan(rects, width, height, align, PATCHES_A_CAPTURE)

    def _read(self, wanted: list[Rect]) -> Iterator[Patch]:
        """Ask for all rectangles, then wait for all: one round trip."""
        asked, offset = [], 0
        for rect in wanted:
            place = (self._root, rect.left, rect.top, rect.width, rect.height, _ALL_PLANES, _Z_PIXMAP)
            asked.append((rect, offset, self._shm.GetImage(*place, self._memory.segment, offset)))
            offset += -(-rect.area * _BYTES_A_PIXEL // _OFFSET_ALIGN) * _OFFSET_ALIGN
        error: xcffib.XcffibException | None = None
        for _, _, cookie in asked:
            try:
                cookie.reply()
            except xcffib.XcffibException as failed:
                error = failed  # the other replies are read all the same, or they would stay in the queue
        if error is not None:
            raise error
        for rect, start, _ in asked:
            rows = self._memory.pixels[start : start + rect.area * _BYTES_A_PIXEL]
            yield Patch(rect.left, rect.top, rows.reshape(rect.height, rect.width, _BYTES_A_PIXEL))

    def _end(self, why: str = "the X server has ended") -> None:
        self._ended = True
        message = f"display {self.name}: {why}"
        self._events.append(SourceEnded(self._clock.now_ns(), "source_closed", message))
