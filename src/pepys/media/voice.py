"""Where somebody may speak, live, from the spectra of blocks of 50 ms; and whether anything is to be heard at all.

Recall comes first: what is not marked is never transcribed. A block is a candidate when a band of speech rises over its
noise floor. The floor of a band falls at once with what is heard, is set to it where it has been steady for a second (a
fan, a hum, noise), and else creeps upwards. Candidates become voice where one of them has a pitch, or where they last
(whispers, music, voices far away); single clicks, as of a keyboard, do neither. Voice is marked backwards by
`LOOK_AHEAD` and goes on for `TAIL` blocks, so that beginnings and ends of words are inside.

An own node: libavfilter has `silencedetect` and `agate`, which know one level, and `afftdn`, whose floor stays inside.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys.limits import SOUND_RATE
from pepys.model.sound_levels import BLOCK_SAMPLES, BLOCKS_A_SECOND

LOOK_AHEAD: Final = 14
"""Blocks that are held back until they are settled: 8 that are looked at, and 6 (300 ms) in front of them."""
TAIL: Final = 18
"""Blocks that stay voice after the last candidate."""
LINGER: Final = BLOCKS_A_SECOND
"""Blocks that stay active after the last that was."""

SILENT_PEAK: Final = 2
"""Of 32768: dither at most."""
LOWEST_FLOOR_DB: Final = -84.0
AUDIBLE_DB: Final = -50.0
"""Steady sound above this is something to be heard, and not the room's noise."""
ACTIVE_RISE_DB: Final = 3.0
RISES_DB: Final = (5.0, 4.0, 3.5, 3.0, 3.0)
"""By how much each band rises over its floor in a candidate: about four deviations of white noise."""
STEADY: Final = BLOCKS_A_SECOND
STEADY_DB: Final = 5.0
"""A band that stays within this for `STEADY` blocks (means of three) is its own floor."""
SUNG: Final = 2 * BLOCKS_A_SECOND
"""What has a pitch is steady only after so many blocks more: a vowel may be held."""
CREEP_DB: Final = 0.03
"""By how much a floor rises a block: 0.6 dB a second."""
CREST_DB: Final = 15.5
"""A click's peak stands this far above its block's level; one of noise 13 dB at most."""
PITCH_OF_CLICKS: Final = 0.32
PITCH: Final = 0.25
"""Noise has 0.11, one block of it in a thousand 0.22; half of the blocks with a vowel have more than this."""
LASTING: Final = 5
"""So many candidates among the last eight blocks are voice without any pitch; strong ones count twice."""
STRONG_DB: Final = 3.0

_HZ: Final = SOUND_RATE / BLOCK_SAMPLES
_LOOKED_AT: Final = 0xFF
_EDGES_HZ: Final = (120, 400, 800, 1400, 2400, 4000)
_LOW_HZ, _TOP_HZ = 80, 1200
_FIRST, _END = int(_EDGES_HZ[0] / _HZ), int(_EDGES_HZ[-1] / _HZ)
_WHOLE: Final = 2.0 / BLOCK_SAMPLES**2
_TINY: Final = 1e-12
_SETTLED: Final = STEADY + TAIL + LINGER
"""Blocks of silence after which nothing else is remembered."""
_SILENT_BANDS: Final = [LOWEST_FLOOR_DB] * len(RISES_DB)


def _bands() -> NDArray[np.float32]:
    places = np.arange(_FIRST, _END) * _HZ
    return np.stack([(low <= places) & (places < high) for low, high in pairwise(_EDGES_HZ)], axis=1).astype(np.float32)


