"""Blocking reads, off the event loop.

Reading a session decrypts and decompresses: that happens in a few threads, so that a slow disk delays requests and
never the recording's control. Both the threads and those who wait for one are bounded; beyond that a request is
refused at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from pepys import limits
from pepys.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """A small pool of threads with a bounded queue in front."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(limits.READ_THREADS)
        self._inside = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a thread and return what it returns.

        Raises:
            Busy: too many reads wait already.
        """
        if self._inside >= limits.READ_THREADS + limits.READ_QUEUE:
            raise Busy("too many reads at once", "try again in a moment")
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=self._limiter)
        finally:
            self._inside -= 1
