"""`pepys bench store`: what the store costs on this disk, against plain files in the same run and against bars.

Everything happens in a folder of its own below the system's folder for temporary files, or below the one that the
environment's TMPDIR names: a disk is measured by naming a folder on it. Keys, sessions and media are made up.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.bench import store_backups, store_catalog, store_events, store_ingest, store_memory
from pepys.bench.figures import Figure
from pepys.bench.plan import Bench
from pepys.errors import Usage

RUNS: Final = 5
_A_GIB_S: Final = 7.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Attributes:
        words: what it is.
        take: how it is taken.
        size: how much of it there is, unless said: segments, seconds, sessions, gigabytes or megabytes.
        each_s: how long a run of `size` takes, roughly.
        once_s: and what comes before the first run.
    """

    words: str
    take: Callable[[Bench, int], list[Figure]]
    size: int
    each_s: float
    once_s: float = 0.0


MEASURES: Final = {
    "ingest": Measure("segments written, against plain files", store_ingest.ingest, store_ingest.SEGMENTS, 2.5),
    "events": Measure("events acknowledged", store_events.events, store_events.SECONDS, 8.0),
    "list": Measure("a home of many sessions", store_catalog.listing, store_catalog.LISTED, 1.0, 120.0),
    "rebuild": Measure("the catalog made anew", store_catalog.rebuilding, store_catalog.HOURS, 60.0, 60.0),
    "index": Measure("the search index", store_catalog.indexing, store_catalog.TEXT_HOURS, 12.0, 30.0),
    "memory": Measure("memory, once", store_memory.memory, store_memory.GIGABYTES, 0.0, 150.0),
    "backups": Measure(
        "segments put whole, against restic and borg", store_backups.backups, store_backups.MEGABYTES, 90.0
    ),
}


def need_programs(chosen: Sequence[str]) -> None:
    """Refuse measures whose programs are missing.

    Raises:
        Usage: one is.
    """
    if "backups" in chosen:
        store_backups.need_programs()


def choose(measures: Sequence[str]) -> tuple[str, ...]:
    """The measures that are asked for, in order; all without a name.

    Raises:
        Usage: there is none of that name.
    """
    for name in measures:
        if name not in MEASURES:
            raise Usage(f"{name} is no measure of the store", f"take one of {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in measures or not measures)


def lasts_s(chosen: Sequence[str], runs: int, gib: int | None = None) -> float:
    """How long it takes, roughly."""
    streamed = _A_GIB_S * (gib or 0) if "memory" in chosen else 0.0
    more = MEASURES["backups"].each_s * runs * ((gib or 1) - 1) if "backups" in chosen else 0.0
    return streamed + more + sum(MEASURES[name].once_s + MEASURES[name].each_s * runs for name in chosen)


def run(
    chosen: Sequence[str], runs: int, say: Callable[[str], None], size: int | None = None, gib: int | None = None
) -> Iterator[Figure]:
    """Measure, giving each figure as soon as there is one.

    Args:
        chosen: what `choose` gave.
        runs: how often each is repeated.
        say: takes a line for people about what goes on.
        size: how much of each (segments, seconds, sessions ...), for a quick look; the measure's own unless given.
        gib: of memory, how much goes through the store with no disk that keeps it (None for real files); of the
            backups, how much is put.
    """
    for name in chosen:
        measure = MEASURES[name]
        say(f"{measure.words}, {runs} times")
        with tempfile.TemporaryDirectory(prefix="pepys-bench-") as folder:
            bench = Bench(Path(folder), 0.0, runs, say)
            if name == "memory" and gib:
                yield from store_memory.streamed(bench, gib)
            else:
                large = gib * store_backups.MEGABYTES if name == "backups" and gib else 0
                yield from measure.take(bench, size or large or measure.size)
