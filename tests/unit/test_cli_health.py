"""The words of a recording's health: the live view, the plain lines, the line of `record`."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from pepys.cli.activity import activity_facts, clock_step_text, shots_text
from pepys.cli.health import ago_text, disk_text, inner_facts, left_text, short_warning, warnings
from pepys.cli.output import Output
from pepys.cli.record import StatusLine
from pepys.cli.say import gap_text
from pepys.cli.sound import Meters
from pepys.cli.watch import view, watch


def status(*, stands: str = "", stands_ms: int = 0, **changed: Any) -> dict[str, Any]:
    """A recording of a screen and a microphone."""
    track = {
        "source": "x", "state": "healthy", "detail": "", "attempt_ms_ago": 40, "capture_ms_ago": 300,
        "write_ms_ago": 1200, "captured": 12345, "encoded": 12400, "dropped": 3, "restarts": 0, "stands": "",
        "stands_ms": 0,
    }  # fmt: skip
    mic = {**track, "track": "audio.mic", "stands": stands, "stands_ms": stands_ms, "restarts": 2}
    mic |= {"state": "degraded", "detail": f"{stands} stands still for 3 s"} if stands else {}
    return {
        "state": "recording", "session": "S" * 26, "name": "a day", "recorded_ms": 65_000, "wall_ms": 65_000,
        "bytes": 3_400_000, "tracks": [{**track, "track": "video"}, mic], "sources": ["display::1"], "layout": "",
        "sound": None, "left_out": [], "gaps_open": [], "last": None,
        "disk": {"free_bytes": 12_000_000_000, "seconds_left": 12_000, "warning": ""},
        "write_queue": {"items": 2, "refused": 0, "oldest_ms": 40}, "loop": {"longest_ms": 21, "p99_ms": 3},
        "memory": {"rss_bytes": 96_000_000, "limit_bytes": 512 * 2**20}, "held": "", "notices": [], "restarts": 0,
        **changed,
    }  # fmt: skip


def drawn(told: dict[str, Any], width: int = 140) -> str:
    """The live view as characters."""
    page = io.StringIO()
    Console(file=page, width=width, color_system=None).print(view(told, Meters(page)))
    return page.getvalue()


def test_the_view_has_clocks_counts_queue_loop_memory_and_disk() -> None:
    page = drawn(status())
    row = next(line for line in page.splitlines() if line.startswith("video"))
    assert row.split() == [
        "video", "ok", "0.0", "s", "0.3", "s", "1.2", "s", "12,345", "12,400", "3", "0",
    ]  # fmt: skip
    for words in ("recording  a day  1:05  3.4 MB", "12 GB free, 3 h 20 min left", "write queue 2, oldest 0.0 s",
                  "loop late 3.0 ms (p99), 21.0 ms at most", "memory 92 of 512 MiB"):  # fmt: skip
        assert words in page
    assert "!" not in page and "restarted" not in page


def test_what_stands_still_is_said_once_with_its_time() -> None:
    page = drawn(status(stands="capture", stands_ms=3400))
    assert page.count("capture stands still for 3 s") == 1
    assert "audio.mic: capture stands still for 3 s" in page and "degraded" in page
    write = status(stands="write", stands_ms=61_000)
    write["tracks"][1] |= {"state": "healthy", "detail": ""}
    assert "audio.mic: write stands still for 61 s" in drawn(write)
    assert short_warning(write) == "audio.mic: write stands still for 61 s"


def test_held_low_refused_restarted_and_noticed_are_warnings_in_order() -> None:
    told = status(
        held="locked", disk={"free_bytes": 1, "seconds_left": 480, "warning": "low"}, restarts=2,
        write_queue={"items": 256, "refused": 7, "refused_lately": 1},
        notices=[{"kind": "protocol", "text": "an older recorder ends"}],
        last_restart={"at": "2026-01-01T00:00:00Z", "reason": "killed by signal 9"},
    )  # fmt: skip
    assert warnings(told) == [
        "the screen is locked: nothing is recorded until it is unlocked",
        "the disk is nearly full: 8 min left",
        "the disk does not keep up: 1 piece refused",
        "an older recorder ends",
    ]
    assert short_warning(told).endswith("unlocked (+)")
    page = drawn(told)
    assert all(f"! {line}" in page for line in warnings(told))
    assert "recorder restarted 2 times, the last: killed by signal 9" in page


def test_what_was_refused_long_ago_is_a_fact_and_no_warning() -> None:
    told = status(write_queue={"items": 0, "refused": 7, "refused_lately": 0, "oldest_ms": 0})
    assert warnings(told) == [] and inner_facts(told)[0] == "write queue 0, 7 refused"


def test_a_status_of_an_older_recorder_is_shown_all_the_same() -> None:
    told = status()
    for name in ("write_queue", "loop", "memory", "held", "notices", "restarts"):
        del told[name]
    for track in told["tracks"]:
        for name in ("stands", "stands_ms", "restarts"):
            del track[name]
    assert inner_facts(told) == [] and warnings(told) == []
    assert "12,345" in drawn(told)
    assert drawn({**told, "session": None, "state": "idle", "tracks": [], "disk": None}).startswith("idle")
    assert "begins in 4 s" in drawn({**told, "session": None, "state": "checking", "tracks": [], "countdown_s": 4})


def test_into_a_pipe_goes_a_line_each_and_a_warning_once(capsys: pytest.CaptureFixture[str]) -> None:
    low = status(disk={"free_bytes": 1, "seconds_left": 480, "warning": "low"}, stands="write", stands_ms=2000)
    lower = status(disk={"free_bytes": 1, "seconds_left": 420, "warning": "low"}, stands="write", stands_ms=3000)
    watch(Output(False), [status(), low, lower, status(), low])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("recording") for line in lines) == 4, "a warning at other figures is no change"
    assert sum("the disk is nearly full" in line for line in lines) == 2
    assert all("\x1b" not in line for line in lines)
    watch(Output(True), [status(), low])
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["recording"] * 2


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (ago_text(None), "-"), (ago_text(0), "0.0 s"), (ago_text(9_949), "9.9 s"), (ago_text(12_400), "12 s"),
        (ago_text(200_000), "3:20"), (left_text(119), "119 s"), (left_text(480), "8 min"),
        (left_text(12_000), "3 h 20 min"), (left_text(400_000), "4 days"), (disk_text(None), ""),
        (disk_text({"free_bytes": 2_000_000, "seconds_left": 60, "warning": "low"}), "2.0 MB free, 60 s left, LOW"),
        (clock_step_text({"at_ms": 0, "step_ms": 30_000}), "the clock was set forward by 0:30"),
        (clock_step_text({"at_ms": 0, "step_ms": 3_599_990}), "the clock was set forward by 1:00:00"),
        (clock_step_text({"at_ms": 0, "step_ms": -600}), "the clock was set back by 600 ms"),
        (gap_text({"start_ms": 0, "end_ms": 5000, "reason": "pause"}), "gap of 0:05: pause"),
        (gap_text({"start_ms": 0, "end_ms": 5000, "reason": "crash", "detail": "started anew: it used 600 MiB"}),
         "gap of 0:05: crash (started anew: it used 600 MiB)"),
    ],
)  # fmt: skip
def test_figures_are_words(told: str, text: str) -> None:
    assert told == text


def test_shots_and_activity_are_summed_in_words() -> None:
    shots = {"total": 41, "distinct": 12, "repeats": 9, "near": 20, "by_trigger": {"adaptive": 30, "focus": 11}}
    words = "41, 12 of them distinct, 20 nearly the same; 30 by what happened, 11 another window"
    assert shots_text(shots) == words
    assert shots_text({**shots, "near": 0, "by_trigger": {"interval": 41}}) == "41, 12 of them distinct"
    shown = {
        "shots": shots, "input": {"keys": 1, "clicks": 3, "scrolls": 0, "moves": 0},
        "idle": {"total_ms": 180_000, "stretches": [{}, {}]},
    }  # fmt: skip
    assert activity_facts(shown) == [("shots", words), ("input", "1 key, 3 clicks"), ("idle", "3:00, 2 times")]


def test_the_line_of_record_counts_down_and_then_warns_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    line = StatusLine(Output(False))
    for left_s in (2, 1, 0):
        line.hear({"push": "countdown", "left_s": left_s})
    drawn = capsys.readouterr().err
    assert "\rRecording begins in 2 s; Ctrl-C stops it.\rRecording begins in 1 s" in drawn and drawn.endswith(" \r")
    low = {"free_bytes": 1, "seconds_left": 480, "warning": "low"}
    line.hear({"push": "started", "status": status(disk=low)})
    assert "\n  the disk is nearly full: 8 min left\n" in capsys.readouterr().err
    line.hear({"push": "status", "status": status()})
    assert "all tracks ok" in capsys.readouterr().err
    line.hear({"push": "status", "status": status(stands="write", stands_ms=4000, disk=low)})
    assert "3.4 MB  audio.mic: write stands still for 4 s (+)  audio.mic degraded" in capsys.readouterr().err
    line.hear({"push": "warning", "track": None, "kind": "clock", "text": "the clock was set"})
    assert capsys.readouterr().err.endswith("\rthe clock was set\n")
