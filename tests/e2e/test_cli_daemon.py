"""Control commands against the daemon: a killed one, an ended one, an interrupted session that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.demo.servers import XServer
from pepys.sessions.control import host_running, orphans, status_of, watch_host
from tests.waiting import wait_until

QUIET = ["--audio", "off", "--shots", "off"]


def pepys(*words: str) -> dict[str, Any]:
    """Run a command that must succeed; its JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "pepys", *words, "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def shown(session: str) -> dict[str, Any]:
    return pepys("show", session)


@pytest.fixture
def daemons(home: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Daemons that a test starts; none outlives it, nor does a recorder."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    for run in orphans(home):
        os.kill(run.pid, signal.SIGTERM)
    wait_until(lambda: not orphans(home), 15, "the recorders to end")


def serve(daemons: list[subprocess.Popen[bytes]], home: Path) -> subprocess.Popen[bytes]:
    """Start a daemon and wait until it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pepys", "serve", "--port", "0"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    daemons.append(process)
    wait_until(lambda: process.poll() is None and host_running(home), 20, "the daemon")
    return process


def test_a_killed_daemon_is_followed_by_one_that_adopts_its_recorder(
    home: Path, xserver: XServer, daemons: list[subprocess.Popen[bytes]]
) -> None:
    first = serve(daemons, home)
    session = pepys("start", "outlives", *QUIET)["session"]
    first.kill()
    first.wait()
    assert status_of(home)["state"] == "recording"
    serve(daemons, home)
    adopted = pepys("status")
    assert (adopted["state"], adopted["session"], adopted["name"]) == ("recording", session, "outlives")
    told = next(status for status in watch_host(home) if status["state"] == "recording")
    assert told["session"] == session
    assert pepys("stop") == {"session": session, "state": "completed"}
    assert shown(session)["gaps"] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_ended_completes_the_recording(
    home: Path, xserver: XServer, daemons: list[subprocess.Popen[bytes]], how: signal.Signals
) -> None:
    daemon = serve(daemons, home)
    session = pepys("start", *QUIET)["session"]
    daemon.send_signal(how)
    assert daemon.wait(30) in {0, 130}
    assert orphans(home) == []
    assert shown(session)["state"] == "completed"


def test_an_interrupted_session_goes_on_in_a_new_span(
    home: Path, xserver: XServer, daemons: list[subprocess.Popen[bytes]]
) -> None:
    serve(daemons, home)
    session = pepys("start", "in two parts", *QUIET)["session"]
    pepys("pause")  # one that records would be started again
    os.kill(orphans(home)[0].pid, signal.SIGKILL)
    wait_until(lambda: status_of(home)["state"] == "interrupted", 10, "the recovery")
    assert pepys("resume", session[:14])["state"] == "recording"
    assert pepys("stop")["state"] == "completed"
    whole = shown(session)
    assert len(whole["spans"]) == 2
    assert [gap["reason"] for gap in whole["gaps"]] == ["pause", "crash"]
    assert whole["duration_ms"] + sum(gap["end_ms"] - gap["start_ms"] for gap in whole["gaps"]) == whole["wall_ms"]


def test_record_beside_a_daemon_is_exit_8_and_names_start(
    home: Path, xserver: XServer, daemons: list[subprocess.Popen[bytes]]
) -> None:
    serve(daemons, home)
    done = subprocess.run(
        [sys.executable, "-m", "pepys", "record", *QUIET, "--seconds", "1", "--json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert (done.returncode, error["code"]) == (8, "busy")
    assert "pepys start" in error["remedy"]
