"""Recorders that nobody steers: asked to end, told of until a new session begins, and their sessions seen to.

Owns those of another version of pepys, and those that run beside the one that was adopted. Invariant: each has ended
in order or was killed, after which its session is `completed` or `interrupted`; one that was given its process id by
chance is never meant.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from pepys import limits
from pepys.record.runfile import RunFile
from pepys.record.spec import PROTOCOL
from pepys.sessions.backing import Backing

_KILL = 9  # Windows has no name for it


class Departing:
    """The recorders of one home that are on their way out.

    Args:
        backing: processes and store.
        gone: told the session of each that is gone, when it was seen to.
    """

    def __init__(self, backing: Backing, gone: Callable[[str], Awaitable[None]]) -> None:
        self._backing = backing
        self._gone = gone
        self._texts: dict[str, str] = {}
        self._past: dict[str, str] = {}
        """What was done with those that are gone, by session: whoever looks later must find it too."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def notices(self) -> list[dict[str, str]]:
        """What a status tells of them, of those that are gone too."""
        told = (("protocol", self._texts), ("departed", self._past))
        return [{"kind": kind, "text": text} for kind, texts in told for text in texts.values()]

    @property
    def running(self) -> list[str]:
        """What is told of those that have not ended."""
        return list(self._texts.values())

    def forget(self) -> None:
        """A session begins: what is over is told no more."""
        self._past.clear()

    def ask(self, path: Path, run: RunFile) -> None:
        """Have a recorder end in order."""
        of = (
            f"of another version (protocol {run.protocol}, not {PROTOCOL})" if run.protocol != PROTOCOL else "left over"
        )
        asked = f"a recorder {of} (process {run.pid}) was asked to end"
        self._texts[run.session] = f"{asked}; session {run.session} is kept"
        self._backing.signal(run, signal.SIGTERM)
        task = asyncio.create_task(self._watch(path, run, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Look no more; the recorders go on ending."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, path: Path, run: RunFile, asked: str) -> None:
        how = "has ended"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.RECORDER_DEPART_S):
                await self._until_gone(run)
        if self._backing.runs(run):
            how = "was killed, for it did not"
            self._backing.signal(run, _KILL)  # what it wrote is durable
            await self._until_gone(run)
        try:
            with contextlib.suppress(OSError):  # on a disk that takes nothing it stays: nobody of that pid lives
                path.unlink(missing_ok=True)
            await self._backing.recovered(run.session)
        finally:
            self._texts.pop(run.session, None)
            self._past[run.session] = f"{asked} and {how}; session {run.session} is kept"
        await self._gone(run.session)

    async def _until_gone(self, run: RunFile) -> None:
        while self._backing.runs(run):
            await asyncio.sleep(limits.RECORDER_DEPART_LOOK_S)
