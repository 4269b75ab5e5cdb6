"""Sound codecs: AAC for the playback stream, Opus for the tracks of single devices.

Invariants: the position of a packet is the count of samples before it, and decodes to exactly what was fed there (what
an encoder puts in front is dropped here, so that no player must know of it); the durations of all packets add up to the
samples fed in. Exact digital silence costs nothing: once an encoder gives the same packet for it again and again,
that packet is repeated without encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from pepys.media.fmp4 import SoundSample
from pepys.media.fmp4_init import SoundConfig

Pcm = NDArray[np.int16]

_AAC_FRAME = 1024
_OPUS_FRAME_MS = 60
_OPUS_RATE = 48_000
_OPUS_PRIMING = 312  # at 48 kHz; checked against the encoder's first time stamp
_SETTLED: Final = 6
"""Equal packets in a row after which an encoder's and every decoder's memory holds nothing but silence."""


class SoundEncoder:
    """Cuts samples into frames, encodes them, and keeps count. Made by `AacEncoder` and `OpusEncoder`."""

    def __init__(
        self,
        context: AudioCodecContext,
        config: SoundConfig,
        frame: int,
        *,
        lead_packets: int = 0,
        lead_samples: int = 0,
    ) -> None:
        self.config = config
        self._context = context
        self._frame = frame
        self._skip_packets, self._skip_samples = lead_packets, lead_samples
        self._waiting: NDArray[np.float32] = np.zeros((0, config.channels), np.float32)
        self._fed = self._given = self._encoded = 0
        self._silence: bytes | None = None
        self._equal = 0

    def encode(self, pcm: NDArray[Any]) -> list[SoundSample]:
        """Take samples of shape (n, channels) or (n,), int16 or float32 in -1..1; give the packets that are full."""
        block = as_float(pcm, self.config.channels)
        self._fed += len(block)
        skipped = min(self._skip_samples, len(block))
        self._skip_samples -= skipped
        self._waiting = np.concatenate((self._waiting, block[skipped:]))
        samples: list[SoundSample] = []
        while len(self._waiting) >= self._frame:
            samples += self._frames(self._waiting[: self._frame])
            self._waiting = self._waiting[self._frame :]
        return samples

    def flush(self) -> list[SoundSample]:
        """Give what is left; the last packet's duration is cut so that the sum is what was fed. Ends the encoder."""
        samples: list[SoundSample] = []
        rest = self._frame - len(self._waiting)
        samples += self._frames(np.concatenate((self._waiting, np.zeros((rest, self.config.channels), np.float32))))
        samples += [self._sample(bytes(packet)) for packet in self._kept(self._context.encode(None))]
        wanted: list[SoundSample] = []
        left = self._fed - (self._given - sum(sample.duration for sample in samples))
        for sample in samples:
            if left > 0:
                wanted.append(SoundSample(sample.data, min(left, sample.duration)))
                left -= sample.duration
        self._given = self._fed
        return wanted

    def _frames(self, block: NDArray[np.float32]) -> list[SoundSample]:
        silent = not block.any()
        if silent and self._silence is not None and self._equal >= _SETTLED:
            return [self._sample(self._silence)]
        frame = av.AudioFrame.from_ndarray(_planes(block, self._context.format.is_planar), **self._frame_format())
        frame.sample_rate, frame.pts = self.config.rate, self._encoded
        frame.time_base = Fraction(1, self.config.rate)
        self._encoded += len(block)
        packets = [bytes(packet) for packet in self._kept(self._context.encode(frame))]
        for data in packets:
            self._equal = self._equal + 1 if silent and data == self._silence else 0
            self._silence = data
        return [self._sample(data) for data in packets]

    def _kept(self, packets: list[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
        for packet in packets:
            if self._skip_packets:
                self._skip_packets -= 1
            else:
                yield packet

    def _sample(self, data: bytes) -> SoundSample:
        self._given += self._frame
        return SoundSample(data, self._frame)

    def _frame_format(self) -> dict[str, str]:
        return {"format": self._context.format.name, "layout": self._context.layout.name}


class AacEncoder(SoundEncoder):
    """AAC-LC with the fast coder: a third of the CPU of the usual one."""

    def __init__(self, rate: int = 48_000, channels: int = 2, bit_rate: int = 96_000) -> None:
        context = _open("aac", "fltp", rate, channels, bit_rate, {"aac_coder": "fast"})
        config = SoundConfig("aac", rate, channels, bytes(context.extradata or b""))
        # The first packet only carries the overlap in front of sample 0.
        super().__init__(context, config, _AAC_FRAME, lead_packets=1)


class OpusEncoder(SoundEncoder):
    """Opus in frames of 60 ms, at 48 kHz: MP4 counts Opus in it whatever was fed."""

    def __init__(self, rate: int = _OPUS_RATE, channels: int = 1, bit_rate: int = 32_000) -> None:
        if rate != _OPUS_RATE:
            raise ValueError(f"Opus is recorded at {_OPUS_RATE} Hz, not at {rate}")
        options = {"frame_duration": str(_OPUS_FRAME_MS), "compression_level": "2", "application": "audio"}
        context = _open("libopus", "flt", rate, channels, bit_rate, options)
        # An encoder delays by its priming: as many samples fewer are fed, and position 0 is position 0 again.
        config = SoundConfig("opus", rate, channels)
        super().__init__(context, config, rate * _OPUS_FRAME_MS // 1000, lead_samples=_OPUS_PRIMING)


class SoundDecoder:
    """Turns packets of one span back into samples, float32 of shape (n, channels)."""

    def __init__(self, config: SoundConfig) -> None:
        context = av.CodecContext.create("aac" if config.codec == "aac" else "libopus", "r")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout = config.rate, _layout(config.channels)
        if config.codec == "aac":
            context.extradata = config.extradata
        self._context = context
        self._channels = config.channels

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """The samples of one packet, as many as its duration says when it was not cut."""
        frames = self._context.decode(av.Packet(data))
        blocks = [_interleaved(frame) for frame in frames]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._channels), np.float32)


def as_float(pcm: NDArray[Any], channels: int) -> NDArray[np.float32]:
    """Samples as float32 of shape (n, channels).

    Raises:
        ValueError: another number of channels.
    """
    block = pcm.reshape(-1, 1) if pcm.ndim == 1 else pcm
    if block.shape[1] != channels:
        raise ValueError(f"{block.shape[1]} channels given, {channels} expected")
    if block.dtype == np.int16:
        return block.astype(np.float32) / np.float32(32768)
    return block.astype(np.float32, copy=False)


def _open(
    codec: str, sample_format: str, rate: int, channels: int, bit_rate: int, options: dict[str, str]
) -> AudioCodecContext:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.format, context.layout = rate, sample_format, _layout(channels)
    context.bit_rate, context.time_base = bit_rate, Fraction(1, rate)
    context.thread_count = 1
    context.flags |= av.codec.context.Flags.global_header
    context.options = options
    context.open()
    return context


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo"}[channels]


def _planes(block: NDArray[np.float32], planar: bool) -> NDArray[np.float32]:
    return np.ascontiguousarray(block.T) if planar else np.ascontiguousarray(block).reshape(1, -1)


def _interleaved(frame: AudioFrame) -> NDArray[np.float32]:
    values: NDArray[Any] = frame.to_ndarray()
    channels = frame.layout.nb_channels
    shaped = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype == np.int16:
        return shaped.astype(np.float32) / np.float32(32768)
    return np.ascontiguousarray(shaped, dtype=np.float32)
