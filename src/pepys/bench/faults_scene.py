"""What faults are brought about on: a display that returns under its number, a sound server, a daemon, a small disk.

Owns their lives. The wall clock is the one thing that is made up: the machine's is everybody's, so the processes of the
bench's own place add a step to what they read (`_TAMPER`, which every Python that starts there runs first). All else is
the real thing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pepys.bench.faults_account import Account, Happened, account
from pepys.bench.faults_disk import SmallDisk
from pepys.bench.faults_witness import Witness
from pepys.bench.plan import Bench
from pepys.bench.player import counting
from pepys.bench.processes import hurry
from pepys.bench.recorders import Place, command
from pepys.bench.started import Started
from pepys.clock import Clock
from pepys.demo.child import Child, program
from pepys.demo.servers import MIC_SINK, NULL_SINK, SoundServer, XServer, listens
from pepys.errors import DeviceMissing
from pepys.limits import NS_PER_MS, NS_PER_S
from pepys.model.events import Event, SpanStarted
from pepys.record.runfile import process_start
from pepys.sessions.control import connect_host
from pepys.store import reader
from pepys.store.verify import verify

TRACKS: Final = ("video", "audio.mic", "audio.system")

_X_SOCKETS: Final = Path("/tmp/.X11-unix")
_NUMBERS: Final = range(300, 30_000)
_GONE_NS: Final = 5 * NS_PER_S
_LOOK_NS: Final = 10 * NS_PER_MS
_TYPING: Final = 'n=0; while :; do n=$((n + 1)); printf "%s: what was typed\\r\\n" "$n"; sleep 0.3; done'
_TAMPER: Final = """
import os, time
_file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step_ns")
def _step_ns():
    try:
        with open(_file) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
