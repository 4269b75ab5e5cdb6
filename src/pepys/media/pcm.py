"""Stored sound back to samples on the media timeline: for speech to text, and for WAV files.

Nothing is held in memory but one fragment a track. Holes of a track (a device that was away, a late start) become
silence in a file, and are left out of blocks, which name their place instead. In a file every unbroken stretch begins
and ends in a short fade: sound that is cut in the middle of a wave clicks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import av
import numpy as np
from numpy.typing import NDArray

from pepys.errors import Damaged, Usage
from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_BLOCK_SAMPLES
from pepys.media import opus
from pepys.media.fmp4 import SoundConfig, TrackHeader, TrackRun, parse_fragments, parse_init
from pepys.media.sound import SoundDecoder

_WAV_HEADER_BYTES = 44
_WAV_BYTES = 2**32 - 1 - _WAV_HEADER_BYTES
_LAYOUTS: Final = {1: "mono", 2: "stereo"}
_FADE_NS: Final = 5 * NS_PER_MS
_ROUNDED: Final = 2
"""Samples by which places may differ that are rounded: no hole."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span's init, and its fragments: each item holds the bytes of one or more whole fragments, in order."""

    init: bytes
    fragments: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class PcmBlock:
    """Samples whose first stands at `media_ns`, (n,) of one channel or (n, 2); blocks of one track do not overlap."""

    media_ns: int
    samples: NDArray[np.int16]


def decode_pcm(spans: Iterable[Span], rate: int = 16_000) -> Iterator[PcmBlock]:
    """The sound of a track, AAC or Opus, mixed down to mono at `rate`; pictures are passed over.

    Raises:
        Damaged: a packet does not decode.
    """
    for span in spans:
        yield from _decode_span(span, rate, 1)


def _sound_of(span: Span) -> tuple[TrackHeader, SoundConfig] | None:
    for track in parse_init(span.init):
        if isinstance(track.config, SoundConfig):
            return track, track.config
    return None


def _decode_span(span: Span, rate: int, channels: int) -> Iterator[PcmBlock]:
    found = _sound_of(span)
    if found is None:
        return
    track, config = found
    reader = _SpanReader(config, rate, channels)
    for data in span.fragments:
        for run in parse_fragments(data):
            if run.track_id == track.track_id:
                yield from reader.read(run)
    yield from reader.end()


class _SpanReader:
    """Decodes and resamples one span; a hole in decode times begins a new stretch."""

    def __init__(self, config: SoundConfig, rate: int, channels: int) -> None:
        self._config, self._rate, self._channels = config, rate, channels
        # One channel becomes two by being told twice: the resampler would turn it down.
        self._taken = min(channels, config.channels)
        self._decoder = SoundDecoder(config)
        self._resampler: Any = None
        self._expected: int | None = None
        self._start = self._given = 0

    def read(self, run: TrackRun) -> Iterator[PcmBlock]:
        """The samples of one run."""
        if run.decode_time != self._expected:
            yield from self.end()
            self._resampler = av.AudioResampler("s16", _LAYOUTS[self._taken], self._rate)
            self._start, self._given = run.decode_time, 0
        try:
            blocks = [self._decoder.decode(sample.data)[: sample.duration] for sample in run.samples]
        except av.FFmpegError as error:
            raise Damaged(
                f"a sound packet does not decode: {error.strerror}", "pepys verify names what is lost"
            ) from error
        self._expected = run.decode_time + sum(sample.duration for sample in run.samples)
        samples = np.ascontiguousarray(np.concatenate(blocks)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=_LAYOUTS[self._config.channels])
        frame.sample_rate = self._config.rate
        yield from self._block(self._resampler.resample(frame))

    def end(self) -> Iterator[PcmBlock]:
        """What the resampler still holds of the stretch."""
        if self._resampler is not None:
            yield from self._block(self._resampler.resample(None))
        self._resampler = None

    def _block(self, frames: Sequence[Any]) -> Iterator[PcmBlock]:
        for frame in frames:
            samples: NDArray[np.int16] = frame.to_ndarray().reshape(-1)
            if self._channels > 1:
                samples = samples.reshape(-1, self._taken).repeat(self._channels // self._taken, axis=1)
            media_ns = self._start * NS_PER_S // self._config.rate + self._given * NS_PER_S // self._rate
            self._given += len(samples)
            if len(samples):
                yield PcmBlock(media_ns, samples)


def write_wav(tracks: Sequence[Sequence[Span]], target: BinaryIO, rate: int = 48_000) -> int:
    """The sum of tracks on the media timeline as a WAV file of 16 bits; its length in nanoseconds.

    It has two channels where anything in it has, else one.

    Raises:
        Usage: the sound is longer than a WAV file can hold (6.2 hours of stereo at 48 kHz, 12.4 of mono).
        Damaged: a packet does not decode.
    """
    found = [_sound_of(span) for spans in tracks for span in spans]
    channels = max((config.channels for _, config in filter(None, found)), default=1)
    timelines = [_Timeline(_faded_spans(spans, rate, channels), rate, channels) for spans in tracks]
    target.write(bytes(_WAV_HEADER_BYTES))
    written = 0
    while blocks := [block for timeline in timelines if len(block := timeline.read(SOUND_BLOCK_SAMPLES))]:
        mixed = np.zeros((max(len(block) for block in blocks), *blocks[0].shape[1:]), np.int32)
        for block in blocks:
            mixed[: len(block)] += block
        data = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()
        if written + len(data) > _WAV_BYTES:
            raise Usage("the sound is too long for a WAV file", "export mp4 instead")
        target.write(data)
        written += len(data)
    target.seek(0)
    size = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * size, size, 16)
    target.write(struct.pack("<4sI4s", b"RIFF", 36 + written, b"WAVE") + form + struct.pack("<4sI", b"data", written))
    target.seek(0, 2)
    return written // size * NS_PER_S // rate


