"""The stage `transcript`: what was said on each sound track.

A unit is a stretch of some minutes of one track in one span. Stretches meet near a segment's border, at the quietest
moment around it, so that no word is cut: each unit also decodes the segment before and the one after, and two
neighbours find the same moment because they look at the same samples.

Only what may hold a voice is decoded and heard (`pepys.enrich.listening`): a stretch without any costs nothing. The
parts with a voice are given to the engine one behind the other, and its times are taken back to their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.enrich.listening import Pieces, parts_to_hear
from pepys.enrich.plan import transcript_units
from pepys.enrich.stage import Item, Source, Unit
from pepys.model.artifacts import Utterance, Word, to_json
from pepys.model.session import Segment, Session, Span, Track
from pepys.model.sound_levels import Ranges

Pcm = NDArray[np.int16]
"""Mono samples at `SAMPLE_RATE`."""

SAMPLE_RATE: Final = 16_000
SILENT_PEAK: Final = 16
"""Of 32768: what a codec makes of digital silence stays below."""
QUIET_SAMPLES: Final = SAMPLE_RATE // 5
"""Words are parted by about this much."""
QUIET_STEP: Final = SAMPLE_RATE // 50
JOINT: Final = SAMPLE_RATE // 4
"""Silence between two parts that did not follow one another, so that their words stay apart."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word; seconds count from the start of the sound that was heard."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """A turn of speech; seconds count from the start of the sound that was heard."""

    text: str
    start_s: float
    end_s: float
    words: tuple[SpokenWord, ...] = ()


class SpeechReader(Protocol):
    """An engine that writes down speech."""

    def engine(self) -> str:
        """Name, version and model.

        Raises:
            EngineMissing: it is not there.
        """
        ...

    def hear(self, sound: Pcm) -> list[Spoken]:
        """What is said, in order."""
        ...


class TranscriptStage:
    """Speech of the sound tracks."""

    name = "transcript"
    version = 1

    def __init__(self, reader: SpeechReader | None = None) -> None:
        self._reader = reader

    def units(self, session: Session) -> tuple[Unit, ...]:
        """Stretches of every sound track; only sealed segments count."""
        return transcript_units(session)

    def engine(self) -> str:
        """The reader's name."""
        return self._engine().engine()

    def run(self, unit: Unit, source: Source) -> list[Item]:
        """Decode what of the stretch may hold a voice, and write down what is said in it."""
        track, span, segments = _parts(unit, source.session)
        start_ns, end_ns = segments[0].media_ns, segments[-1].media_ns + segments[-1].duration_ns
        wanted = parts_to_hear(span, start_ns, end_ns, source.heard(track.track))
        own = [segment for segment in segments if unit.values["first"] <= segment.n <= unit.values["last"]]
        borders = _borders(unit, segments, wanted)
        if not _touching(own, wanted) and not borders:
            return []
        needed = {segment.n for segment in (*_touching(own, wanted), *(part for pair in borders for part in pair))}
        sound = _decode(track, segments, [segment for segment in segments if segment.n in needed], source)
        begin, end = _samples(own[0].media_ns - start_ns), _samples(own[-1].media_ns + own[-1].duration_ns - start_ns)
        for before, after in borders:
            if after.n == own[0].n:
                begin = _cut(sound, start_ns, before, after)
            else:
                end = _cut(sound, start_ns, before, after)
        places = [(_samples(first - start_ns), _samples(last - start_ns)) for first, last in wanted]
        pieces = Pieces(
            tuple((max(first, begin), min(last, end)) for first, last in places if first < end and last > begin), JOINT
        )
        joined = _joined(sound, pieces)
        if joined.size == 0 or int(np.abs(joined.astype(np.int32)).max()) < SILENT_PEAK:
            return []
        spoken = [part for turn in self._engine().hear(joined) for part in _put_back(turn, pieces)]
        return [_utterance(track.track, span, start_ns, part) for part in spoken]

    def _engine(self) -> SpeechReader:
        if self._reader is None:
            # The adapter needs the types of this module; engines load only when a unit runs.
            from pepys.enrich.adapters.whisper import Whisper

            self._reader = Whisper()
        return self._reader


def _parts(unit: Unit, session: Session) -> tuple[Track, Span, list[Segment]]:
    track = session.track(unit.values["track"])
    if track is None:
        raise LookupError(f"the session has no track {unit.values['track']} any more")
    by_number = {segment.n: segment for segment in track.segments}
    segments = [by_number[n] for n in unit.values["segments"]]
    span = next(span for span in session.spans if span.span == segments[0].span)
    return track, span, segments


def _touching(segments: Sequence[Segment], wanted: Ranges) -> list[Segment]:
    """The segments that hold some of what is wanted."""
    return [
        segment
        for segment in segments
        if any(first < segment.media_ns + segment.duration_ns and end > segment.media_ns for first, end in wanted)
    ]


