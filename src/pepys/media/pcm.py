"""Stored sound back to samples on the media timeline: for speech to text, and for WAV files.

Nothing is held in memory but one fragment a track. Holes of a track (a device that was away, a late start) become
silence in a file, and are left out of blocks, which name their place instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from pepys.errors import Damaged, Usage
from pepys.limits import NS_PER_S, SOUND_BLOCK_SAMPLES
from pepys.media.fmp4 import SoundConfig, TrackHeader, TrackRun, parse_fragments, parse_init
from pepys.media.sound import SoundDecoder

_WAV_HEADER_BYTES = 44
_WAV_BYTES = 2**32 - 1 - _WAV_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Span:
    """A span's init, and its fragments: each item holds the bytes of one or more whole fragments, in order."""

    init: bytes
    fragments: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class PcmBlock:
    """Mono samples whose first stands at `media_ns`; blocks of one track rise and do not overlap."""

    media_ns: int
    samples: NDArray[np.int16]


def decode_pcm(spans: Iterable[Span], rate: int = 16_000) -> Iterator[PcmBlock]:
    """The sound of a track, AAC or Opus, mixed down to mono at `rate`; pictures are passed over.

    Raises:
        Damaged: a packet does not decode.
    """
    for span in spans:
        track = next((track for track in parse_init(span.init) if isinstance(track.config, SoundConfig)), None)
        if track is not None:
            yield from _decode_span(track, span.fragments, rate)


def _decode_span(track: TrackHeader, fragments: Iterable[bytes], rate: int) -> Iterator[PcmBlock]:
    assert isinstance(track.config, SoundConfig)
    reader = _SpanReader(track.config, rate)
    for data in fragments:
        for run in parse_fragments(data):
            if run.track_id == track.track_id:
                yield from reader.read(run)
    yield from reader.end()


class _SpanReader:
    """Decodes and resamples one span; a hole in decode times begins a new stretch."""

    def __init__(self, config: SoundConfig, rate: int) -> None:
        self._config, self._rate = config, rate
        self._decoder = SoundDecoder(config)
        self._resampler: Any = None
        self._expected: int | None = None
        self._start = self._given = 0

    def read(self, run: TrackRun) -> Iterator[PcmBlock]:
        """The samples of one run."""
        if run.decode_time != self._expected:
            yield from self.end()
            self._resampler = av.AudioResampler("s16", "mono", self._rate)
            self._start, self._given = run.decode_time, 0
        try:
            blocks = [self._decoder.decode(sample.data)[: sample.duration] for sample in run.samples]
        except av.FFmpegError as error:
            raise Damaged(
                f"a sound packet does not decode: {error.strerror}", "pepys verify names what is lost"
            ) from error
        self._expected = run.decode_time + sum(sample.duration for sample in run.samples)
        samples = np.ascontiguousarray(np.concatenate(blocks)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            samples, format="flt", layout="mono" if self._config.channels == 1 else "stereo"
        )
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
            media_ns = self._start * NS_PER_S // self._config.rate + self._given * NS_PER_S // self._rate
            self._given += len(samples)
            if len(samples):
                yield PcmBlock(media_ns, samples)


def write_wav(tracks: Sequence[Iterable[Span]], target: BinaryIO, rate: int = 48_000) -> int:
    """Mix tracks on the media timeline into a mono WAV file of 16 bits; its length in nanoseconds.

    Raises:
        Usage: the sound is longer than a WAV file can hold (12.4 hours at 48 kHz).
        Damaged: a packet does not decode.
    """
    timelines = [_Timeline(decode_pcm(spans, rate), rate) for spans in tracks]
    target.write(bytes(_WAV_HEADER_BYTES))
    written = 0
    while blocks := [block for timeline in timelines if len(block := timeline.read(SOUND_BLOCK_SAMPLES))]:
        mixed = np.zeros(max(len(block) for block in blocks), np.int32)
        for block in blocks:
            mixed[: len(block)] += block
        data = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()
        if written + len(data) > _WAV_BYTES:
            raise Usage("the sound is too long for a WAV file", "export mp4 instead")
        target.write(data)
        written += len(data)
    target.seek(0)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    target.write(struct.pack("<4sI4s", b"RIFF", 36 + written, b"WAVE") + form + struct.pack("<4sI", b"data", written))
    target.seek(0, 2)
    return written // 2 * NS_PER_S // rate


class _Timeline:
    """A track's blocks as one stream of samples from media time 0, holes filled with silence."""

    def __init__(self, blocks: Iterator[PcmBlock], rate: int) -> None:
        self._blocks, self._rate = blocks, rate
        self._waiting: list[NDArray[np.int16]] = []
        self._held = self._position = 0

    def read(self, samples: int) -> NDArray[np.int16]:
        """The next `samples`, fewer only at the end, none after it."""
        while self._held < samples and (block := next(self._blocks, None)) is not None:
            self._add(block)
        whole = np.concatenate(self._waiting) if self._waiting else np.zeros(0, np.int16)
        self._waiting = [whole[samples:]]
        self._held = len(self._waiting[0])
        return whole[:samples]

    def _add(self, block: PcmBlock) -> None:
        start = (block.media_ns * self._rate + NS_PER_S // 2) // NS_PER_S
        # Within a stretch places are rounded: a sample more or less is no hole.
        missing = start - self._position
        samples = block.samples if missing >= -1 else block.samples[-missing:]
        if missing > 1:
            self._waiting.append(np.zeros(missing, np.int16))
            self._held += missing
            self._position += missing
        self._waiting.append(samples)
        self._held += len(samples)
        self._position += len(samples)