def _faded_spans(spans: Iterable[Span], rate: int, channels: int) -> Iterator[PcmBlock]:
    for span in spans:
        yield from _faded(_decode_span(span, rate, channels), rate)


def _faded(blocks: Iterator[PcmBlock], rate: int) -> Iterator[PcmBlock]:
    """The blocks of one span, each unbroken stretch with a fade at its start and one at its end."""
    held: PcmBlock | None = None
    fades = _Fades(rate)
    for block in blocks:
        if held is not None and not fades.goes_on(held, block):
            yield fades.end(held)
            held = None
        if held is not None:
            block = PcmBlock(held.media_ns, np.concatenate((held.samples, block.samples)))
        given = len(block.samples) - fades.length
        if given < fades.length:
            held = block
            continue
        # As much as a fade takes is held back: the stretch may end with it.
        yield fades.pass_on(PcmBlock(block.media_ns, block.samples[:given]))
        held = PcmBlock(block.media_ns + given * NS_PER_S // rate, block.samples[given:])
    if held is not None:
        yield fades.end(held)


class _Fades:
    """The fade at the start of a stretch and the one at its end; the first one waits for what Opus leaves silent."""

    def __init__(self, rate: int) -> None:
        self._rate, lead = rate, opus.LEAD * rate // opus.RATE
        self._out = _ramp(rate * _FADE_NS // NS_PER_S)[::-1]
        self._in = np.concatenate((np.zeros(lead, np.float32), self._out[::-1]))
        self._begun = False
        self.length = len(self._in)

    def goes_on(self, held: PcmBlock, block: PcmBlock) -> bool:
        """Whether a block follows what is held without a hole."""
        place = _ticks(held.media_ns, self._rate) + len(held.samples)
        return abs(_ticks(block.media_ns, self._rate) - place) <= _ROUNDED

    def pass_on(self, block: PcmBlock) -> PcmBlock:
        """A block that is not the end of its stretch."""
        begun, self._begun = self._begun, True
        return block if begun else _shaped(block, self._in, self._out[:0])

    def end(self, block: PcmBlock) -> PcmBlock:
        """The last block of a stretch."""
        begun, self._begun = self._begun, False
        fade_in = self._in[:0] if begun else self._in
        if len(block.samples) < len(fade_in) + len(self._out):
            half = _ramp(len(block.samples) // 2)
            return _shaped(block, half, half[::-1])
        return _shaped(block, fade_in, self._out)


def _ramp(samples: int) -> NDArray[np.float32]:
    return (np.arange(samples, dtype=np.float32) + np.float32(0.5)) / np.float32(max(1, samples))


def _shaped(block: PcmBlock, fade_in: NDArray[np.float32], fade_out: NDArray[np.float32]) -> PcmBlock:
    gains = np.ones(len(block.samples), np.float32)
    gains[: len(fade_in)] = fade_in
    gains[len(gains) - len(fade_out) :] = fade_out
    samples = block.samples * gains.reshape(-1, *(1,) * (block.samples.ndim - 1))
    return PcmBlock(block.media_ns, np.rint(samples).astype(np.int16))


def _ticks(media_ns: int, rate: int) -> int:
    return (media_ns * rate + NS_PER_S // 2) // NS_PER_S


class _Timeline:
    """A track's blocks as one stream of samples from media time 0, holes filled with silence."""

    def __init__(self, blocks: Iterator[PcmBlock], rate: int, channels: int = 1) -> None:
        self._pieces = _unbroken(blocks, rate, channels)
        self._waiting: list[NDArray[np.int16]] = [_silence(0, channels)]
        self._held = 0

    def read(self, samples: int) -> NDArray[np.int16]:
        """The next `samples`, fewer only at the end, none after it."""
        while self._held < samples and (piece := next(self._pieces, None)) is not None:
            self._waiting.append(piece)
            self._held += len(piece)
        whole = np.concatenate(self._waiting)
        self._waiting = [whole[samples:]]
        self._held = len(self._waiting[0])
        return whole[:samples]


def _unbroken(blocks: Iterator[PcmBlock], rate: int, channels: int) -> Iterator[NDArray[np.int16]]:
    position = 0
    for block in blocks:
        missing = _ticks(block.media_ns, rate) - position
        # Within a stretch places are rounded: a sample more or less is no hole.
        samples = block.samples if missing >= -1 else block.samples[-missing:]
        if missing > 1:
            position += missing
            # Piece by piece: a track may be away for hours.
            for _ in range(missing // SOUND_BLOCK_SAMPLES):
                yield _silence(SOUND_BLOCK_SAMPLES, channels)
            yield _silence(missing % SOUND_BLOCK_SAMPLES, channels)
        yield samples
        position += len(samples)


def _silence(samples: int, channels: int) -> NDArray[np.int16]:
    return np.zeros(samples if channels == 1 else (samples, channels), np.int16)
