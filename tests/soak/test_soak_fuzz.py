"""Every parser of the store under a fuzzer that coverage guides, a minute each (SOAK_FUZZ_S: other seconds).

Catches: what the random changes in `make test` are too few, or too blind, to reach; a parser that takes more memory
than its target may (libFuzzer's limit), or more than half a minute for one input.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.every import EVERY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

_ROOT = Path(__file__).parents[2]
_SECONDS = os.environ.get("SOAK_FUZZ_S", "60")
_SEED = os.environ.get("SOAK_FUZZ_SEED", "1")


@pytest.mark.parametrize("target", EVERY)
def test_no_input_is_found_that_hurts(target: str, tmp_path: Path) -> None:
    findings = tmp_path / "findings"
    words = [target, "--seconds", _SECONDS, "--seed", _SEED, "--corpus", str(tmp_path / "corpus")]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", *words, "--findings", str(findings)],
        cwd=_ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=3000,
    )  # fmt: skip
    told = f"seed {_SEED}; inputs in {findings}: {[path.name for path in findings.iterdir()]}\n{ran.stderr[-3000:]}"
    assert ran.returncode == 0 and not list(findings.iterdir()), told
    (runs,) = re.findall(r"stat::number_of_executed_units: (\d+)", ran.stdout + ran.stderr)
    assert int(runs) > 1, told
