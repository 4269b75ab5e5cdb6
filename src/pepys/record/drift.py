"""How a device's clock differs from ours, and what to do about it.

Owns two things. `Drift`: where the device's samples lie on the clock. A block is read late, never early, so the least
of `read time - count` over a while tells where they arrive; but a server's latency changes at any time, by up to 95 ms
(measured on PulseAudio when a client starts), and no sample is out of its place then. So the place starts with the
earliest arrivals and from then on moves only by a slope that is clear (`drift_slope`: the clock differs), and by what
stays beyond the latencies that may be: a change of more than `limits.SOUND_ABSORB_NS`, or `limits.SOUND_LATENCY_NS`
where the blocks come in another rhythm than before, as they do when it is the latency (a loss leaves the rhythm alone).
Reads in steps come up to a block late, so that blocks are watched at their arrival now and then (`wants_arrivals`), at
uneven times: on PipeWire their delay has a beat of some seconds.
`Steering`: nothing while the sound is near enough to its place; from then on it is stretched by at most
`limits.SOUND_STRETCH`, and what that cannot hold is made up for in steps of at most `limits.SOUND_STEP_SAMPLES`.

Times are nanoseconds, counts are samples at 48 kHz. Doing it to samples is left to `record.sound_stream`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pepys import limits
from pepys.record.account import Pcm, duration_of
from pepys.record.drift_slope import Point, slope_of, straight


@dataclass(slots=True)
class Window:
    """Blocks that were watched one after another.

    Attributes:
        start: when the first was read.
        least: the one that was least late: when, and by how much.
        most: by how much the latest was late, without those that had waited for the first look.
        sizes: how many samples each had.
    """

    start: float
    least: Point
    most: float
    sizes: list[int] = field(default_factory=list)

    @property
    def spread(self) -> float:
        """By how much the blocks differ in their delay."""
        return max(0.0, self.most - self.least[1])

    @property
    def size(self) -> int:
        """How many samples a block had as a rule."""
        return sorted(self.sizes)[len(self.sizes) // 2]


class Drift:
    """Where a stream's samples lie on the clock, from the times at which its blocks were read."""

    def __init__(self) -> None:
        self.blocks = 0
        self.lost = False
        """Whether the device was found to have left sound out; whoever makes up for it takes it back."""
        self._origin_ns = self._first_ns = 0
        self._count = 0
        self._pinned = False
        self._anchor: Point = (0.0, 0.0)
        self._slope = 0.0
        self._window: Window | None = None
        self._recent: deque[Window] = deque(maxlen=max(count for count, _ in limits.SOUND_STEEP))
        self._cells: deque[Point] = deque()
        self._cell: Point | None = None
        self._cell_ns = 0.0
        self._usual: deque[Window] = deque(maxlen=8)
        """The last windows that were where they were expected."""
        self._off: list[Window] = []
        """Those since then, which were not."""
        self._latency = 0.0
        """By how much the latency is longer than at the start, where the blocks have shown it."""
        self._home = (0.0, 0.0)
        """The rhythm of the blocks where the latency was that of the start."""
        self._probe_ns = 0
        self._probes = 0

    @property
    def ppm(self) -> int:
        """By how much the device is fast (or, negative, slow); 0 until it shows."""
        return round(-self._slope * 1e6)

    def pin(self) -> None:
        """Samples are given by this now: where they lie is not chosen anew any more."""
        self._pinned = True

    def see(self, at_ns: int, count: int) -> None:
        """A block was read; `count` samples have come with it since the stream began."""
        if not self.blocks:
            self._first_ns = self._probe_ns = at_ns
            self._origin_ns = at_ns - duration_of(count)
        self.blocks += 1
        size, self._count = count - self._count, count
        t, z = float(at_ns - self._first_ns), float(at_ns - duration_of(count) - self._origin_ns)
        if not self._pinned and t <= limits.SOUND_DRIFT_LEVEL_NS and z < self._place(t):
            self._anchor = (t, z)
        if z - self._place(t) - self._latency < -limits.SOUND_SURPLUS_NS:
            # No lateness can feign this: far more sound has come than time has passed.
            self._anchor = (t, z - self._latency)
        if at_ns < self._probe_ns:
            return
        window = self._window
        if window is None:
            window = self._window = Window(t, (t, z), -np.inf)
        window.sizes.append(size)
        if t > window.start:
            window.most = max(window.most, z)
        if z < window.least[1]:
            window.least = (t, z)
        young = t < limits.SOUND_PROBE_FIRST_NS
        full = t - window.start >= (limits.SOUND_DRIFT_BIN_NS if young else limits.SOUND_PROBE_NS)
        if full and len(window.sizes) > limits.SOUND_PROBE_BLOCKS:
            self._window = None
            self._judge(window)
            if not young:
                self._probe_ns = at_ns + self._pause_ns(t)

    def zero_ns(self, at_ns: int) -> int:
        """Where on the clock sample 0 would lie, by what is known at `at_ns`."""
        return self._origin_ns + round(self._place(at_ns - self._first_ns))

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

    def _place(self, t: float) -> float:
        return self._anchor[1] + self._slope * (t - self._anchor[0])

    def _beside(self, window: Window) -> float:
        """By how much a window's blocks came later than their place and the latency tell."""
        return window.least[1] - self._place(window.least[0]) - self._latency

    def _pause_ns(self, t: float) -> int:
        if self._off and t - self._off[0].start < limits.SOUND_PROBE_LATE_NS:
            return limits.SOUND_PROBE_SOON_NS - limits.SOUND_PROBE_NS
        self._probes += 1
        # Pauses of a golden ratio: no rhythm of the server's is met at the same beat each time.
        return round(limits.SOUND_PROBE_EACH_NS * (0.6 + 0.8 * (self._probes * 0.618034 % 1)))

    def _judge(self, window: Window) -> None:
        """What the blocks of a window tell."""
        self._recent.append(window)
        if not self._pinned and self._beside(window) < 0 and window.start <= limits.SOUND_DRIFT_LEVEL_NS:
            self._anchor = window.least
        self._look_for_steep()
        beside = self._beside(window)
        near = -limits.SOUND_ABSORB_NS <= beside <= self._band()
        if near or (
            abs(beside) <= limits.SOUND_ABSORB_ALL_NS and abs(beside - self._level()) <= limits.SOUND_ABSORB_NS / 2
        ):
            self._off.clear()
            self._usual.append(window)
        else:
            self._off.append(window)
            self._look_for_jump()
        self._collect(window)

    def _look_for_steep(self) -> None:
        found = straight([(w.least[0], w.least[1] - self._place(w.least[0])) for w in self._recent])
        if found is None:
            return
        count, slope = found
        first = self._recent[-count]
        beside = self._beside(first)
        usual = beside if abs(beside) <= limits.SOUND_ABSORB_NS else 0.0
        self._anchor = (first.least[0], first.least[1] - self._latency - usual)
        self._slope = min(self._slope + slope, 0.95)
        self._cells.clear()
        self._cell = None
        self._recent.clear()
        self._usual.clear()
        self._off.clear()

    def _look_for_jump(self) -> None:
        beside = [self._beside(window) for window in self._off]
        if min(beside) < 0 < max(beside):
            del self._off[:-1]
            return
        jump = min(beside, key=abs)
        patience = next(after for least, after in limits.SOUND_JUMPS if abs(jump) >= least)
        waited = self._off[-1].least[0] - self._off[0].start
        level = max(beside) - min(beside) <= abs(jump) / 2
        # Nothing is early by chance, but the first window may be half of before.
        enough = jump < 0 or waited >= (patience if level else limits.SOUND_JUMP_UNSURE_NS)
        if len(beside) < limits.SOUND_JUMP_WINDOWS or not enough:
            return
        latency = self._latency + jump
        now = _rhythm(self._off)
        if _differ(now, _rhythm(self._usual)) and abs(latency) <= limits.SOUND_LATENCY_NS:
            if not self._latency:
                self._home = _rhythm(self._usual)
            near = abs(latency) <= limits.SOUND_ABSORB_NS
            # Where the rhythm is the old one again, so is the latency: what is left of the shift has been lost in it.
            lost = 0.0 if near or _differ(now, self._home) else latency
            self._latency = 0.0 if near or lost else latency
        else:
            lost = self._beyond(min(beside))
        self._anchor = (self._anchor[0], self._anchor[1] + lost)
        self.lost = lost > 0
        self._usual.clear()
        self._usual.extend(self._off)
        self._off.clear()

    def _level(self) -> float:
        """By how much blocks came later of late than their place and the latency tell."""
        return _middle([self._beside(window) for window in self._usual]) if self._usual else 0.0

    def _band(self) -> float:
        """By how much later blocks may come at once: more where they are read in heaps, not as they arrive."""
        spread = _middle([window.spread for window in self._usual]) if self._usual else 0.0
        return max(limits.SOUND_ABSORB_NS, spread / 3)

    def _beyond(self, jump: float) -> float:
        """How much of a jump in the same rhythm is more than a latency may change."""
        if jump < 0:
            return jump  # nothing comes earlier than it can: this is where it lies
        sudden = jump - self._level()
        if sudden > self._band():
            return sudden
        return jump if jump > limits.SOUND_ABSORB_ALL_NS else 0.0

    def _collect(self, window: Window) -> None:
        """For the slope: one point every few seconds, where blocks came least late."""
        if self._cell is None:
            self._cell, self._cell_ns = window.least, window.start
        if window.least[1] < self._cell[1]:
            self._cell = window.least
        # While a device is new it is watched all the time, which is a cell of several windows.
        young = window.start < limits.SOUND_PROBE_FIRST_NS
        if young and window.least[0] - self._cell_ns < limits.SOUND_DRIFT_CELL_NS - limits.SOUND_DRIFT_BIN_NS:
            return
        if self._cells and self._cell[0] <= self._cells[-1][0]:
            return
        self._cells.append(self._cell)
        self._cell = None
        if len(self._cells) > limits.SOUND_DRIFT_CELLS:
            self._cells.popleft()
            first = max(self._anchor[0], self._cells[0][0])
            self._anchor = (first, self._place(first))
        self._fit()

    def _fit(self) -> None:
        found = slope_of(self._cells)
        if found is None:
            return
        if found.clear:
            self._slope = min(found.slope, 0.95)
        elif self._slope and abs(self._slope - found.slope) > 5 * found.error:
            # It was something else: nothing is known from here on.
            last = self._cells[-1][0]
            self._anchor, self._slope = (last, self._place(last)), 0.0
            self._cells.clear()


