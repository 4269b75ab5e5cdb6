"""How a device's clock differs from ours, and what to do about it.

Owns two things. `Drift`: a block is read late, never early, so the line below all `(read time - count)` is where the
device's samples lie on the clock; its slope is by how much the device is slow. The line is the one with the least sum
of distances to the points above it (an edge of their lower convex hull), over the last minute: a reader that stalls
moves nothing. Reads in steps come up to a block late, so that blocks are watched at their arrival now and then
(`wants_arrivals`). `Steering`: nothing while the sound is near enough to the clock; from then on it is stretched by at
most `limits.SOUND_STRETCH`, and what that cannot hold is made up for in steps of at most `limits.SOUND_STEP_SAMPLES`.

Times are nanoseconds, counts are samples at 48 kHz. Doing it to samples is left to `record.sound_stream`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pepys import limits
from pepys.record.account import Pcm, duration_of

Point = tuple[float, float]


class Drift:
    """Where a stream's samples lie on the clock, from the times at which its blocks were read."""

    def __init__(self) -> None:
        self.blocks = 0
        self.ppm = 0
        """By how much the device is fast (or, negative, slow); 0 until it shows."""
        self._origin_ns = self._first_ns = 0
        self._points: deque[Point] = deque(maxlen=limits.SOUND_DRIFT_POINTS)
        self._bin: Point | None = None
        self._bin_ns = self._bins = 0
        self._level: Point = (0.0, 0.0)
        self._slope = 0.0
        self._probe_ns = 0
        self._probed = 0
        self._late_ns: int | None = None

    def see(self, at_ns: int, count: int) -> None:
        """A block was read; `count` samples have come with it since the stream began."""
        if not self.blocks:
            self._first_ns = self._bin_ns = self._probe_ns = at_ns
            self._origin_ns = at_ns - duration_of(count)
        self.blocks += 1
        self._probed += at_ns >= self._probe_ns
        point = (float(at_ns - self._first_ns), float(at_ns - duration_of(count) - self._origin_ns))
        if self._bin is None or point[1] < self._bin[1]:
            self._bin = point
        if at_ns - self._bin_ns >= limits.SOUND_DRIFT_BIN_NS:
            self._points.append(self._bin)
            self._bin, self._bin_ns = None, at_ns
            self._bins += 1
            self._follow_jump()
            # Where much is known, little changes: a line costs as much as all else here.
            if len(self._points) < limits.SOUND_DRIFT_FEW or self._bins % 4 == 0:
                self._fit(list(self._points))
        elif self.blocks <= limits.SOUND_SETTLE_BLOCKS or point[1] < self._line(point[0]):
            self._fit([*self._points, self._bin])
        if at_ns >= self._probe_ns + limits.SOUND_PROBE_NS and self._probed > limits.SOUND_PROBE_BLOCKS:
            young = at_ns - self._first_ns < limits.SOUND_PROBE_FIRST_NS
            late = min(z - self._line(t) for t, z in self._recent(at_ns, limits.NS_PER_S)) > limits.SOUND_LATE_BLOCK_NS
            if not late or self._late_ns is None:
                self._late_ns = at_ns if late else None
            # What came to stay, and is no jump either, is looked at now and then like all else.
            new = self._late_ns is not None and at_ns - self._late_ns < limits.SOUND_PROBE_LATE_NS
            often_ns = limits.SOUND_PROBE_SOON_NS if new else limits.SOUND_PROBE_EACH_NS
            self._probe_ns = at_ns + (0 if young else often_ns)
            self._probed = 0

    def zero_ns(self, at_ns: int) -> int:
        """Where on the clock sample 0 would lie, by the line at `at_ns`."""
        return self._origin_ns + round(self._line(at_ns - self._first_ns))

    def wants_arrivals(self, now_ns: int) -> bool:
        """Whether blocks should be read as they arrive for now."""
        return self.blocks < limits.SOUND_SETTLE_BLOCKS or now_ns >= self._probe_ns

    @property
    def stretch(self) -> float:
        """By how much more samples each of the device's must become, for its sound to last as long as the clock."""
        return self._slope / (1 - self._slope)

    def seen_ns(self, at_ns: int) -> int:
        """For how long the stream has been watched."""
        return at_ns - self._first_ns if self.blocks else 0

    # --- inside

    def _line(self, t: float) -> float:
        return self._level[1] + self._slope * (t - self._level[0])

    def _recent(self, at_ns: int, within_ns: int) -> list[Point]:
        since = at_ns - self._first_ns - within_ns
        recent = [point for point in self._points if point[0] >= since]
        return [*recent, self._bin] if self._bin is not None else recent or [self._points[-1]]

    def _follow_jump(self) -> None:
        """The device lost some of its sound: all of its blocks come later than the line, the longer the less late."""
        last_ns = self._first_ns + round(self._points[-1][0])
        for within_ns, least_ns in limits.SOUND_JUMPS:
            recent = self._recent(last_ns, within_ns)
            if len(recent) < within_ns // limits.SOUND_DRIFT_BIN_NS:
                continue
            jump = min(z - self._line(t) for t, z in recent)
            if jump < least_ns:
                continue
            older = list(self._points)[: len(self._points) - len(recent)]
            # Where blocks are read late as a rule, a few late ones in a row are no jump.
            usual = sorted(z - self._line(t) for t, z in older)
            if not usual or jump >= 2 * usual[len(usual) // 2]:
                moved = [(t, z + jump) for t, z in older]
                self._points = deque([*moved, *recent], maxlen=self._points.maxlen)
                return

    def _fit(self, points: list[Point]) -> None:
        (t0, z0), (t1, z1) = _lowest_edge(points)
        span = points[-1][0] - points[0][0]
        slope = (z1 - z0) / (t1 - t0) if t1 > t0 else 0.0
        clear = True
        if span < limits.SOUND_DRIFT_SPAN_NS:
            # A slope from little time is mostly jitter: it must be clear against how late blocks are as a rule.
            late = sorted(z - z1 - slope * (t - t1) for t, z in points)
            clear = abs(slope) * span > max(limits.SOUND_DRIFT_CLEAR_NS, 4 * late[len(late) // 2])
        if not clear:
            lowest = min(z for _, z in points)
            self._level, self._slope = (points[-1][0], lowest), 0.0
        else:
            self._level, self._slope = (t1, z1), slope
        self._slope = min(self._slope, 0.95)
        self.ppm = round(-self._slope * 1e6)


def _lowest_edge(points: list[Point]) -> tuple[Point, Point]:
    """The edge of the lower convex hull over the mean time: the line below all points that is nearest to them."""
    hull: list[Point] = []
    for point in points:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (point[1] - ay) > (by - ay) * (point[0] - ax):
                break
            hull.pop()
        hull.append(point)
    mean = sum(t for t, _ in points) / len(points)
    for left, right in pairwise(hull):
        if right[0] >= mean:
            return left, right
    return hull[-1], hull[-1]


@dataclass(frozen=True, slots=True)
class Move:
    """What to do to the next samples: `stretch` each, put in (or, negative, leave out) `step`, or `hole` first."""

    stretch: float = 0.0
    step: int = 0
    hole: int = 0


class Steering:
    """Decides from the distance between the sound and the clock; quiet until the distance is clear."""

    def __init__(self) -> None:
        self.on = False
        self._off_since_ns: int | None = None
        self._stretch = 0.0

    def decide(self, error: int, stretch: float, now_ns: int) -> Move:
        """What to do when the sound lies `error` samples before its place and must be stretched by `stretch`."""
        if not self.on and not self._clear(error, now_ns):
            return Move()
        self.on = True
        if error > limits.SOUND_HOLE_SAMPLES and abs(stretch) < limits.SOUND_HOLE_STRETCH:
            return Move(self._stretch, 0, error)
        most = limits.SOUND_STRETCH
        beyond = abs(stretch) > most
        wanted = stretch + error / (limits.SOUND_RATE * limits.SOUND_SETTLE_S)
        wanted = min(most, max(-most, wanted))
        if abs(wanted - self._stretch) > limits.SOUND_STRETCH_FINE or abs(wanted) == most:
            self._stretch = wanted
        full = limits.SOUND_STEP_SAMPLES
        threshold = full // 2 if beyond else full
        if abs(error) <= threshold:
            return Move(self._stretch)
        # As many steps as leave the least: the distance is held around none, not beside it.
        steps = max(1, round(abs(error) / full))
        return Move(self._stretch, steps * full if error > 0 else -steps * full)

    def _clear(self, error: int, now_ns: int) -> bool:
        if abs(error) <= limits.SOUND_NEAR_SAMPLES:
            self._off_since_ns = None
            return False
        if self._off_since_ns is None:
            self._off_since_ns = now_ns
        far = abs(error) > limits.SOUND_STEP_SAMPLES // 2
        return far or now_ns - self._off_since_ns >= limits.SOUND_NEAR_NS


def splice(pcm: Pcm, step: int) -> tuple[Pcm, int]:
    """Put samples in (`step` > 0: some are heard twice) or leave some out (< 0), faded over; and how many it was.

    Each single step is at most `limits.SOUND_STEP_SAMPLES`, and two fades' sound stays between two: a block that is
    short takes less than was asked for.
    """
    full = limits.SOUND_STEP_SAMPLES
    pieces = max(1, min(-(-abs(step) // full), len(pcm) // (full + 2 * limits.SOUND_FADE_SAMPLES)))
    done: list[Pcm] = []
    left = step
    for number, piece in enumerate(np.array_split(pcm, pieces)):
        share = round(left / (pieces - number))
        share = min(full, max(-full, share))
        cut = _splice(piece, share)
        left -= len(cut) - len(piece)
        done.append(cut)
    whole = done[0] if len(done) == 1 else np.concatenate(done)
    return whole, len(whole) - len(pcm)


def _splice(pcm: Pcm, step: int) -> Pcm:
    fade = min(limits.SOUND_FADE_SAMPLES, len(pcm) // 8)
    count = min(abs(step), len(pcm) - 2 * fade)
    if count <= 0:
        return pcm
    # From `out` on the sound goes over to what is heard from `into` on.
    out, into = (fade, fade + count) if step < 0 else (fade + count, fade)
    rise = (np.arange(fade, dtype=np.float32) + 0.5) / max(1, fade)
    mixed = pcm[out : out + fade] * (1 - rise)[:, None] + pcm[into : into + fade] * rise[:, None]
    return np.concatenate((pcm[:out], mixed.round().astype(np.int16), pcm[into + fade :]))
