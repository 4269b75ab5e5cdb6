"""Thousands of kills: one home that lives on through 2,000 random ones, and every scenario at more of its points."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.test_store_kill import ROOT, homes, said, start
from tests.kill_scenarios import SCENARIOS

KILLS = 2000
SEED = "PEPYS_TEST_SEED"
"""Names the seed to replay."""

__all__ = ["homes"]  # the fixture


@pytest.mark.soak
def test_a_home_lives_through_random_kills(homes: Path) -> None:
    """Catches damage that takes two kills, or hundreds: it stays in the home, and something told is then missed."""
    seed = os.environ.get(SEED) or str(secrets.randbelow(2**31))
    argv = [sys.executable, "-m", "tests.kill_life", str(homes / "life"), seed, str(KILLS)]
    lived = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True)
    lines = [json.loads(line) for line in lived.stdout.splitlines()]
    assert lived.returncode == 0, f"{SEED}={seed}: {lines[-1:]} {lived.stderr}"
    figures = lines[-1]
    sys.stderr.write(f"{SEED}={seed}: {figures}\n")
    assert sum(line["killed"] for line in lines[:-1]) == KILLS
    assert figures["damages"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_point_at_more_of_its_times(homes: Path, name: str) -> None:
    """Catches what only the second or third passing of a point leaves; and kills before every call to the disk."""
    process = start(homes, name, "--all")
    wrong = [line for line in said(process, timeout_s=900) if line[2]]
    assert not wrong, wrong[:3]
