"""Sound codecs: AAC for the playback stream, Opus for the tracks of single devices.

Invariants: the position of a packet is the count of samples before it, and decodes to exactly what was fed there (what
an encoder puts in front is dropped here, so that no player must know of it); the durations of all packets add up to the
samples fed in. An encoder needs something to begin with: the first 120 samples of Opus (2.5 ms) decode as silence, the
first 1024 of AAC as a fade-in.

What is not heard costs little (docs/decisions/0006). Exact digital silence costs nothing: once an encoder gives the
same packet for it again and again, that packet is repeated without encoding. Where the caller says that nothing is to
be heard, a device's track keeps its sound at a lower rate, and the playback stream fades to digital silence, but only
where the sound is faint too: a caller who is wrong loses nothing loud.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from pepys.media import aac, opus
from pepys.media.fmp4 import SoundSample
from pepys.media.fmp4_init import SoundConfig
from pepys.media.silence import is_silence
from pepys.media.sound_effort import Pauses, Width
from pepys.media.sound_gate import FaintGate, faint

Pcm = NDArray[np.int16]

AAC_RATE: Final = 52_000
"""Bits a second of a playback stream whose two channels differ."""
OPUS_RATES: Final = {1: 24_000, 2: 36_000}
"""Bits a second of a track that is heard, by channels."""

_OPUS_NARROW, _AAC_NARROW, _AAC_MONO = 0.7, 0.8, 0.65
"""Of the rate, where both channels are the same, as they mostly are in speech; and where AAC has a single one."""
_OPUS_LOW, _OPUS_FAINT, _AAC_LOW = 12_000, 6_000, 16_000
"""For pauses and for what is not to be heard, and for what is faint besides."""
_SETTLED: Final = 6
"""Equal packets in a row after which an encoder's and every decoder's memory holds nothing but silence."""


class _Coder(Protocol):
    def code(self, block: Pcm, heard: bool) -> list[bytes]:
        """The packets that come out when a frame goes in."""

    def end(self) -> list[bytes]:
        """The packets that are still to come."""


class SoundEncoder:
    """Cuts samples into frames, has them encoded, and keeps count. Made by `AacEncoder` and `OpusEncoder`."""

    def __init__(
        self, config: SoundConfig, coder: _Coder, frame: int, *, lead_samples: int = 0, gate: FaintGate | None = None
    ) -> None:
        self.config = config
        self._coder, self._gate = coder, gate
        self._frame = frame
        self._skip = lead_samples
        self._waiting: Pcm = np.zeros((frame, config.channels), np.int16)
        self._waits = 0
        self._heard = False
        self._fed = self._given = self._encoded = 0
        self._silence: bytes | None = None
        self._equal = 0

    def encode(self, pcm: NDArray[Any], active: bool = True) -> list[SoundSample]:
        """Take samples of shape (n, channels) or (n,), int16 or float32 in -1..1; give the packets that are full.

        Args:
            pcm: the next samples.
            active: False says that nothing is to be heard in any of them.
        """
        block = as_samples(pcm, self.config.channels)
        self._fed += len(block)
        at = min(self._skip, len(block))
        self._skip -= at
        packets: list[bytes] = []
        if not active and not at and self._passes_silence(block):
            packets, at = self._pass_silence(block), len(block)
        while at < len(block):
            part = block[at : at + self._frame - self._waits]
            at += len(part)
            self._heard = self._heard or active
            if len(part) == self._frame:
                packets += self._cut(np.ascontiguousarray(part))
                continue
            self._waiting[self._waits : self._waits + len(part)] = part
            self._waits += len(part)
            if self._waits == self._frame:
                packets += self._cut(self._waiting)
        self._given += len(packets) * self._frame
        return [SoundSample(data, self._frame) for data in packets]

    def flush(self) -> list[SoundSample]:
        """Give what is left; the last packet's duration is cut so that the sum is what was fed. Ends the encoder."""
        self._waiting[self._waits :] = 0
        packets = self._cut(self._waiting)
        for block, heard in self._gate.end() if self._gate is not None else ():
            packets += self._packets(block, heard)
        packets += self._coder.end()
        samples: list[SoundSample] = []
        for data in packets:
            left = self._fed - self._given
            if left > 0:
                samples.append(SoundSample(data, min(left, self._frame)))
                self._given += samples[-1].duration
        return samples

    def _passes_silence(self, block: Pcm) -> bool:
        """Whether every frame that ends in a block of which nothing is heard comes out as the packet of silence."""
        if self._silence is None or self._equal < _SETTLED or self._heard:
            return False
        if self._gate is None:
            return is_silence(block) and not self._waiting[: self._waits].any()
        return self._gate.shut and faint(block) and (not self._waits or faint(self._waiting[: self._waits]))

    def _pass_silence(self, block: Pcm) -> list[bytes]:
        """What `encode` and `_cut` do frame by frame, at once."""
        count, left = divmod(self._waits + len(block), self._frame)
        if count:
            if self._gate is not None:
                begin = len(block) - left - self._frame
                last = block[begin : begin + self._frame]
                if begin < 0:
                    self._waiting[self._waits :] = block[: self._frame - self._waits]
                    last = self._waiting
                self._gate.hold(last)
            self._waits = 0
        added = left if count else len(block)
        self._waiting[self._waits : self._waits + added] = block[len(block) - added :]
        self._waits = left
        assert self._silence is not None
        return [self._silence] * count

    def _cut(self, block: Pcm) -> list[bytes]:
        heard, self._heard, self._waits = self._heard, False, 0
        if self._gate is None:
            return self._packets(block, heard)
        packets: list[bytes] = []
        for passed, also_heard in self._gate.passed(block, heard):
            packets += self._packets(passed, also_heard)
        return packets

    def _packets(self, block: Pcm, heard: bool) -> list[bytes]:
        silent = not block.any()
        if silent and self._silence is not None and self._equal >= _SETTLED:
            return [self._silence]
        self._encoded += len(block)
        packets = self._coder.code(block, heard and not silent)
        for data in packets:
            self._equal = self._equal + 1 if silent and data == self._silence else 0
            self._silence = data
        return packets


