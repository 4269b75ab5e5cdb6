"""A program that a measure starts, looks at from outside and ends in order."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pepys.demo.child import Child
from pepys.errors import DeviceMissing
from pepys.modules import module_words

STOP_S: Final = 60.0
"""A recording that ends writes what it still holds: it gets more time than a server."""


class Started(Child):
    """A child whose end by itself is an error, and which is given time to end."""

    @classmethod
    def module(cls, name: str, words: Sequence[str], log: Path, env: Mapping[str, str]) -> Self:
        """Start `python -m name words`."""
        return cls(module_words(name, *words), log, env=env)

    def check(self) -> None:
        """See that it still runs.

        Raises:
            DeviceMissing: it ended by itself; the message quotes its last line.
        """
        if not self.alive:
            told = f"{self.name} ended with status {self.process.returncode}{self._last_words()}"
            raise DeviceMissing(told, "run pepys doctor, then measure again")

    def wait(self, seconds: float) -> None:
        """Wait for its own, good end.

        Raises:
            DeviceMissing: it failed or took longer.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -1
        if code != 0:
            raise DeviceMissing(f"{self.name} did not come to its end{self._last_words()}", "measure again")

    def stop(self) -> None:
        """End it in order; by force only after `STOP_S`."""
        if self.alive:
            self._signal(force=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        super().stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
