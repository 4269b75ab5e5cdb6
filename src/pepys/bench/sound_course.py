"""`pepys bench capture --sound`: which measures there are, how long they take, and their order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench.figures import Figure
from pepys.bench.plan import Bench, turn_s
from pepys.bench.recorders import forget_settings
from pepys.bench.sound_account import account
from pepys.bench.sound_cost import cpu, silence, volume
from pepys.bench.sound_sync import clicks, sync
from pepys.bench.sound_told import WHOLE_S, told
from pepys.bench.words import word_errors
from pepys.demo.child import program
from pepys.errors import Usage

SECONDS: Final = 60.0
RUNS: Final = 3
PROGRAMS: Final = {
    "Xvfb": "xvfb", "pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils", "parec": "pulseaudio-utils",
    "pacat": "pulseaudio-utils", "paplay": "pulseaudio-utils",
}  # fmt: skip

_FFMPEG: Final = (("ffmpeg", "ffmpeg"),)
_SPEECH: Final = (("espeak-ng", "espeak-ng"),)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: in words, how to take it, how long that takes, which programs more it needs."""

    words: str
    take: Callable[[Bench], list[Figure]]
    lasts_s: Callable[[float, int], float]
    programs: tuple[tuple[str, str], ...] = ()


MEASURES: Final = {
    "account": Measure("every sample, over faults", account, lambda seconds, runs: 1.2 * turn_s(seconds)),
    "sync": Measure("sound against picture", sync, lambda seconds, runs: 1.2 * turn_s(seconds)),
    "click": Measure("microphone against system sound", clicks, lambda seconds, runs: 1.2 * turn_s(seconds)),
    "cpu": Measure("CPU of sound", cpu, lambda seconds, runs: 4 * runs * turn_s(seconds), _FFMPEG),
    "silence": Measure("CPU of silence", silence, lambda seconds, runs: 4 * runs * turn_s(seconds), _FFMPEG),
    "bytes": Measure("bytes an hour", volume, lambda seconds, runs: turn_s(max(seconds, 120)), (*_FFMPEG, *_SPEECH)),
    "told": Measure("told of a dead device", told, lambda seconds, runs: 300.0 if seconds >= WHOLE_S else 5 * seconds),
    "words": Measure("words of a transcript", word_errors, lambda seconds, runs: 120.0, _SPEECH),
}


def choose(measures: Sequence[str]) -> tuple[str, ...]:
    """What to measure: all, or the measures named, in the order of `MEASURES`.

    Raises:
        Usage: there is no such measure.
    """
    wrong = [name for name in measures if name not in MEASURES]
    if wrong:
        raise Usage(f"there is no measure {wrong[0]} of sound", f"choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in (measures or MEASURES))


def lasts_s(measures: Sequence[str], seconds: float, runs: int) -> float:
    """How long it will take, roughly."""
    return sum(MEASURES[name].lasts_s(seconds, runs) for name in measures)


def need_programs(measures: Sequence[str]) -> None:
    """See that the programs are there before anything is measured.

    Raises:
        DeviceMissing: one is not; the remedy names its package.
    """
    needed = dict(PROGRAMS)
    for name in measures:
        needed |= dict(MEASURES[name].programs)
    for name, package in needed.items():
        program(name, package)


def run(measures: Sequence[str], seconds: float, runs: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """Measure, giving each figure as soon as there is one.

    Args:
        measures: what.
        seconds: how long each recording is measured.
        runs: how often each comparison is made.
        say: takes a line for people about what goes on.

    Raises:
        DeviceMissing: a program is missing, or ended by itself.
    """
    need_programs(measures)
    forget_settings()
    # Short, because the sockets below it end at 108 bytes.
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir=short) as folder:
        bench = Bench(Path(folder), seconds, runs, say)
        for name in measures:
            yield from MEASURES[name].take(bench)
