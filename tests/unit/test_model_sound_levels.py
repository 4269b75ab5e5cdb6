"""Levels as bytes, as events and as times; and reading a session without paying for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pepys.limits import NS_PER_S
from pepys.model import events as ev
from pepys.model import sound_levels as lv
from pepys.model.event_lines import beginning
from pepys.store import reader
from pepys.store.chunks import decode_chunk
from pepys.store.reader import LiveView, events, load, no_levels, only_levels
from tests.stored_session import Recording, encode_chunk, make_store

MS = 1_000_000


def second(at_s: float, voice: int = 0, track: str = "audio.mic", blocks: int = 20) -> ev.LevelsNoted:
    peaks, loudness = bytes(range(100, 100 + blocks)), bytes(range(50, 50 + blocks))
    return lv.pack(lv.Levels(0, peaks, loudness, voice), track, round(at_s * NS_PER_S))


@pytest.mark.parametrize(
    ("level_db", "byte"), [(-200, 0), (-102, 0), (-101.6, 1), (-60, 105), (-3.01, 247), (0, 255), (3, 255)]
)
def test_a_byte_is_two_fifths_of_a_decibel(level_db: float, byte: int) -> None:
    assert lv.byte_of(level_db) == byte
    if 0 < byte < 255:
        assert abs(lv.db_of(byte) - level_db) <= 0.2


def test_a_second_comes_back_from_its_event_and_knows_its_time() -> None:
    levels = lv.Levels(48_000 * 7, bytes(range(20)), bytes(range(60, 80)), 0b1011)
    event = lv.pack(levels, "audio.mic", 3 * NS_PER_S)
    assert (event.track, event.at_ns) == ("audio.mic", 10 * NS_PER_S)
    assert lv.unpack(event) == replace(levels, position=0)
    assert ev.decode(ev.encode(event)) == event
    assert lv.push_of(levels)["voice"][:5] == [1, 1, 0, 1, 0]
    assert lv.push_of(levels)["loudness"][0] == -78


@pytest.mark.parametrize("broken", ["?", "AAAA"])
def test_what_is_no_level_is_refused_and_counts_as_not_measured(broken: str) -> None:
    event = replace(second(0, voice=0xFFFFF), peaks=broken)
    with pytest.raises(ValueError, match="no levels"):
        lv.unpack(event)
    assert lv.heard([event]) == ([], [])


def test_voice_is_told_as_times_that_seconds_do_not_cut() -> None:
    run = [second(0, 0xFFC00), second(1, 0x3FF), second(2), second(5, 0b101, blocks=3)]
    measured, voiced = lv.heard(run)
    assert measured == [(0, 3 * NS_PER_S), (5 * NS_PER_S, 5150 * MS)]
    assert voiced == [(500 * MS, 1500 * MS), (5000 * MS, 5050 * MS), (5100 * MS, 5150 * MS)]


def test_what_lies_outside_of_ranges() -> None:
    assert lv.without(0, 10, [(2, 4), (4, 5), (8, 20)]) == [(0, 2), (5, 8)]
    assert lv.without(3, 4, [(2, 5)]) == []
    assert lv.without(3, 4, []) == [(3, 4)]


def test_the_beginning_of_every_event_tells_its_type() -> None:
    assert ev.encode(second(0)).startswith(beginning(ev.LevelsNoted))
    chunk = encode_chunk([ev.SessionEnded(1), second(0), ev.SessionEnded(2), second(1)])
    assert [type(event) for event in decode_chunk(chunk, no_levels)] == [ev.SessionEnded] * 2
    assert list(decode_chunk(chunk, only_levels)) == [second(0), second(1)]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is decoded of journals and chunks, of levels alone."""
    seen: list[bytes] = []

    def decode(data: bytes) -> ev.Event:
        if not no_levels(data):
            seen.append(data)
        return ev.decode(data)

    monkeypatch.setattr("pepys.store.chunks.decode", decode)
    monkeypatch.setattr("pepys.store.journal_reader.decode", decode)
    return seen


def test_sessions_are_folded_without_decoding_levels_and_who_wants_them_gets_them(
    tmp_path: Path, decoded: list[bytes]
) -> None:
    store = make_store(tmp_path)
    recording = Recording.begin(store)
    view = LiveView(store, recording.session)
    wanted = []
    for number in range(6):
        recording.writer.append(second(number), second(number, track="audio.mix"))
        wanted.append(second(number))
        recording.note(f"note {number}")
        if number == 2:
            recording.writer.seal()
        assert len(view.refresh().notes) == number + 1 == len(load(store, recording.session).notes)
        assert decoded == []
    assert list(reader.levels(store, recording.session, "audio.mic")) == wanted
    session = recording.end()
    decoded.clear()
    assert len(load(store, session).notes) == 6 and decoded == []
    assert list(reader.levels(store, session, "audio.mic")) == wanted
    assert len(list(reader.levels(store, session))) == 12
    assert sum(isinstance(event, ev.LevelsNoted) for event in events(store, session)) == 12
