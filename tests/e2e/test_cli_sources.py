"""Several windows in one recording, as a user names, changes and sees them: real program, real display."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pepys.demo.servers import XServer
from pepys.sessions.control import orphans, status_of
from tests.desk import Desk
from tests.waiting import wait_until

QUIET = ("--audio", "off", "--shots", "off")
RED, BLUE, GREEN = 0xC02020, 0x2020C0, 0x20C020
SECRET = "*quixote*"


def pepys(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    argv = [sys.executable, "-m", "pepys", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def told(*words: str) -> Any:
    """The JSON of a command that must succeed."""
    done = pepys(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(*words: str) -> tuple[int, str]:
    """The exit code and the error of a command that must fail."""
    done = pepys(*words, "--json")
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    return done.returncode, f"{error['message']}; {error['remedy']}"


def shades(film: Path) -> list[set[str]]:
    """Which of the windows' colours are in each picture of a film."""
    found = []
    with av.open(str(film)) as opened:
        for frame in opened.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")[::4, ::4].astype(np.int16)
            red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
            masks = {"red": red - blue > 100, "blue": blue - red > 100, "green": green - red > 100}
            found.append({name for name, mask in masks.items() if mask.mean() > 0.02})
    return found


@pytest.fixture
def desk(xserver: XServer) -> Iterator[Desk]:
    with Desk(xserver.env["DISPLAY"]) as desk:
        yield desk


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
        os.kill(run.pid, signal.SIGTERM)
    wait_until(lambda: not orphans(home), 15, "the recorders to end")


def begin(recorders: list[subprocess.Popen[str]], home: Path, *words: str) -> subprocess.Popen[str]:
    """Start `pepys record` and wait until it records."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pepys", "record", *words, *QUIET],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    recorders.append(process)

    def records() -> bool:
        assert process.poll() is None, process.communicate()
        return str(status_of(home)["state"]) == "recording"

    wait_until(records, 20, "the recording")
    return process


def test_windows_are_recorded_side_by_side_changed_and_shown(
    home: Path, desk: Desk, recorders: list[subprocess.Popen[str]], short_folder: Path
) -> None:
    desk.window((0, 0, 320, 240), RED, title="the red one")
    blue = desk.window((10, 10, 320, 240), BLUE, title="the blue one")  # lies on the red one
    desk.window((600, 400, 320, 240), GREEN, title="the green one")
    process = begin(recorders, home, "two", "--window", "*red*", "--window", "blue", "--layout", "side-by-side",
                    "--exclude", SECRET)  # fmt: skip
    status = told("status")
    assert (status["layout"], status["sources"]) == ("side-by-side", ["window:*red*", "window:blue"])
    assert [track["track"] for track in status["tracks"] if track["state"] == "healthy"] == [
        "video",
        "video.1",
        "video.2",
    ]

    changed = told("set", "--source", "window:green", "--window", "blue", "--layout", "pip:top-left:large")
    assert (changed["state"], changed["layout"]) == ("recording", "pip:top-left:large")
    assert changed["sources"] == ["window:green", "window:blue"]
    code, message = refused("set", "--window", "nobody's window")
    assert code == 4 and "the red one" in message
    code, _ = refused("set", "--layout", "passthrough")
    assert code == 2
    assert told("status")["sources"] == ["window:green", "window:blue"]  # what was refused changed nothing
    text = pepys("status").stdout
    assert "  showing pip:top-left:large: window:green + window:blue\n" in text
    assert "  video.2 ok (window:blue)\n" in text

    desk.destroy(blue)
    wait_until(lambda: any(gap["track"] == "video.2" for gap in status_of(home)["gaps_open"]), 5, "the gap")
    assert told("stop")["state"] == "completed"
    assert process.wait(15) == 0  # a window that was closed is no failure

    shown = told("show", "last")
    tracks = {track["track"]: track for track in shown["tracks"]}
    assert (tracks["video"]["layout"], tracks["video"]["gaps"]) == ("pip:top-left:large", [])
    assert tracks["video"]["encoder"]
    assert (tracks["video"]["width"], tracks["video"]["height"]) == (320, 240)
    assert [gap["reason"] for gap in tracks["video.2"]["gaps"]] == ["source_closed"]
    # A track stands for one source from start to end: the third source is a third track.
    assert (tracks["video.1"]["segments"], tracks["video.1"]["source"]) == (0, "window:*red*")
    assert (tracks["video.3"]["segments"], tracks["video.3"]["source"]) == (0, "window:green")
    assert shown["gaps"] == []
    text = pepys("show", "last").stdout
    assert "320x240, pip:top-left:large of 2 sources" in text
    assert "video.2 (window:blue) missing for" in text

    assert pepys("export", "last", "--to", str(short_folder / "film.mp4")).returncode == 0
    seen = shades(short_folder / "film.mp4")
    assert seen[0] == {"red", "blue"}  # the red window whole, though the blue one covers it
    assert {"green", "blue"} in seen
    assert seen[-1] == {"green"}
    assert pepys("verify").returncode == 0
    assert "quixote" not in text + json.dumps(shown)
    assert b"quixote" not in (short_folder / "film.mp4").read_bytes()


def test_a_recorder_without_its_host_changes_what_it_shows(
    home: Path, desk: Desk, recorders: list[subprocess.Popen[str]]
) -> None:
    desk.window((0, 0, 320, 240), RED, title="the red one")
    process = begin(recorders, home, "alone", "--window", "red")
    process.kill()
    process.wait()
    changed = told("set", "--source", "pattern:testsrc2", "--window", "red")
    assert (changed["layout"], changed["sources"]) == ("grid", ["pattern:testsrc2", "window:red"])
    assert told("stop")["state"] == "completed"
    assert told("show", "last")["state"] == "completed"


def test_a_title_of_several_windows_is_exit_2_and_names_them(home: Path, desk: Desk) -> None:
    desk.window((0, 0, 320, 240), RED, title="the red one")
    desk.window((400, 0, 320, 240), BLUE, title="the blue one")
    code, error = refused("record", "--window", "the * one", *QUIET, "--seconds", "1")
    assert code == 2
    assert "the red one" in error
    assert "the blue one" in error
    assert told("list") == []


def test_a_film_that_has_ended_ends_the_recording_in_order(home: Path) -> None:
    film = "pattern:testsrc2=size=320x240:rate=10:duration=0.5"
    done = pepys("record", "film", "--source", film, "--audio", "off", "--shots", "off")
    assert (done.returncode, "failed" in done.stderr) == (0, False)
    text = pepys("show", "last").stdout
    assert "until it ended" in text and "left out" not in text
    video = next(track for track in told("show", "last")["tracks"] if track["track"] == "video")
    assert video["frames_encoded"] > 3
