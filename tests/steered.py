"""A world in which steering can be tried exhaustively: time, recorders and store are made up, and all else is real.

`Timeless` is an event loop whose time stands still while anything is to be done and jumps when nothing is; `World` is
what lies behind a host. Nothing here waits, so that a second of a recording costs well under a millisecond.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from statemachine.orderedset import OrderedSet

from pepys import errors, limits
from pepys.clock import FakeClock
from pepys.errors import Busy, DeviceMissing, NotFound
from pepys.record.lags import Lags
from pepys.record.runfile import RunFile
from pepys.record.spec import PROTOCOL, RecordSpec
from pepys.record.wire import LineReader, Message, encode_line, reply_error, reply_ok
from pepys.sessions.backing import Backing
from pepys.sessions.link import RecorderLink
from pepys.sessions.recording import Ended, Recording
from pepys.sessions.start import StartRequest
from pepys.sessions.statechart import SessionChart


class _Jumping(selectors.DefaultSelector):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is left that could ever happen"
        if timeout > 0:
            self._clock.advance(int(timeout * 1e9) + 1)
        return []


class Timeless(asyncio.SelectorEventLoop):
    """An event loop on a made-up clock, with charts; no thread and no socket may be waited for in it."""

    def __init__(self) -> None:
        self.clock, self.charts = FakeClock(), Charts()
        super().__init__(_Jumping(self.clock))

    def time(self) -> float:
        """The made-up time."""
        return self.clock.now_ns() / 1e9


class Recorder:
    """A recorder: what it does, and what it says over its links."""

    def __init__(self, world: World, session: str, pid: int) -> None:
        self.world, self.session, self.pid = world, session, pid
        self.alive, self.slow, self.silent, self.asked_anew = True, False, False, False
        self.held = world.locked
        self.state = "paused" if self.held else "recording"
        self.video = "healthy"
        self.waiting: list[tuple[_Line, Message]] = []
        self.lines: list[_Line] = []
        self.run = RunFile(session, pid, 1, "fake-boot", PROTOCOL, f"socket-{pid}")
        self.beating = asyncio.get_running_loop().create_task(self._beat())

    def link(self) -> RecorderLink:
        """A new connection."""
        line = _Line(self)
        self.lines.append(line)
        return RecorderLink(line.reader, cast(asyncio.StreamWriter, line))

    def status(self) -> Message:
        held = "locked" if self.held and self.state == "paused" else ""
        tracks = [{"track": "video", "state": self.video}]
        return {"session": self.session, "state": self.state, "held": held, "tracks": tracks}

    def push(self, message: Message) -> None:
        for line in self.lines:
            if self.alive and not self.silent:
                line.reader.feed_data(encode_line(message))

    def enter(self, state: str) -> None:
        self.state = state
        self.push({"push": "state", "state": state, "status": self.status()})

    def lock(self, locked: bool) -> None:
        if locked and self.state == "recording":
            self.held = True
            self.enter("paused")
        elif not locked and self.held:
            self.held = False
            if self.state == "paused":
                self.enter("recording")

    def answer(self) -> None:
        """Do what was asked for meanwhile."""
        waiting, self.waiting = self.waiting, []
        for line, request in waiting:
            try:
                reply = reply_ok(request, self._do(str(request["do"])))
            except errors.PepysError as error:
                reply = reply_error(request, error)
            line.reader.feed_data(encode_line(reply))
            if request["do"] == "stop":
                self.end()
                return

    def _do(self, do: str) -> Message:
        if do == "pause":
            self.held = False
            if self.state == "recording":
                self.enter("paused")
        elif do == "resume" and self.state == "paused":
            if self.held or self.world.locked:
                raise Busy("the screen is locked", "unlock it")
            self.enter("recording")
        elif do == "stop":
            self.enter("ending")
            self.world.sessions[self.session] = "completed"
        return self.status()

    def heard(self) -> None:
        if self.alive and not self.slow and not self.silent:
            self.answer()

    def let_go(self) -> None:
        """It cuts its host off, and reads nothing more of what that one had asked."""
        self.waiting.clear()
        lines, self.lines = self.lines, []
        for line in lines:
            line.reader.feed_eof()

    def end(self) -> None:
        """It is gone, in whatever way."""
        self.alive = False
        self.beating.cancel()
        for line in self.lines:
            line.reader.feed_eof()

    def terminate(self) -> None:
        if not self.silent and self.alive:
            self.world.sessions[self.session] = "completed"
            self.end()

    def kill(self) -> None:
        if self.alive:
            self.end()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.push({"push": "beat", **self.status()})


class _Line:
    """The recorder's end of a link; what a `StreamWriter` is to the host."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._heard = LineReader()
        self.reader = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        for request in self._heard.feed(data):
            self._recorder.waiting.append((self, request))
        asyncio.get_running_loop().call_soon(self._recorder.heard)

    def close(self) -> None:
        if self in self._recorder.lines:
            self._recorder.lines.remove(self)


