"""`pepys bench capture`: which measures there are, how long they take, and their order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench import proofs, ratios
from pepys.bench.figures import Figure
from pepys.bench.load import LOADS
from pepys.bench.plan import Bench, turn_s
from pepys.bench.recorders import forget_settings
from pepys.demo.child import program
from pepys.errors import Usage

SECONDS: Final = 60.0
RUNS: Final = 3
DEFAULT_LOADS: Final = tuple(ratios.BARS)
PROGRAMS: Final = {"ffmpeg": "ffmpeg", "xterm": "xterm", "Xvfb": "xvfb", "openbox": "openbox"}
SOUND_PROGRAMS: Final = {"pulseaudio": "pulseaudio", "parec": "pulseaudio-utils", "paplay": "pulseaudio-utils"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: in words, how to take it, how long that takes, whether it needs sound."""

    words: str
    take: Callable[[Bench], list[Figure]] | None
    lasts_s: Callable[[float, int], float]
    sound: bool = False


MEASURES: Final = {
    "cpu": Measure("CPU against ffmpeg, pictures alone", None, lambda seconds, runs: 0.0),
    "sound": Measure("CPU against ffmpeg, with sound", None, lambda seconds, runs: 0.0, sound=True),
    "large": Measure("2160p60 motion", ratios.large, lambda seconds, runs: 2 * runs * turn_s(seconds)),
    "monitors": Measure("two monitors", ratios.monitors, lambda seconds, runs: 2 * runs * turn_s(seconds)),
    "windows": Measure("two windows", ratios.windows, lambda seconds, runs: 2 * runs * turn_s(seconds)),
    "frames": Measure("frames lost and their times", proofs.frames, lambda seconds, runs: 1.3 * turn_s(seconds)),
    "memory": Measure("memory", proofs.memory, lambda seconds, runs: turn_s(seconds), sound=True),
    "bytes": Measure("bytes an hour", proofs.volume, lambda seconds, runs: turn_s(max(seconds, proofs.READ_S))),
    "masks": Measure("excluded windows", proofs.masks, lambda seconds, runs: 80.0),
}
_COMPARED: Final = ("cpu", "sound")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, complete and in the order of `MEASURES`."""

    measures: tuple[str, ...]
    loads: tuple[str, ...]


def choose(measures: Sequence[str], loads: Sequence[str]) -> Choice:
    """What to measure: all, or the measures named; with loads alone, the comparisons of these.

    Raises:
        Usage: there is no such measure or load.
    """
    for word, given, known in (("measure", measures, MEASURES), ("load", loads, LOADS)):
        wrong = [name for name in given if name not in known]
        if wrong:
            raise Usage(f"there is no {word} {wrong[0]}", f"choose from {', '.join(known)}")
    wanted = measures or (_COMPARED if loads else tuple(MEASURES))
    return Choice(
        tuple(name for name in MEASURES if name in wanted),
        tuple(name for name in LOADS if name in (loads or DEFAULT_LOADS)),
    )


def lasts_s(choice: Choice, seconds: float, runs: int) -> float:
    """How long it will take, roughly."""
    compared = [name for name in _COMPARED if name in choice.measures]
    turns = len(choice.loads) * runs * (len(compared) + 1) if compared else 0
    return turns * turn_s(seconds) + sum(MEASURES[name].lasts_s(seconds, runs) for name in choice.measures)


def need_programs(choice: Choice) -> None:
    """See that the programs are there before anything is measured.

    Raises:
        DeviceMissing: one is not; the remedy names its package.
    """
    needed = dict(PROGRAMS)
    if any(MEASURES[name].sound for name in choice.measures):
        needed |= SOUND_PROGRAMS
    for name, package in needed.items():
        program(name, package)


def run(choice: Choice, seconds: float, runs: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """Measure, giving each figure as soon as there is one.

    Args:
        choice: what.
        seconds: how long each recording is measured.
        runs: how often each comparison is made.
        say: takes a line for people about what goes on.

    Raises:
        DeviceMissing: a program is missing, or ended by itself.
    """
    need_programs(choice)
    forget_settings()
    # Short, because the sockets below it end at 108 bytes.
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir=short) as folder:
        bench = Bench(Path(folder), seconds, runs, say)
        compared = [name for name in _COMPARED if name in choice.measures]
        for load in choice.loads if compared else ():
            yield from ratios.cpu(bench, [load], compared)
        for name in choice.measures:
            take = MEASURES[name].take
            if take is not None:
                yield from take(bench)
