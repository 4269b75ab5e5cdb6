"""What the sound server has, told by `pactl`: once to whoever asks, or as news to the recorder's loop.

The program rather than a library: a library in this process hangs with the server or aborts at its death, while a
child can always be killed. `DeviceWatch` lives in the loop and never waits: one child tells that something changed,
two short ones tell what there is, each read as it comes and killed when it is late. Invariants: a list that could not
be had, is cut off or empty is no news; children end with this process; while nothing changes nothing runs here. What
follows from a change is left to `record.devices`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing
from pepys.record.devices import Devices
from pepys.record.loop import Loop

INSTALL = "install it: apt-get install pulseaudio-utils"
_INFO, _SOURCES = ("info",), ("list", "short", "sources")
_REAP_NS = 5 * limits.NS_PER_MS
# Streams, clients, volumes and devices that fall asleep are told all the time, also those of the recorder itself.
_NEWS = re.compile(rb"^Event '(?:(?:new|remove)' on (?:source|sink)|\w+' on server) #", re.MULTILINE)
_URGENT = re.compile(rb"^Event '(?:remove' on source|\w+' on server) #", re.MULTILINE)


def command(program: str, *words: str) -> list[str]:
    """The command line of a program that ends together with the thread that starts it, where the system can do that.

    Raises:
        DeviceMissing: it is not installed.
    """
    found = shutil.which(program)
    if found is None:
        raise DeviceMissing(f"the program {program} is not installed", INSTALL)
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), found, *words]


def environment() -> dict[str, str]:
    """Environment in which `pactl` speaks English; names stay as the server has them."""
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}


def defaults(info: str) -> tuple[str, str]:
    """The default source and the default sink in what `pactl info` says; empty where there is none."""
    found = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
    return _name(found.get("Default Source", "")), _name(found.get("Default Sink", ""))


def _name(told: str) -> str:
    # PipeWire names what it does not have `@DEFAULT_SINK@`, older servers `n/a`.
    return "" if told == "n/a" or told.startswith("@") else told


def read_devices(info: str, sources: str, at_ns: int, server: int = 0) -> Devices:
    """What two answers of `pactl` say together: `info` and `list short sources`.

    Args:
        info: the first answer.
        sources: the second.
        at_ns: when the reason to ask was heard.
        server: which life of the server answers.
    """
    source, sink = defaults(info)
    rows = [row for row in (line.split("\t") for line in sources.splitlines()) if len(row) > 1 and row[0].isdecimal()]
    names = tuple(row[1] for row in rows)
    monitor = f"{sink}.monitor"
    return Devices(
        names=names,
        default_source=source if source in names else "",
        default_monitor=monitor if sink and monitor in names else "",
        at_ns=at_ns,
        numbers=tuple(int(row[0]) for row in rows),
        server=server,
    )


class _Child:
    """A `pactl` in the background: what it says is read as it comes, without waiting."""

    def __init__(self, words: tuple[str, ...]) -> None:
        """Start it.

        Raises:
            DeviceMissing: there is no `pactl` here.
            OSError: no process can be started.
        """
        self._process = subprocess.Popen(
            command("pactl", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.fd = self._process.stdout.fileno()
        if sys.platform != "win32":
            os.set_blocking(self.fd, False)
        self.said = bytearray()
        self.closed = False

    def read(self) -> bool:
        """Take what has come; whether anything had. `closed` is true from its end on, or when it says too much."""
        try:
            data = os.read(self.fd, limits.SOUND_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.said += data
        self.closed = self.closed or not data or len(self.said) > limits.DEVICE_LIST_BYTES
        return bool(data)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def close(self) -> None:
        """End it and wait for it, which a kill makes short."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class DeviceWatch:
    """Tells the loop which devices there are: soon after `start`, after each change, and when asked."""

    def __init__(self, loop: Loop, clock: Clock, on_devices: Callable[[Devices], None]) -> None:
        """Nothing runs before `start`; `on_devices` is called in the loop's thread."""
        self._loop, self._clock, self._on_devices = loop, clock, on_devices
        self._running = False
        self._watching: _Child | None = None
        self._heard = self._late = False
        self._server = 0
        self._settling = self._owed = False
        self._told: Devices | None = None
        self._since_ns: int | None = None
        self._asked_ns = 0
        self._asked: list[_Child] = []
        self._again = False
        self._watch_wait_ns = self._ask_wait_ns = limits.DEVICE_WATCH_MIN_NS

    @property
    def answers(self) -> bool:
        """Whether the server is there: it has told something, has not gone since, and does not hang."""
        return self._watching is not None and self._heard and not self._late

    def start(self) -> None:
        """Begin to watch; a server that is not there is looked for again and again."""
        if not self._running:
            self._running = True
            self._watch()

    def ask(self) -> None:
        """Ask now; the answer goes to `on_devices`, unless there is none."""
        self._owed = True
        self._look()

    def _look(self) -> None:
        if not self._running:
            return
        if self._asked:
            self._again = True
            return
        self._settling = False
        self._loop.clear_timer("devices.ask")
        self._asked_ns = self._clock.now_ns() if self._since_ns is None else self._since_ns
        self._since_ns = None
        try:
            for words in (_INFO, _SOURCES):
                child = _Child(words)
                self._asked.append(child)
                self._loop.add_reader(child.fd, partial(self._on_answer, child))
        except (DeviceMissing, OSError):
            self._on_late()
            return
        self._loop.set_timer("devices.late", self._clock.now_ns() + limits.DEVICE_LIST_NS, self._on_late)

    def stop(self) -> None:
        """End all children; safe to call twice."""
        self._running = False
        self._forget()
        self._unwatch()
        for name in ("devices.ask", "devices.watch", "devices.look"):
            self._loop.clear_timer(name)

    # --- changes

    def _watch(self) -> None:
        try:
            self._watching = _Child(("subscribe",))
        except (DeviceMissing, OSError):
            self._watch_later()
            return
        self._loop.add_reader(self._watching.fd, self._on_event)
        self.ask()
        self._loop.set_timer("devices.watch", self._clock.now_ns() + limits.DEVICE_WATCH_MIN_NS, self._on_unproven)

    def _watch_later(self) -> None:
        self._loop.set_timer("devices.watch", self._clock.now_ns() + self._watch_wait_ns, self._watch)
        self._watch_wait_ns = min(2 * self._watch_wait_ns, limits.DEVICE_WATCH_MAX_NS)

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._loop.remove_reader(self._watching.fd)
            self._watching.close()
        self._watching, self._heard = None, False
        self._server += 1

    def _on_unproven(self) -> None:
        """Asking is an event too; until one is heard, the watch may not be in force, and changes may be missed."""
        if not self._heard:
            self.ask()
            wait_ns, self._watch_wait_ns = self._watch_wait_ns, min(2 * self._watch_wait_ns, limits.DEVICE_WATCH_MAX_NS)
            self._loop.set_timer("devices.watch", self._clock.now_ns() + wait_ns, self._on_unproven)

    def _on_event(self) -> None:
        child = self._watching
        if child is None or not (child.read() or child.closed):
            return
        if child.closed:
            self._unwatch()
            self._watch_later()
            return
        whole, _, rest = bytes(child.said).rpartition(b"\n")
        child.said[:] = rest
        if not self._heard:
            self._heard, self._watch_wait_ns = True, limits.DEVICE_WATCH_MIN_NS
            self._loop.clear_timer("devices.watch")
            self._settle()
        elif _URGENT.search(whole):
            # PulseAudio has ended streams of what is gone by now, and moved what may be moved to the default device.
            self._note()
            self.ask()
        elif _NEWS.search(whole):
            self._settle()

    def _note(self) -> None:
        now_ns = self._clock.now_ns()
        if self._since_ns is None:
            self._since_ns = now_ns
        # PipeWire tells a new default device before it is in force, and sometimes not at all.
        self._loop.set_timer("devices.look", now_ns + limits.DEVICE_LOOK_NS, self._look)

    def _settle(self) -> None:
        """Ask shortly, once for all that a plug changes in a row; further events do not put it off."""
        self._note()
        if not self._settling:
            self._settling = True
            self._loop.set_timer("devices.ask", self._clock.now_ns() + limits.DEVICE_SETTLE_NS, self.ask)

    # --- answers

    def _on_answer(self, child: _Child) -> None:
        child.read()
        if child.closed:
            self._loop.remove_reader(child.fd)
            self._judge()

    def _judge(self) -> None:
        """Both have said all: give it on as soon as both have ended well."""
        if not self._asked or not all(child.closed for child in self._asked):
            return
        if any(child.status is None for child in self._asked):
            self._loop.set_timer("devices.ended", self._clock.now_ns() + _REAP_NS, self._judge)
            return
        told = [child.said.decode(errors="replace") for child in self._asked if child.status == 0]
        again = self._again
        self._forget()
        if len(told) == len((_INFO, _SOURCES)):
            self._ask_wait_ns, self._late = limits.DEVICE_WATCH_MIN_NS, False
            info, sources = told
            devices = read_devices(info, sources, self._asked_ns, self._server)
            known = self._told is not None and replace(devices, at_ns=self._told.at_ns) == self._told
            if devices.names and (self._owed or not known):
                self._told, self._owed = devices, False
                self._on_devices(devices)
        if again:
            self.ask()

    def _on_late(self) -> None:
        """No answer: it is asked again after a while, since the event that it was asked for will not come again."""
        self._forget()
        self._since_ns, self._late = self._asked_ns, True
        self._loop.set_timer("devices.ask", self._clock.now_ns() + self._ask_wait_ns, self._look)
        self._ask_wait_ns = min(2 * self._ask_wait_ns, limits.DEVICE_WATCH_MAX_NS)

    def _forget(self) -> None:
        """End what was asked."""
        for name in ("devices.late", "devices.ended"):
            self._loop.clear_timer(name)
        for child in self._asked:
            self._loop.remove_reader(child.fd)
            child.close()
        self._asked.clear()
        self._again = False
