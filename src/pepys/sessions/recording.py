"""One recorder under a host: started or adopted, its last status, and its end.

Owns the child process, the link to it and the question how it ended, which the store answers: a recorder that is gone
has either completed its session or left it to be recovered. States and commands are the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock
from pepys.errors import DeviceMissing, PepysError
from pepys.record.launch import Launched, launch
from pepys.record.runfile import RunFile, read_run_file, still_runs
from pepys.record.spec import Order, RecordSpec
from pepys.record.wire import Message
from pepys.sessions.link import OnPush, RecorderLink, open_link
from pepys.store.reader import load, manifest
from pepys.store.recover import recover
from pepys.store.store import Store

_ALIVE = frozenset({"starting", "healthy", "degraded"})


@dataclass(slots=True)
class Recording:
    """A session that a recorder works on.

    Attributes:
        session: its id.
        link: the line to the recorder.
        run_file: where the recorder tells its place.
        status: what it last told of itself.
        told_ns: when it did.
        process: the child; None for an adopted one.
        left_out: tracks that did not record from the start on.
        over: set when the recorder is gone and the store says how the session stands.
    """

    session: str
    link: RecorderLink
    run_file: Path
    status: dict[str, Any]
    told_ns: int
    process: subprocess.Popen[bytes] | None = None
    left_out: tuple[str, ...] = ()
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, status: dict[str, Any], now_ns: int) -> None:
        """Keep what the recorder tells of itself."""
        self.status = status
        self.told_ns = now_ns

    def told(self, now_ns: int) -> dict[str, Any]:
        """What it last told, moved on to now; one that should beat and does not has no track that is well."""
        silent_ns = now_ns - self.told_ns
        told = ages(self.status, silent_ns // limits.NS_PER_MS)
        if told.get("state") != "recording" or silent_ns <= limits.RECORDER_SILENT_NS:
            return told
        detail = f"no sign of life from the recorder for {silent_ns // limits.NS_PER_S} s"
        tracks = [
            {**track, "state": "degraded", "detail": detail, "level": None} if track.get("state") in _ALIVE else track
            for track in told["tracks"]
        ]
        return {**told, "tracks": tracks}

    def is_silent(self, now_ns: int) -> bool:
        """Whether a recorder that should beat does not."""
        silent = now_ns - self.told_ns > limits.RECORDER_SILENT_NS
        return silent and not self.over.is_set() and self.status.get("state") == "recording"


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
        # Whoever gave up does not want the session; a recorder that just began ends it in order.
        launched = await launching
        launched.process.terminate()
        await asyncio.shield(asyncio.to_thread(reap, launched.process))
        raise


async def attach(
    session: str, socket: str, run_file: Path, clock: Clock, process: subprocess.Popen[bytes] | None = None
) -> Recording:
    """Connect to a recorder and hear its status.

    Raises:
        PepysError: it is gone or does not answer.
    """
    link = await open_link(socket)
    return Recording(session, link, run_file, {}, clock.now_ns(), process)


async def listen(recording: Recording, clock: Clock, on_push: OnPush, on_lost: Callable[[], Awaitable[None]]) -> None:
    """Subscribe to a recorder's pushes."""
    recording.link.listen(on_push, on_lost)
    recording.heard(await recording.link.call("subscribe"), clock.now_ns())


async def watch(recording: Recording, clock: Clock, tell: Callable[[], Awaitable[None]]) -> None:
    """Tell once a look while the recorder is silent; ends with the recorder."""
    while not recording.over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(recording.over.wait(), limits.RECORDER_SILENT_LOOK_S)
        if recording.is_silent(clock.now_ns()):
            await tell()


def no_answer(recording: Recording, do: str, timeout_s: float) -> DeviceMissing:
    """The error of a command that the recorder did not answer in time."""
    run = read_run_file(recording.run_file)
    pid = recording.process.pid if recording.process is not None else run.pid if run is not None else None
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


def settle(store: Store, recording: Recording, run: RunFile | None, clock: Clock) -> str:
    """After a recorder is gone: how its session stands, in a thread.

    Recovers what a crash left and removes the run file.

    Returns:
        `completed`, `interrupted`, or `failed` when nothing of the session was stored.
    """
    if recording.process is not None:
        reap(recording.process)
    elif run is not None:
        _await_exit(run, clock)
    recording.run_file.unlink(missing_ok=True)
    with contextlib.suppress(PepysError):
        recover(store, recording.session)
    try:
        return manifest(store, recording.session).state
    except PepysError:
        return "failed"


def _await_exit(run: RunFile, clock: Clock) -> None:
    """An adopted recorder is nobody's child here: look until its process is gone."""
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
