"""Random sequences against the real daemon and recorder: commands that cross, pauses, kills, stops.

Nothing of a pause is written, every second is accounted for, and the store stays whole. A failure tells its seed, which
`PEPYS_RANDOM_SEED` takes; `PEPYS_RANDOM_SECONDS` is how long it goes on. `make soak` runs it for half an hour.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from pepys.bench.health_random import drive
from pepys.bench.plan import Bench

SECONDS = float(os.environ.get("PEPYS_RANDOM_SECONDS", "6"))
SEED = int(os.environ.get("PEPYS_RANDOM_SEED", random.SystemRandom().randrange(1_000_000)))


def test_whatever_is_done_to_a_recording_it_stays_whole(home: Path, short_folder: Path) -> None:
    result = drive(Bench(short_folder, SECONDS, 1, print), SEED, SECONDS)
    assert not result.problems, f"PEPYS_RANDOM_SEED={SEED}: {result.done}: {result.problems}"
    assert result.done and result.sessions
