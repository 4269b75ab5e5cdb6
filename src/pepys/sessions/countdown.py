"""The countdown before a session begins: all was checked, nothing exists yet.

Owns the counting and its end. Invariants: each second is told once; a countdown that is stopped begins nothing. What is
checked before it, and what begins after it, is the host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pepys.errors import Interrupted


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
        self._stopped: asyncio.Event | None = None
        self.left_s: int | None = None
        """Whole seconds that are left; None while nothing is counted."""

    async def run(self, seconds: int) -> None:
        """Count `seconds` down; returns at once for 0.

        Raises:
            CountdownStopped: `stop` was called.
        """
        if seconds <= 0:
            return
        stopped = self._stopped = asyncio.Event()
        begun_s = asyncio.get_running_loop().time()
        try:
            for left_s in range(seconds, 0, -1):
                self.left_s = left_s
                self._tell({"push": "countdown", "left_s": left_s})
                try:
                    async with asyncio.timeout_at(begun_s + seconds - left_s + 1):
                        await stopped.wait()
                except TimeoutError:
                    continue
                raise CountdownStopped("the countdown was stopped", "nothing was recorded")
        finally:
            self._stopped, self.left_s = None, None
            self._tell({"push": "countdown", "left_s": 0})

    def stop(self) -> bool:
        """Stop the countdown; whether there was one."""
        if self._stopped is None:
            return False
        self._stopped.set()
        return True
