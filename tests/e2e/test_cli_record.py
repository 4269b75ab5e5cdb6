"""`pepys record` and the control commands as a user meets them: real recorder, real display, real sound."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pepys.demo.servers import SoundServer, XServer
from pepys.sessions.control import host_file, orphans, status_of
from tests.file_modes import obeying
from tests.waiting import wait_until

QUIET = ["--audio", "off", "--shots", "off"]


def pepys(*words: str, before: Sequence[str] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `before` are words that stand before the program."""
    argv = [*before, sys.executable, "-m", "pepys", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **options)


def error_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The error of a failed command with `--json`; the human line must be one line without a traceback."""
    assert done.stderr.strip().splitlines()[-1].startswith("pepys: ")
    assert "Traceback" not in done.stderr
    error: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])["error"]
    assert error["message"]
    assert error["remedy"]
    return error


@pytest.fixture
def recorders(home: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Foreground recordings that a test starts; none outlives it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    for run in orphans(home):
        os.kill(run.pid, signal.SIGCONT)
        os.kill(run.pid, signal.SIGTERM)
    wait_until(lambda: not orphans(home), 15, "the recorders to end")


def begin(recorders: list[subprocess.Popen[str]], home: Path, *words: str, until: str = "recording") -> Any:
    """Start `pepys record` and wait until it is in a state."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pepys", "record", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    recorders.append(process)

    def reached() -> bool:
        assert process.poll() is None, process.communicate()
        return str(status_of(home)["state"]) == until

    wait_until(reached, 20, f"the state {until}")
    return process


