"""`pepys bench capture --health`: what kills and pauses, random sequences, many sessions and long ones leave."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench import desktop, health_host, health_kills, health_lasting, health_random
from pepys.bench.faults_course import PROGRAMS
from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.bench.recorders import forget_settings
from pepys.demo.child import program
from pepys.errors import Usage

_FFMPEG: Final = (("ffmpeg", "ffmpeg"), ("paplay", "pulseaudio-utils"))


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Attributes:
        words: what it is.
        take: how it is taken.
        runs: how often, unless said; 0 where it is not counted.
        seconds: how long, unless said; 0 where it is not timed.
        each_s: how long one of its runs takes.
        programs: what it needs more.
    """

    words: str
    take: Callable[[Bench], list[Figure]]
    runs: int = 0
    seconds: float = 0.0
    each_s: float = 0.0
    programs: tuple[tuple[str, str], ...] = ()

    def lasts_s(self, seconds: float | None, runs: int | None) -> float:
        """How long it takes, roughly."""
        timed = (seconds or self.seconds) * 1.1 if self.seconds else 0.0
        return 15.0 + timed + (runs or self.runs) * self.each_s * bool(self.runs)


MEASURES: Final = {
    "kills": Measure("media lost by a kill", health_kills.kills, health_kills.KILLS, each_s=7.0),
    "pauses": Measure("what is recorded of a pause", health_kills.pauses, health_kills.PAUSES, each_s=1.4),
    "host": Measure("how long the host is held up", health_host.host, health_host.PAUSES, each_s=1.8),
    "random": Measure("random sequences", health_random.sequences, seconds=health_random.SECONDS),
    "cycles": Measure("what sessions leave behind", health_lasting.cycles, health_lasting.CYCLES, each_s=2.4),
    "slope": Measure("memory over an hour", health_lasting.slope, seconds=health_lasting.SLOPE_S, programs=_FFMPEG),
    "desktop": Measure("a mixed desktop", desktop.scenario, seconds=desktop.SECONDS,
                       programs=tuple(desktop.PROGRAMS.items())),
}  # fmt: skip


def choose(measures: Sequence[str]) -> tuple[str, ...]:
    """What to measure: all, or the measures named, in the order of `MEASURES`.

    Raises:
        Usage: there is no such measure.
    """
    wrong = [name for name in measures if name not in MEASURES]
    if wrong:
        raise Usage(f"there is no measure {wrong[0]} of health", f"choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in (measures or MEASURES))


def lasts_s(measures: Sequence[str], seconds: float | None, runs: int | None) -> float:
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


def run(
    measures: Sequence[str], seconds: float | None, runs: int | None, say: Callable[[str], None]
) -> Iterator[Figure]:
    """Measure, giving each figure as soon as there is one.

    Args:
        measures: what.
        seconds: how long what is timed lasts; each by itself unless given.
        runs: how often what is counted is done; each by itself unless given.
        say: takes a line for people about what goes on.

    Raises:
        DeviceMissing: a program is missing, or pepys did not come back.
    """
    need_programs(measures)
    forget_settings()
    # Short, because the sockets below it end at 108 bytes.
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir=short) as folder:
        for number, name in enumerate(measures):
            measure = MEASURES[name]
            own = Path(folder) / str(number)
            own.mkdir()
            yield from measure.take(Bench(own, seconds or measure.seconds, runs or measure.runs, say))
