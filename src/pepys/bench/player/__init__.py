"""Playing the counting tone to a sink, over every death of its sound server: two children for each sink.

What it plays is a function of the clock (`sound_signal.counting_tone`), so a recording of it tells by itself what was
lost. When it began to be played again after a death is noted in a log.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

if sys.platform == "linux":
    import fcntl

from pepys.bench.started import Started
from pepys.demo.child import program

_PIPE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Order:
    """What a child plays: to which sink, how loud, and the files that it writes to.

    `log` gets a time whenever playing begins. A child that `listens` plays nothing; its `log` gets a line for each step
    of the tone: its number, and when it came out of the sink.
    """

    sink: str
    log: str
    listens: bool = False
    level: float = 1.0

    def to_json(self) -> str:
        """The order for the child."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Playing:
    """A child that plays."""

    sink: str
    log: Path
    heard: Path

    @property
    def begun_ns(self) -> list[int]:
        """When it began to play, on CLOCK_BOOTTIME; once more after each death of the server or the sink."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="ascii").splitlines(keepends=True)
        return [int(line) for line in lines if line.endswith("\n")]

    def plays(self) -> bool:
        """Whether it has ever played."""
        return bool(self.begun_ns)

    @property
    def steps(self) -> list[tuple[int, int]]:
        """Each step of the tone: its number, and when it came out of the sink."""
        if not self.heard.exists():
            return []
        lines = self.heard.read_text(encoding="ascii").splitlines(keepends=True)
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines if line.endswith("\n")]


@contextmanager
def counting(sinks: Mapping[str, float], env: Mapping[str, str], folder: Path) -> Iterator[list[Playing]]:
    """Play the counting tone to sinks until the block ends; begins when it plays to all.

    Args:
        sinks: where, each with how much of full loudness. Two that are mixed must differ: equal tones a few
            milliseconds apart cancel out.
        env: names the sound server.
        folder: for logs; must exist.

    Raises:
        DeviceMissing: pacat is missing, or nothing can be played.
    """
    for name in ("pacat", "parec"):
        program(name, "pulseaudio-utils")
    playing = [Playing(sink, folder / f"{sink}.begun", folder / f"{sink}.heard") for sink in sinks]
    with contextlib.ExitStack() as around:
        children = []
        for each in playing:
            for file in (each.log, each.heard):
                file.unlink(missing_ok=True)
            # Two children: looking at what is heard must not keep the tone from being played in time.
            orders = (Order(each.sink, str(each.log), level=sinks[each.sink]), Order(each.sink, str(each.heard), True))
            for order in orders:
                words, log = [order.to_json()], folder / f"{each.sink}.log"
                children.append(around.enter_context(Started.module("pepys.bench.player", words, log, env)))
        for child, each in zip(children[::2], playing, strict=True):
            child.wait_ready(each.plays, f"the sound on {each.sink}")
        yield playing


def narrow(pipe: int) -> None:
    """Let a player's pipe hold a few hundredths of a second, and never wait for it: what is queued is heard late."""
    if sys.platform != "win32":
        os.set_blocking(pipe, False)
    if sys.platform == "linux":
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