_time, _time_ns = time.time, time.time_ns
time.time_ns = lambda: _time_ns() + _step_ns()
time.time = lambda: _time() + _step_ns() / 1e9
"""


class LastingXServer(XServer):
    """A display that is started again under the number it had, as a login manager does.

    Its number is far from those that servers choose by themselves: nobody takes it while it is dead.
    """

    def start(self) -> None:
        """Start it, the first time under a free number."""
        xvfb = program("Xvfb", "xvfb")
        authority = self.folder / "authority"
        if not self.display:
            super().start()
            super().kill()
            self.display = f":{_free_number()}"
        argv = [xvfb, self.display, "-screen", "0", f"{self.width}x{self.height}x24", "-auth", str(authority)]
        self.child = Child([*argv, "-nolisten", "tcp", "-noreset", "-dpi", "96"], self.folder / "log")
        place = _X_SOCKETS / f"X{self.display[1:]}"
        self.child.wait_ready(lambda: listens(place), "the virtual display")
        self.env = {"DISPLAY": self.display, "XAUTHORITY": str(authority)}


def _free_number() -> int:
    for _ in range(100):
        number = secrets.choice(_NUMBERS)
        if not (_X_SOCKETS / f"X{number}").exists() and not Path(f"/tmp/.X{number}-lock").exists():
            return number
    raise DeviceMissing("there is no free display number", "end other displays")


class Scene:
    """Display, sound, daemon and home of one measure."""

    def __init__(
        self,
        bench: Bench,
        *,
        disk: bool = False,
        tone: bool = True,
        size: tuple[int, int] = (640, 480),
        words: Sequence[str] = (),
    ) -> None:
        """Set up; started by `with`.

        Args:
            bench: the run.
            disk: whether the home is a small disk of its own, which needs root.
            tone: whether the counting tone is played to both devices.
            size: of the display.
            words: words more for `pepys start`.
        """
        self.bench, self.clock = bench, bench.clock
        self.display = LastingXServer(*size)
        self.sound = SoundServer()
        self.happened: list[Happened] = []
        self.disk: SmallDisk | None = None
        self._small, self._tone, self._words = disk, tone, list(words)
        self._around = contextlib.ExitStack()
        self._terminal: Child | None = None
        self._host: Started | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything, by force what is left."""
        if self._host is not None:
            self._host.stop()
        if hasattr(self, "place"):
            for left in self.place.recorders():
                send(left.pid, "SIGCONT")
                send(left.pid, "SIGKILL")
                wait_gone(left.pid, self.clock)
        if self._terminal is not None:
            self._terminal.stop()
        self._around.close()

    def _open(self) -> None:
        self._around.enter_context(self.display)
        self._around.enter_context(self.sound)
        env = {**self.display.env, **self.sound.env}
        self.place: Place = self.bench.place(env)
        tamper = self.place.folder / "tamper"
        tamper.mkdir()
        (tamper / "sitecustomize.py").write_text(_TAMPER, encoding="utf-8")
        self.place.env["PYTHONPATH"] = os.pathsep.join([str(tamper), *filter(None, [os.environ.get("PYTHONPATH")])])
        if self._small:
            self.disk = self._around.enter_context(SmallDisk(self.place.home, self.place.folder / "disk"))
        hurry(self.sound.pid)
        if self._tone:
            self._around.enter_context(counting({MIC_SINK: 1.0, NULL_SINK: 0.6}, env, self.place.folder))
        self.type()
        self.serve()

    def type(self) -> None:
        """Show a terminal that types; again after the display died."""
        if self._terminal is not None:
            self._terminal.stop()
        argv = [program("xterm", "xterm"), "-geometry", "60x20+20+20", "-e", "sh", "-c", _TYPING]
        self._terminal = Child(argv, self.place.folder / "xterm.log", env=self.display.env)

    def serve(self) -> None:
        """Start the daemon; returns when it answers."""
        self._host = Started.module("pepys", ["serve", "--port", "0"], self.place.folder / "log", self.place.env)
        self._host.wait_ready(self._answers, "pepys serve")

    @property
    def host(self) -> Started:
        """The daemon."""
        assert self._host is not None
        return self._host

    @property
    def recorder(self) -> int:
        """The recorder's process.

        Raises:
            DeviceMissing: none runs.
        """
        for run in self.place.recorders():
            return run.pid
        raise DeviceMissing("no recorder runs", "see the recorder's log")

    def start(self) -> None:
        """Begin a session."""
        self.happened.clear()
        command(self.place, ["start", "--display", self.display.display, "--audio", "both", *self._words])

    def set_wall_clock(self, step_ns: int) -> None:
        """Set the wall clock of the place so much from the machine's."""
        new = self.place.folder / "tamper" / "step_ns.new"
        new.write_text(str(step_ns), encoding="ascii")
        new.replace(new.with_suffix(""))

    def witness(self) -> Witness:
        """A client that watches."""
        return Witness(self.place.home, self.clock)

    def judge(self, session: str, tracks: Sequence[str] = TRACKS) -> tuple[Account, list[str]]:
        """The account of a session that has ended, and what `verify` finds damaged."""
        store = self.place.open_store()
        told = account(reader.load(store, session), anchors(reader.events(store, session)), self.happened, tracks)
        return told, [f"{each.what}: {each.problem}" for each in verify(store, session).damages]

    def _answers(self) -> bool:
        client = connect_host(self.place.home)
        if client is not None:
            client.close()
        return client is not None


def anchors(events: Iterable[Event]) -> list[tuple[int, int]]:
    """The spans' places on CLOCK_BOOTTIME, of a session's events."""
    return [(event.boot_ns, event.at_ns) for event in events if isinstance(event, SpanStarted)]


def send(pid: int, name: str) -> None:
    """Send a signal by its name; a process that is gone is passed over."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, name))


def wait_gone(pid: int, clock: Clock) -> None:
    """Wait until a process is gone, at most five seconds."""
    until_ns = clock.now_ns() + _GONE_NS
    while process_start(pid) and clock.now_ns() < until_ns:
        clock.sleep_ns(_LOOK_NS)
