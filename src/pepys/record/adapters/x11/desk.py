"""What is on an X display beside the focus, and what the user does: windows and inputs, heard when it suits.

One connection of its own for both, whose events may wait: nobody needs to hear at once that a window moved or that a
key was pressed, and a pointer that moves tells of it 125 times a second or more. Invariants: all that waits is taken in
the server's order; one `poll` takes no longer than `limits.X11_PUMP_NS` and a round trip, what is left waits for the
next; of changes of one property that wait together only the first is heard, because what it says is read then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import xcffib
import xcffib.xproto as x

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.activity import WindowsShown
from pepys.record.adapters.regions import Rect
from pepys.record.adapters.x11.connection import ServerSilent
from pepys.record.adapters.x11.inputs import InputConnection, RawInputs
from pepys.record.adapters.x11.windows import WindowMasks
from pepys.record.exclusions import Exclusions
from pepys.record.inputs import Input
from pepys.record.ports import SourceEnded

_AT_ONCE: Final = 256
_ROOT_EVENTS: Final = WindowMasks.ROOT_EVENTS | int(x.EventMask.StructureNotify)


class X11Desk:
    """The windows and inputs of one display."""

    def __init__(self, display: str, clock: Clock, exclusions: Exclusions) -> None:
        """Connect and ask for events; any thread may do so.

        Raises:
            xcffib.XcffibException: no X server answers.
        """
        self._clock = clock
        self._connection = InputConnection(display)
        try:
            screen = self._connection.setup.roots[self._connection.pref_screen]
            self._root = int(screen.root)
            self._within = Rect(0, 0, int(screen.width_in_pixels), int(screen.height_in_pixels))
            self._inputs = _raw_inputs(self._connection, self._root)
            self._connection.watch(self._root, _ROOT_EVENTS)
            self._masks = WindowMasks(self._connection, self._root, exclusions, clock)
            self._connection.flush()
        except xcffib.XcffibException:
            self._connection.disconnect()
            raise
        self._emptied_ns = clock.now_ns()
        self._told: WindowsShown | None = None
        self._ended = self._closed = False
        self._stirred = True
        self.behind = False

    @property
    def counts(self) -> bool:
        """Whether it tells of inputs."""
        return self._inputs is not None

    def fileno(self) -> int:
        """The connection's descriptor."""
        return self._connection.descriptor

    def listen(self, *, inputs: bool) -> None:
        """Tell of inputs from now on, or no more."""
        if self._inputs is not None and not self._ended:
            self._inputs.select(told=inputs)
            xcffib.lib.xcb_flush(self._connection._conn)

    def poll(self) -> Sequence[Input | WindowsShown | SourceEnded]:
        """What happened since the last call; see `activity.DeskSource`."""
        if self._ended:
            return ()
        found: list[Input | WindowsShown | SourceEnded] = []
        try:
            self._pump(found)
            if self._stirred and not self.behind:
                self._stirred = False
                shown = self._masks.told(self._within, limits.DESK_WINDOWS)
                if self._told is None or shown != self._told.windows:
                    self._told = WindowsShown(self._clock.now_ns(), shown)
                    found.append(self._told)
        except ServerSilent:
            self._ended = True
            found.append(SourceEnded(self._emptied_ns, "device_lost", "the X server does not answer"))
        except xcffib.XcffibException:
            self._ended = True
            found.append(SourceEnded(self._clock.now_ns(), "source_closed", "the X server has ended"))
        return found

    def close(self) -> None:
        """Disconnect."""
        if not self._closed:
            self._closed = self._ended = True
            self._connection.disconnect()

    def _pump(self, found: list[Any]) -> None:
        began_ns = self._clock.now_ns()
        self.behind = True
        while self._clock.now_ns() - began_ns < limits.X11_PUMP_NS:
            # The clock is read first: what comes meanwhile is found by the next call, and may be older than that.
            now_ns, events = self._clock.now_ns(), self._waiting()
            if not events:
                self._emptied_ns = now_ns
                self.behind = False
                break
            now_ns = self._clock.now_ns()
            heard: set[tuple[int, int]] = set()
            for event in events:
                if isinstance(event, bytes):
                    told = self._inputs.hear(event, self._emptied_ns, now_ns) if self._inputs is not None else None
                    found += () if told is None else (told,)
                    continue
                self._stirred = True
                if isinstance(event, x.PropertyNotifyEvent):
                    if (event.window, event.atom) not in heard:
                        heard.add((event.window, event.atom))
                        self._masks.hear(event)
                else:
                    self._hear(event)
        # Rectangles of pixels are nobody's business here.
        self._masks.stale()
        self._masks.look(self._clock.now_ns())

    def _waiting(self) -> list[Any]:
        """The next events, `_AT_ONCE` at most."""
        events: list[Any] = []
        while len(events) < _AT_ONCE and (event := self._connection.next_event()) is not None:
            events.append(event)
        return events

    def _hear(self, event: Any) -> None:
        if isinstance(event, x.ConfigureNotifyEvent) and event.window == self._root:
            self._within = Rect(0, 0, int(event.width), int(event.height))
        self._masks.hear(event)


def _raw_inputs(connection: InputConnection, root: int) -> RawInputs | None:
    try:
        return RawInputs(connection, root)
    except DeviceMissing:
        return None  # windows are told of all the same
