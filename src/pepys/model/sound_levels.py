"""Levels of sound: what twenty blocks a second are, how a second of them is packed, and where somebody may speak.

A level is a byte: 0 is -102 dB or less, 255 is 0 dB or more, a step is 0.4 dB. Positions count samples at 48 kHz since
the span's start, times are axis time. Pure: who measures is `pepys.media.meter`, who stores is the recorder.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pepys.limits import NS_PER_S, SOUND_RATE
from pepys.model.events import LevelsNoted

BLOCKS_A_SECOND: Final = 20
BLOCK_SAMPLES: Final = SOUND_RATE // BLOCKS_A_SECOND
BLOCK_NS: Final = NS_PER_S // BLOCKS_A_SECOND
LOWEST_DB: Final = -102.0
STEPS_A_DB: Final = 2.5

Ranges = list[tuple[int, int]]
"""Times from ... to, in order, without overlap and without touching."""


@dataclass(frozen=True, slots=True)
class Level:
    """How loud it is now: peak in dBFS, K-weighted loudness in LUFS, neither below `LOWEST_DB`; may somebody speak."""

    peak_db: float
    loudness_lufs: float
    voice: bool


SILENT: Final = Level(LOWEST_DB, LOWEST_DB, False)


@dataclass(frozen=True, slots=True)
class Levels:
    """Up to a second of blocks of 50 ms.

    Attributes:
        position: of the first block's first sample, since the span's start; a multiple of a second.
        peaks: a byte a block (see `byte_of`): the largest sample.
        loudness: a byte a block: K-weighted mean square of all channels, in LUFS.
        voice: bit n says whether somebody may speak in block n.
    """

    position: int
    peaks: bytes
    loudness: bytes
    voice: int


def byte_of(level_db: float) -> int:
    """A level as a byte."""
    return min(255, max(0, round((level_db - LOWEST_DB) * STEPS_A_DB)))


def db_of(value: int) -> float:
    """The level that a byte stands for; `LOWEST_DB` for 0."""
    return LOWEST_DB + value / STEPS_A_DB


def pack(levels: Levels, track: str, span_at_ns: int) -> LevelsNoted:
    """The event of a second of levels; `span_at_ns` is the axis time of position 0."""
    at_ns = span_at_ns + levels.position * NS_PER_S // SOUND_RATE
    peaks, loudness = (base64.b64encode(values).decode() for values in (levels.peaks, levels.loudness))
    return LevelsNoted(track, at_ns, peaks, loudness, levels.voice)


def unpack(event: LevelsNoted) -> Levels:
    """The levels of an event, at position 0: the event knows its axis time only.

    Raises:
        ValueError: the event holds no levels.
    """
    try:
        peaks, loudness = (base64.b64decode(text, validate=True) for text in (event.peaks, event.loudness))
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"no levels: {error}") from error
    if len(peaks) != len(loudness) or len(peaks) > BLOCKS_A_SECOND:
        raise ValueError(f"no levels: {len(peaks)} peaks and {len(loudness)} of loudness")
    return Levels(0, peaks, loudness, event.voice & (1 << len(peaks)) - 1)


def push_of(levels: Levels) -> dict[str, list[int]]:
    """A second of levels as the recorder pushes it to who watches: whole decibels, and 0 or 1 for voice."""
    return {
        "peaks": [round(db_of(value)) for value in levels.peaks],
        "loudness": [round(db_of(value)) for value in levels.loudness],
        "voice": [levels.voice >> block & 1 for block in range(len(levels.peaks))],
    }


def voiced_blocks(voice: int, blocks: int = BLOCKS_A_SECOND) -> list[tuple[int, int]]:
    """The runs of set bits among the first `blocks`, as block numbers from ... to."""
    if voice in (0, (1 << blocks) - 1):
        return [(0, blocks)] if voice else []
    runs: list[tuple[int, int]] = []
    for block in range(blocks):
        if voice >> block & 1:
            if runs and runs[-1][1] == block:
                runs[-1] = (runs[-1][0], block + 1)
            else:
                runs.append((block, block + 1))
    return runs


def heard(noted: Iterable[LevelsNoted]) -> tuple[Ranges, Ranges]:
    """Where levels were measured, and where of that somebody may speak; of one track, in axis time.

    An event that holds no levels counts as not measured.
    """
    measured: Ranges = []
    voiced: Ranges = []
    for event in noted:
        try:
            levels = unpack(event)
        except ValueError:
            continue
        blocks = len(levels.peaks)
        measured.append((event.at_ns, event.at_ns + blocks * BLOCK_NS))
        voiced += [
            (event.at_ns + first * BLOCK_NS, event.at_ns + end * BLOCK_NS)
            for first, end in voiced_blocks(levels.voice, blocks)
        ]
    return joined(measured), joined(voiced)


def joined(ranges: Iterable[tuple[int, int]], within_ns: int = 1_000_000) -> Ranges:
    """Ranges in order; those that overlap or lie closer than `within_ns` become one."""
    whole: Ranges = []
    for start, end in sorted(ranges):
        if whole and start - whole[-1][1] <= within_ns:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        elif end > start:
            whole.append((start, end))
    return whole


def without(start: int, end: int, ranges: Ranges) -> Ranges:
    """What of `start` to `end` lies in none of the ranges."""
    left: Ranges = []
    for first, last in ranges:
        if last <= start or first >= end:
            continue
        if first > start:
            left.append((start, first))
        start = max(start, last)
    if start < end:
        left.append((start, end))
    return left
