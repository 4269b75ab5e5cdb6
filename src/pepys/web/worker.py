"""The daemon's worker child: started when jobs wait, gone when there are none.

At most one runs. A wake that comes while one is about to end is not lost: after its end the queue is looked at again.
A worker that fails again and again is left alone until the next wake, so that a broken engine costs no heat.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable

from pepys import limits
from pepys.enrich.jobs import spawn_worker
from pepys.errors import PepysError
from pepys.store.store import Store
from pepys.store.waiting import under_way


class Worker:
    """The one worker of a daemon.

    Args:
        store: whose jobs it runs.
        spawn: starts the process.
    """

    def __init__(self, store: Store, spawn: Callable[[Store], subprocess.Popen[bytes]] = spawn_worker) -> None:
        self._store = store
        self._spawn = spawn
        self._woken = asyncio.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def wake(self) -> None:
        """Tell that a job waits; quick."""
        self._woken.set()

    async def run(self) -> None:
        """Start a worker whenever one is needed, until cancelled."""
        if await asyncio.to_thread(self._waiting):
            self._woken.set()  # what an earlier run left
        while True:
            await self._woken.wait()
            failures = 0
            while failures < limits.WORKER_FAILURES:
                self._woken.clear()
                failures = 0 if await self._run_one() else failures + 1
                if not self._woken.is_set() and not await asyncio.to_thread(self._waiting):
                    break

    async def _run_one(self) -> bool:
        """Run one worker to its end; whether it ended well."""
        try:
            self._child = await asyncio.to_thread(self._spawn, self._store)
        except PepysError:
            return False  # a full disk takes no log; the jobs wait for the next wake
        return await asyncio.to_thread(self._child.wait) == 0

    async def close(self) -> None:
        """End the child; what it had not finished is taken up by the next one."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            await asyncio.to_thread(child.wait, limits.WORKER_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            await asyncio.to_thread(child.wait)

    def _waiting(self) -> bool:
        try:
            states = {state for _, state in under_way(self._store)}
            if "running" in states:
                # A worker lives elsewhere, or one has died: who claimed what is known to the queue alone.
                from pepys.store.work import WorkQueue

                return bool(WorkQueue(self._store).reclaim()) or "queued" in states
            return bool(states)
        except PepysError:
            return False
