"""What may happen to a session in any order, and what must hold after each: for the exhaustive and the random tests.

A sequence is a tuple of names of `EVENTS`; `play` runs one in a world of its own and returns what went wrong and, after
each event, what tells two worlds apart. An operation is asked for and not waited for: the next event comes while it is
under way, or after a moment when it is `wait`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

import pytest

from pepys import limits
from pepys.errors import NotFound, PepysError
from pepys.sessions.feed import Feed
from pepys.sessions.start import StartRequest
from pepys.sessions.statechart import SessionChart
from pepys.sessions.steering import Steering
from tests.steered import Recorder, Timeless, World

EVENTS: Final = (
    "start", "pause", "resume", "stop", "note", "wait", "crash", "anew", "silent", "slow", "device", "lock", "adopt",
    "refuse",
)  # fmt: skip
IN_VAIN: Final = frozenset({"crash", "anew", "silent", "slow", "device", "cut"})
"""Events that befall a recorder: nothing where there is none."""
LINE: Final = ("start", "pause", "resume", "stop", "wait", "crash", "silent", "slow", "cut")
"""What may happen to a line to a recorder, which `cut` ends, and to both its ends."""
ROOT: Final = ("start", "wait")
"""What went before: a recording is under way."""
_OWN_TIME_S: Final = 25.0  # more than any operation takes that waits for another one


@dataclass
class Played:
    """How a sequence went: what was wrong, what the world was after each event, whether a recorder lived at its end."""

    wrong: list[str]
    marks: list[object]
    living: bool


@dataclass
class _Play:
    world: World
    steering: Steering
    ops: list[tuple[str, asyncio.Task[Any]]] = field(default_factory=list)
    paused: bool = False
    before: int = 0  # sessions that an earlier host had begun

    # --- what happens

    async def happen(self, event: str) -> None:
        """One event, and all that follows from it at once."""
        recorder = self.world.living[-1] if self.world.living else None
        if event in {"start", "pause", "resume", "stop", "note"}:
            self.ask(event)
        elif event == "wait":
            await asyncio.sleep(1.0)
        elif event == "lock":
            self.world.locked = not self.world.locked
            for living in self.world.living:
                living.lock(self.world.locked)
        elif event == "refuse":
            self.world.refuses = True
        elif event == "adopt":
            await self.adopt()
        elif recorder is not None:
            self.befall(recorder, event)
        await asyncio.sleep(1e-6)
        self.look()

    def ask(self, op: str) -> None:
        """A user asks for something."""
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "start": lambda: self.steering.start(StartRequest()),
            "note": lambda: self.steering.note("a note"),
            "pause": self.steering.pause,
            "resume": self.steering.resume,
            "stop": self.steering.stop,
        }
        if op in {"start", "resume", "stop"}:
            self.paused = False
        task = asyncio.ensure_future(asked[op]())
        self.ops.append((op, task))
        task.add_done_callback(lambda done: self.told(op, done))

    def told(self, op: str, done: asyncio.Future[Any]) -> None:
        """An operation is over."""
        ended = not done.cancelled() and done.exception() is None
        newest = [name for name, _ in self.ops if name in {"start", "pause", "resume", "stop"}][-1:]
        if op == "pause" and ended and newest == ["pause"]:
            self.paused = True

    def befall(self, recorder: Recorder, event: str) -> None:
        """Something befalls the recorder."""
        if event in {"crash", "anew"}:
            recorder.asked_anew = event == "anew"
            recorder.kill()
        elif event == "silent":
            recorder.silent = True
        elif event == "cut":
            recorder.let_go()
        elif event == "slow":
            recorder.slow = not recorder.slow
            recorder.heard()
        else:
            recorder.video = "restarting" if recorder.video == "healthy" else "healthy"
            recorder.push({"push": "track", "track": "video", "state": recorder.video, "detail": "its cable"})

    async def adopt(self) -> None:
        """The host is killed: what it waited for is nobody's any more; another one takes over."""
        for _, task in self.ops:
            task.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()} - {rec.beating for rec in self.world.recorders}:
            task.cancel()
        await asyncio.sleep(1e-6)
        for recorder in self.world.living:
            recorder.lines.clear()
            recorder.waiting.clear()
        self.ops, self.paused, self.before = [], False, len(self.world.sessions)
        self.steering = Steering(self.world.backing(), Feed())
        await self.steering.take_over()

    # --- what must hold

    def look(self) -> None:
        """What must hold at any moment."""
        recording = [recorder for recorder in self.world.living if recorder.state == "recording"]
        if self.paused and recording:
            self.world.wrong.append("it records although it was paused")
        if len(self.world.living) > 1:
            self.world.wrong.append("two recorders")

    def agree(self) -> None:
        """What must hold once all is still: the status says what the recorder last did."""
        state = self.steering.status()["state"]
        living = self.world.living
        if living and living[0].state != state:
            self.world.wrong.append(f"status says {state}, the recorder is {living[0].state}")
        if living and [living[0].video] != [track["state"] for track in self.steering.status()["tracks"]]:
            self.world.wrong.append("status and recorder differ about the video")
        if living and state == "recording":
            region = self.steering._chart.health()["video"]
            if region != living[0].video:
                self.world.wrong.append(f"the chart says video is {region}, the recorder {living[0].video}")
        if not living and state not in {"idle", "interrupted"}:
            self.world.wrong.append(f"status says {state}, and there is no recorder")
        if not living and "recording" in self.world.sessions.values():
            self.world.wrong.append("a session is listed as recording without a recorder")

    async def still(self) -> None:
        """Let all that is under way come to its end."""
        for recorder in self.world.living:
            recorder.slow = False
            recorder.heard()
        self.world.refuses = False
        for op, task in self.ops:
            with contextlib.suppress(TimeoutError, PepysError):
                await asyncio.wait_for(asyncio.shield(task), _OWN_TIME_S)
            if not task.done():
                self.world.wrong.append(f"{op} does not return")
            elif task.cancelled():
                self.world.wrong.append(f"{op} was cancelled")
            elif (error := task.exception()) is not None and not isinstance(error, PepysError):
                self.world.wrong.append(f"{op} raised {error!r}")
        await asyncio.sleep(limits.RECORDER_SILENT_LOOKS + 7)  # the silent one is killed, and begun again
        self.look()
        self.agree()
        begun = sum(op == "start" and not task.cancelled() and task.exception() is None for op, task in self.ops)
        if len(self.world.sessions) != self.before + begun:
            self.world.wrong.append(f"{begun} starts succeeded, and {len(self.world.sessions)} sessions are listed")

    async def end(self) -> None:
        """Whatever went before, a stop ends it."""
        self.world.locked = False
        try:
            await asyncio.wait_for(self.steering.stop(), _OWN_TIME_S)
        except NotFound:
            pass
        except TimeoutError:
            self.world.wrong.append("the last stop does not return")
        except PepysError as error:
            self.world.wrong.append(f"the last stop says {error.message}")
        await asyncio.sleep(0.1)
        if self.world.living or self.steering.under_way:
            self.world.wrong.append("it goes on after a stop")
        if set(self.world.sessions.values()) - {"completed", "interrupted"}:
            self.world.wrong.append(f"sessions were left as {self.world.sessions}")

    def mark(self) -> object:
        """What tells this world from another one; how a device is decides nothing of what may come."""
        steering, world = self.steering, self.world
        recorders = tuple(
            (rec.state, rec.held, rec.slow, rec.silent, tuple(str(ask["do"]) for _, ask in rec.waiting))
            for rec in world.living
        )
        waits = tuple(op for op, task in self.ops if not task.done())
        live = steering._recording
        return (
            steering._chart.state, recorders, waits, steering._restarts.count, steering._restarts.notice != "",
            steering._restarting, live is None or live.over.is_set(), world.locked, world.refuses, self.paused,
            tuple(sorted(world.sessions.values())), steering._operation.locked(),
        )  # fmt: skip


