"""What only long runs show: memory that creeps, things left behind by many sessions, random sequences, a desktop.

`SOAK_HOURS` is how long the memory is watched (1 without it), `SOAK_CYCLES` how many sessions begin and end (500),
`SOAK_RANDOM_SECONDS` and `PEPYS_RANDOM_SEED` how long random sequences go on and from which seed (1800),
`SOAK_DESKTOP_SECONDS` how long the mixed desktop is (1800).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.bench.desktop import scenario
from pepys.bench.figures import Figure
from pepys.bench.health_lasting import cycles, slope
from pepys.bench.health_random import drive
from pepys.bench.plan import Bench

HOURS = float(os.environ.get("SOAK_HOURS", "1"))
CYCLES = int(os.environ.get("SOAK_CYCLES", "500"))
RANDOM_SECONDS = float(os.environ.get("SOAK_RANDOM_SECONDS", "1800"))
DESKTOP_SECONDS = float(os.environ.get("SOAK_DESKTOP_SECONDS", "1800"))
SEED = int(os.environ.get("PEPYS_RANDOM_SEED", random.SystemRandom().randrange(1_000_000)))


def _hold(take: Callable[[Bench], list[Figure]], bench: Bench) -> None:
    figures = take(bench)
    for figure in figures:
        print(f"{figure.what}: {figure.figure_text} (bar {figure.bar_text})")
    assert all(figure.held is not False for figure in figures), [figure.figure_text for figure in figures]


@pytest.mark.soak
def test_memory_does_not_creep(home: Path, short_folder: Path) -> None:
    _hold(slope, Bench(short_folder, HOURS * 3600, 1, print))


@pytest.mark.soak
def test_many_sessions_leave_nothing_behind(home: Path, short_folder: Path) -> None:
    _hold(cycles, Bench(short_folder, 0, CYCLES, print))


@pytest.mark.soak
def test_random_sequences_leave_recordings_whole(home: Path, short_folder: Path) -> None:
    result = drive(Bench(short_folder, RANDOM_SECONDS, 1, print), SEED, RANDOM_SECONDS)
    print(f"{len(result.done)} steps in {result.sessions} sessions, {result.pauses} pauses, seed {SEED}")
    assert not result.problems, f"PEPYS_RANDOM_SEED={SEED}: {result.problems}; the last steps: {result.done[-30:]}"


@pytest.mark.soak
def test_every_second_of_a_mixed_desktop_has_its_account(home: Path, short_folder: Path) -> None:
    _hold(scenario, Bench(short_folder, DESKTOP_SECONDS, 1, print))
