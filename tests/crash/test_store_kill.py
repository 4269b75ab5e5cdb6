"""Kill -9 at every point where the store reaches the disk: nothing told is lost, nothing dangles, no head goes back.

Two bare processes (tests/killing.py) run all scenarios; each test here looks at what they say of its own. What must
hold after every kill is in tests/kill_proof.py, what is done meanwhile in tests/kill_scenarios.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill_scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
MEMORY = Path("/dev/shm")
ROOM_BYTES = 256 << 20
Results = dict[str, dict[str, str]]
FIRST = ("home", "record", "edit", "delete", "index", "restore", "spend", "strays", "recover_nothing", "full")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a process that kills; what it says is lines of JSON."""
    # A process that is killed writes no coverage, and measuring it takes most of the time.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    argv = [sys.executable, "-m", "tests.killing", str(folder), *words]
    return subprocess.Popen(argv, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def said(process: subprocess.Popen[str], timeout_s: float = 100) -> list[list[str]]:
    """What it said; it must have come to its end."""
    out, problems = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, problems
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def homes() -> Iterator[Path]:
    """A folder for the homes: in memory where there is room, as a kill loses nothing that a disk would have kept."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    made = Path(tempfile.mkdtemp(prefix="pepys-kill-", dir=MEMORY if roomy else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def results(homes: Path) -> Results:
    """Of each scenario the kills, each with what was wrong after it."""
    halves = [FIRST, [name for name in SCENARIOS if name not in FIRST]]
    found: Results = {}
    with contextlib.ExitStack() as ending:
        processes = [start(homes, *half) for half in halves]
        for process in processes:
            ending.callback(process.kill)
        for process in processes:
            for name, target, problem in said(process):
                found.setdefault(name, {})[target] = problem
    return found


def sound(results: Results, *names: str) -> None:
    """Nothing was wrong after any kill of these scenarios."""
    wrong = {f"{name} killed at {at}": told for name in names for at, told in results[name].items() if told}
    assert not wrong, "\n".join(f"{what}:\n{told}" for what, told in list(wrong.items())[:3])


def test_a_home_is_made_whole_or_not_at_all(results: Results) -> None:
    """Catches a home that no key opens, or that is begun anew over another: its keys written in the wrong order."""
    sound(results, "home", "change_key")


def test_recording(results: Results) -> None:
    """Catches an event told too early, a blob named before it is there, a journal gone too early."""
    sound(results, "record", "record_noted", "resume")


def test_a_chunk_that_is_sealed_beside_commits(results: Results) -> None:
    """Catches a head that names more or less than its chunks, and an event that was told while a seal was under way."""
    sound(results, "beside")


def test_recovery_can_be_killed_too(results: Results) -> None:
    """Catches a recovery that cannot be begun anew: one that forgets which blob it named, or ends a session twice."""
    sound(
        results,
        "recover",
        "recover_moved",
        "recover_placed",
        "recover_noted",
        "recover_nothing",
        "recover_lost",
        "finish",
    )


def test_changes_by_two_devices_and_by_enrichment(results: Results) -> None:
    """Catches an edit or artifact told before its head has moved, and an old log deleted before the new one counts."""
    sound(results, "edit", "enrich")


def test_removal_frees_what_only_it_had_in_the_end(results: Results) -> None:
    """Catches a deleted session that rises again, blobs that nobody frees any more, and ones that another needs."""
    sound(results, "delete", "delete_crashed", "delete_broken", "delete_full")


def test_catalog_heads_and_wraps_are_restored(results: Results) -> None:
    """Catches a rebuild or a restoring that, cut short, leaves less than it found."""
    sound(results, "index", "rebuild", "restore")


def test_jobs_and_the_ledger(results: Results) -> None:
    """Catches a job or an entry told before its transaction is in the log, and one that is there twice."""
    sound(results, "work", "spend")


def test_a_full_disk(results: Results) -> None:
    """Catches what is left half done where a full disk, or one that fails, and a kill come together."""
    sound(results, "full")


def test_strays_are_swept_away(results: Results) -> None:
    """Catches a sweep that takes what somebody still needs."""
    sound(results, "strays", "nothing")


def test_a_push_and_a_pull_that_are_killed(results: Results) -> None:
    """Catches a remote that names what is not there, a head taken too early, a deletion or an edit that gets lost."""
    sound(results, "push", "pull")


def test_they_are_many(results: Results) -> None:
    """Catches scenarios that quietly stop reaching the disk."""
    kills = {name: len(found) - 1 for name, found in results.items()}
    assert set(kills) == set(SCENARIOS)
    assert all(kills.values()), kills
    assert sum(kills.values()) >= 300, kills
    points = {target.partition(":")[0] for found in results.values() for target in found}
    assert len(points) >= 80, sorted(points)
