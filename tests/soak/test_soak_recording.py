"""A long recording under activity, paused and resumed, keeps its memory bounded and its bytes whole.

`SOAK_SECONDS` sets the length; ten minutes without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.demo.activity import Activity
from pepys.demo.servers import MIC_SINK, SoundServer, WindowManager
from tests.waiting import wait_until

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
ROUND = 60.0


def pepys(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "pepys", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pepys {' '.join(words)}: {done.stderr}"
    return done.stdout


def resident_kib(home: Path) -> int:
    """The memory of the recorder that `run/` names."""
    runs = [json.loads(path.read_bytes()) for path in (home / "run").glob("*.json") if path.name != "host.json"]
    lines = Path(f"/proc/{runs[0]['pid']}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.soak
def test_a_long_recording_stays_bounded_and_whole(
    home: Path, window_manager: WindowManager, sound_server: SoundServer, tmp_path: Path
) -> None:
    env = {**window_manager.env, **sound_server.env}
    rounds = max(2, int(SECONDS // ROUND))
    memory: list[int] = []
    with Activity(env, tmp_path, sink=MIC_SINK):
        argv = [sys.executable, "-m", "pepys", "record", "Soak"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as host:
            for number in range(1, rounds + 1):
                goal = number * min(ROUND, SECONDS / rounds) * 1000

                def reached(goal: float = goal) -> bool:
                    done = subprocess.run(
                        [sys.executable, "-m", "pepys", "status", "--json"], capture_output=True, text=True, check=False
                    )
                    return done.returncode == 0 and json.loads(done.stdout)["recorded_ms"] >= goal

                wait_until(reached, 3 * ROUND, f"{goal} ms recorded")
                memory.append(resident_kib(home))
                pepys("pause")
                pepys("resume")
            pepys("stop")
            assert host.wait(60) == 0
    shown = json.loads(pepys("show", "last", "--json"))
    assert shown["state"] == "completed"
    assert len(shown["spans"]) == rounds + 1
    assert all(track["frames_dropped"] == 0 for track in shown["tracks"])
    # The first round still fills pools and caches.
    assert memory[-1] < memory[1] * 1.25 + 20_000
    pepys("verify")
