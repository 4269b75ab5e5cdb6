"""One recorder under a host: started or adopted, its last status, and its end.

Owns the child process, the link to it and the question how it ended, which the store answers: a recorder that is gone
has either completed its session or left it to be recovered. States and commands are the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError, StorageProblem
from pepys.record.launch import Launched, launch
from pepys.record.runfile import RunFile, still_runs
from pepys.record.spec import Order, RecordSpec
from pepys.record.wire import Message
from pepys.sessions.link import OnPush, RecorderLink, open_link
from pepys.store.reader import load
from pepys.store.recover import recover
from pepys.store.store import Store

_ALIVE = frozenset({"starting", "healthy", "degraded"})
_BEATING = frozenset({"recording", "pausing", "paused", "resuming", "ending"})
_ENDING = frozenset({"ending", "interrupted"})
_HELD = frozenset({"pause", "locked"})
_ANEW = "started anew"
_KILL = 9


@dataclass(frozen=True, slots=True)
class Ended:
    """How a recorder ended.

    Attributes:
        state: of its session: `completed`, `interrupted`, or `failed` when nothing of it was stored.
        reason: why it ended, in words; empty when it ended in order.
        anew: whether it asked to be started again.
        held: whether it recorded nothing because it was paused, or the screen was locked.
        alone: whether it was ending by itself, for a reason that another recorder would meet too.
    """

    state: str
    reason: str = ""
    anew: bool = False
    held: bool = False
    alone: bool = False


@dataclass(slots=True)
class Recording:
    """A session that a recorder works on.

    Attributes:
        session: its id.
        link: the line to the recorder; another one when the recorder cut the first off.
        run_file: where the recorder tells its place.
        status: what it last told of itself.
        told_ns: when it did.
        process: the child; None for an adopted one.
        run: the process of an adopted one.
        resumed: whether it goes on with a session that was there before.
        killed: why the host killed it; empty when it did not.
        left_out: tracks that did not record from the start on.
        socket: where the recorder listens.
        over: set when the recorder is gone and the store says how the session stands.
    """

    session: str
    link: RecorderLink
    run_file: Path
    status: dict[str, Any]
    told_ns: int
    process: subprocess.Popen[bytes] | None = None
    run: RunFile | None = None
    resumed: bool = False
    killed: str = ""
    left_out: tuple[str, ...] = ()
    socket: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, status: dict[str, Any], now_ns: int) -> None:
        """Keep what the recorder tells of itself."""
        self.status = status
        self.told_ns = now_ns

    def told(self, now_ns: int) -> dict[str, Any]:
        """What it last told, moved on to now; one that should beat and does not tries nothing."""
        silent_ns = now_ns - self.told_ns
        silent_ms = silent_ns // limits.NS_PER_MS
        told = ages(self.status, silent_ms)
        if told.get("state") != "recording" or silent_ns <= limits.RECORDER_SILENT_NS:
            return told
        detail = f"no sign of life from the recorder for {silent_ns // limits.NS_PER_S} s"
        tracks = []
        for track in told["tracks"]:
            stands: dict[str, Any] = {}
            if track.get("state") in {*_ALIVE, "restarting"}:
                stands = {"stands": "attempt", "stands_ms": silent_ms}
            if track.get("state") in _ALIVE:
                stands |= {"state": "degraded", "detail": detail, "level": None}
            tracks.append({**track, **stands})
        return {**told, "tracks": tracks}

    @property
    def pid(self) -> int | None:
        """The recorder's process."""
        if self.process is not None:
            return self.process.pid
        return None if self.run is None else self.run.pid

    def is_silent(self, now_ns: int) -> bool:
        """Whether a recorder that should beat does not."""
        silent = now_ns - self.told_ns > limits.RECORDER_SILENT_NS
        return silent and not self.over.is_set() and self.status.get("state") in _BEATING


async def begin(spec: RecordSpec, store: Store, log: Path) -> tuple[Launched, dict[str, Any]]:
    """Start a recorder and wait until it records.

    Returns:
        The child and its report.

    Raises:
        PepysError: why it did not begin; nothing of the session is left.
    """
    order = Order(spec, store.keys.to_bytes())
    launching = asyncio.ensure_future(asyncio.to_thread(launch, order, log))
    try:
        launched = await asyncio.shield(launching)
        return launched, await asyncio.to_thread(launched.wait_ready)
    except PepysError:
        await asyncio.to_thread(reap, launched.process)
        raise
    except asyncio.CancelledError:
        launched = await launching
        send_away(launched.process, resumed=spec.resume)
        await asyncio.shield(asyncio.to_thread(reap, launched.process))
        raise


async def attach(
    session: str,
    socket: str,
    run_file: Path,
    clock: Clock,
    process: subprocess.Popen[bytes] | None = None,
    run: RunFile | None = None,
) -> Recording:
    """Connect to a recorder and hear its status.

    Raises:
        PepysError: it is gone or does not answer.
    """
    link = await open_link(socket)
    return Recording(session, link, run_file, {}, clock.now_ns(), process, run, socket=socket)


async def listen(
    recording: Recording,
    clock: Clock,
    on_push: OnPush,
    on_lost: Callable[[], Awaitable[None]],
    timeout_s: float = limits.CONTROL_S,
) -> None:
    """Subscribe to a recorder's pushes.

    Raises:
        PepysError: it is gone, or has not answered in time.
    """
    recording.link.listen(on_push, on_lost)
    recording.heard(await recording.link.call("subscribe", timeout_s), clock.now_ns())