class AacEncoder(SoundEncoder):
    """AAC-LC; faint sound in which nothing is to be heard fades to digital silence.

    Args:
        rate: samples a second.
        channels: 1 or 2.
        bit_rate: bits a second where two channels differ.
    """

    def __init__(self, rate: int = 48_000, channels: int = 2, bit_rate: int = AAC_RATE) -> None:
        coder = _AacFrames(aac.AacCoder(rate, channels, bit_rate), channels, bit_rate)
        config = SoundConfig("aac", rate, channels, coder.extradata)
        super().__init__(config, coder, aac.FRAME, gate=FaintGate(aac.FRAME, channels))


class OpusEncoder(SoundEncoder):
    """Opus in packets of 60 ms, at 48 kHz: MP4 counts Opus in it whatever was fed.

    Args:
        rate: samples a second: 48,000.
        channels: 1 or 2.
        bit_rate: bits a second of what is heard, and of two channels that differ; None for `OPUS_RATES`.
    """

    def __init__(self, rate: int = opus.RATE, channels: int = 1, bit_rate: int | None = None) -> None:
        if rate != opus.RATE:
            raise ValueError(f"Opus is recorded at {opus.RATE} Hz, not at {rate}")
        whole = bit_rate or OPUS_RATES[channels]
        coder = _OpusFrames(opus.make_coder(channels, whole), channels, whole)
        # An encoder delays by its lead: as many samples fewer are fed, and position 0 is position 0 again.
        super().__init__(SoundConfig("opus", rate, channels), coder, opus.FRAME, lead_samples=opus.LEAD)


class _AacFrames:
    def __init__(self, coder: aac.AacCoder, channels: int, bit_rate: int) -> None:
        self.extradata = coder.extradata
        self._coder, self._width, self._pauses = coder, Width(channels), Pauses()
        self._wide, self._narrow = bit_rate, int(bit_rate * (_AAC_MONO if channels == 1 else _AAC_NARROW))
        self._before = 0

    def code(self, block: Pcm, heard: bool) -> list[bytes]:
        pause = self._pauses.of(block)
        rate = self._wide if self._width.of(block) else self._narrow
        if not heard or pause:
            rate = min(rate, _AAC_LOW)
        # What is coded now is the frame before, which overlaps with this one.
        self._coder.steer(max(rate, self._before))
        self._before = rate
        return self._coder.encode(block)

    def end(self) -> list[bytes]:
        return self._coder.end()


class _OpusFrames:
    def __init__(self, coder: opus.Coder, channels: int, bit_rate: int) -> None:
        self._coder, self._width, self._pauses = coder, Width(channels), Pauses()
        self._channels, self._wide = channels, bit_rate
        self._narrow = bit_rate if channels == 1 else int(bit_rate * _OPUS_NARROW)

    def code(self, block: Pcm, heard: bool) -> list[bytes]:
        wide, pause = self._width.of(block), self._pauses.of(block)
        rate = self._wide if wide else self._narrow
        if not heard or pause:
            rate = min(rate, _OPUS_LOW if heard or not faint(block) else _OPUS_FAINT)
        self._coder.steer(rate, not wide or not heard)
        return [self._coder.encode(block)]

    def end(self) -> list[bytes]:
        # What was fed is `opus.LEAD` samples short: the last of them may come out in one packet more.
        return [self._coder.encode(np.zeros((opus.FRAME, self._channels), np.int16))]


class SoundDecoder:
    """Turns packets of one span back into samples, float32 of shape (n, channels)."""

    def __init__(self, config: SoundConfig) -> None:
        context = av.CodecContext.create("aac" if config.codec == "aac" else "libopus", "r")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout = config.rate, {1: "mono", 2: "stereo"}[config.channels]
        if config.codec == "aac":
            context.extradata = config.extradata
        self._context = context
        self._channels = config.channels

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """The samples of one packet, as many as its duration says when it was not cut."""
        frames = self._context.decode(av.Packet(data))
        blocks = [_interleaved(frame) for frame in frames]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._channels), np.float32)


def as_samples(pcm: NDArray[Any], channels: int) -> Pcm:
    """Samples as int16 of shape (n, channels), floats clipped to their range.

    Raises:
        ValueError: another number of channels.
    """
    block = pcm.reshape(-1, 1) if pcm.ndim == 1 else pcm
    if block.shape[1] != channels:
        raise ValueError(f"{block.shape[1]} channels given, {channels} expected")
    if block.dtype == np.int16:
        return block
    return np.clip(np.rint(block * 32768.0), -32768, 32767).astype(np.int16)


def _interleaved(frame: AudioFrame) -> NDArray[np.float32]:
    values: NDArray[Any] = frame.to_ndarray()
    channels = frame.layout.nb_channels
    shaped = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype == np.int16:
        return shaped.astype(np.float32) / np.float32(32768)
    return np.ascontiguousarray(shaped, dtype=np.float32)
