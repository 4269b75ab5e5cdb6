"""The account over wall time, a session as a table, and what a witness takes for trouble: from made sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pepys.bench.desktop_table import rows, table
from pepys.bench.faults import FAULTS
from pepys.bench.faults_account import NONE, SOME, WHOLE, Account, Happened, account, holes
from pepys.bench.faults_course import Outcome, choose, figures
from pepys.bench.faults_witness import Witness
from pepys.bench.health import MEASURES
from pepys.bench.health_kills import losses
from pepys.bench.health_lasting import line
from pepys.cli import main
from pepys.clock import SystemClock
from pepys.errors import Usage
from pepys.model.session import Gap, Segment, Session, Span, Track

S = 1_000_000_000
BOOT = 5000 * S
ANCHORS = [(BOOT, 0), (BOOT + 15 * S, 15 * S)]
CRASH = Happened("kill", BOOT + 11 * S, BOOT + 15 * S, BOOT + 15 * S, (), frozenset({"crash"}), WHOLE)


def _track(name: str, *gaps: Gap, short_ns: int = 0) -> Track:
    media = (
        Segment(0, 0, "b", "", 10, 0, 10_500_000_000 - short_ns, 0),
        Segment(1, 1, "c", "", 10, 10_500_000_000, 5 * S, 15 * S),
    )
    return Track(name, "video" if name == "video" else "audio", "", gaps=gaps, segments=media)


def _session(*tracks: Track, gap: Gap | None = None) -> Session:
    spans = (Span(0, 0, 10_500_000_000, 0), Span(1, 15 * S, 20 * S, 10_500_000_000))
    gaps = (gap or Gap(10_500_000_000, 15 * S, "crash"),)
    return Session("s", "", "completed", 0, 20 * S, spans=spans, gaps=gaps, tracks=tracks or (_track("video"),))


def _problems(session: Session, *happened: Happened, tracks: tuple[str, ...] = ("video",)) -> str:
    return "\n".join(account(session, ANCHORS, happened or (CRASH,), tracks).problems)


def test_a_whole_account_has_no_problem_and_its_sums() -> None:
    lost = Gap(2 * S, 4 * S, "device_lost", "audio.mic")
    dead = Happened("parec", BOOT + 2 * S, BOOT + 2 * S, BOOT + 4 * S, ("audio.mic",), frozenset({"device_lost"}), SOME)
    told = account(_session(_track("video"), _track("audio.mic", lost)), ANCHORS, [dead, CRASH], ("video", "audio.mic"))
    assert told.problems == [] and told.axis_ns == 20 * S
    video, mic = told.tracks
    assert (video.recorded_ns, video.gaps_ns) == (15_500_000_000, {"crash": 4_500_000_000})
    assert (mic.recorded_ns, mic.gaps_ns) == (13_500_000_000, {"crash": 4_500_000_000, "device_lost": 2 * S})


def test_what_is_neither_recorded_nor_in_a_gap_is_named() -> None:
    assert "14.000 to 15.000 s is neither" in _problems(_session(gap=Gap(10_500_000_000, 14 * S, "crash")))
    # A kill may cut one track short of another by a fragment, not by more.
    assert _problems(_session(_track("video", short_ns=800_000_000))) == ""
    assert "video: 9.500 to 10.500 s of a span has no media" in _problems(_session(_track("video", short_ns=S)))
    assert "there is no track audio.mic" in _problems(_session(), tracks=("audio.mic",))


def test_gaps_need_the_right_reason_and_a_cause() -> None:
    wrong = _problems(_session(gap=Gap(10_500_000_000, 15 * S, "pause")))
    assert "kill: the session has no gap with the right reason" in wrong
    assert "the gap pause at 10.500 to 15.000 s has no cause" in wrong
    odd = _track("video", Gap(6 * S, 7 * S, "device_lost", "video"))
    assert "video: the gap device_lost at 6.000 to 7.000 s has no cause" in _problems(_session(odd))
    late = replace(CRASH, begun_ns=BOOT + 8 * S)
    assert "kill: the session tells 9.000 to 10.500 s as recorded" in _problems(_session(), late)
    assert _problems(_session(), replace(CRASH, hole=NONE)) == ""


def test_a_fault_of_one_track_is_not_asked_of_another() -> None:
    hung = Happened("x", BOOT + 2 * S, BOOT + 6 * S, BOOT + 7 * S, ("video",), frozenset({"source_closed"}), WHOLE)
    whole = _session(_track("video", Gap(2 * S, 6 * S, "source_closed", "video")), _track("audio.mic"))
    assert _problems(whole, hung, CRASH, tracks=("video", "audio.mic")) == ""
    other = _session(_track("video"), _track("audio.mic", Gap(2 * S, 6 * S, "source_closed", "audio.mic")))
    told = _problems(other, hung, CRASH, tracks=("video", "audio.mic"))
    assert "x: video has no gap" in told and "audio.mic: the gap source_closed" in told


def test_holes_are_what_nothing_covers() -> None:
    assert holes([(0, 3), (5, 9)], 0, 12, 0) == [(3, 5), (9, 12)]
    assert holes([(5, 9), (0, 6)], 0, 9, 0) == [] and holes([], 2, 4, 1) == [(2, 4)]
    assert holes([(0, 3), (20, 30)], 0, 10, 0) == [(3, 10)]


def test_a_table_has_a_row_for_every_stretch_and_sums() -> None:
    session = _session(_track("video"), _track("audio.mic", Gap(2 * S, 4 * S, "device_lost", "audio.mic")))
    assert rows(session, ("video", "audio.mic")) == [
        (0, 2 * S, ("recorded", "recorded")),
        (2 * S, 4 * S, ("recorded", "device_lost")),
        (4 * S, 10_500_000_000, ("recorded", "recorded")),
        (10_500_000_000, 15 * S, ("crash", "crash")),
        (15 * S, 20 * S, ("recorded", "recorded")),
    ]
    lines = table(session, ("video", "audio.mic"))
    assert lines[3] == "| 0:02.0 | 0:04.0 | recorded | device_lost |"
    assert lines[-1] == (
        "| **all** | 0:20.0 | 0:15.5 recorded, 0:04.5 crash | 0:13.5 recorded, 0:02.0 device_lost, 0:04.5 crash |"
    )
    broken = _session(gap=Gap(10_500_000_000, 14 * S, "crash"))
    assert "**neither**" in table(broken, ("video",))[-1]


def test_a_kill_costs_from_the_end_of_the_media_to_itself() -> None:
    lost = losses(_session(_track("video", short_ns=200_000_000), _track("audio.mic")), ANCHORS, [BOOT + 11 * S])
    assert lost == [{"video": pytest.approx(700.0), "audio.mic": pytest.approx(500.0)}]


def test_trouble_is_what_a_user_would_see() -> None:
    witness = Witness(Path("/nowhere"), SystemClock())
    well = {"state": "recording", "tracks": [{"track": "video", "state": "healthy"}]}
    assert not witness.trouble({"push": "status", "status": well}) and not witness.trouble(None)
    for told in (
        {},
        {"push": "warning", "kind": "clock"},
        {"push": "error"},
        {"push": "gap", "end_ms": None, "reason": "device_lost"},
        {"push": "track", "track": "video", "state": "degraded"},
        {"push": "session", "state": "interrupted"},
        {"push": "status", "status": {"state": "interrupted"}},
        {"push": "status", "status": {**well, "tracks": [{"track": "video", "state": "healthy", "stands": "write"}]}},
    ):
        assert witness.trouble(told), told
    assert not witness.trouble({"push": "gap", "end_ms": 5, "reason": "device_lost"})
    assert not witness.trouble({"push": "levels"})


def test_figures_tell_what_was_late_and_what_is_wrong() -> None:
    outcome = Outcome([100.0, 2500.0, None], 2, ["x: video has no gap"], ["blob: it is missing"], [Account(S, [], [])])
    told, wrong = figures("x-kill", outcome, 3)
    assert (told.value, told.held) == (1, False) and "longest 2500 ms; went on by itself 2 of 3 times" in told.said
    assert (wrong.value, wrong.held) == (2, False) and "verify: blob" in wrong.said
    told, wrong = figures("x-kill", Outcome([100.0], 1, [], [], [Account(S, [], [])]), 1)
    assert told.held and wrong.held and wrong.said.startswith("of 1.0 s")


def test_measures_are_chosen_by_name() -> None:
    assert choose([]) == tuple(FAULTS) and choose(["x-kill", "recorder-kill"]) == ("recorder-kill", "x-kill")
    with pytest.raises(Usage, match="no fault dance"):
        choose(["dance"])
    assert MEASURES["slope"].lasts_s(None, None) > 3600 > MEASURES["kills"].lasts_s(None, 1)


def test_a_slope_is_that_of_the_straight_line() -> None:
    xs = np.linspace(0, 1, 50)
    assert line(list(xs), list(3 * xs + 7)) == pytest.approx(3.0)
    assert line([1.0], [5.0]) == 0.0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--faults", "--measure", "dance"], "no fault dance"),
        (["--health", "--measure", "dance"], "no measure dance"),
        (["--faults", "--health"], "two measurements"),
        (["--faults", "--seconds", "3"], "lasts as long as it does"),
        (["--faults", "--load", "idle"], "--load is of the video"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "capture", *words]) == 2
    assert named in capsys.readouterr().err
