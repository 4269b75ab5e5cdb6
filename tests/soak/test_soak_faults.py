"""`pepys bench capture --faults`, from the words to the figures: a killed reader is told of and accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
def test_a_fault_is_brought_about_told_and_accounted_for(home: Path) -> None:
    words = ["bench", "capture", "--faults", "--measure", "parec-kill", "--runs", "1", "--json"]
    told = subprocess.run([sys.executable, "-m", "pepys", *words], capture_output=True, text=True, timeout=90)
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    in_time, wrong = document["figures"]
    assert (in_time["name"], wrong["name"]) == ("told_in_time", "unaccounted")
    assert in_time["held"], in_time["detail"]
    assert wrong["held"], wrong["detail"]["problems"]
    (account,) = in_time["detail"]["accounts"]
    tracks = {track["track"]: track for track in account["tracks"]}
    assert set(tracks) == {"video", "audio.mic", "audio.system"}
    assert tracks["audio.mic"]["gaps_ms"]["device_lost"] > 200 and not tracks["video"]["gaps_ms"]
    for track in tracks.values():
        told_ms = track["recorded_ms"] + sum(track["gaps_ms"].values())
        assert abs(told_ms - account["axis_ms"]) <= 2, "but for the rounding of each"
    assert document["runs"] == 1 and not home.exists()
