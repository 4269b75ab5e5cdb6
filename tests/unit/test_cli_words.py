"""What people are told of a recording that rests, of a disk that takes nothing, of errors: once, true, in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pepys.cli import main
from pepys.cli.health import told_tracks, warnings, warnings_apart
from pepys.cli.output import Output
from pepys.cli.record import StatusLine
from pepys.cli.say import gap_text
from pepys.cli.sound import Meters
from pepys.cli.watch import Lines, watch
from pepys.clock import FakeClock
from pepys.errors import Busy
from tests.unit.test_cli_health import drawn, status

MS = 1_000_000


def paused(held: str = "") -> dict[str, Any]:
    """It rests; the microphone was quiet before."""
    told = status(state="paused", held=held)
    told["tracks"][1] |= {"state": "degraded", "detail": "recording, but nothing is heard", "level": {"peak_db": -40}}
    return told


def hung(name: str, detail: str = "") -> dict[str, Any]:
    """Two tracks of which one clock stands."""
    told = status(write_queue={"items": 9, "refused": 0, "oldest_ms": 6000})
    for track in told["tracks"]:
        track |= {"state": "degraded", "stands": name, "stands_ms": 6100, "detail": detail}
    return told


def test_a_recording_that_rests_is_told_in_a_line_and_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    line = StatusLine(Output(False))
    line.hear({"push": "started", "status": status()})
    capsys.readouterr()
    for told in (status(), paused("locked"), paused("locked"), status(state="resuming"), status(), paused(), status()):
        line.hear({"push": "status", "status": told})
    assert capsys.readouterr().err.splitlines() == [
        "the screen is locked: nothing is recorded until it is unlocked", "recording again",
        "paused: nothing is recorded until `pepys resume`", "recording again",
    ]  # fmt: skip


def test_that_no_source_is_there_says_what_becomes_of_it() -> None:
    assert warnings(paused("device_lost")) == [
        "no source is there: nothing is recorded; it is tried for half a minute, then the session ends"
    ]


def test_a_paused_track_is_paused_and_has_no_level() -> None:
    told = paused()
    assert [(track["state"], track["detail"]) for track in told_tracks(told)] == [("paused", "")] * 2
    assert "nothing is heard" not in drawn(told) and " ok " not in drawn(told)
    told["tracks"][1] |= {"state": "restarting", "detail": "no server", "stands": "attempt"}
    assert told_tracks(told)[1] == told["tracks"][1], "what is gone while it is paused stays told"
    assert Meters(sys.stdout).words(paused()) == []


@pytest.mark.parametrize("state", ["restarting", "failed"])
def test_a_device_that_is_gone_has_no_level(state: str) -> None:
    track = {"track": "audio.mic", "state": state, "level": {"peak_db": -90.0}}
    assert Meters(sys.stdout).words({"tracks": [track]}) == []
    assert Meters(sys.stdout).words({"tracks": [{**track, "state": "healthy"}]}) != []


def test_a_disk_that_takes_nothing_is_named_once_and_no_track_repeats_it() -> None:
    told = hung("write", "write stands still for 6 s")
    said = "the disk takes nothing for 6 s: nothing is durable meanwhile; look what holds it up"
    assert warnings(told) == warnings_apart(told) == [said]
    page = drawn(told)
    assert page.count("6 s:") == 1 and "stands still" not in page and "degraded" in page


def test_a_recorder_that_hangs_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = [hung("attempt", f"no sign of life from the recorder for {seconds} s") for seconds in (4, 5, 6)]
    assert warnings(told[0]) == ["no sign of life from the recorder for 4 s"]
    watch(Output(False), told)
    assert capsys.readouterr().out.count("no sign of life") == 1


def test_what_stands_of_one_track_is_told_where_the_track_is() -> None:
    told = status(stands="capture", stands_ms=3400)
    assert warnings(told) == ["audio.mic: capture stands still for 3 s"] and warnings_apart(told) == []
    alone = status(stands="write", stands_ms=3400)
    assert warnings(alone) == ["audio.mic: write stands still for 3 s"], "the disk takes what others write"


def test_into_a_pipe_goes_all_that_the_view_has_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    lines = Lines(Output(False), clock)
    for _ in range(12):
        lines.see(status(restarts=2, last_restart={"reason": "killed by signal 9"}))
        clock.advance(250 * MS)
    head, *told = capsys.readouterr().out.splitlines()
    assert "TRIED/CAPTURED/WRITTEN AGO TAKEN/ENCODED/DROPPED/RESTARTS" in head
    assert len(told) == 3 and len(set(told)) == 1
    for words in ("recording", "video ok 0.0/0.3/1.2 s 12,345/12,400/3/0", "write queue 2", "loop late 3.0 ms",
                  "memory 92 of 512 MiB", "12 GB free", "recorder restarted 2 times"):  # fmt: skip
        assert words in told[0]


@pytest.mark.parametrize("command", [("record", "--seconds", "1"), ("serve", "--port", "0")])
def test_a_home_that_cannot_be_made_is_storage_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    assert main([*command, "--home", "/proc/pepys"]) == 5
    said = capsys.readouterr().err
    assert "/proc/pepys cannot be made" in said and "--home" in said and "--debug" not in said
    monkeypatch.setenv("PEPYS_HOME", str(home))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (paused(), ("paused", "`pepys resume` goes on")),
        (paused("locked"), ("the screen is locked", "unlock it")),
        (status(), ("it is elsewhere", "wait a moment")),
    ],
)
def test_a_shot_of_a_recording_that_rests_names_what_makes_it_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], words: tuple[str, ...],
    home: Path,
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise Busy("it is elsewhere", "wait a moment and try again")

    monkeypatch.setattr("pepys.cli.control.ask_host", refuse)
    monkeypatch.setattr("pepys.cli.control.status_of", lambda _home: told)
    assert main(["shot", "--home", str(home)]) == 8
    said = capsys.readouterr().err
    assert all(word in said for word in words)


@pytest.mark.parametrize(
    ("command", "was", "said"),
    [
        ("pause", "paused", "Already paused at 1:05."), ("pause", "recording", "Paused at 1:05."),
        ("resume", "recording", "Already recording S"), ("resume", "paused", "Recording S"),
    ],
)  # fmt: skip
def test_what_is_so_already_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, command: str, was: str, said: str
) -> None:
    goal = "paused" if command == "pause" else "recording"
    monkeypatch.setattr(
        "pepys.cli.control.ask_host", lambda _home, do, **_: status(state=was if do == "status" else goal)
    )
    assert main([command, "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith(said)


def test_a_gap_shorter_than_a_second_has_a_length() -> None:
    assert gap_text({"start_ms": 0, "end_ms": 420, "reason": "pause"}) == "gap of 0.4 s: pause"
    assert gap_text({"start_ms": 0, "end_ms": 1420, "reason": "pause"}) == "gap of 0:01: pause"
