"""A D-Bus connection that listens: opened and asked in a thread, heard in the recorder's loop.

Owns the two buses' addresses, deadlines and the way from bytes to signals. Invariants: connecting and each call end
within a deadline, whatever the bus does; `pump` never waits and takes at most `limits.BUS_MESSAGES_A_PUMP` messages.
What the signals mean is left to `record.lock_watch`.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, MessageType, Parser, message_bus, new_method_call
from jeepney.bus import get_connectable_addresses
from jeepney.io.blocking import prep_socket

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing

Which = Literal["session", "system"]

BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"
_VARIABLES: Final = {"session": "DBUS_SESSION_BUS_ADDRESS", "system": "DBUS_SYSTEM_BUS_ADDRESS"}
_SYSTEM: Final = "unix:path=/var/run/dbus/system_bus_socket"
_NO_AUTO_START: Final = 2
_READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that was heard."""

    sender: str
    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


def address_of(which: Which) -> str:
    """Where a bus listens, as its variable or its usual place says; empty where there is none.

    An empty variable of the system bus stands for no system bus.
    """
    told = os.environ.get(_VARIABLES[which])
    if told is not None:
        return told
    if which == "system":
        return _SYSTEM
    # A daemon that the user's systemd started may lack the variable.
    usual = Path(os.environ.get("XDG_RUNTIME_DIR", "")) / "bus"
    return f"unix:path={usual}" if usual.is_absolute() and usual.is_socket() else ""


class Bus:
    """A connection; `call` and `listen` before it is heard in a loop, `pump` from then on."""

    def __init__(self, address: str, clock: Clock) -> None:
        """Connect, `limits.BUS_OPEN_S` at most.

        Raises:
            DeviceMissing: there is no bus, or it refuses or hangs.
        """
        self._clock = clock
        self._parser: Any = Parser()
        self._signals: deque[Signal] = deque(maxlen=limits.BUS_MESSAGES_A_PUMP)
        self._serial = 0
        try:
            place = next(get_connectable_addresses(address))
            self._socket: socket.socket = prep_socket(place, timeout=limits.BUS_OPEN_S)
        except (OSError, RuntimeError, ValueError) as error:
            raise DeviceMissing(f"no bus listens at {address or 'any known place'}: {error}", "log in again") from error
        self._socket.settimeout(limits.BUS_CALL_S)
        try:
            self._answer(message_bus.Hello())
        except OSError as error:
            self.close()
            raise DeviceMissing(f"the bus at {address} does not answer: {error}", "log in again") from error

    def fileno(self) -> int:
        """The descriptor to hear; -1 when it is closed."""
        return self._socket.fileno()

    def call(
        self, name: str, path: str, interface: str, method: str, signature: str = "", body: tuple[Any, ...] = ()
    ) -> tuple[Any, ...] | None:
        """Call a method of a service that runs; its answer, None where it refuses or is not there.

        Raises:
            OSError: the bus is gone, or the answer did not come within `limits.BUS_CALL_S`.
        """
        place = DBusAddress(path, bus_name=name, interface=interface)
        message = new_method_call(place, method, signature or None, body)
        message.header.flags |= _NO_AUTO_START
        return self._answer(message)

    def property(self, name: str, path: str, interface: str, key: str) -> Any:
        """The value of a property, None where there is none.

        Raises:
            OSError: as in `call`.
        """
        told = self.call(name, path, "org.freedesktop.DBus.Properties", "Get", "ss", (interface, key))
        return told[0][1] if told else None

    def owned(self, name: str) -> bool:
        """Whether a service of that name runs.

        Raises:
            OSError: as in `call`.
        """
        told = self.call(BUS, BUS_PATH, BUS, "NameHasOwner", "s", (name,))
        return bool(told and told[0])

    def listen(self, sender: str, interface: str, member: str, path: str | None = None, first: str = "") -> None:
        """Hear signals of a service from now on; of those whose first argument is `first`, if one is given.

        Raises:
            OSError: as in `call`.
        """
        rule = MatchRule(type="signal", sender=sender, interface=interface, member=member, path=path)
        if first:
            rule.add_arg_condition(0, first)
        self._answer(message_bus.AddMatch(rule))

    def pump(self) -> tuple[Signal, ...]:
        """The signals that have arrived, also those that came while a call was answered. Never waits.

        Raises:
            OSError: the bus is gone.
        """
        for _ in range(limits.BUS_MESSAGES_A_PUMP):
            if not self._hear() and not self._read(0):
                break
        heard = tuple(self._signals)
        self._signals.clear()
        return heard

    def close(self) -> None:
        """Let go of the bus."""
        self._socket.close()

    def _answer(self, message: Message) -> tuple[Any, ...] | None:
        self._serial += 1
        serial = self._serial
        self._socket.sendall(message.serialise(serial=serial))
        until_ns = self._clock.now_ns() + int(limits.BUS_CALL_S * limits.NS_PER_S)
        while True:
            heard = self._hear()
            if heard is None:
                left_ns = until_ns - self._clock.now_ns()
                if left_ns <= 0 or not self._read(left_ns / limits.NS_PER_S):
                    raise TimeoutError("no answer in time")
                continue
            fields = heard.header.fields
            if fields.get(HeaderFields.reply_serial) == serial:
                return heard.body if heard.header.message_type is MessageType.method_return else None

    def _hear(self) -> Message | None:
        """The next whole message that was read; a signal is kept as well."""
        message: Message | None = self._parser.get_next_message()
        if message is not None and message.header.message_type is MessageType.signal:
            told = message.header.fields
            self._signals.append(
                Signal(
                    str(told.get(HeaderFields.sender, "")),
                    str(told.get(HeaderFields.path, "")),
                    str(told.get(HeaderFields.interface, "")),
                    str(told.get(HeaderFields.member, "")),
                    tuple(message.body),
                )
            )
        return message

    def _read(self, timeout_s: float) -> bool:
        """Read what there is; false when nothing came in time."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return False
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the bus is gone")
        self._parser.add_data(data)
        return True
