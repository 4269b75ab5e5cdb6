"""The adapter that tries again what may well work then.

Owns how often, after which pauses and until when. Invariants: only a `TransientFault` is retried, so a refused, missing
or overtaken file costs one call; the number of tries and the time are bounded; each retry is told. Calls are repeated
as the port allows: `put`, `delete` and reads are safe to, and `replace` raises `Overtaken` where its first try had
come through, which whoever replaces looks into.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pepys.clock import Clock, SystemClock
from pepys.remote_limits import REMOTE_DEADLINE_S, REMOTE_PAUSE_MAX_S, REMOTE_PAUSE_S, REMOTE_TRIES
from pepys.store.adapters.around import Around
from pepys.store.blob_port import BlobAdapter, Held, TransientFault

T = TypeVar("T")
Told = Callable[[TransientFault, int, float], None]
"""Hears of a fault that is retried: the fault, the number of the try that failed (from 1), the pause in seconds."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call is tried.

    Attributes:
        tries: the most tries of one call, or of one listing without a new name in between.
        pause_s: before the second try; twice as long before each further one, half of it by chance.
        pause_max_s: no pause is longer, also where the other side asks for it.
        deadline_s: no try begins later than this after the first one of its call.
    """

    tries: int = REMOTE_TRIES
    pause_s: float = REMOTE_PAUSE_S
    pause_max_s: float = REMOTE_PAUSE_MAX_S
    deadline_s: float = REMOTE_DEADLINE_S


class Retrying(Around):
    """Retries around `inner`."""

    def __init__(
        self,
        inner: BlobAdapter,
        *,
        patience: Patience | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
        told: Told | None = None,
    ) -> None:
        super().__init__(inner)
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._chance = chance
        self._told = told

    def _do(self, kind: str, name: str, call: Callable[[], T]) -> T:
        del kind, name
        began, tried = self._clock.awake_ns(), 0
        while True:
            try:
                return call()
            except TransientFault as fault:
                tried += 1
                self._pause(fault, tried, began)

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`; a listing that breaks off goes on behind the last name it told."""
        began, tried = self._clock.awake_ns(), 0
        while True:
            try:
                for held in self._inner.names(prefix, after):
                    began, tried, after = self._clock.awake_ns(), 0, held.name
                    yield held
            except TransientFault as fault:
                tried += 1
                self._pause(fault, tried, began)
            else:
                return

    def _pause(self, fault: TransientFault, tried: int, began: int) -> None:
        """Wait before the next try.

        Raises:
            TransientFault: there is none.
        """
        patience = self._patience
        # Half of it by chance, so that many clients that were thrown out together do not come back together.
        pause = min(patience.pause_s * 2 ** (tried - 1), patience.pause_max_s) * (0.5 + self._chance() / 2)
        if fault.retry_after_s is not None:
            pause = max(pause, min(fault.retry_after_s, patience.pause_max_s))
        passed = (self._clock.awake_ns() - began) / 1e9
        if tried >= patience.tries or passed + pause > patience.deadline_s:
            times = "once" if tried == 1 else f"{tried} times"
            told = TransientFault(f"{fault.message} (tried {times})", fault.remedy, retry_after_s=fault.retry_after_s)
            raise told from fault
        if self._told is not None:
            self._told(fault, tried, pause)
        self._clock.sleep_ns(int(pause * 1e9))
