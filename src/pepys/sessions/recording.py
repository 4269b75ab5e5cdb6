"""One recorder under a host: started or adopted, its last status, and its end.

Owns the child process, the link to it and the question how it ended, which the store answers: a recorder that is gone
has either completed its session or left it to be recovered. States and commands are the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.clock import Clock
from pepys.errors import PepysError
from pepys.record.launch import Launched, launch
from pepys.record.runfile import RunFile, still_runs
from pepys.record.spec import Order, RecordSpec
from pepys.record.wire import Message
from pepys.sessions.link import OnPush, RecorderLink, open_link
from pepys.store.reader import manifest
from pepys.store.recover import recover
from pepys.store.store import Store


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


def ages(status: Message, passed_ms: int) -> Message:
    """A status with its `*_ms_ago` moved on by the time since it was told."""
    tracks = [
        {key: value + passed_ms if key.endswith("_ms_ago") and isinstance(value, int) else value
         for key, value in track.items()}
        for track in status.get("tracks", [])
    ]  # fmt: skip
    return {**status, "tracks": tracks}
