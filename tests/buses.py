"""Private D-Bus daemons, and services on them that say what a test tells them to."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, prep_socket
from jeepney.wrappers import unwrap_msg

from tests.waiting import wait_until

LOGIN, LOGIN_PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
MANAGER, SESSION, PROPERTIES = f"{LOGIN}.Manager", f"{LOGIN}.Session", "org.freedesktop.DBus.Properties"
OWN = f"{LOGIN_PATH}/session/_31"


def _listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(str(place)) == 0


@contextmanager
def private_bus(folder: Path, name: str = "bus") -> Iterator[str]:
    """A bus of one's own; its address."""
    place = folder / name
    daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={place}"])
    try:
        wait_until(lambda: _listens(place), 5, "dbus-daemon")
        yield f"unix:path={place}"
    finally:
        daemon.kill()
        daemon.wait()


class Service:
    """A service with a well-known name; `answers` has what its methods return, by (interface, method)."""

    def __init__(self, address: str, name: str, answers: dict[tuple[str, str], tuple[str, tuple[Any, ...]]]) -> None:
        self.name, self.answers = name, answers
        self.heard: list[str] = []
        self._connection = DBusConnection(prep_socket(address.partition("=")[2]))
        unwrap_msg(self._connection.send_and_get_reply(message_bus.RequestName(name)))
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def emit(self, path: str, interface: str, member: str, signature: str, *body: object) -> None:
        """Send a signal."""
        signal = new_signal(DBusAddress(path, interface=interface), member, signature, body)
        with self._sending:
            self._connection.send(signal)

    def end(self) -> None:
        """Leave the bus."""
        self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._connection.close()

    def _serve(self) -> None:
        while True:
            try:
                message = self._connection.receive()
            except OSError:
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            fields = message.header.fields
            method = str(fields.get(HeaderFields.member))
            self.heard.append(method)
            answer = self.answers.get((str(fields.get(HeaderFields.interface)), method))
            reply = new_error(message, f"{LOGIN}.NoSuch") if answer is None else new_method_return(message, *answer)
            with self._sending:
                self._connection.send(reply)


def screen_saver(address: str, name: str, *, active: bool = False) -> Service:
    """A screen saver of the session bus."""
    return Service(address, name, {(name, "GetActive"): ("b", (active,))})


def login1(address: str, *, locked: bool = False) -> Service:
    """A login1 that knows one session."""
    return Service(
        address,
        LOGIN,
        {
            (MANAGER, "GetSessionByPID"): ("o", (OWN,)),
            (PROPERTIES, "Get"): ("v", (("b", locked),)),
        },
    )


def hint(service: Service, locked: bool) -> None:
    """Let login1 tell that its session is locked, or not any more."""
    service.emit(OWN, PROPERTIES, "PropertiesChanged", "sa{sv}as", SESSION, {"LockedHint": ("b", locked)}, [])


def sleep(service: Service, begins: bool) -> None:
    """Let login1 tell that the machine goes to sleep, or woke."""
    service.emit(LOGIN_PATH, MANAGER, "PrepareForSleep", "b", begins)
