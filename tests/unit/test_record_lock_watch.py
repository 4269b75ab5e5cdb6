"""Locked or not: real buses and a real display, with lockers that tests make."""

from __future__ import annotations

import io
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import xcffib
from xcffib import screensaver, xproto

from pepys import limits
from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.limits import NS_PER_MS
from pepys.record.lock_watch import LockWatch, verdict
from pepys.record.loop import Loop
from tests.buses import LOGIN, Service, hint, login1, private_bus, screen_saver, sleep
from tests.waiting import wait_until

KDE, GNOME, MATE = "org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "org.mate.ScreenSaver"
_SET_ATTRIBUTES = 3


class Watched:
    """A watch, and what it told."""

    def __init__(self, display: str | None = None) -> None:
        self.loop = Loop(SystemClock())
        self.told: list[tuple[bool, str]] = []
        self.sleeps: list[bool] = []
        self.watch = LockWatch(self.loop, lambda locked, who: self.told.append((locked, who)), self.sleeps.append)
        self.watch.open(display)
        wait_until(lambda: self.loop.turn(5 * NS_PER_MS) or not self.watch.waits, 5, "the signals")

    def until(self, *told: tuple[bool, str]) -> None:
        """Serve until exactly this was told."""
        wait_until(lambda: self.loop.turn(5 * NS_PER_MS) or len(self.told) >= len(told), 5, f"{told}")
        assert self.told == list(told)

    def until_sleeps(self, *told: bool) -> None:
        """Serve until exactly this was told of the machine's sleep."""
        wait_until(lambda: self.loop.turn(5 * NS_PER_MS) or len(self.sleeps) >= len(told), 5, f"{told}")
        assert self.sleeps == list(told)

    def close(self) -> None:
        self.watch.close()
        self.loop.close()


