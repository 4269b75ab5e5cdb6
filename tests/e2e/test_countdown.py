"""The countdown in the terminal: seen, stopped by Ctrl-C or by `pepys stop`, and nothing is left of it."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.demo.servers import XServer
from pepys.sessions.control import host_running, orphans, status_of
from tests.waiting import wait_until

QUIET = ("--audio", "off", "--shots", "off")


def begin(*words: str) -> subprocess.Popen[str]:
    """Start a command whose output is read later."""
    return subprocess.Popen(
        [sys.executable, "-m", "pepys", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(*words: str) -> tuple[int, Any]:
    """The exit code of a command, run in this process, and its JSON document."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = main([*words, "--json"])
    return code, json.loads(out.getvalue())


def until_it_counts(home: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """The status while seconds are counted down."""

    def counts() -> dict[str, Any] | None:
        assert process.poll() is None, process.communicate()
        told = status_of(home)
        return told if told.get("countdown_s") else None

    told = wait_until(counts, 20, "the countdown")
    assert isinstance(told, dict)
    return told


def status_text() -> str:
    """What `pepys status` prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(["status"]) == 0
    return out.getvalue()


def nothing_is_there(home: Path) -> None:
    """No recorder and no session."""
    assert orphans(home) == []
    assert run("list") == (0, [])


def test_a_stop_during_the_checks_before_a_countdown_leaves_nothing(home: Path, xserver: XServer) -> None:
    process = begin("record", "early", *QUIET, "--countdown", "30", "--json")
    wait_until(lambda: process.poll() is not None or status_of(home)["state"] == "checking", 20, "the checks")
    assert status_of(home)["countdown_s"] is None, "it counts already"
    assert "checking early" in status_text()
    assert run("pause")[0] == 8
    assert run("stop") == (0, {"session": None, "state": "cancelled"})
    out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out.splitlines()[-1])["event"]) == (0, "cancelled"), err
    nothing_is_there(home)


@pytest.mark.parametrize("how", ["ctrl-c", "stop"])
def test_a_countdown_that_is_stopped_leaves_nothing(home: Path, xserver: XServer, how: str) -> None:
    process = begin("record", "counted", *QUIET, "--countdown", "30", "--json")
    told = until_it_counts(home, process)
    assert told["state"] == "checking" and told["countdown_s"] > 25
    assert "counted begins in " in status_text()
    if how == "stop":
        assert run("stop") == (0, {"session": None, "state": "cancelled"})
    else:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    events = [json.loads(line) for line in out.splitlines()]
    assert next(event["left_s"] for event in events if event.get("event") == "countdown") == 30
    assert "Recording begins in 30 s; Ctrl-C stops it." in err
    if how == "stop":
        assert (process.returncode, events[-1]["event"]) == (0, "cancelled")
    else:
        assert (process.returncode, events[-1]["error"]["code"]) == (130, "interrupted")
    nothing_is_there(home)


def test_a_countdown_of_the_daemon_is_stopped_by_whoever_asked_for_it_and_else_ends_in_a_recording(
    home: Path, xserver: XServer
) -> None:
    daemon = begin("serve", "--port", "0")
    try:
        wait_until(lambda: host_running(home), 20, "the daemon")
        process = begin("start", "counted", *QUIET, "--countdown", "30")
        until_it_counts(home, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, "")
        assert "Recording begins in 30 s; Ctrl-C stops it." in err
        wait_until(lambda: status_of(home)["state"] == "idle", 5, "the end of the countdown")
        nothing_is_there(home)
        code, told = run("start", "counted", "--audio", "off", "--shots", "600", "--countdown", "1")
        assert (code, told["state"], told["countdown_s"]) == (0, "recording", None)
        code, taken = run("shot")
        assert code == 0, taken
        assert run("stop") == (0, {"session": told["session"], "state": "completed"})
        assert run("shot")[0] == 3
        code, shown = run("show", "last")
        assert shown["shots"]["by_trigger"].get("manual") == 1, shown["shots"]
        assert 0 <= taken["at_ms"] <= shown["wall_ms"]
    finally:
        daemon.terminate()
        daemon.communicate(timeout=20)