def test_five_seconds_of_screen_and_sound(home: Path, xserver: XServer, sound_server: SoundServer) -> None:
    done = pepys("record", "a real one", "--seconds", "3", "--tag", "t1", "--tag", "t2", "--shots", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    started = told[0]
    assert started["event"] == "started"
    assert told[-1]["event"] == "completed"
    assert {line["event"] for line in told} >= {"started", "status", "completed"}
    listed = json.loads(pepys("list", "--json").stdout)
    assert [(row["name"], row["state"], row["tags"]) for row in listed] == [("a real one", "completed", ["t1", "t2"])]
    shown = json.loads(pepys("show", "last", "--json").stdout)
    assert shown["id"] == started["id"] == listed[0]["id"]
    assert 2_900 <= shown["duration_ms"] <= 6_000
    assert shown["duration_ms"] + sum(gap["end_ms"] - gap["start_ms"] for gap in shown["gaps"]) == shown["wall_ms"]
    tracks = {track["track"]: track for track in shown["tracks"]}
    assert {"video", "audio.mic", "audio.system"} <= set(tracks)
    assert tracks["video"]["frames_encoded"] >= 3
    assert shown["shots"]["total"] >= 2
    assert shown["bytes_on_disk"] > 0
    assert shown["started_at"].endswith("Z")
    for width in (80, 160):
        plain = pepys("show", "last", env={**os.environ, "COLUMNS": str(width)})
        assert plain.returncode == 0
        assert "a real one" in plain.stdout


def test_without_display_and_sound_nothing_is_recorded(home: Path) -> None:
    done = pepys("record", "--json", "--seconds", "1")
    assert done.returncode == 4
    assert error_of(done)["code"] == "device_missing"
    assert pepys("list", "--json").stdout.strip() == "[]"


def test_a_named_source_that_is_missing_is_exit_4_unless_partial_is_allowed(home: Path, xserver: XServer) -> None:
    done = pepys("record", "--audio", "mic", "--json", "--seconds", "1")
    assert (done.returncode, error_of(done)["code"]) == (4, "device_missing")
    done = pepys("record", "--display", ":4077", "--json", "--seconds", "1")
    assert (done.returncode, error_of(done)["code"]) == (4, "device_missing")
    done = pepys("record", "--audio", "mic", "--allow-partial", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert "without audio.mic" in done.stderr


def test_a_home_that_is_a_file_is_exit_5(home: Path, xserver: XServer) -> None:
    home.write_text("a file")
    for words in (("record", *QUIET, "--seconds", "1"), ("list",), ("show", "last")):
        done = pepys(*words, "--json")
        assert (done.returncode, error_of(done)["code"]) == (5, "storage_problem"), words


def test_a_read_only_home_is_read_but_not_recorded_on(home: Path, xserver: XServer) -> None:
    assert pepys("record", "readable", *QUIET, "--seconds", "1").returncode == 0
    for path in sorted([home, *home.rglob("*")], reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    bound = obeying()
    try:
        done = pepys("record", *QUIET, "--seconds", "1", "--json", before=bound)
        assert (done.returncode, error_of(done)["code"]) == (5, "storage_problem")
        listed = pepys("list", "--json", before=bound)
        assert (listed.returncode, [row["name"] for row in json.loads(listed.stdout)]) == (0, ["readable"])
        shown = pepys("show", "last", "--json", before=bound)
        assert (shown.returncode, json.loads(shown.stdout)["state"]) == (0, "completed")
        assert pepys("status", before=bound).returncode == 0
        done = pepys("edit", "last", "--name", "no", "--json", before=bound)
        assert (done.returncode, error_of(done)["code"]) == (5, "storage_problem")
    finally:
        for path in [home, *home.rglob("*")]:
            path.chmod(stat.S_IRWXU)


def test_control_commands_reach_a_foreground_recording(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "steered", *QUIET)
    second = pepys("record", *QUIET, "--seconds", "1", "--json")
    assert (second.returncode, error_of(second)["code"]) == (8, "busy")
    third = pepys("start", *QUIET, "--json")
    assert (third.returncode, error_of(third)["code"]) == (8, "busy")
    assert json.loads(pepys("note", "a word", "--json").stdout)["at_ms"] >= 0
    assert pepys("mark", "here").returncode == 0
    assert json.loads(pepys("pause", "--json").stdout)["state"] == "paused"
    assert json.loads(pepys("status", "--json").stdout)["state"] == "paused"
    assert json.loads(pepys("resume", "--json").stdout)["state"] == "recording"
    ended = json.loads(pepys("stop", "--json").stdout)
    assert ended["state"] == "completed"
    shown = json.loads(pepys("show", "last", "--json").stdout)
    assert (shown["state"], shown["id"]) == ("completed", ended["session"])
    assert [(note["kind"], note["text"]) for note in shown["notes"]] == [("note", "a word"), ("marker", "here")]
    assert [gap["reason"] for gap in shown["gaps"]] == ["pause"]
    assert process.wait(15) == 0
    assert not host_file(home).exists()


def test_ctrl_c_saves_and_is_exit_130(home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]) -> None:
    process = begin(recorders, home, "cut short", *QUIET)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert [row["state"] for row in json.loads(pepys("list", "--json").stdout)] == ["completed"]


def test_a_second_ctrl_c_returns_while_the_recorder_finishes(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "left alone", *QUIET)
    run = orphans(home)[0]
    os.kill(run.pid, signal.SIGSTOP)  # it cannot finish while we look
    process.send_signal(signal.SIGINT)
    wait_until(lambda: status_of(home)["state"] == "ending", 10, "the end to begin")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    os.kill(run.pid, signal.SIGCONT)
    wait_until(lambda: not orphans(home), 15, "the recorder to finish")
    assert [row["state"] for row in json.loads(pepys("list", "--json").stdout)] == ["completed"]


def test_ctrl_c_before_the_recording_began_leaves_nothing(
    home: Path, recorders: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A display that never answers keeps the start waiting.
    monkeypatch.setenv("DISPLAY", ":4078")
    import socket

    with socket.socket(socket.AF_UNIX) as silent:
        path = Path("/tmp/.X11-unix/X4078")
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        silent.bind(str(path))
        silent.listen(8)
        try:
            process = begin(recorders, home, *QUIET, until="checking")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            path.unlink()
    assert "nothing was recorded" in process.communicate()[1]
    assert json.loads(pepys("list", "--json").stdout) == []


def test_a_killed_host_leaves_the_recorder_to_be_adopted(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "orphan", *QUIET)
    process.kill()
    process.wait()
    assert len(orphans(home)) == 1
    second = pepys("record", *QUIET, "--seconds", "1", "--json")
    assert (second.returncode, error_of(second)["code"]) == (8, "busy")
    assert json.loads(pepys("status", "--json").stdout)["state"] == "recording"
    assert pepys("note", "still here").returncode == 0
    assert json.loads(pepys("stop", "--json").stdout)["state"] == "completed"
    shown = json.loads(pepys("show", "last", "--json").stdout)
    assert (shown["name"], shown["state"], shown["notes"][0]["text"]) == ("orphan", "completed", "still here")


def test_a_killed_recorder_is_started_again_and_the_session_goes_on(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "goes on", *QUIET)
    first = orphans(home)[0].pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: status_of(home).get("restarts") == 1 and status_of(home)["state"] == "recording", 20)
    told = status_of(home)
    assert told["recorder"]["pid"] != first
    assert told["last_restart"]["reason"] == "it was ended by SIGKILL"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert "the recorder is started again: it was ended by SIGKILL" in process.communicate()[1]
    shown = json.loads(pepys("show", "last", "--json").stdout)
    assert (shown["name"], shown["state"]) == ("goes on", "completed")
    assert [gap["reason"] for gap in shown["gaps"]] == ["crash"]
    assert shown["duration_ms"] + sum(gap["end_ms"] - gap["start_ms"] for gap in shown["gaps"]) == shown["wall_ms"]


def test_a_recorder_killed_while_paused_leaves_an_interrupted_session_that_stop_completes(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "broken", *QUIET)
    assert pepys("pause").returncode == 0
    os.kill(orphans(home)[0].pid, signal.SIGKILL)
    assert process.wait(15) == 9
    assert "interrupted" in process.communicate()[1]
    listed = json.loads(pepys("list", "--json", "--state", "interrupted").stdout)
    assert [row["name"] for row in listed] == ["broken"]
    resumed = pepys("resume", listed[0]["id"][:12], "--json")
    assert (resumed.returncode, "pepys serve" in error_of(resumed)["remedy"]) == (3, True)
    assert json.loads(pepys("stop", listed[0]["id"][:12], "--json").stdout)["state"] == "completed"


def test_kill_both_and_the_next_command_finds_the_session_interrupted(
    home: Path, xserver: XServer, recorders: list[subprocess.Popen[str]]
) -> None:
    process = begin(recorders, home, "power cut", *QUIET)
    pid = orphans(home)[0].pid
    process.kill()
    os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not orphans(home), 5)
    assert [row["state"] for row in json.loads(pepys("list", "--json").stdout)] == ["interrupted"]
    assert ask_status(home) == "idle"


def ask_status(home: Path) -> str:
    return str(status_of(home)["state"])


def test_a_wrong_or_missing_key_is_exit_4(home: Path, xserver: XServer) -> None:
    assert pepys("record", *QUIET, "--seconds", "1").returncode == 0
    key = Path(os.environ["XDG_CONFIG_HOME"]) / "pepys" / "master.key"
    whole = key.read_bytes()
    key.unlink()
    done = pepys("list", "--json")
    assert (done.returncode, error_of(done)["code"]) == (4, "key_problem")
    done = pepys("record", *QUIET, "--seconds", "1", "--json")
    assert (done.returncode, error_of(done)["code"]) == (4, "key_problem")
    key.write_bytes(whole)
    assert pepys("list").returncode == 0


def test_the_status_line_is_drawn_on_a_terminal(home: Path, xserver: XServer) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pepys", "record", "seen", *QUIET, "--seconds", "3"],
        stdout=theirs, stderr=theirs, stdin=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        drawn = b""
        try:
            while part := os.read(ours, 65536):
                drawn += part
        except OSError:
            pass  # how a terminal without users ends
        finally:
            os.close(ours)
    assert process.returncode == 0
    assert b"\rrecording  0:0" in drawn
    assert b"all tracks ok" in drawn
    assert ask_status(home) == "idle"
