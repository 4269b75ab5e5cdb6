"""`pepys demo` does the whole main job on a machine without display and sound, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pepys.demo.scene import scene
from pepys.demo.servers import SoundServer, XServer
from tests.waiting import wait_until

_WITH_MODULES = """
import sys
from pepys.cli import main
code = main(sys.argv[1:])
print("codecs:", "av" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def pepys(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pepys", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def left_running(mark_value: int) -> list[str]:
    """Programs that were started with the mark of this test in their environment."""
    mark = f"DEMO_UNDER_TEST={mark_value}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes().split(b"\0"):
                found.append((environment.parent / "cmdline").read_text().replace("\0", " "))
        except (OSError, ProcessLookupError):
            continue
    return found


def test_from_nothing_to_a_searchable_session(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_UNDER_TEST", str(os.getpid()))
    argv = [sys.executable, "-c", _WITH_MODULES, "demo", "--seconds", "9", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=True)
    # It recorded, enriched and showed: all of it without a codec in the program itself.
    assert done.stderr.splitlines()[-1] == "codecs: False"
    told = json.loads(done.stdout)
    assert "started a virtual one" in done.stderr
    assert told["open"] == f"pepys open {told['session']} --home {home}"
    shown = json.loads(pepys("show", told["session"], "--json").stdout)
    assert shown["tags"] == ["demo"]
    assert shown["state"] == "completed"
    assert {stage["state"] for stage in shown["enrichment"]["stages"]} == {"completed"}
    assert json.loads(pepys("search", "recorder", "--json").stdout)
    monkeypatch.delenv("DEMO_UNDER_TEST")
    assert not left_running(os.getpid())


def test_ctrl_c_ends_it_in_order_and_keeps_the_session(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_UNDER_TEST", str(os.getpid()))
    argv = [sys.executable, "-m", "pepys", "demo", "--seconds", "60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        monkeypatch.delenv("DEMO_UNDER_TEST")

        def recording() -> bool:
            argv = [sys.executable, "-m", "pepys", "status", "--json"]
            told = subprocess.run(argv, capture_output=True, text=True, check=False)
            return told.returncode == 0 and json.loads(told.stdout).get("recorded_ms", 0) > 1000

        wait_until(recording, 30, "a second recorded")
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130, errors
    assert "is saved as" in errors
    (row,) = json.loads(pepys("list", "--json").stdout)
    assert row["state"] == "completed"
    assert not left_running(os.getpid())


def test_what_the_user_has_is_taken_and_left_alone(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    before = dict(os.environ)
    with scene() as told:
        assert dict(os.environ) == before
    assert told == [f"the screen is {xserver.display}", "the sound is pepys_mic.monitor and pepys_null.monitor"]


def test_without_the_programs_it_says_what_to_install(
    home: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(short_folder))
    done = pepys("demo", code=4)
    assert "Xvfb is not installed" in done.stderr
    assert "apt-get install xvfb" in done.stderr
    assert not home.exists()
