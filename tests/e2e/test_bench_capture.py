"""`pepys bench capture`, from the words to the figures: a counter is shown, recorded and read back from the film."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_recorded_counter_is_read_back(home: Path) -> None:
    words = ["bench", "capture", "--video", "--measure", "frames", "--seconds", "1", "--runs", "1", "--json"]
    told = subprocess.run([sys.executable, "-m", "pepys", *words], capture_output=True, text=True, timeout=90)
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    lost, error = document["figures"]
    assert (lost["name"], error["name"]) == ("frames_dropped", "frame_time_error_p95")
    # Two seconds of 30 Hz; on a busy machine some may be lost, but most are there and none is misread.
    assert lost["detail"]["expected"] >= 40
    assert lost["value"] < 50
    assert lost["detail"]["unreadable"] <= 2
    assert error["value"] < 200
    assert document["ok"] == all(figure["held"] for figure in document["figures"])
    assert not home.exists()