async def watch(recording: Recording, clock: Clock, tell: Callable[[], Awaitable[None]]) -> None:
    """Tell once a look while the recorder is silent, and kill one that stays so; ends with the recorder.

    Looks are counted, not time: a machine that slept, or a host that stood still, made none.
    """
    silent, heard_ns = 0, recording.told_ns
    while not recording.over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(recording.over.wait(), limits.RECORDER_SILENT_LOOK_S)
        if recording.told_ns != heard_ns:
            silent, heard_ns = 0, recording.told_ns
        silent = silent + 1 if recording.is_silent(clock.now_ns()) else 0
        if silent:
            await tell()
        if silent == limits.RECORDER_SILENT_LOOKS:
            recording.killed = (
                f"it gave no sign of life for {silent * limits.RECORDER_SILENT_LOOK_S:g} s and was killed"
            )
            kill(recording, clock)


def kill(recording: Recording, clock: Clock) -> None:
    """Kill a recorder, if it is still that very process; what it wrote is durable."""
    if recording.process is not None:
        recording.process.kill()
    elif recording.run is not None:
        signal_run(recording.run, _KILL, clock)


def signal_run(run: RunFile, number: int, clock: Clock) -> None:
    """Send a signal to a recorder that is nobody's child here, if it is that very process."""
    if still_runs(run, clock):
        with contextlib.suppress(OSError):
            os.kill(run.pid, number)


def send_away(process: subprocess.Popen[bytes], *, resumed: bool) -> None:
    """End a recorder that is not wanted any more: a session that was there before must stay as it was left."""
    (process.kill if resumed else process.terminate)()


def no_answer(recording: Recording, do: str, timeout_s: float) -> DeviceMissing:
    """The error of a command that the recorder did not answer in time."""
    pid = recording.pid
    who = "the recorder" if pid is None else f"the recorder (process {pid})"
    end = "end its process" if pid is None else f"end it with `kill -9 {pid}`"
    return DeviceMissing(
        f"{who} has not answered to {do} for {timeout_s:g} s",
        f"wait, look with `pepys status`, or {end}: what it stored is safe and `pepys stop {recording.session}` "
        "completes it",
    )


def reap(process: subprocess.Popen[bytes]) -> int:
    """Wait until a recorder has ended, in a thread; one that hangs is killed: what it wrote is durable."""
    try:
        return process.wait(limits.RECORDER_EXIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def settle(store: Store, recording: Recording, clock: Clock) -> Ended:
    """After a recorder is gone: how it ended and how its session stands, in a thread.

    Recovers what a crash left and removes the run file.
    """
    code = None
    if recording.process is not None:
        code = reap(recording.process)
    elif recording.run is not None:
        _await_exit(recording.run, clock)
    # Its disk may be full, read-only or gone: the next start does what cannot be done now.
    with contextlib.suppress(OSError):
        recording.run_file.unlink(missing_ok=True)
    with contextlib.suppress(PepysError, OSError):
        recover(store, recording.session)
    try:
        seen = load(store, recording.session)
    except (PepysError, OSError):
        return Ended("failed", recording.killed or _words(code))
    if seen.state != "interrupted":
        return Ended(seen.state)
    last_ns = max((span.end_ns for span in seen.spans), default=0)
    last = [gap for gap in seen.gaps if gap.start_ns >= last_ns]  # those of an earlier recorder ended before a span
    asked = next((gap.detail for gap in last if gap.reason == "crash" and gap.detail.startswith(_ANEW)), "")
    anew = code == limits.RECORDER_ANEW or (code is None and bool(asked))
    held = any(gap.reason in _HELD for gap in last)
    alone = code == StorageProblem.exit_code or recording.status.get("state") in _ENDING
    reason = asked if anew and asked else recording.killed or _words(code)
    return Ended("interrupted", reason, anew, held, alone and not anew)


def _words(code: int | None) -> str:
    """Why a process ended, from its exit status; None when nobody knows it."""
    if code is None:
        return "it ended before its session did"
    if code >= 0:
        return f"it ended with status {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def _await_exit(run: RunFile, clock: Clock) -> None:
    """An adopted recorder is nobody's child here: look until its process is gone; one that hangs is killed."""
    for number in (0, _KILL):
        signal_run(run, number, clock)
        until = clock.now_ns() + int(limits.RECORDER_EXIT_S * limits.NS_PER_S)
        while still_runs(run, clock) and clock.now_ns() < until:
            clock.sleep_ns(limits.RECORDER_END_LOOK_NS)


def left_out(tracks: Iterable[Message], *, at_start: bool) -> tuple[str, ...]:
    """The tracks that do not record although nobody asked for that; at the start also those that do not come."""
    late = {"failed", "restarting"} if at_start else set()
    return tuple(
        track["track"] for track in tracks
        if track["state"] in late or (track["state"] == "off" and track.get("detail"))
    )  # fmt: skip


def figures(store: Store, session: str) -> Message:
    """What is stored of a session, in the terms of a status; in a thread."""
    seen = load(store, session)
    return {
        "started_wall_ns": seen.started_wall_ns,
        "recorded_ms": seen.duration_ns // limits.NS_PER_MS,
        "wall_ms": seen.end_ns // limits.NS_PER_MS,
        "bytes": sum(track.bytes for track in seen.tracks),
    }


def ages(status: Message, passed_ms: int) -> Message:
    """A status with its `*_ms_ago` moved on by the time since it was told."""
    tracks = [
        {key: value + passed_ms if key.endswith("_ms_ago") and isinstance(value, int) else value
         for key, value in track.items()}
        for track in status.get("tracks", [])
    ]  # fmt: skip
    return {**status, "tracks": tracks}
