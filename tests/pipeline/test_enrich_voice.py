"""Speech is looked for only where a voice was marked: what is decoded and heard, and where its words stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.enrich.runner import StoredSession, run_stages
from pepys.enrich.stage import Unit
from pepys.enrich.stages.transcript import SAMPLE_RATE, Spoken, SpokenWord, TranscriptStage
from pepys.enrich.state import enrichment_state
from pepys.limits import NS_PER_S
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from tests.made_session import RATE, Made, make_session

LONG_S = 24.0


class Ear:
    """An engine that hears a word of half a second in every loud second, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[NDArray[np.int16]] = []

    def engine(self) -> str:
        return "ear 1"

    def hear(self, sound: NDArray[np.int16]) -> list[Spoken]:
        self.given.append(sound)
        loud, left = [], np.flatnonzero(np.abs(sound) > 1000)
        while left.size:
            loud.append(int(left[0]))
            left = left[left >= left[0] + SAMPLE_RATE]
        words = tuple(SpokenWord(f"w{at}", at / SAMPLE_RATE, at / SAMPLE_RATE + 0.5) for at in loud)
        return [Spoken("all of it", words[0].start_s, words[-1].end_s, words)] if words else []


@pytest.fixture
def store(home: Path) -> Store:
    return open_store(home)


def tone(*seconds: int) -> NDArray[np.int16]:
    """A sound that swells and falls as a voice does in these seconds, on a quiet room."""
    sound = np.random.default_rng(4).integers(-20, 20, round(LONG_S * RATE)).astype(np.int16)
    times = np.arange(RATE) / RATE
    swell = 6000 * np.sin(2 * np.pi * 140 * times) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times))
    for second in seconds:
        sound[second * RATE : (second + 1) * RATE] += swell.astype(np.int16)
    return sound


def recorded(store: Store, sound: NDArray[np.int16], *, levels: bool, spans: tuple[float, ...] = (LONG_S,)) -> str:
    """A session of that sound; its levels are noted as a recorder does where `levels`."""
    made = Made(spans=spans, texts=(), speech=sound, video=False, levels=levels)
    return make_session(store, made)


def heard(store: Store, session: str, ear: Ear) -> list[dict[str, object]]:
    source = StoredSession(store, load(store, session))
    stage = TranscriptStage(ear)
    units = [unit for unit in stage.units(source.session) if unit.values["track"] == "audio.mic"]
    return [item for unit in units for item in stage.run(unit, source)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The blobs that stages read."""
    seen: list[str] = []
    read = StoredSession.blob

    def blob(self: StoredSession, name: str) -> bytes:
        seen.append(name)
        return read(self, name)

    monkeypatch.setattr(StoredSession, "blob", blob)
    return seen


def test_where_nobody_speaks_nothing_is_decoded_and_the_stage_is_complete(store: Store, opened: list[str]) -> None:
    session = recorded(store, tone(), levels=True)
    ear = Ear()
    assert run_stages(store, session, [TranscriptStage(ear)], lambda progress: None, lambda: False) == ()
    assert (opened, ear.given) == ([], [])
    (stage,) = (stage for stage in enrichment_state(load(store, session))["stages"] if stage["name"] == "transcript")
    assert stage["state"] == "completed"


def test_only_the_surroundings_of_a_voice_are_heard_and_words_stand_in_their_places(
    store: Store, opened: list[str]
) -> None:
    session = recorded(store, tone(5, 6, 17), levels=True)
    ear = Ear()
    items = heard(store, session, ear)
    (given,) = ear.given
    assert 3 * SAMPLE_RATE < len(given) < 9 * SAMPLE_RATE
    track = load(store, session).track("audio.mic")
    assert track is not None
    speaking = {segment.blob for segment in track.segments if segment.media_ns // NS_PER_S in (4, 16)}
    assert {track.segments[n].blob for n in (0, 3, 5)}.isdisjoint(opened) and speaking <= set(opened)
    # A turn that the engine found over two pieces is two turns, each where it was.
    found = [(item["text"], item["start_ms"], item["end_ms"]) for item in items]
    assert [len(str(text).split()) for text, _, _ in found] == [2, 1]
    assert [times for _, *times in found] == [
        pytest.approx([5_000, 6_500], abs=60),
        pytest.approx([17_000, 17_500], abs=60),
    ]


def test_sessions_without_levels_are_heard_whole(store: Store) -> None:
    sound = tone(5, 19)
    ear, old = Ear(), Ear()
    heard(store, recorded(store, sound, levels=False), old)
    assert [len(given) for given in old.given] == [round(LONG_S * SAMPLE_RATE)]
    session = recorded(store, sound, levels=True)
    heard(store, session, ear)
    assert sum(len(given) for given in ear.given) < len(old.given[0]) / 2


def test_seconds_whose_levels_were_lost_are_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    session = recorded(store, tone(), levels=True)
    whole = StoredSession.heard

    def lost(self: StoredSession, track: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        (measured,), voiced = whole(self, track)
        return [(measured[0], measured[1] - 2 * NS_PER_S)], voiced

    monkeypatch.setattr(StoredSession, "heard", lost)
    ear = Ear()
    source = StoredSession(store, load(store, session))
    stage = TranscriptStage(ear)
    (unit,) = (unit for unit in stage.units(source.session) if unit.values["track"] == "audio.mic")
    stage.run(unit, source)
    assert [len(given) for given in ear.given] == [2 * SAMPLE_RATE]


def test_units_and_their_names_do_not_depend_on_levels(store: Store) -> None:
    def units(session: str) -> list[tuple[int, dict[str, object]]]:
        found: tuple[Unit, ...] = TranscriptStage(Ear()).units(load(store, session))
        return [(len(unit.inputs), unit.values) for unit in found]

    sound = tone(5)
    assert units(recorded(store, sound, levels=True)) == units(recorded(store, sound, levels=False))
