"""Stretches of sound: where they are cut, what is not even listened to, and the times of words."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from pepys.enrich.adapters.whisper import _spoken
from pepys.enrich.listening import Pieces
from pepys.enrich.plan import transcript_units
from pepys.enrich.stages import transcript
from pepys.enrich.stages.transcript import SAMPLE_RATE, Spoken, SpokenWord, TranscriptStage
from pepys.limits import NS_PER_S
from pepys.media.remux import PcmBlock
from pepys.media.remux import Span as MediaSpan
from pepys.model.session import Init, Segment, Session, Span, Track
from pepys.model.sound_levels import Ranges

SEGMENTS = 10
SEGMENT_S = 60
PAUSE_S = 100


class Ear:
    """An engine that says it heard one word at the first loud sample, and remembers how much it was given."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []

    def engine(self) -> str:
        return "ear 1"

    def hear(self, sound: NDArray[np.int16]) -> list[Spoken]:
        self.heard.append(sound)
        at_s = float(np.flatnonzero(np.abs(sound) > 1000)[0]) / SAMPLE_RATE
        return [Spoken("word", at_s, at_s + 0.5, (SpokenWord("word", at_s, at_s + 0.5),))]


class Sound:
    """A source whose every segment is a minute of a sound that a test made; blobs are `<first second>`."""

    def __init__(self, sound: NDArray[np.int16]) -> None:
        self.sound = sound
        self.levels: tuple[Ranges, Ranges] = [], []
        self.opened: list[int] = []
        # The axis is ahead of the playback timeline: recording began after a pause of PAUSE_S.
        span = Span(1, PAUSE_S * NS_PER_S, (PAUSE_S + SEGMENTS * SEGMENT_S) * NS_PER_S, 0)
        segments = tuple(
            Segment(
                n, 1, str(n * SEGMENT_S), "", 1,
                n * SEGMENT_S * NS_PER_S, SEGMENT_S * NS_PER_S, (PAUSE_S + n * SEGMENT_S) * NS_PER_S,
            )
            for n in range(SEGMENTS)
        )  # fmt: skip
        mic = Track("audio.mic", "audio", "", inits=(Init(1, "init", ""),), segments=segments)
        self.session = Session("s", "", "completed", 0, span.end_ns, spans=(span,), tracks=(mic,))

    def blob(self, blob: str) -> bytes:
        if blob.isdigit():
            self.opened.append(int(blob) // SEGMENT_S)
        return blob.encode()

    def items(self, stage: str) -> list[dict[str, object]]:
        raise AssertionError(f"a transcript needs no {stage}")

    def heard(self, track: str) -> tuple[Ranges, Ranges]:
        return self.levels


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Sound:
    """Ten minutes of hum, with a quiet half second 1.2 s before the border of the two stretches."""
    hum = (np.random.default_rng(5).integers(-3000, 3000, SEGMENTS * SEGMENT_S * SAMPLE_RATE)).astype(np.int16)
    quiet = int((5 * SEGMENT_S - 1.2) * SAMPLE_RATE)
    hum[quiet : quiet + SAMPLE_RATE // 2] = 3
    made = Sound(hum)

    def decode(spans: list[MediaSpan], rate: int) -> Iterator[PcmBlock]:
        assert rate == SAMPLE_RATE
        for span in spans:
            for first in span.fragments:
                at = int(first) * SAMPLE_RATE
                yield PcmBlock(int(first) * NS_PER_S, made.sound[at : at + SEGMENT_S * SAMPLE_RATE])

    monkeypatch.setattr("pepys.media.remux.decode_pcm", decode)
    return made


def test_neighbours_meet_at_the_quietest_moment_and_nothing_is_heard_twice_or_missed(source: Sound) -> None:
    ear = Ear()
    stage = TranscriptStage(ear)
    units = transcript_units(source.session)
    assert len(units) == 2
    for unit in units:
        stage.run(unit, source)
    assert np.array_equal(np.concatenate(ear.heard), source.sound)
    cut_s = len(ear.heard[0]) / SAMPLE_RATE
    assert 5 * SEGMENT_S - 1.2 <= cut_s <= 5 * SEGMENT_S - 0.7


@pytest.mark.parametrize(
    ("first_s", "last_s", "decoded"),
    [
        (290, 310, [4, 5, 4, 5]),
        (300.5, 310, [4, 5, 4, 5]),
        (290, 299.9, [4, 5, 4, 5]),
        (302.5, 310, [5]),
        (70, 80, [1]),
    ],
)
def test_a_voice_near_a_border_is_heard_once_and_only_what_it_needs_is_decoded(
    source: Sound, first_s: float, last_s: float, decoded: list[int]
) -> None:
    begin, end = (PAUSE_S * NS_PER_S, (PAUSE_S + SEGMENTS * SEGMENT_S) * NS_PER_S)
    voiced = (begin + round(first_s * NS_PER_S), begin + round(last_s * NS_PER_S))
    source.levels = [(begin, end)], [voiced]
    ear = Ear()
    for unit in transcript_units(source.session):
        TranscriptStage(ear).run(unit, source)
    wanted = source.sound[round(first_s * SAMPLE_RATE) : round(last_s * SAMPLE_RATE)]
    assert np.array_equal(np.concatenate(ear.heard), wanted)
    assert source.opened == decoded


def test_pieces_lead_back_to_where_they_were() -> None:
    pieces = Pieces(((100, 200), (1000, 1050)), joint=10)
    assert [pieces.part_of(at) for at in (0, 99, 105, 110, 500)] == [0, 0, 0, 1, 1]
    assert [pieces.back(at, pieces.part_of(at)) for at in (0, 50, 105, 110, 130, 500)] == [
        100,
        150,
        200,
        1000,
        1020,
        1050,
    ]


def test_words_stand_on_the_session_s_axis(source: Sound) -> None:
    source.sound[:] = 0
    source.sound[330 * SAMPLE_RATE : 331 * SAMPLE_RATE] = 5000
    items = [item for unit in transcript_units(source.session) for item in TranscriptStage(Ear()).run(unit, source)]
    assert len(items) == 1
    assert items[0]["start_ms"] == (PAUSE_S + 330) * 1000
    assert items[0]["words"][0]["end_ms"] == (PAUSE_S + 330) * 1000 + 500


def test_digital_silence_is_not_even_listened_to(source: Sound) -> None:
    source.sound[:] = 3
    ear = Ear()
    for unit in transcript_units(source.session):
        assert TranscriptStage(ear).run(unit, source) == []
    assert ear.heard == []


def test_a_hole_in_the_sound_is_silence_in_its_place(source: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(spans: list[MediaSpan], rate: int) -> Iterator[PcmBlock]:
        loud = np.full(SAMPLE_RATE, 5000, np.int16)
        yield PcmBlock(120 * NS_PER_S, loud)
        yield PcmBlock(599 * NS_PER_S, loud)
        list(*(span.fragments for span in spans))

    monkeypatch.setattr("pepys.media.remux.decode_pcm", decode)
    units = transcript_units(source.session)
    items = [TranscriptStage(Ear()).run(unit, source)[0]["start_ms"] for unit in units[:1]]
    assert items == [(PAUSE_S + 120) * 1000]
    assert transcript.SILENT_PEAK < 1000


def test_the_rest_of_a_word_joins_it() -> None:
    parts = [
        SimpleNamespace(word=text, start=n, end=n + 1) for n, text in enumerate([" two", " 200", ",000", " rows."])
    ]
    heard = _spoken(SimpleNamespace(text=" two 200,000 rows.", start=0, end=4, words=parts))
    assert [(word.text, word.start_s, word.end_s) for word in heard.words] == [
        ("two", 0.0, 1.0),
        ("200,000", 1.0, 3.0),
        ("rows.", 3.0, 4.0),
    ]