def _borders(unit: Unit, segments: Sequence[Segment], wanted: Ranges) -> list[tuple[Segment, Segment]]:
    """The borders with the stretches before and after that need a quiet moment: where none speaks they are cut at."""
    reach = limits.CUT_SEARCH_NS
    return [
        (before, after)
        for before, after in pairwise(segments)
        if (after.n == unit.values["first"] or before.n == unit.values["last"])
        and any(first < after.media_ns + reach and end > after.media_ns - reach for first, end in wanted)
    ]


def _decode(track: Track, segments: Sequence[Segment], needed: Sequence[Segment], source: Source) -> Pcm:
    """The samples of the needed segments at their places among all; the others and holes are silence."""
    from pepys.media.remux import Span as MediaSpan
    from pepys.media.remux import decode_pcm

    start_ns = segments[0].media_ns
    length_ns = segments[-1].media_ns + segments[-1].duration_ns - start_ns
    sound: Pcm = np.zeros(_samples(length_ns), dtype=np.int16)
    init = next(init.blob for init in track.inits if init.span == segments[0].span)
    fragments = (source.blob(segment.blob) for segment in needed)
    for block in decode_pcm([MediaSpan(source.blob(init), fragments)], rate=SAMPLE_RATE):
        at = _samples(block.media_ns - start_ns)
        part = np.asarray(block.samples, dtype=np.int16).reshape(-1)[max(0, -at) : max(0, sound.size - at)]
        sound[max(0, at) : max(0, at) + part.size] = part
    return sound


def _joined(sound: Pcm, pieces: Pieces) -> Pcm:
    """The pieces one behind the other; the sound itself where it is one piece."""
    parts: list[Pcm] = []
    for start, end in pieces.places:
        parts += [np.zeros(pieces.joint, np.int16)] if parts else []
        parts.append(sound[start:end])
    return np.concatenate(parts) if parts else sound[:0]


def _put_back(spoken: Spoken, pieces: Pieces) -> list[Spoken]:
    """A turn with its times in the sound; two where its words lie in two pieces."""

    def back(word: SpokenWord, part: int) -> SpokenWord:
        return SpokenWord(word.text, *(pieces.back(at * SAMPLE_RATE, part) / SAMPLE_RATE
                                       for at in (word.start_s, word.end_s)))  # fmt: skip

    parts: dict[int, list[SpokenWord]] = {}
    for word in spoken.words:
        parts.setdefault(pieces.part_of((word.start_s + word.end_s) / 2 * SAMPLE_RATE), []).append(word)
    if len(parts) > 1:
        turns = [[back(word, part) for word in words] for part, words in sorted(parts.items())]
        return [Spoken(_text(words), words[0].start_s, words[-1].end_s, tuple(words)) for words in turns]
    part = next(iter(parts), pieces.part_of(spoken.start_s * SAMPLE_RATE))
    whole = back(SpokenWord(spoken.text, spoken.start_s, spoken.end_s), part)
    return [Spoken(spoken.text, whole.start_s, whole.end_s, tuple(back(word, part) for word in spoken.words))]


def _text(words: Sequence[SpokenWord]) -> str:
    return " ".join(word.text for word in words)


def _cut(sound: Pcm, start_ns: int, before: Segment, after: Segment) -> int:
    """The sample at the middle of the quietest moment near the border of two segments."""
    border = _samples(after.media_ns - start_ns)
    reach = _samples(limits.CUT_SEARCH_NS)
    first = max(border - reach, _samples(before.media_ns - start_ns))
    last = min(border + reach, _samples(after.media_ns + after.duration_ns - start_ns))
    starts = np.arange(first, max(first, last - QUIET_SAMPLES) + 1, QUIET_STEP)
    total = np.concatenate(([0], np.cumsum(np.abs(sound[first:last].astype(np.int64)))))
    ends = np.minimum(starts - first + QUIET_SAMPLES, total.size - 1)
    # Coarse on purpose: a decoder that began elsewhere may differ in the last bit.
    loudness = (total[ends] - total[starts - first]) // QUIET_SAMPLES // 4
    middles = starts + QUIET_SAMPLES // 2
    best = np.lexsort((np.abs(middles - border), loudness))[0]
    return int(middles[best])


def _utterance(track: str, span: Span, base_ns: int, spoken: Spoken) -> Item:
    """On the session's axis: inside one span axis and playback run alike."""

    def at_ms(seconds: float) -> int:
        offset_ns = base_ns + round(seconds * limits.NS_PER_S) - span.media_ns
        return (span.start_ns + min(max(0, offset_ns), span.duration_ns)) // limits.NS_PER_MS

    words = tuple(Word(word.text, at_ms(word.start_s), at_ms(word.end_s)) for word in spoken.words)
    return to_json(Utterance(track, at_ms(spoken.start_s), at_ms(spoken.end_s), spoken.text, words))


def _samples(duration_ns: int) -> int:
    return round(duration_ns * SAMPLE_RATE / limits.NS_PER_S)
