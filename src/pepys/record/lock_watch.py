"""Notices when the user's screen is locked, and when the machine is about to sleep.

Owns which signals are heard and what they mean together. Invariants: the loop never waits for a bus or a display (they
are opened in threads, with a deadline); a signal that dies says nothing any more and ends nothing; what its locker
cannot unlock any more is not locked, and whom nobody can wake any more is awake; a bus that was heard and died is
opened again. What is done about it is left to the recorder.

Who says that the screen is locked:

| signal | means |
|---|---|
| login1 `LockedHint` of the user's session (GNOME, KDE, xss-lock, light-locker, swaylock by its wrappers) | locked |
| `ActiveChanged` of org.freedesktop.ScreenSaver (KDE) | locked |
| the same of org.cinnamon, org.mate, org.xfce.ScreenSaver | the saver covers the screen: locked, as they are set up |
| the same of org.gnome.ScreenSaver | its curtain is down, locked or not: counts only where login1 tells nothing |
| MIT-SCREEN-SAVER, an external saver on; xscreensaver's note `LOCK` | a locker has the screen |
| MIT-SCREEN-SAVER, blanked or internal | not locked: nobody needs to unlock it, and a film goes on behind it |
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError
from pepys.record.adapters.opening import InThread
from pepys.record.loop import Loop

_LOGIN: Final = "org.freedesktop.login1"
_GNOME: Final = "org.gnome.ScreenSaver"
_DISPLAY: Final = "the display's screen saver"


def verdict(told: Mapping[str, bool]) -> str:
    """Who says that the screen is locked, of what each signal says; empty when nobody does who counts."""
    for name, locked in told.items():
        if locked and not (name == _GNOME and _LOGIN in told):
            return name
    return ""


class _Source(Protocol):
    """What is opened in a thread and heard in the loop; `told` says of each signal that is there what it says."""

    @property
    def told(self) -> Mapping[str, bool]: ...
    def fileno(self) -> int: ...
    def pump(self) -> object: ...
    def close(self) -> None: ...


class _SaverOfDisplay:
    """The screen saver of an X display, told as the others are."""

    def __init__(self, display: str) -> None:
        from pepys.record.adapters.screensaver import Saver

        self._saver = Saver(display)

    @property
    def told(self) -> dict[str, bool]:
        return {_DISPLAY: self._saver.locked}

    def fileno(self) -> int:
        return self._saver.fileno()

    def pump(self) -> None:
        self._saver.pump()

    def close(self) -> None:
        self._saver.close()


def _session_bus(clock: Clock) -> _Source:
    from pepys.record.adapters.lockers import SessionBus

    return SessionBus(clock)


def _system_bus(clock: Clock) -> _Source:
    from pepys.record.adapters.lockers import SystemBus

    return SystemBus(clock)


_BUSES: Final = {"session": _session_bus, "system": _system_bus}
_TIMER: Final = "lock "


class LockWatch:
    """Tells when the screen is locked and unlocked; all in the thread of the loop."""

    def __init__(
        self,
        loop: Loop,
        on_change: Callable[[bool, str], None],
        on_sleep: Callable[[bool], None] = lambda _sleeps: None,
    ) -> None:
        """Take whom to tell; nothing is opened yet.

        Args:
            loop: where signals are heard.
            on_change: told whether the screen is locked, and by whose word, whenever that changes.
            on_sleep: told True when the machine is about to sleep, False when it woke.
        """
        self._loop, self._on_change, self._on_sleep = loop, on_change, on_sleep
        self._opening: dict[str, InThread[_Source]] = {}
        self._sources: dict[str, _Source] = {}
        self.locked = False
        """Whether the screen is locked, as far as anybody tells."""
        self._sleeps = False
        self._waits_ns: dict[str, int] = {}
        """How long the next wait is before a bus that died is opened again."""

    def open(self, display: str | None) -> None:
        """Begin to listen: to the buses, once, and to an X display (anew, if it came back). Returns at once."""
        if sys.platform != "linux":
            return
        for name in _BUSES:
            self._open_bus(name)
        self._drop("display")
        if display:
            self._open("display", lambda: _SaverOfDisplay(display))
        self._judge()

    def close(self) -> None:
        """Listen no more; nobody is told anything from here on."""
        for name in (*self._opening, *self._sources):
            self._drop(name)
        for name in _BUSES:
            self._loop.clear_timer(_TIMER + name)
        self.locked = self._sleeps = False

    @property
    def signals(self) -> tuple[str, ...]:
        """Who tells of locks here."""
        return tuple(self._told())

    @property
    def waits(self) -> bool:
        """Whether a bus or the display is still being opened."""
        return bool(self._opening)

    def _open_bus(self, name: str) -> None:
        self._loop.clear_timer(_TIMER + name)
        if name not in self._opening and name not in self._sources:
            self._open(name, partial(_BUSES[name], self._loop.clock))

    def _open_again(self, name: str) -> None:
        """One that died, or that could not be opened since, is opened again after a while."""
        wait_ns = self._waits_ns.get(name)
        if wait_ns is not None:
            self._waits_ns[name] = min(2 * wait_ns, limits.REOPEN_MAX_NS)
            self._loop.set_timer(
                _TIMER + name, self._loop.clock.now_ns() + wait_ns, lambda: self._open_bus(name), limits.LOOP_SLACK_NS
            )

    def _open(self, name: str, opener: Callable[[], _Source]) -> None:
        try:
            opening: InThread[_Source] = InThread(f"lock {name}", opener)
        except (OSError, RuntimeError):
            self._open_again(name)  # no descriptor or thread is left: the recording matters more
            return
        self._opening[name] = opening
        self._loop.add_reader(opening.fileno(), lambda: self._opened(name))

    def _opened(self, name: str) -> None:
        opening = self._opening.get(name)
        if opening is None:
            return
        try:
            source = opening.poll()
            if source is None:
                return
        except PepysError:
            source = None
        del self._opening[name]
        self._loop.remove_reader(opening.fileno())
        opening.cancel()
        if source is None:
            self._open_again(name)
        else:
            self._sources[name] = source
            if name in _BUSES:
                self._waits_ns[name] = limits.REOPEN_MIN_NS
            self._loop.add_reader(source.fileno(), lambda: self._heard(name))
            # What came while it was opened waits in the library, not in the descriptor.
            self._heard(name)

    def _heard(self, name: str) -> None:
        source = self._sources.get(name)
        if source is None:
            return
        try:
            source.pump()
        except Exception:  # noqa: BLE001 - a peer that sends what no library expects ends its own signal, nothing else
            self._drop(name)
            self._open_again(name)
        self._judge()

    def _drop(self, name: str) -> None:
        opening, source = self._opening.pop(name, None), self._sources.pop(name, None)
        if opening is not None:
            self._loop.remove_reader(opening.fileno())
            opening.cancel()
        if source is not None:
            self._loop.remove_reader(source.fileno())
            source.close()

    def _told(self) -> dict[str, bool]:
        return {who: locked for source in self._sources.values() for who, locked in source.told.items()}

    def _judge(self) -> None:
        who = verdict(self._told())
        if bool(who) != self.locked:
            self.locked = bool(who)
            self._on_change(self.locked, who)
        sleeps = any(getattr(source, "sleeps", False) for source in self._sources.values())
        if sleeps != self._sleeps:
            self._sleeps = sleeps
            self._on_sleep(sleeps)
