"""`pepys bench capture --sound`, from the words to the figures: a recording is paused, decoded and accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_account_of_a_short_recording_is_held_against_what_is_heard(home: Path) -> None:
    words = ["bench", "capture", "--sound", "--measure", "account", "--seconds", "1", "--json"]
    told = subprocess.run([sys.executable, "-m", "pepys", *words], capture_output=True, text=True, timeout=90)
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    figures = {figure["name"]: figure for figure in document["figures"]}
    assert figures["sums_off"]["value"] == 0, figures["sums_off"]["detail"]["sums"]
    assert len(figures["sums_off"]["detail"]["sums"]) >= 10
    (fault,) = figures["sums_off"]["detail"]["faults"]
    assert fault["kind"] == "pause"
    assert figures["span_samples"]["held"]
    assert figures["losses_judged"]["value"] == figures["losses_judged"]["bar"] == 0
    assert any("paused" in line for line in figures["sums_off"]["detail"]["table"])
    assert not home.exists()
