"""The countdown before a session begins: all was checked, nothing exists yet.

Owns the counting and its end, which may come while the checks before it are made. Invariants: each second is told once;
a countdown that is stopped begins nothing. What is checked before it, and what begins after it, is the host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pepys.errors import Interrupted

_T = TypeVar("_T")


class CountdownStopped(Interrupted):
    """Somebody stopped the countdown: nothing began, and nothing is left."""

    @property
    def code(self) -> str:
        """As `Interrupted` has it: over a socket it is one."""
        return "interrupted"


class Countdown:
    """Counts seconds down in the event loop.

    Args:
        tell: told `{"push": "countdown", "left_s": N}` each second, 0 when it is over or was stopped.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._before: asyncio.Task[Any] | None = None
        self._stopped = False
        self.left_s: int | None = None
        """Whole seconds that are left; None while nothing is counted."""

    @property
    def wanted(self) -> bool:
        """Whether a session is to begin after a countdown: what is before it is being done, or it is counted."""
        return self._before is not None and not self._before.done()

    async def before(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do all that is before the session, its checks and its count; a stop cancels whatever of it is under way.

        Raises:
            CountdownStopped: `stop` was called.
        """
        self._stopped = False
        task: asyncio.Task[_T] = asyncio.create_task(work)
        self._before = task
        try:
            return await task
        finally:
            self._before = None
            if self._stopped:
                raise CountdownStopped("the countdown was stopped", "nothing was recorded")

    async def run(self, seconds: int) -> None:
        """Count `seconds` down; returns at once for 0."""
        if seconds <= 0:
            return
        begun_s = asyncio.get_running_loop().time()
        try:
            for left_s in range(seconds, 0, -1):
                self.left_s = left_s
                self._tell({"push": "countdown", "left_s": left_s})
                await asyncio.sleep(begun_s + seconds - left_s + 1 - asyncio.get_running_loop().time())
        finally:
            self.left_s = None
            self._tell({"push": "countdown", "left_s": 0})

    def stop(self) -> bool:
        """Stop the countdown, or what is before it; whether there was one."""
        if self._before is None or self._before.done():
            return False
        self._stopped = True
        self._before.cancel()
        return True
