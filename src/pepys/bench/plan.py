"""What a benchmark is asked to do, and where it does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from pepys.bench.recorders import Place, make_place, settle_s
from pepys.clock import Clock, SystemClock

AROUND_S = 4.0
"""What starting and ending a recorder takes, roughly; for telling beforehand how long it will all be."""


@dataclass(slots=True)
class Bench:
    """One run of `pepys bench`.

    Attributes:
        folder: for homes, films and logs; emptied by the caller.
        seconds: how long each recording is measured.
        runs: how often each comparison is made.
        say: takes a line for people about what goes on.
        clock: the time.
    """

    folder: Path
    seconds: float
    runs: int
    say: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    _numbers: count[int] = field(default_factory=count)

    def place(self, env: Mapping[str, str]) -> Place:
        """Fresh folders for one recording."""
        return make_place(self.folder / f"p{next(self._numbers)}", env)

    def file(self, name: str) -> Path:
        """A file of its own."""
        return self.folder / f"{next(self._numbers)}-{name}"


def turn_s(seconds: float) -> float:
    """How long one recording of `seconds` takes with what is around it."""
    return seconds + settle_s(seconds) + AROUND_S