def _pitches() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines that turn the amplitudes of the low bins into their likeness to a row of harmonics, by period."""
    places = np.arange(int(_LOW_HZ / _HZ), int(_TOP_HZ / _HZ)) * _HZ
    periods = 1 / np.geomspace(80, 400, 48)
    weights = (places / 400) ** 0.25
    return np.cos(2 * np.pi * places[:, None] * periods[None, :]).astype(np.float32), weights.astype(np.float32)


_BANDS: Final = _bands()
_COSINES, _PITCH_WEIGHTS = _pitches()
_PITCH_FIRST, _PITCH_END = int(_LOW_HZ / _HZ), int(_TOP_HZ / _HZ)


@dataclass(frozen=True, slots=True)
class Features:
    """What is looked at in each of n blocks.

    Attributes:
        bands: level in dBFS of each band of speech, n lists.
        level: in dBFS, of the loudest channel.
        crest: by how much the largest sample of that channel stands above its level, in dB.
        pitch: 0..1, how much the low bins are like a row of harmonics.
    """

    bands: list[list[float]]
    level: list[float]
    crest: list[float]
    pitch: list[float]


def features(power: NDArray[np.floating], swing: NDArray[np.floating]) -> Features:
    """The features of n blocks; what a constant offset adds is left out.

    Args:
        power: the squared `rfft` of samples in -1..1, of shape (n, channels, bins).
        swing: the largest distance of a sample from the block's mean, of shape (n, channels).
    """
    totals = 10 * np.log10(power[:, :, 1:].sum(axis=2) * _WHOLE + _TINY)
    rows, loudest = np.arange(len(power)), totals.argmax(axis=1)
    level = totals[rows, loudest]
    crest = 20 * np.log10(swing[rows, loudest] + 1e-6) - level
    all_channels = power[:, 0] if power.shape[1] == 1 else power.sum(axis=1)
    scale = _WHOLE / power.shape[1]
    bands = 10 * np.log10((all_channels[:, _FIRST:_END] @ _BANDS) * scale + _TINY)
    low = np.sqrt(all_channels[:, _PITCH_FIRST:_PITCH_END]) * _PITCH_WEIGHTS
    pitch = (low @ _COSINES).max(axis=1) / (low.sum(axis=1) + _TINY)
    return Features(bands.tolist(), level.tolist(), crest.tolist(), pitch.tolist())


class _Floor:
    """The noise floor of one band, in dBFS: see the module."""

    __slots__ = ("_recent", "_smooth", "_steady", "level")

    def __init__(self) -> None:
        self.level: float | None = None
        self._steady = 0
        self._recent: deque[float] = deque(maxlen=3)
        self._smooth: deque[float] = deque(maxlen=STEADY)

    def add(self, level: float, *, pitched: bool) -> float:
        """Take a block's level; by how much it rises over the floor."""
        level = max(level, LOWEST_FLOOR_DB)
        self._recent.append(level)
        smooth = sum(self._recent) / len(self._recent)
        self._smooth.append(smooth)
        if self.level is None:
            self.level = level
        elif smooth < self.level:
            self.level = smooth
        else:
            self.level += CREEP_DB
            steady = len(self._smooth) == STEADY and max(self._smooth) - min(self._smooth) < STEADY_DB
            self._steady = self._steady + 1 if steady else 0
            if steady and (not pitched or self._steady > SUNG):
                self.level = sum(self._smooth) / STEADY
        return level - self.level

    def steady_for(self, blocks: int) -> None:
        """Take as many blocks more of the level of all that are remembered."""
        self._steady += blocks


class VoiceFinder:
    """Marks voice block by block."""

    def __init__(self) -> None:
        self.voice = False
        self._floors = [_Floor() for _ in RISES_DB]
        self._whole = _Floor()
        self._candidates = self._strong = 0  # bit n: the block n before this one
        self._tail = self._linger = 0
        self._marks: list[bool] = []
        self._silent = 0

    @property
    def lingers(self) -> bool:
        """Whether something was to be heard within the last `LINGER` blocks."""
        return self._linger > 0

    def may_be_heard(self, peak: int) -> bool:
        """Whether a part of a block with this largest sample may be more than the floor."""
        if peak <= SILENT_PEAK:
            return False
        floor = self._whole.level
        return floor is None or 20 * np.log10(peak / 32768) > min(floor + CREST_DB, AUDIBLE_DB + CREST_DB)

    def add(self, peaks: NDArray[np.int32], found: Features) -> bool:
        """Take blocks; whether something is to be heard in any of them."""
        active = False
        self._silent = 0
        blocks = zip(peaks.tolist(), found.bands, found.level, found.crest, found.pitch, strict=True)
        for peak, bands, level, crest, pitch in blocks:
            active |= self._add(peak, bands, level, crest, pitch)
        return active

    def silent(self, blocks: int) -> None:
        """Take blocks of digital silence."""
        settled = min(blocks, max(0, self._silent + blocks - _SETTLED))
        for _ in range(blocks - settled):
            self._add(0, _SILENT_BANDS, LOWEST_FLOOR_DB, 0.0, 0.0)
        if settled:
            # Nothing remembers anything but silence: all that goes on is how long.
            for floor in (self._whole, *self._floors):
                floor.steady_for(settled)
            self._marks += [False] * settled
        self._silent += blocks

    def take(self, blocks: int) -> int:
        """The marks of the first blocks as bits; they are forgotten."""
        bits = sum(1 << n for n, mark in enumerate(self._marks[:blocks]) if mark)
        del self._marks[:blocks]
        return bits

    def _add(self, peak: int, bands: list[float], level: float, crest: float, pitch: float) -> bool:
        pitched = pitch > PITCH
        risen = self._whole.add(level, pitched=pitched)
        floors = zip(self._floors, bands, RISES_DB, strict=True)
        rises = [floor.add(value, pitched=pitched) - least for floor, value, least in floors]
        rising = max(rises) > 0
        loud = peak > SILENT_PEAK and (rising or risen > ACTIVE_RISE_DB or level > AUDIBLE_DB)
        # A click is over in a few of the block's milliseconds: its peak stands far above its level.
        click = pitch < PITCH_OF_CLICKS and crest > CREST_DB
        candidate = peak > SILENT_PEAK and rising and not click
        self._candidates = (self._candidates << 1 | candidate) & _LOOKED_AT
        self._strong = (self._strong << 1 | (candidate and max(rises) > STRONG_DB)) & _LOOKED_AT
        lasting = self._candidates.bit_count() + self._strong.bit_count() >= LASTING
        if candidate and (pitched or lasting or self.voice):
            if not self.voice:
                back = max(0, len(self._marks) - LOOK_AHEAD)
                self._marks[back:] = [True] * (len(self._marks) - back)
            self._tail = TAIL + 1
        self._tail = max(0, self._tail - 1)
        self.voice = self._tail > 0
        self._marks.append(self.voice)
        self._linger = LINGER + 1 if loud or self.voice else max(0, self._linger - 1)
        return loud or self.voice
