"""The stage `transcript`: what was said on each sound track.

A unit is a stretch of some minutes of one track in one span. Stretches meet near a segment's border, at the quietest
moment around it, so that no word is cut: each unit also decodes the segment before and the one after, and two
neighbours find the same moment because they look at the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pepys import limits
from pepys.enrich.plan import transcript_units
from pepys.enrich.stage import Item, Source, Unit
from pepys.model.artifacts import Utterance, Word, to_json
from pepys.model.session import Segment, Session, Span, Track

Pcm = NDArray[np.int16]
"""Mono samples at `SAMPLE_RATE`."""

SAMPLE_RATE: Final = 16_000
SILENT_PEAK: Final = 16
"""Of 32768: what a codec makes of digital silence stays below."""
QUIET_SAMPLES: Final = SAMPLE_RATE // 5
"""Words are parted by about this much."""
QUIET_STEP: Final = SAMPLE_RATE // 50


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
        """Decode the stretch and write down what is said in it."""
        track, span, segments = _parts(unit, source.session)
        first, last = unit.values["first"], unit.values["last"]
        sound, start_ns = _decode(track, segments, source)
        begin = end = None
        for before, after in pairwise(segments):
            if after.n == first:
                begin = _cut(sound, start_ns, before, after)
            if before.n == last:
                end = _cut(sound, start_ns, before, after)
        begin = 0 if begin is None else begin
        stretch = sound[begin:end]
        if stretch.size == 0 or int(np.abs(stretch.astype(np.int32)).max()) < SILENT_PEAK:
            return []
        base_ns = start_ns + begin * limits.NS_PER_S // SAMPLE_RATE
        return [_utterance(track.track, span, base_ns, spoken) for spoken in self._engine().hear(stretch)]

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


def _decode(track: Track, segments: Sequence[Segment], source: Source) -> tuple[Pcm, int]:
    """The samples of the segments in one piece (holes are silence), and the media time they begin at."""
    from pepys.media.remux import Span as MediaSpan
    from pepys.media.remux import decode_pcm

    start_ns = segments[0].media_ns
    length_ns = segments[-1].media_ns + segments[-1].duration_ns - start_ns
    sound: Pcm = np.zeros(_samples(length_ns), dtype=np.int16)
    init = next(init.blob for init in track.inits if init.span == segments[0].span)
    fragments = (source.blob(segment.blob) for segment in segments)
    for block in decode_pcm([MediaSpan(source.blob(init), fragments)], rate=SAMPLE_RATE):
        at = _samples(block.media_ns - start_ns)
        part = np.asarray(block.samples, dtype=np.int16).reshape(-1)[max(0, -at) : max(0, sound.size - at)]
        sound[max(0, at) : max(0, at) + part.size] = part
    return sound, start_ns


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
