"""The nodes of a running sound graph: each takes blocks of its inputs and gives blocks.

Invariants: every block comes with a word on whether anything is to be heard in it. A node gives as many samples as it
takes (a resampler: as its rate says), at the same positions, once it is ended; it holds no more than its `holds` says.
A mix is cut off from its inputs: they are kept until it is told to mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from pepys import limits
from pepys.media.meter import Meter
from pepys.media.silence import is_silence, joined, silence
from pepys.media.sound_filters import (
    Filters,
    Gain,
    Pcm,
    Samples,
    balance_of,
    factor_of,
    mix_of,
    narrowed,
    row_of,
    widened,
)
from pepys.model.sound_graph import Node, Shape
from pepys.model.sound_levels import Levels

Given = tuple[Samples, bool]
"""A block, and whether something may be heard in it."""

_NOTHING: Final = np.zeros((0, 1), np.int16)


@dataclass(frozen=True, slots=True)
class Block:
    """What a sink got.

    Attributes:
        pcm: samples of shape (n, channels).
        active: False where a voice node says of all of it that nothing is to be heard.
        position: of the first sample, at the sink's rate.
    """

    pcm: Pcm
    active: bool
    position: int


class Stage:
    """A node at work; this one lets everything through."""

    holds = 0

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """Take the next block of the input at `place`; give what is done."""
        return pcm, active

    def end(self) -> Given:
        """Give what is held back."""
        return _NOTHING, False


class PassNode(Stage):
    """A source, or an end that wants nothing."""


class GainNode(Stage):
    """Makes sound louder or lower, or mutes it."""

    def __init__(self, node: Node, shape: Shape, *, wide: bool) -> None:
        self._gain = Gain(node.name, shape, _factor(node), wide=wide)

    def set(self, node: Node) -> None:
        """Go to the gain that the node says now."""
        self._gain.set(_factor(node))

    @property
    def silenced(self) -> int:
        """Samples made silence so far."""
        return self._gain.silenced

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """See `Stage`."""
        return self._gain.apply(pcm), active


class FilterNode(Stage):
    """A row of libavfilter filters; one without any lets everything through."""

    def __init__(self, node: Node, takes: Shape, gives: Shape) -> None:
        row = row_of(node, takes)
        self._filters = Filters(node.name, row, [takes], gives) if row is not None else None
        self._heard = Heard(takes.rate, gives.rate)
        self.holds = -(-row.holds * limits.SOUND_RATE // takes.rate) if row is not None else 0

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """See `Stage`."""
        if self._filters is None:
            return pcm, active
        self._heard.add(len(pcm), active)
        given = self._filters.push(pcm)
        return given, self._heard.over(len(given))

    def end(self) -> Given:
        """See `Stage`."""
        if self._filters is None:
            return _NOTHING, False
        given = self._filters.end()
        return given, self._heard.over(len(given))


class LimiterNode(Stage):
    """A limiter, which works only while it is needed: it costs three times what all the rest of a usual graph does.

    Below its ceiling it changes nothing, so that it may begin and end anywhere as long as it sees 5 ms ahead, which are
    held back. It ends when nothing was above the ceiling for long enough to let go.
    """

    def __init__(self, node: Node, shape: Shape, *, takes_wide: bool) -> None:
        row = row_of(node, shape)
        assert row is not None
        self._make = partial(Filters, node.name, row, [shape], shape, takes_wide=takes_wide)
        self._filters: Filters | None = self._make()
        self._takes_wide = takes_wide
        self._ceiling = 10 ** (float(node.params["ceiling_db"]) / 20)
        self._ahead, self._calm_after = shape.rate // 200, shape.rate
        self._calm = self._calm_after
        self._held: Samples = np.zeros((0, shape.channels), np.int16)
        self._heard = Heard(shape.rate, shape.rate)
        self.holds = -(-row.holds * limits.SOUND_RATE // shape.rate)

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """See `Stage`."""
        self._heard.add(len(pcm), active)
        given = self._limited(pcm)
        return given, self._heard.over(len(given))

    def _limited(self, pcm: Samples) -> Samples:
        if is_silence(pcm):
            if self._filters is None and len(self._held) == self._ahead and is_silence(self._held):
                return pcm
            over = False
        else:
            full = 1 if pcm.dtype == np.float32 else 32768
            over = max(float(pcm.max()), -float(pcm.min())) >= self._ceiling * full
        if over and self._filters is None:
            self._filters = self._make()
            if self._takes_wide:  # what is held is narrow, and would be taken for 32768 times as loud
                pcm, self._held = np.concatenate((widened(self._held), widened(pcm))), self._held[:0]
            else:
                pcm, self._held = np.concatenate((self._held, pcm)), self._held[:0]
        done: Samples | None = None
        if self._filters is not None:
            if over or self._calm < self._calm_after:
                self._calm = 0 if over else self._calm + len(pcm)
                return self._filters.push(pcm)
            done, self._filters = self._filters.end(), None
        pcm = narrowed(pcm)
        whole = joined((self._held, pcm))
        kept = max(0, len(whole) - self._ahead)
        self._held = pcm[-self._ahead :] if len(pcm) >= self._ahead else whole[kept:]
        return whole[:kept] if done is None else np.concatenate((done, whole[:kept]))

    def end(self) -> Given:
        """See `Stage`."""
        given = self._held if self._filters is None else self._filters.end()
        return given, self._heard.over(len(given))


class MeterNode(Stage):
    """Measures, and lets everything through. Levels that nobody takes are let go, the oldest first.

    Attributes:
        meter: the measurement; nodes on the same sound share one, and one of them `measures`.
        keeps: whether this is the node that keeps the levels.
        marks: whether it says of what goes on that nothing is to be heard.
    """

    def __init__(self, meter: Meter, *, measures: bool, keeps: bool, marks: bool) -> None:
        self.meter, self.keeps = meter, keeps
        self.marks, self._measures = marks, measures
        self._levels: deque[Levels] = deque(maxlen=limits.SOUND_TAP_S)

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """See `Stage`."""
        if self._measures:
            self.meter.add(pcm)
        if self.keeps:
            self._levels += self.meter.take()
        return pcm, active and (self.meter.active or not self.marks)

    def levels(self) -> list[Levels]:
        """Whole seconds since the last call."""
        given = list(self._levels)
        self._levels.clear()
        return given

    def end(self) -> Given:
        """See `Stage`."""
        if self.keeps:
            self._levels += self.meter.end()
        return _NOTHING, False


class MixNode(Stage):
    """The sum of all inputs, position by position.

    Attributes:
        position: up to where it is mixed.
        late: samples for which silence stood in.
    """

    def __init__(self, node: Node, inputs: Sequence[Shape], gives: Shape, *, wide: bool) -> None:
        factors = balance_of(int(node.params["balance"])) if len(inputs) == 2 else (1.0,) * len(inputs)
        self._lines = [Line(node.name, shape, factor) for shape, factor in zip(inputs, factors, strict=True)]
        self._filters = Filters(node.name, mix_of(len(inputs)), inputs, gives, wide=wide)
        self._channels = gives.channels
        self.position = self.late = 0

    def set(self, node: Node) -> None:
        """Go to the balance that the node says now."""
        for line, factor in zip(self._lines, balance_of(int(node.params["balance"])), strict=True):
            line.gain.set(factor)

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """Keep a block until it is mixed."""
        self._lines[place].add(pcm, active)
        return _NOTHING, False

    def mix(self, at_least: int) -> Given:
        """What all inputs have, and up to position `at_least` whatever they have."""
        ready = min(line.waiting for line in self._lines)
        count = max(ready, at_least - self.position, 0)
        if not count:
            return _NOTHING, False
        self.late += sum(max(0, count - line.waiting) for line in self._lines)
        taken = [line.take(count) for line in self._lines]
        self.position += count
        return self._sum([pcm for pcm, _ in taken]), any(active for _, active in taken)

    def _sum(self, blocks: list[Samples]) -> Samples:
        """A sum has no memory: what is silent adds nothing, and one block alone is the sum."""
        sounding = [block for block in blocks if not is_silence(block)]
        if not sounding:
            return silence(len(blocks[0]), self._channels)
        if len(sounding) > 1:
            return self._filters.push(*blocks)
        block = sounding[0]
        return block if block.shape[1] == self._channels else np.repeat(block, self._channels, axis=1)


class Line:
    """The samples of one input of a mix that are not mixed yet; `_skip` of those to come are too late."""

    def __init__(self, name: str, shape: Shape, factor: float) -> None:
        self.gain = Gain(name, shape, factor)
        self.waiting = 0
        self._shape = shape
        self._blocks: deque[Given] = deque()
        self._skip = 0

    def add(self, pcm: Samples, active: bool) -> None:
        """Take the next samples."""
        late = min(self._skip, len(pcm))
        self._skip -= late
        if len(pcm) > late:
            self._blocks.append((pcm[late:], active))
            self.waiting += len(pcm) - late

    def take(self, wanted: int) -> Given:
        """Give `wanted` samples; what is missing is silence, and is owed."""
        parts: list[Samples] = []
        done, heard = 0, False
        while done < wanted and self._blocks:
            pcm, active = self._blocks.popleft()
            part = pcm[: wanted - done]
            if len(part) < len(pcm):
                self._blocks.appendleft((pcm[len(part) :], active))
            parts.append(part)
            done += len(part)
            heard = heard or active
        self.waiting -= done
        self._skip += wanted - done
        if done < wanted:
            parts.append(silence(wanted - done, self._shape.channels))
        return self.gain.apply(joined(parts)), heard


class SinkNode(Stage):
    """Keeps what came for who takes it. A tap that nobody takes from lets go of what is old."""

    def __init__(self, node: Node, takes: Shape, gives: Shape) -> None:
        self._filter = FilterNode(node, takes, gives)
        self._gives = gives
        self._keeps = limits.SOUND_TAP_S * gives.rate if node.kind == "tap" else None
        self._blocks: deque[Given] = deque()
        self._waiting = self._position = 0

    def feed(self, place: int, pcm: Samples, active: bool) -> Given:
        """Keep a block until it is taken."""
        self._add(*self._filter.feed(place, pcm, active))
        return _NOTHING, False

    def _add(self, pcm: Samples, active: bool) -> None:
        if len(pcm):
            self._blocks.append((pcm, active))
            self._waiting += len(pcm)
        while self._keeps is not None and self._waiting > self._keeps:
            old, _ = self._blocks.popleft()
            self._waiting -= len(old)
            self._position += len(old)

    def take(self) -> Block:
        """All that is kept, as one block."""
        blocks, self._blocks = self._blocks, deque()
        position = self._position
        self._position += self._waiting
        self._waiting = 0
        whole = joined([pcm for pcm, _ in blocks]) if blocks else silence(0, self._gives.channels)
        return Block(whole, any(active for _, active in blocks), position)

    def end_at(self, until: int) -> None:
        """Cut or fill what is kept so that it ends at position `until`, at the sink's rate."""
        self._add(*self._filter.end())
        block = self.take()
        missing = until - self._position
        rest = silence(max(0, missing), self._gives.channels)
        pcm = np.concatenate((block.pcm, rest))[: max(0, until - block.position)]
        self._position, self._waiting = block.position, 0
        self._add(pcm, block.active)


class Heard:
    """Where something was to be heard in what a filter still holds back."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate_in, self._rate_out = rate_in, rate_out
        self._runs: deque[tuple[int, bool]] = deque()
        self._taken = self._given = 0

    def add(self, count: int, active: bool) -> None:
        """So many samples went in."""
        self._taken += count
        if self._runs and self._runs[-1][1] == active:
            self._runs.pop()
        self._runs.append((self._taken, active))

    def over(self, count: int) -> bool:
        """So many came out: whether something may be heard in them."""
        self._given += count
        until = -(-self._given * self._rate_in // self._rate_out)
        heard = False
        while count and self._runs:
            end, active = self._runs[0]
            heard = heard or active
            if end > until:
                break
            self._runs.popleft()
            if end == until:
                break
        return heard


def _factor(node: Node) -> float:
    return 0.0 if node.params["muted"] is True else factor_of(float(node.params["gain_db"]))