@pytest.fixture
def session_bus(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with private_bus(short_folder, "session") as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def system_bus(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with private_bus(short_folder, "system") as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address


def active(service: Service, on: bool) -> None:
    service.emit("/" + service.name.replace(".", "/"), service.name, "ActiveChanged", "b", on)


def test_a_screen_saver_of_the_session_bus_locks_and_unlocks(session_bus: str) -> None:
    kde, mate = screen_saver(session_bus, KDE), screen_saver(session_bus, MATE)
    watched = Watched()
    assert set(watched.watch.signals) == {KDE, MATE} and not watched.watch.locked
    active(kde, True)
    watched.until((True, KDE))
    active(mate, True)
    active(kde, False)
    active(mate, False)
    watched.until((True, KDE), (False, ""))
    watched.close()
    for service in (kde, mate):
        service.end()


def test_one_that_is_locked_already_and_then_dies_is_not_locked_for_ever(session_bus: str) -> None:
    kde = screen_saver(session_bus, KDE, active=True)
    watched = Watched()
    watched.until((True, KDE))
    kde.end()
    watched.until((True, KDE), (False, ""))
    again = screen_saver(session_bus, KDE)
    wait_until(lambda: watched.loop.turn(5 * NS_PER_MS) or watched.watch.signals, 5, "the new one")
    active(again, True)
    watched.until((True, KDE), (False, ""), (True, KDE))
    watched.close()
    again.end()


def test_login1_tells_of_locks_and_of_sleep_and_gnomes_curtain_is_none(session_bus: str, system_bus: str) -> None:
    service, gnome = login1(system_bus), screen_saver(session_bus, GNOME)
    watched = Watched()
    assert set(watched.watch.signals) == {LOGIN, GNOME}
    active(gnome, True)
    hint(service, True)
    watched.until((True, LOGIN))
    hint(service, False)
    watched.until((True, LOGIN), (False, ""))
    sleep(service, True)
    watched.until_sleeps(True)
    sleep(service, False)
    watched.until_sleeps(True, False)
    assert len(watched.told) == 2
    watched.close()
    service.end()
    gnome.end()


def test_a_bus_that_dies_while_the_machine_sleeps_leaves_nobody_asleep_and_is_heard_again(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REOPEN_MIN_NS", 100 * NS_PER_MS)
    with private_bus(short_folder, "first") as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        service = login1(address)
        watched = Watched()
        sleep(service, True)
        watched.until_sleeps(True)
    watched.until_sleeps(True, False)
    service.end()
    with private_bus(short_folder, "second") as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        again = login1(address)
        wait_until(lambda: watched.loop.turn(5 * NS_PER_MS) or watched.watch.signals, 5, "the new bus")
        hint(again, True)
        watched.until((True, LOGIN))
        watched.close()
        again.end()


def test_a_login1_that_begins_anew_is_asked_anew(system_bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REOPEN_MIN_NS", 100 * NS_PER_MS)
    service = login1(system_bus)
    watched = Watched()
    sleep(service, True)
    watched.until_sleeps(True)
    service.end()
    watched.until_sleeps(True, False)
    again = login1(system_bus, locked=True)
    watched.until((True, LOGIN))
    sleep(again, True)
    watched.until_sleeps(True, False, True)
    watched.close()
    again.end()


def test_a_daemon_outside_of_any_session_asks_for_the_users_graphical_one(system_bus: str) -> None:
    service = login1(system_bus, locked=True)
    manager = f"{LOGIN}.Manager"
    del service.answers[(manager, "GetSessionByPID")]
    service.answers[(manager, "GetUser")] = ("o", ("/org/freedesktop/login1/user/_0",))
    path = "/org/freedesktop/login1/session/_31"
    service.answers[("org.freedesktop.DBus.Properties", "Get")] = ("v", (("(so)", ("1", path)),))
    watched = Watched()
    assert {"GetSessionByPID", "GetUser", "Get"} <= set(service.heard)
    hint(service, True)
    wait_until(lambda: watched.loop.turn(5 * NS_PER_MS) or watched.watch.locked, 5, "the lock")
    watched.close()
    service.end()


def test_a_bus_that_dies_or_hangs_ends_its_signal_alone(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, session_bus: str
) -> None:
    monkeypatch.setattr(limits, "BUS_OPEN_S", 0.2)
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(short_folder / "silent"))
    silent.listen()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={short_folder / 'silent'}")
    with private_bus(short_folder, "short") as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        kde = screen_saver(address, KDE, active=True)
        watched = Watched()
        watched.until((True, KDE))
    watched.until((True, KDE), (False, ""))
    assert watched.watch.signals == ()
    watched.close()
    kde.end()
    silent.close()


def test_without_any_bus_or_display_nothing_is_told() -> None:
    watched = Watched(":4711")
    assert watched.watch.signals == () and watched.told == []
    watched.close()


def test_a_blanked_screen_is_not_locked_and_an_external_locker_is(xserver: XServer) -> None:
    display = os.environ["DISPLAY"]
    watched = Watched(display)
    client = xcffib.connect(display)
    root = client.get_setup().roots[0].root
    heard = client(screensaver.key)
    heard.QueryVersion(1, 1).reply()

    def state() -> int:
        return int(heard.QueryInfo(root).reply().state)

    # What `xset s activate` sends.
    client.core.ForceScreenSaver(xproto.ScreenSaver.Active)
    wait_until(lambda: state() == screensaver.State.On, 5, "a blank screen")
    watched.loop.turn(100 * NS_PER_MS)
    assert watched.told == [], "a film goes on behind it"
    client.core.ForceScreenSaver(xproto.ScreenSaver.Reset)
    # What a locker such as xss-lock does.
    attributes = struct.pack("=xx2xIhhHHHBBII", root, 0, 0, 1, 1, 0, xproto.WindowClass.InputOutput, 0, 0, 0)
    heard.send_request(_SET_ATTRIBUTES, io.BytesIO(attributes))  # xcffib's own cannot be called
    client.core.ForceScreenSaver(xproto.ScreenSaver.Active)
    client.flush()
    watched.until((True, "the display's screen saver"))
    client.core.ForceScreenSaver(xproto.ScreenSaver.Reset)
    client.flush()
    watched.until((True, "the display's screen saver"), (False, ""))
    watched.close()
    client.disconnect()


def test_what_xscreensaver_notes_on_the_root_window(xserver: XServer) -> None:
    client = xcffib.connect(os.environ["DISPLAY"])
    root = client.get_setup().roots[0].root
    names = ("_SCREENSAVER_STATUS", "LOCK", "BLANK")
    status, lock, blank = (client.core.InternAtom(False, len(name), name).reply().atom for name in names)

    def note(state: int) -> None:
        client.core.ChangeProperty(xproto.PropMode.Replace, root, status, xproto.Atom.INTEGER, 32, 2, [state, 1])
        client.flush()

    note(lock)
    client.core.GetInputFocus().reply()
    watched = Watched(os.environ["DISPLAY"])
    watched.until((True, "the display's screen saver"))
    note(blank)
    watched.until((True, "the display's screen saver"), (False, ""))
    note(lock)
    watched.until((True, "the display's screen saver"), (False, ""), (True, "the display's screen saver"))
    # The display goes, and its screen saver with it.
    xserver.stop()
    wait_until(lambda: watched.loop.turn(5 * NS_PER_MS) or not watched.watch.locked, 5, "the end of the display")
    assert watched.watch.signals == ()
    watched.close()


def test_who_counts() -> None:
    assert verdict({}) == ""
    assert verdict({GNOME: True}) == GNOME, "without login1 the curtain is all that is known"
    assert verdict({GNOME: True, LOGIN: False}) == ""
    assert verdict({GNOME: True, LOGIN: True}) == LOGIN
    assert verdict({KDE: False, MATE: True, LOGIN: False}) == MATE
