"""What the services of the desktop tell of locks and sleep, over the two buses.

Owns which services are asked and heard, and the user's session in login1. What it means together is left to
`record.lock_watch`.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.adapters.bus import BUS, Bus, Signal, Which, address_of

LOGIN: Final = "org.freedesktop.login1"
LOGIN_PATH: Final = "/org/freedesktop/login1"
GNOME: Final = "org.gnome.ScreenSaver"
SAVERS: Final = (
    "org.freedesktop.ScreenSaver", GNOME, "org.cinnamon.ScreenSaver", "org.mate.ScreenSaver", "org.xfce.ScreenSaver",
)  # fmt: skip
"""Services of the session bus; each is also its interface, and its path with slashes."""
_MANAGER: Final = "org.freedesktop.login1.Manager"
_SESSION: Final = "org.freedesktop.login1.Session"
_USER: Final = "org.freedesktop.login1.User"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"


def path_of(name: str) -> str:
    """Where a service of `SAVERS` has its object."""
    return "/" + name.replace(".", "/")


class SessionBus:
    """The screen savers of the session bus; `told` has those that run."""

    def __init__(self, clock: Clock) -> None:
        """Connect and ask.

        Raises:
            DeviceMissing: there is no bus that answers.
        """
        self.told: dict[str, bool] = {}
        self._bus = _bus("session", clock)
        try:
            for name in SAVERS:
                self._bus.listen(name, name, "ActiveChanged")
                self._bus.listen(BUS, BUS, "NameOwnerChanged", first=name)
                if self._bus.owned(name):
                    told = self._bus.call(name, path_of(name), name, "GetActive")
                    self.told[name] = bool(told and told[0])
        except OSError as error:
            self.close()
            raise DeviceMissing(f"the session bus does not answer: {error}", "log in again") from error

    def fileno(self) -> int:
        """The descriptor to hear."""
        return self._bus.fileno()

    def pump(self) -> None:
        """Take up what was heard.

        Raises:
            OSError: the bus is gone.
        """
        for signal in self._bus.pump():
            self._take_up(signal)

    def close(self) -> None:
        """Let go of the bus."""
        self._bus.close()

    def _take_up(self, signal: Signal) -> None:
        if signal.member == "ActiveChanged" and signal.interface in SAVERS:
            self.told[signal.interface] = bool(signal.body and signal.body[0])
        elif signal.member == "NameOwnerChanged" and signal.sender == BUS:
            name, _before, owner = signal.body
            # One that has just begun covers nothing yet; one that ended covers nothing any more.
            self.told.pop(name, None)
            if owner:
                self.told[name] = False


class SystemBus:
    """What login1 tells: `told` of the user's session if there is one, `sleeps` of the machine."""

    def __init__(self, clock: Clock) -> None:
        """Connect and ask.

        Raises:
            DeviceMissing: there is no bus that answers, or no login1.
        """
        self.told: dict[str, bool] = {}
        self.sleeps = False
        self._bus = _bus("system", clock)
        try:
            if not self._bus.owned(LOGIN):
                raise DeviceMissing("no login1 runs", "systemd-logind or elogind tells of locks and sleep")
            self._begin()
        except OSError as error:
            self.close()
            raise DeviceMissing(f"the system bus does not answer: {error}", "see `pepys doctor`") from error
        except PepysError:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor to hear."""
        return self._bus.fileno()

    def pump(self) -> None:
        """Take up what was heard.

        Raises:
            OSError: the bus is gone, or another login1 runs on it, which is to be asked anew.
        """
        for signal in self._bus.pump():
            if signal.member == "PrepareForSleep":
                self.sleeps = bool(signal.body and signal.body[0])
            elif signal.member == "PropertiesChanged" and signal.path == self._session:
                changed = signal.body[1]
                if "LockedHint" in changed:
                    self.told[LOGIN] = bool(changed["LockedHint"][1])
            elif signal.member == "NameOwnerChanged" and signal.sender == BUS:
                self.told.pop(LOGIN, None)
                self.sleeps = False
                if signal.body[-1]:
                    raise OSError("login1 began anew")

    def close(self) -> None:
        """Let go of the bus."""
        self._bus.close()

    def _begin(self) -> None:
        bus = self._bus
        bus.listen(LOGIN, _MANAGER, "PrepareForSleep", LOGIN_PATH)
        bus.listen(BUS, BUS, "NameOwnerChanged", first=LOGIN)
        self._session = self._own_session()
        if self._session:
            bus.listen(LOGIN, _PROPERTIES, "PropertiesChanged", self._session)
            hint = bus.property(LOGIN, self._session, _SESSION, "LockedHint")
            if hint is not None:
                self.told[LOGIN] = bool(hint)

    def _own_session(self) -> str:
        """The path of the session of this process; of a daemon outside of any, the user's graphical one."""
        named = os.environ.get("XDG_SESSION_ID")
        asked = [("GetSession", "s", named)] if named else []
        for method, signature, value in (*asked, ("GetSessionByPID", "u", os.getpid())):
            told = self._bus.call(LOGIN, LOGIN_PATH, _MANAGER, method, signature, (value,))
            if told:
                return str(told[0])
        if sys.platform == "win32":
            return ""
        user = self._bus.call(LOGIN, LOGIN_PATH, _MANAGER, "GetUser", "u", (os.getuid(),))
        shown = self._bus.property(LOGIN, str(user[0]), _USER, "Display") if user else None
        return str(shown[1]) if shown and shown[0] else ""


def _bus(which: Which, clock: Clock) -> Bus:
    address = address_of(which)
    if not address:
        raise DeviceMissing(f"there is no {which} bus", "log in to a desktop")
    return Bus(address, clock)
