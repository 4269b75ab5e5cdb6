"""The store on a disk that fails, forgets and tears, against a model of what it acknowledged.

Catches: a file that gets its name before its bytes are durable, a name that is acknowledged before its folder is, an
event that is acknowledged after a sync that failed, a torn tail that hides what comes after it, a head that steps back,
a recovery that cannot be repeated, a full disk that costs what was there before, a flipped bit that nobody names, or
that costs more than the piece it hit.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_on_a_disk_that_fails_forgets_tears_and_rots() -> None:
    """In a process of its own: in one that has run a thousand other tests it takes minutes instead of seconds."""
    words = [sys.executable, "-m", "tests.disk_flips", "24", "25"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
