"""By how much a clock differs from ours, from where its sound arrived over minutes.

The times at which blocks arrive move for two reasons: the device's clock is slow or fast, which moves them evenly, and
the server's latency changes, which moves them at once (measured: by 5 to 95 ms, up and down, whenever a client starts
or stops on PulseAudio and PipeWire). `slope_of` cuts the series where it jumps, and fits one slope to all pieces, each
with a level of its own; it tells nothing that is not clear against how much the pieces scatter. `straight` finds what
is so steep that it shows within seconds. Both are pure; what comes of a slope is left to `record.drift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pepys import limits

Point = tuple[float, float]
"""A time, and by how much what arrived then was late; in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Slope:
    """How steep a series is, its standard error, and whether it is clear that it is not level."""

    slope: float
    error: float
    clear: bool


def slope_of(points: Sequence[Point]) -> Slope | None:
    """How steep the series is without its jumps; None where that is too little to tell."""
    if len(points) < limits.SOUND_SLOPE_POINTS:
        return None
    t, z = np.array(points).T
    steps = np.diff(z)
    even = median(steps / np.diff(t))
    off = steps - even * np.diff(t)
    scatter = median(np.abs(off))
    cuts = np.flatnonzero(np.abs(off) > max(limits.SOUND_SHIFT_NS, 4 * scatter)) + 1
    pieces = [piece for piece in np.split(np.arange(len(t)), cuts) if len(piece) >= limits.SOUND_SLOPE_PIECE]
    span = sum(float(t[piece[-1]] - t[piece[0]]) for piece in pieces)
    if span < limits.SOUND_SLOPE_SPAN_NS or sum(map(len, pieces)) < limits.SOUND_SLOPE_POINTS:
        return None
    ts = np.concatenate([t[piece] - t[piece].mean() for piece in pieces])
    zs = np.concatenate([z[piece] - z[piece].mean() for piece in pieces])
    weight = float(ts @ ts)
    slope = float(ts @ zs) / weight
    rest = zs - slope * ts
    free = max(1, len(ts) - len(pieces) - 1)
    error = max(limits.SOUND_SLOPE_NOISE_NS, float(np.sqrt(rest @ rest / free))) / np.sqrt(weight)
    # Few points may lie on a line by chance, and more so where pieces were cut out of what scatters.
    moved = abs(slope) * span
    enough = moved >= 4 * scatter or len(ts) >= limits.SOUND_SLOPE_MANY
    clear = enough and moved >= limits.SOUND_SLOPE_CLEAR_NS and abs(slope) > (5 + 30 / free) * error
    return Slope(slope, float(error), clear)


def straight(points: Sequence[Point]) -> tuple[int, float] | None:
    """Of how many of the last points each follows the one before it on one steep line, and its slope."""
    for count, least_ns in limits.SOUND_STEEP:
        if len(points) < count:
            continue
        last = np.array(points[-count:])
        t: NDArray[np.float64] = last[:, 0] - last[0, 0]
        if t[-1] > 2 * count * limits.SOUND_DRIFT_BIN_NS:
            continue
        z = last[:, 1]
        slope = float((t - t.mean()) @ (z - z.mean()) / ((t - t.mean()) @ (t - t.mean())))
        level = z.mean() - slope * t.mean()
        moved = abs(slope) * t[-1]
        if moved < least_ns:
            continue
        if np.abs(z - level - slope * t).max() <= max(limits.SOUND_SHIFT_NS / 2, moved / 20):
            return count, slope
    return None


def median(values: NDArray[Any]) -> float:
    """The middle of some numbers, at least one; between the two where their count is even.

    numpy's own loads masked arrays for floats: a megabyte, and 30 ms of the loop in the middle of a recording.
    """
    half = values.size // 2
    parted = np.partition(values, (half - 1, half), axis=None)
    upper = float(parted[half])
    return upper if values.size % 2 else (float(parted[half - 1]) + upper) / 2
