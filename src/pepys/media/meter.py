"""The level meter of a sound track: peaks, loudness and voice, twenty times a second.

An own node: libavfilter's `ebur128` and `astats` give their figures as frame metadata, which PyAV does not hand out.

Loudness is that of ITU-R BS.1770-4, ungated, a block of 50 ms at a time: the mean square of the K-weighted samples,
summed over the channels, as -0.691 + 10 log10. The weighting is laid over the block's spectrum instead of filtering its
samples: `WEIGHTS` is the squared response of the two filters of BS.1770-4 (tables 1 and 2, coefficients at 48 kHz), and
by Parseval the sum over the bins is the sum over the samples. A 997 Hz sine of full scale in one channel has -3.01
LUFS. The same spectrum serves the search for voice, which is `pepys.media.voice`'s.

Levels are counted from the first sample that was added: one meter measures one span.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys.limits import SOUND_RATE
from pepys.media.silence import is_silence, joined
from pepys.media.voice import LOOK_AHEAD, VoiceFinder, features
from pepys.model.sound_levels import (
    BLOCK_SAMPLES,
    BLOCKS_A_SECOND,
    LOWEST_DB,
    SILENT,
    STEPS_A_DB,
    Level,
    Levels,
)

Pcm = NDArray[np.int16]

_FULL_SCALE: Final = 32768.0
_LOUDNESS_OFFSET_DB: Final = -0.691
_TINY: Final = 1e-12
_SHELF: Final = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS: Final = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))


def k_weights(samples: int, rate: int = SOUND_RATE) -> NDArray[np.float32]:
    """What each bin of `rfft` over `samples` counts towards the block's K-weighted mean square of samples in -1..1."""
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(samples, 1 / rate) / SOUND_RATE)
    weights = np.full(len(turn), 2.0 / samples**2)
    weights[0] = 1.0 / samples**2
    if samples % 2 == 0:
        weights[-1] = 1.0 / samples**2
    for above, below in (_SHELF, _HIGH_PASS):
        weights *= np.abs(np.polyval(above[::-1], turn) / np.polyval(below[::-1], turn)) ** 2
    return weights.astype(np.float32)


WEIGHTS: Final = k_weights(BLOCK_SAMPLES)


class Meter:
    """Measures one track of one span.

    Attributes:
        latest: the levels of the last whole block; its `voice` is what is known now, before any looking back.
        active: whether something may be heard in what was added last, or in the second before it. Generous, so that an
            encoder may save on the rest: it is also true for steady sound that is plainly audible.
        voice: whether somebody may speak now; a subset of `active`.
    """

    def __init__(self, channels: int) -> None:
        self.latest: Level = SILENT
        self.active = False
        self._channels = channels
        self._finder = VoiceFinder()
        self._waiting: Pcm = np.zeros((0, channels), np.int16)
        self._given = 0
        self._peaks = bytearray()
        self._loudness = bytearray()

    @property
    def voice(self) -> bool:
        """Whether somebody may speak now."""
        return self.latest.voice

    def add(self, pcm: Pcm) -> None:
        """Take the next samples, int16 of shape (n, channels)."""
        if len(pcm) == 0:
            return
        block = pcm.reshape(-1, self._channels)
        whole = joined((self._waiting, block)) if len(self._waiting) else block
        count = len(whole) // BLOCK_SAMPLES
        if is_silence(whole):
            self._waiting = whole[count * BLOCK_SAMPLES :]
            if count:
                self._silent(count)
            self.active = self._finder.lingers
            return
        # A copy: the caller may use its array again. Silence is left as it is known.
        over = len(whole) - count * BLOCK_SAMPLES
        known = is_silence(block) and over <= len(block)
        self._waiting = block[len(block) - over :] if known else whole[len(whole) - over :].copy()
        active = self._measure(whole[: count * BLOCK_SAMPLES], count) if count else False
        rest = self._waiting
        self.active = active or self._finder.lingers or (len(rest) > 0 and self._finder.may_be_heard(_peak(rest)))

    def take(self) -> list[Levels]:
        """The whole seconds that are settled since the last call; up to `LOOK_AHEAD` blocks behind what was added."""
        settled = len(self._peaks) - LOOK_AHEAD
        return [self._cut(BLOCKS_A_SECOND) for _ in range(max(0, settled) // BLOCKS_A_SECOND)]

    def end(self) -> list[Levels]:
        """The rest: whole seconds, then the last one, which may be shorter; the meter is not used any more.

        A last block of less than 50 ms is measured as if silence followed it.
        """
        if len(self._waiting):
            last = np.zeros((BLOCK_SAMPLES, self._channels), np.int16)
            last[: len(self._waiting)] = self._waiting
            self._waiting = self._waiting[:0]
            self._measure(last, 1)
        given = []
        while self._peaks:
            given.append(self._cut(min(BLOCKS_A_SECOND, len(self._peaks))))
        return given

    def _cut(self, blocks: int) -> Levels:
        levels = Levels(
            self._given * BLOCK_SAMPLES,
            bytes(self._peaks[:blocks]),
            bytes(self._loudness[:blocks]),
            self._finder.take(blocks),
        )
        del self._peaks[:blocks], self._loudness[:blocks]
        self._given += blocks
        return levels

    def _measure(self, whole: Pcm, count: int) -> bool:
        """Measure whole blocks; whether something may be heard in any of them."""
        blocks = np.ascontiguousarray(whole.reshape(count, BLOCK_SAMPLES, self._channels).transpose(0, 2, 1))
        high, low = blocks.max(axis=2).astype(np.int32), blocks.min(axis=2).astype(np.int32)
        peaks = np.maximum(high, -low).max(axis=1)
        if not peaks.any():
            self._silent(count)
            return self._finder.voice
        bins = np.fft.rfft(blocks.astype(np.float32) * np.float32(1 / _FULL_SCALE), axis=2)
        power = bins.real**2 + bins.imag**2
        loudness_db = _LOUDNESS_OFFSET_DB + 10 * np.log10((power @ WEIGHTS).sum(axis=1) + _TINY)
        peaks_db = 20 * np.log10(np.maximum(peaks / _FULL_SCALE, 1e-6))
        self._keep(peaks_db, loudness_db)
        mean = bins[:, :, 0].real / BLOCK_SAMPLES
        swing = np.maximum(high / _FULL_SCALE - mean, mean - low / _FULL_SCALE)
        active = self._finder.add(peaks, features(power, swing))
        self.latest = Level(
            max(LOWEST_DB, float(peaks_db[-1])), max(LOWEST_DB, float(loudness_db[-1])), self._finder.voice
        )
        return active

    def _silent(self, count: int) -> None:
        self._peaks += bytes(count)
        self._loudness += bytes(count)
        self._finder.silent(count)
        if self.latest.voice or self.latest.peak_db > LOWEST_DB:
            self.latest = Level(LOWEST_DB, LOWEST_DB, self._finder.voice)

    def _keep(self, peaks_db: NDArray[np.floating], loudness_db: NDArray[np.floating]) -> None:
        for values, kept in ((peaks_db, self._peaks), (loudness_db, self._loudness)):
            packed = np.clip(np.rint((values - LOWEST_DB) * STEPS_A_DB), 0, 255)
            kept += packed.astype(np.uint8).tobytes()


def _peak(pcm: Pcm) -> int:
    return max(int(pcm.max()), -int(pcm.min()))
