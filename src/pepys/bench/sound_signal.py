"""Sounds that say when they were played: steps of a tone that count tenths of a second, clicks, and noise.

Every sample of the counting tone is a function of CLOCK_BOOTTIME alone. Who finds a tone in a recording knows when it
was played, modulo `CYCLE_NS`; whatever a player, a server or a recorder lost between two of them shows as a jump.
Pure: playing is `player`'s, decoding `heard`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pepys.limits import NS_PER_MS, NS_PER_S, SOUND_RATE

Samples = NDArray[np.int16]

STEP_NS: Final = 100 * NS_PER_MS
STEPS: Final = 64
CYCLE_NS: Final = STEPS * STEP_NS
LOW_HZ: Final = 600
APART_HZ: Final = 100
_LEVEL: Final = 3300
"""-20 dBFS: loud enough to stand above any coder's noise."""

_WINDOW: Final = SOUND_RATE // 50
_HOP: Final = SOUND_RATE // 500
_QUIET: Final = 200.0
"""Root mean square of 2 ms below which nothing is played, -44 dBFS: a coder smears the end of a tone over 30 ms, 25 dB
below it."""

_AT_ONCE: Final = 4096
"""Windows that are looked at at once: the sound of an hour is not to be held as floats."""

CLICK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of the counting tone begins: at which sample, and its number (modulo `STEPS`)."""

    position: int
    number: int


def counting_tone(first_ns: int, samples: int, level: float = 1.0) -> Samples:
    """The counting tone from a moment of CLOCK_BOOTTIME on; blocks that follow one another are without a seam."""
    # Counted from the step's own beginning, so that the phase needs no more digits than a float has.
    first = first_ns // STEP_NS
    into_s = (first_ns - first * STEP_NS) / NS_PER_S + np.arange(samples) / SOUND_RATE
    step_s = STEP_NS / NS_PER_S
    steps = (into_s / step_s).astype(np.int64)
    hertz = LOW_HZ + APART_HZ * ((first + steps) % STEPS)
    # All frequencies are whole multiples of 1 / STEP_NS: each step begins and ends at phase 0.
    wave = np.sin(2 * np.pi * hertz * (into_s - steps * step_s))
    found: Samples = np.round(level * _LEVEL * wave).astype(np.int16)
    return found


def click(samples: int = int(CLICK_S * SOUND_RATE)) -> Samples:
    """A sweep from 500 Hz to 6 kHz: its place is found to a fraction of a millisecond, also after a coder."""
    t = np.arange(samples) / SOUND_RATE
    sweep = np.sin(2 * np.pi * (500 * t + (6000 - 500) / (2 * samples / SOUND_RATE) * t * t))
    found: Samples = np.round(16_000 * sweep * np.hanning(samples)).astype(np.int16)
    return found


def beep(samples: int = SOUND_RATE // 10) -> Samples:
    """A tone of 1 kHz that begins at once."""
    found: Samples = np.round(16_000 * np.sin(2 * np.pi * 1000 * np.arange(samples) / SOUND_RATE)).astype(np.int16)
    return found


def noise(level_db: float, samples: int, seed: int = 1) -> Samples:
    """White noise whose root mean square lies `level_db` below full scale."""
    scale = 32768 * 10 ** (level_db / 20)
    made = np.random.default_rng(seed).normal(0, scale, samples)
    found: Samples = np.clip(np.round(made), -32768, 32767).astype(np.int16)
    return found


def read_marks(pcm: Samples) -> list[Mark]:
    """Where the steps of a counting tone begin, to about 2 ms; stretches without the tone give none."""
    numbers = _numbers(pcm)
    marks = []
    for at in range(1, len(numbers)):
        if numbers[at] != numbers[at - 1] and numbers[at - 1] >= 0 and (numbers[at - 1] + 1) % STEPS == numbers[at]:
            # Windows change their mind in the middle of the window that holds half of either tone.
            marks.append(Mark(at * _HOP + (_WINDOW - _HOP) // 2, int(numbers[at])))
    return marks


def quiet_stretches(pcm: Samples, least_s: float = 0.02) -> list[tuple[int, int]]:
    """From and up to which sample nothing is heard, to 2 ms, for at least so long."""
    blocks = len(pcm) // _HOP
    quiet = np.zeros(blocks + 2, bool)
    for begin in range(0, blocks, _AT_ONCE):
        end = min(blocks, begin + _AT_ONCE)
        part = np.square(pcm[begin * _HOP : end * _HOP].astype(np.float32)).reshape(end - begin, _HOP)
        quiet[begin + 1 : end + 1] = part.mean(axis=1) < _QUIET**2
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    found = [(int(begin) * _HOP, int(end) * _HOP) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
    return [(begin, end) for begin, end in found if end - begin >= least_s * SOUND_RATE]


def find_clicks(pcm: Samples, shape: Samples, apart_s: float = 0.5) -> list[int]:
    """Where a known click begins: the peaks of the correlation, `apart_s` apart; half as loud is still the click."""
    if len(pcm) < len(shape) or not pcm.any():
        return []
    size = 1 << int(len(pcm) + len(shape) - 1).bit_length()
    spectrum = np.fft.rfft(pcm.astype(np.float32), size) * np.conj(np.fft.rfft(shape.astype(np.float32), size))
    likeness = np.abs(np.fft.irfft(spectrum, size)[: len(pcm)])
    floor, apart = float(np.square(shape.astype(np.float32)).sum()) / 2, int(apart_s * SOUND_RATE)
    found: list[int] = []
    for at in np.flatnonzero(likeness >= floor):
        if found and at - found[-1] < apart:
            found[-1] = int(at) if likeness[at] > likeness[found[-1]] else found[-1]
        else:
            found.append(int(at))
    return found


def find_beeps(pcm: Samples, apart_s: float = 0.5) -> list[int]:
    """Where a beep begins after quiet: the first sample of a tenth of its loudness, `apart_s` after the last."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 1600)
    if not len(loud):
        return []
    starts = np.concatenate(([0], np.flatnonzero(np.diff(loud) > apart_s * SOUND_RATE) + 1))
    return [int(loud[start]) for start in starts]


def _numbers(pcm: Samples) -> NDArray[np.int64]:
    """The step that is heard in each window, one a hop; -1 for none."""
    count = (len(pcm) - _WINDOW) // _HOP + 1
    if count <= 0:
        return np.zeros(0, np.int64)
    # Padded to 10 ms bins of 25 Hz: a tone's bin is told from its neighbours'.
    bins = np.arange(STEPS) * 4 + LOW_HZ // 25
    found = np.empty(count, np.int64)
    shape = np.hanning(_WINDOW).astype(np.float32)
    for begin in range(0, count, _AT_ONCE):
        end = min(count, begin + _AT_ONCE)
        part = pcm[begin * _HOP : (end - 1) * _HOP + _WINDOW].astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(part, _WINDOW)[::_HOP] * shape
        strength = np.abs(np.fft.rfft(windows, SOUND_RATE // 25, axis=1)[:, bins])
        best = strength.argmax(axis=1)
        # A tone of full level gives half of the window's sum; a tenth of it is still a tone.
        heard = strength.max(axis=1) > 0.05 * _LEVEL * shape.sum() / 2
        found[begin:end] = np.where(heard, best, -1)
    return found