def play(loop: Timeless, sequence: Sequence[str], known: Container[object] = ()) -> Played:
    """Play one sequence in a world of its own; how one ends that is `known` by its last mark was seen before."""

    async def go() -> Played:
        world = World(loop.clock)
        played = _Play(world, Steering(world.backing(), Feed()))
        await played.steering.take_over()
        marks = []
        for event in sequence:
            await played.happen(event)
            marks.append(played.mark())
        living = bool(world.living)
        if not marks or marks[-1] not in known:
            await played.still()
            await played.end()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(1e-6)
        return Played(world.wrong, marks, living)

    played = loop.run_until_complete(go())
    loop.charts.take_back()
    return played


def every(depth: int) -> Iterator[tuple[str, ...]]:
    """Every sequence of so many events."""
    return ((*ROOT, *events) for events in product(EVENTS, repeat=depth))


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """A third of the time goes into collecting what a world leaves; now and then is enough."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def explore(loop: Timeless, depth: int, events: Sequence[str] = EVENTS) -> tuple[int, dict[tuple[str, ...], list[str]]]:
    """Play every sequence up to a depth but for those that begin in a world that was gone on from already.

    Returns:
        How many were played, and what went wrong in which.
    """
    seen: set[object] = set()
    wrong: dict[tuple[str, ...], list[str]] = {}
    waiting: deque[tuple[tuple[str, ...], int, bool]] = deque([(ROOT, depth, True)])
    count = 0
    while waiting:
        before, left, befalls = waiting.popleft()
        for event in events:
            if event in IN_VAIN and not befalls:
                continue
            sequence = (*before, event)
            played = play(loop, sequence, seen)
            count += 1
            if count % 32 == 0:
                gc.collect()
            if played.wrong:
                wrong[sequence] = played.wrong
            if played.marks[-1] in seen:
                continue
            seen.add(played.marks[-1])
            if left > 1:
                waiting.append((sequence, left - 1, played.living))
    return count, wrong


def break_it(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Break steering or its world so that `what` goes wrong."""
    if what == "it records although it was paused":
        monkeypatch.setattr(Recorder, "_do", lambda recorder, do: recorder.status())
        monkeypatch.setattr(_Play, "agree", lambda played: None)
    elif what == "there is no recorder":
        monkeypatch.setattr(SessionChart, "allows", lambda chart, event: False)
    elif what == "two recorders":
        monkeypatch.setattr(Steering, "_refuse_second", lambda steering: None)
    else:

        async def never(steering: Steering) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(Steering, "stop", never)