class World:
    """What lies behind a host: a `Backing` whose store is a dictionary of states."""

    _latest: World

    @classmethod
    def latest(cls) -> World:
        """The one that was made last."""
        return cls._latest

    def __init__(self, clock: FakeClock) -> None:
        World._latest = self
        self.clock = clock
        self.sessions: dict[str, str] = {}
        self.recorders: list[Recorder] = []
        self.locked = False
        self.refuses = False
        self.begun = 0
        self.wrong: list[str] = []

    @property
    def living(self) -> list[Recorder]:
        """The recorders that run."""
        return [recorder for recorder in self.recorders if recorder.alive]

    def backing(self) -> Backing:
        """Itself, as steering takes it."""
        return cast(Backing, self)

    async def validate(self, request: StartRequest) -> tuple[StartRequest, None]:
        return replace(request, name="made up"), None

    async def check(self, request: StartRequest, settings: None) -> RecordSpec:
        await asyncio.sleep(0.01)
        self.begun += 1
        return RecordSpec("home", f"s{self.begun}", "made up", "socket", "run_file")

    async def check_again(self, session: str, *, again: bool = False, last: bool = False) -> RecordSpec:
        await asyncio.sleep(0.01)
        return RecordSpec("home", session, "made up", "socket", "run_file", resume=True)

    async def require_room(self) -> None:
        pass

    async def begin(self, spec: RecordSpec) -> Recording:
        await asyncio.sleep(0.1)
        if self.refuses:
            self.refuses = False
            raise DeviceMissing("the display is gone", "start it")
        if self.living:
            self.wrong.append("two recorders")
        self.sessions[spec.session] = "recording"
        recorder = Recorder(self, spec.session, 100 + len(self.recorders))
        self.recorders.append(recorder)
        return Recording(
            spec.session, recorder.link(), Path("run"), {}, self.clock.now_ns(), cast(Any, recorder), None, spec.resume
        )

    async def adopt(self, path: Path, run: RunFile) -> Recording:
        recorder = self._of(run)
        return Recording(run.session, recorder.link(), path, {}, self.clock.now_ns(), None, run)

    async def reach(self, live: Recording) -> RecorderLink | None:
        recorder = next(known for known in self.recorders if known.pid == live.pid)
        return recorder.link() if recorder.alive else None

    def survivors(self) -> list[tuple[Path, RunFile]]:
        return [(Path("run"), recorder.run) for recorder in self.living]

    def runs(self, run: RunFile) -> bool:
        return self._of(run).alive

    def signal(self, run: RunFile, number: int) -> None:
        (self._of(run).kill if number == signal.SIGKILL else self._of(run).terminate)()

    async def settle(self, live: Recording) -> Ended:
        await asyncio.sleep(0.01)
        recorder = next(known for known in self.recorders if known.pid == live.pid)
        if recorder.alive:
            self.wrong.append("a recorder that lives was settled")
        await self.recovered(live.session)
        state = self.sessions.get(live.session, "failed")
        held = recorder.state == "paused"
        return Ended(state, live.killed or "it was ended by SIGKILL", recorder.asked_anew, held)

    async def resolve(self, text: str) -> str:
        return text

    async def load(self, session: str) -> Any:
        if session not in self.sessions:
            raise NotFound(f"no session {session}", "look again")
        return SimpleNamespace(name="made up", state=self.sessions[session])

    async def figures(self, session: str) -> Message:
        return {}

    async def finish(self, session: str) -> None:
        await asyncio.sleep(0.01)
        if any(recorder.session == session for recorder in self.living):
            self.wrong.append("a session was completed under its recorder")
        self.sessions[session] = "completed"

    async def recovered(self, session: str | None = None) -> list[str]:
        living = {recorder.session for recorder in self.living}
        for known, state in self.sessions.items():
            if state == "recording" and known not in living and session in {None, known}:
                self.sessions[known] = "interrupted"
        return []

    async def remove(self, session: str) -> None:
        self.sessions.pop(session, None)

    async def index(self, session: str) -> None:
        pass

    def room(self) -> Message:
        return {}

    async def look(self) -> None:
        pass

    def _of(self, run: RunFile) -> Recorder:
        return next(recorder for recorder in self.recorders if recorder.pid == run.pid)


class Charts:
    """Charts that are used again, one world after the other: to make one costs more than a second of a recording."""

    def __init__(self) -> None:
        self._given: list[SessionChart] = []
        self._back: list[SessionChart] = []

    def new(self, changed: Callable[[], None] | None = None, lags: Lags | None = None) -> SessionChart:
        """What `new_chart` gives: a chart in `idle` that knows of nothing before."""
        chart = self._back.pop() if self._back else SessionChart()
        chart._changed, chart._lags = changed, lags
        self._given.append(chart)
        return chart

    def take_back(self) -> None:
        """The world is over: none of its charts is asked for anything any more."""
        for chart in self._given:
            chart._changed = chart._lags = None
            chart.history_values.clear()
            chart.configuration = OrderedSet([SessionChart.idle])
            chart._engine = chart._get_engine()
        self._back += self._given
        self._given.clear()


def short_limits() -> dict[str, Any]:
    """Limits with which all that can happen happens within seconds, in the same order as with those in force."""
    return {
        "PAUSE_S": 2.5, "STOP_S": 8.0, "CONTROL_S": 3.0, "SET_S": 2.5, "RECORDER_ADOPT_S": 1.5, "RECORDER_EXIT_S": 1.0,
        "RECORDER_SILENT_LOOKS": 4, "RECORDER_RESTARTS": 2, "RECORDER_RESTART_WAITS_S": (0.0, 1.5),
        "RECORDER_DEPART_S": 2.0,
    }  # fmt: skip


assert all(hasattr(limits, name) for name in short_limits())