def _middle(values: list[float] | list[int]) -> float:
    return sorted(values)[len(values) // 2]


def _rhythm(windows: Iterable[Window]) -> tuple[float, float]:
    """How long blocks are, and how uneven their delay."""
    held = list(windows)
    return (_middle([w.size for w in held]), _middle([w.spread for w in held])) if held else (0.0, 0.0)


def _differ(rhythm: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the blocks have another size, or another evenness; of none nothing is known."""
    (size, spread), (size_before, spread_before) = rhythm, other
    uneven = abs(spread - spread_before) > max(limits.SOUND_LATE_BLOCK_NS, max(spread, spread_before) / 3)
    return size_before > 0 and (uneven or abs(size - size_before) > size_before / 10)


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

    def decide(self, error: int, stretch: float, now_ns: int, *, lost: bool = False) -> Move:
        """What to do when the sound lies `error` samples before its place and must be stretched by `stretch`.

        Where it is known that the device `lost` some, it is no step but a hole.
        """
        if not self.on and not self._clear(error, now_ns):
            return Move()
        self.on = bool(stretch) or abs(error) > limits.SOUND_THERE_SAMPLES
        if not self.on:
            self._stretch, self._off_since_ns = 0.0, None
            return Move()
        hole = limits.SOUND_STEP_SAMPLES if lost else limits.SOUND_HOLE_SAMPLES
        if error > hole and abs(stretch) < limits.SOUND_HOLE_STRETCH:
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
