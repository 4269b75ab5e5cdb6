"""What a recording does without, and what helps where there is nothing to record: said at once, in the right words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pepys.demo.servers import XServer
from pepys.sessions.control import status_of
from tests.desk import Desk
from tests.waiting import wait_until
from tests.x11_sources import odd_server

pytestmark = pytest.mark.unhurried

QUIET = ("--audio", "off", "--shots", "10", "--seconds", "1")


def recorded(*words: str) -> tuple[int, str]:
    """The exit code of `pepys record`, and what it told people."""
    argv = [sys.executable, "-m", "pepys", "record", *words, *QUIET]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_recording_says_once_what_it_does_without(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_server("-screen", "0", "640x480x24", "-extension", "DAMAGE", "-extension", "MIT-SHM") as display:
        monkeypatch.setenv("DISPLAY", display)
        argv = [sys.executable, "-m", "pepys", "record", "--region", "400x300+500+300", *QUIET[:4]]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: status_of(home)["state"] == "recording", 20, "the recording")
            asked = subprocess.run(
                [sys.executable, "-m", "pepys", "status"], capture_output=True, text=True, timeout=30, check=True
            )
            process.terminate()
            assert process.stderr is not None
            told = process.stderr.read()
    for words in ("no DAMAGE: pictures are compared", "no MIT-SHM", "reaches beyond the screen: 140x180 of it"):
        assert told.count(words) == 1, told
        assert words in asked.stdout
    assert "\n  video: " in told


def test_what_helps_is_what_helps_the_source(home: Path, xserver: XServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with Desk(xserver.display) as desk:
        desk.window((0, 0, 320, 240), title="the one")
        desk.window((0, 300, 320, 240), title="quixote")
        code, told = recorded("--allow-partial", "--window", "nope")
        assert code == 4 and "no window matches 'nope'" in told and "the one" in told and "start a display" not in told
        code, told = recorded("--window", "quix", "--exclude", "*quixote")
        assert code == 4 and "leave out the --exclude" in told and "quixote" not in told
    with odd_server("-screen", "0", "320x240x8") as display:
        monkeypatch.setenv("DISPLAY", display)
        code, told = recorded()
        assert code == 4 and "24-bit" in told and "start a display" not in told
