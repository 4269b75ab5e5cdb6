"""`pepys tap` on a real recording: the samples of a file, resampled, as they are recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pepys.errors import Usage
from pepys.model.sound_graph import Node, SoundGraph
from tests.recording import recording

GRAPH = SoundGraph(
    (
        Node("hum", "tone", {"frequency_hz": 1000.0, "level_db": -6.0}), Node("own", "encoder", {"track": "audio.hum"}),
        Node("words", "tap", {"rate": 16_000}),
    ),
    (("hum", "own"), ("hum", "words")),
)  # fmt: skip


def _pepys(home: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pepys", *words, "--home", str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_tap_gives_what_is_recorded_until_it_ends(home: Path) -> None:
    with recording(home, sound_graph=GRAPH.to_json()) as run:
        with pytest.raises(Usage, match="no tap hum") as told:
            run.client.call("listen", tap="hum")
        assert told.value.remedy == "taps: words"
        asked = _pepys(home, "tap", "words", "--json")
        assert json.loads(asked.communicate(timeout=20)[0]) == {
            "tap": "words", "rate": 16_000, "channels": 1, "format": "s16le",
        }  # fmt: skip
        tapping = _pepys(home, "tap", "words")
        assert tapping.stderr is not None and b"16000 Hz" in tapping.stderr.readline()
        run.until_recorded(int(run.client.call("status")["recorded_ms"]) + 1500)
        run.stop()
        samples = np.frombuffer(tapping.communicate(timeout=20)[0], "<i2")
    assert tapping.returncode == 0 and len(samples) > 16_000
    spectrum = np.abs(np.fft.rfft(samples[:16_000].astype(np.float64)))
    assert spectrum.argmax() == 1000
    assert 0.45 * 32768 < np.abs(samples[800:]).max() < 0.55 * 32768


def test_without_a_recording_it_says_so(home: Path) -> None:
    tapping = _pepys(home, "tap", "words")
    _, said = tapping.communicate(timeout=20)
    assert tapping.returncode == 3 and b"nothing is being recorded" in said
