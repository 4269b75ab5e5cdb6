"""That a user of an X display types, clicks, scrolls and moves the pointer: raw events of XInput 2, kinds and moments.

Invariants: of an event its kind and its time are read, of a button its number; the number of a key never is, nor any
place. Raw events tell of devices, whatever has the focus or grabs; what a program fakes through XTEST is told like a
device's, a key that is held down is one key.

The client library's own events of XInput are not used: they take key codes along, misread the axes (the number of axes
is the number of bits of a mask, not its sum), and their module costs 40 ms and many megabytes to load.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import xcffib

from pepys import limits
from pepys.errors import DeviceMissing
from pepys.record.adapters.x11.connection import Connection, Request
from pepys.record.inputs import Input, Kind

_KEY: Final = xcffib.ExtensionKey("XInputExtension")
_SELECT, _VERSION = 46, 47
_GENERIC: Final = 35
_HEAD_BYTES: Final = 36
_SENT: Final = 0x80
_MASTERS: Final = 1
"""All devices that others are attached to: each input comes once."""
# XIproto: xXIRawEvent; behind its 32 bytes the client library puts the number of the request it came after.
_HEAD: Final = struct.Struct("=1xB6xH2xI")
_BUTTON: Final = struct.Struct("=16xI")
_AFTER: Final = struct.Struct("=32xI")
_VALUATORS: Final = struct.Struct("=22xH")
_AXES: Final = struct.Struct("=36xI")
_KEY_PRESS, _BUTTON_PRESS, _MOTION, _TOUCH = 13, 15, 17, 22
_EVENTS: Final = 1 << _KEY_PRESS | 1 << _BUTTON_PRESS | 1 << _MOTION | 1 << _TOUCH
_WHEEL: Final = range(4, 8)
_PLACE_AXES: Final = 0b11
_WRAP: Final = 1 << 32


class InputConnection(Connection):
    """A connection that gives generic events as their first bytes, not taken apart."""

    def hoist_event(self, event: Any) -> Any:
        """Decode an event, unless it is a generic one."""
        if event.response_type == _GENERIC:
            head = bytes(xcffib.ffi.buffer(event, _HEAD_BYTES))
            return bytes(xcffib.ffi.buffer(event, _HEAD_BYTES + 4)) if any(head[4:8]) else head
        return super().hoist_event(event)


class RawInputs:
    """What the devices of a display do.

    Args:
        connection: where it is told.
        root: the root window.

    Raises:
        DeviceMissing: the server has no XInput 2.2.
        xcffib.XcffibException: the server fails.
    """

    def __init__(self, connection: InputConnection, root: int) -> None:
        self._root = root
        name = "XInputExtension"
        offered = connection.core.QueryExtension(len(name), name).reply()
        if not offered.present:
            raise _not_offered()
        self._opcode = int(offered.major_opcode)
        version = Request(connection, _KEY, _VERSION, "HH", answered=True)
        # Whoever says no version is told nothing while another program grabs.
        told = struct.unpack_from("=8xHH", connection.reply_bytes(version.send(2, 2)))
        if told < (2, 2):
            raise _not_offered()
        self._select = Request(connection, _KEY, _SELECT, "IHxxHHI", answered=False)
        self._since = 0
        self._told = False
        self._time = ServerTime()

    def select(self, *, told: bool) -> None:
        """Be told from now on, or no more: what comes meanwhile is kept by nobody."""
        since = self._select.send(self._root, 1, _MASTERS, 1, _EVENTS if told else 0)
        self._since, self._told = since, told

    def hear(self, event: bytes, floor_ns: int, now_ns: int) -> Input | None:
        """The input that a generic event tells of; None for another event, or one from before `select`.

        Args:
            event: its first bytes.
            floor_ns: it came after that.
            now_ns: and until now.
        """
        opcode, _number, server_ms = _HEAD.unpack_from(event)
        if opcode != self._opcode or not self._told:
            return None
        if (_AFTER.unpack_from(event)[0] - self._since) % _WRAP >= _WRAP // 2:
            return None  # it was on its way when the last span ended
        kind = kind_of(event)
        return Input(self._time.at_ns(server_ms, floor_ns, now_ns), kind) if kind is not None else None


def _not_offered() -> DeviceMissing:
    return DeviceMissing("the X server has no XInput 2.2", "use a newer one")


def kind_of(event: bytes) -> Kind | None:
    """What a raw event is counted as, if it is."""
    number = _HEAD.unpack_from(event)[1]
    if number == _MOTION:
        # A wheel that turns smoothly moves axes of its own, besides the buttons that stand for its clicks.
        axes = _AXES.unpack_from(event)[0] if _VALUATORS.unpack_from(event)[0] else _PLACE_AXES
        return "moves" if axes & _PLACE_AXES or not axes else None
    if number == _KEY_PRESS:
        return "keys"
    if number == _BUTTON_PRESS:
        return "scrolls" if _BUTTON.unpack_from(event)[0] in _WHEEL else "clicks"
    return "clicks" if number == _TOUCH else None


class ServerTime:
    """The moments of a server's milliseconds on the clock.

    What separates both is not known; but an event cannot have come before the connection was emptied last, nor after it
    was found. Each event narrows it down, and moves it on where one of the clocks stood still, as in suspend.
    """

    def __init__(self) -> None:
        self._server_ms: int | None = None
        self._offset_ns = 0

    def at_ns(self, server_ms: int, floor_ns: int, now_ns: int) -> int:
        """The moment of an event, between both bounds; `server_ms` starts anew after 2^32."""
        if self._server_ms is None:
            self._server_ms, self._offset_ns = server_ms, now_ns - server_ms * limits.NS_PER_MS
        self._server_ms += (server_ms - self._server_ms + _WRAP // 2) % _WRAP - _WRAP // 2
        server_ns = self._server_ms * limits.NS_PER_MS
        at_ns = max(floor_ns, min(now_ns, server_ns + self._offset_ns))
        self._offset_ns = at_ns - server_ns
        return at_ns
