"""How long the event loop of a host was kept from everybody else by one turn.

Owns a selector that takes the time between what it gives and the next time it is asked, which is the turn itself: no
timer wakes up for it, and no turn is missed.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pepys.clock import SystemClock
from pepys.record.lags import Lags

_T = TypeVar("_T")


class Blocks(selectors.DefaultSelector):
    """A selector that knows how long its loop's turns were, in `lags`."""

    def __init__(self) -> None:
        super().__init__()
        self.lags = Lags()
        self._clock = SystemClock()
        self._given_ns: int | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As any selector's."""
        if self._given_ns is not None:
            self.lags.add(self._clock.now_ns() - self._given_ns)
        found = super().select(timeout)
        self._given_ns = self._clock.now_ns()
        return found


_LAGS: WeakKeyDictionary[asyncio.AbstractEventLoop, Lags] = WeakKeyDictionary()


def watched_loop() -> asyncio.AbstractEventLoop:
    """A new event loop whose turns are timed."""
    blocks = Blocks()
    loop = asyncio.SelectorEventLoop(blocks)
    _LAGS[loop] = blocks.lags
    return loop


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` in a loop whose turns are timed."""
    with asyncio.Runner(loop_factory=watched_loop) as runner:
        return runner.run(work)


def lags_of(loop: asyncio.AbstractEventLoop) -> Lags | None:
    """The turns of a loop; None for one that is not timed."""
    return _LAGS.get(loop)
