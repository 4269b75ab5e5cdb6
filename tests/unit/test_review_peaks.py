"""Waveforms from level events: reduced, bounded, live, with gaps as nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pepys import limits
from pepys.errors import Usage
from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.model.sound_levels import Levels, pack
from pepys.review.shelf import Shelf
from pepys.store.store import Store
from tests.stored_session import Recording, make_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def note(recording: Recording, at_s: float, peak: int, loud: int = 7, voice: int = 0, track: str = "audio.mic") -> None:
    """A second whose 10th block is the loudest."""
    peaks = bytes(peak if block == 10 else peak // 2 for block in range(20))
    recording.writer.append(pack(Levels(0, peaks, bytes([loud]) * 20, voice), track, round(at_s * NS_PER_S)))
    recording.at_ns = round((at_s + 1) * NS_PER_S)


def ask(shelf: Shelf, session: str, track: str | None = "audio.mic", **more: Any) -> list[dict[str, Any]]:
    values = {"from_ms": 0, "to_ms": None, "points": 1000, **more}
    found: list[dict[str, Any]] = shelf.peaks(shelf.session(session), track, **values)["tracks"]
    return found


def test_every_block_is_there_where_there_is_room_for_it(store: Store) -> None:
    recording = Recording.begin(store)
    note(recording, 0, 200, voice=0b111100)
    note(recording, 1, 100)
    (lane,) = ask(Shelf(store), recording.end())
    assert (lane["start_ms"], lane["step_ms"], len(lane["peaks"])) == (0, 50, 40)
    assert lane["peaks"] == [100] * 10 + [200] + [100] * 9 + [50] * 10 + [100] + [50] * 9
    assert lane["loudness"] == [7] * 40
    assert lane["voice"] == [[100, 300]]


def test_reduction_keeps_the_largest_and_steps_stay_where_they_are(store: Store) -> None:
    recording = Recording.begin(store)
    for second in range(60):
        note(recording, second, 200 if second == 30 else 100)
    session, shelf = recording.end(), Shelf(store)
    (lane,) = ask(shelf, session, points=60)
    assert lane["step_ms"] == 1000
    assert lane["peaks"] == [100] * 30 + [200] + [100] * 29
    for points in (1, 7, 59, 61):
        (lane,) = ask(shelf, session, points=points)
        assert len(lane["peaks"]) <= points and max(lane["peaks"]) == 200
        assert lane["step_ms"] * len(lane["peaks"]) >= 60_000
    (near,), (moved,) = (
        ask(shelf, session, from_ms=start, to_ms=start + 9_990, points=10) for start in (25_010, 28_010)
    )
    assert near["step_ms"] == moved["step_ms"]
    assert near["start_ms"] % near["step_ms"] == 0 == moved["start_ms"] % near["step_ms"]
    (part,) = ask(shelf, session, from_ms=30_500, to_ms=30_550)
    assert (part["start_ms"], part["peaks"]) == (30_500, [200])


def test_pauses_and_what_was_never_recorded_are_nothing(store: Store) -> None:
    recording = Recording.begin(store)
    day = 86_400
    note(recording, 0, 100)
    note(recording, 3, 100)
    note(recording, 30 * day, 150, voice=1)
    (lane,) = ask(Shelf(store), recording.end(), to_ms=5_000)
    assert [value > 0 for value in lane["peaks"]] == [True] * 20 + [False] * 40 + [True] * 20 + [False] * 20
    (late,) = ask(Shelf(store), recording.session, from_ms=30 * day * 1000, to_ms=30 * day * 1000 + 2_000)
    assert max(late["peaks"][:20]) == 150 and not any(late["peaks"][20:])
    assert late["voice"] == [[30 * day * 1000, 30 * day * 1000 + 50]]


def test_tracks_stand_in_their_order_and_others_are_absent(store: Store) -> None:
    recording = Recording.begin(store)
    recording.writer.append(ev.TrackStarted("audio.system", "audio", "x"), ev.TrackStarted("audio.mic", "audio", "y"))
    for track in ("audio.mix", "audio.mic", "audio.system"):
        note(recording, 0, 10, track=track)
    session = recording.end()
    assert [lane["track"] for lane in ask(Shelf(store), session, None)] == ["audio.system", "audio.mic", "audio.mix"]
    assert ask(Shelf(store), session, "video") == []


def test_an_end_before_the_beginning_is_refused(store: Store) -> None:
    recording = Recording.begin(store)
    note(recording, 0, 10)
    with pytest.raises(Usage, match="before"):
        ask(Shelf(store), recording.end(), from_ms=10, to_ms=9)


def test_a_live_session_grows_and_is_the_same_when_it_has_ended(store: Store) -> None:
    recording = Recording.begin(store)
    shelf = Shelf(store)
    assert ask(shelf, recording.session) == []
    for second in range(6):
        note(recording, second, 20 * (second + 1), voice=0xFFFFF)
        recording.note("now")
        if second in (2, 4):
            recording.writer.seal()
        (lane,) = ask(shelf, recording.session, to_ms=1000 * (second + 1), points=second + 1)
        assert lane["peaks"] == [20 * (n + 1) for n in range(second + 1)]
        assert lane["voice"] == [[0, 1000 * (second + 1)]]
    live = ask(shelf, recording.session, to_ms=6_000)
    session = recording.end()
    assert ask(shelf, session) == live == ask(Shelf(store), session)


def test_only_a_few_sessions_keep_their_levels(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REVIEW_LEVELS_SESSIONS", 2)
    shelf, sessions = Shelf(store), []
    for number in range(4):
        recording = Recording.begin(store, wall_ns=1_750_000_000_000_000_000 + number * NS_PER_S)
        note(recording, 0, 10 + number)
        sessions.append(recording.end())
        ask(shelf, sessions[-1])
    assert sum(place.lanes is not None for place in shelf._places.values()) == 2
    assert [max(ask(shelf, session)[0]["peaks"]) for session in sessions] == [10, 11, 12, 13]
