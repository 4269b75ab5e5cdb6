"""One opened sound device from its first block to its end, and the bending of its samples to the clock.

`DeviceStream` reads a source, whatever its rate and channels, and keeps what nobody has taken yet: for a second where
nothing is recorded, so that the block in which a span begins is there. `Corrector` turns a stream's samples into parts
that keep to the clock. Invariants: what a source gave before it ended or was let go is read out; of what goes into a
corrector everything comes out, or is told as dropped, once it has ended. Placing, deaths and spans are left to
`record.sound`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from pepys import limits
from pepys.media.resample import AsyncResampler, Conformer
from pepys.media.silence import joined, silence
from pepys.record.account import Part, Pcm, samples_in
from pepys.record.drift import Drift, Steering, splice
from pepys.record.ports import SoundBlock, SoundSource, SourceEnded


class DeviceStream:
    """A source, as samples of the track's format that wait to be taken.

    Attributes:
        count: how many samples have come, in the track's rate.
        zeros: how many of the last ones were digital silence.
        capture_ns: when the last one was read.
    """

    def __init__(
        self,
        device: str,
        source: SoundSource,
        channels: int,
        opened_ns: int,
        closing: Callable[[SoundSource], None] = lambda _source: None,
    ) -> None:
        """Read `source`; `closing` is told before it is closed, while its descriptor is still its own."""
        self.device = device
        self.source = source
        self.drift = Drift()
        self.count = 0
        self.zeros = 0
        self.capture_ns = 0
        self.opened_ns = opened_ns
        self.fast_told = False
        self.ended: SourceEnded | None = None
        form = source.capabilities
        self._rate = form.rate
        self._frames = 0
        self._conformer = Conformer(form.rate, form.channels, channels)
        self._channels = channels
        self._waiting: deque[Pcm] = deque()
        self._taken: deque[Pcm] = deque()
        self._held = 0
        self._closing = closing
        self._abandoned = False

    @property
    def delivers(self) -> bool:
        """Whether enough blocks have come to know where they lie on the clock."""
        return self.drift.blocks >= limits.SOUND_SETTLE_BLOCKS

    @property
    def waiting(self) -> int:
        """How many samples nobody has taken."""
        return self._held

    def read(self) -> bool:
        """Take what has arrived; whether anything had. After the end nothing does."""
        if self.ended is not None:
            return False
        events = self.source.poll()
        for event in events:
            if isinstance(event, SourceEnded):
                self.ended = event
                break
            self._take(event)
        return bool(events)

    def mute_for_ns(self, now_ns: int) -> int:
        """By how much the source is over the time in which it must give something; 0 or less when it is not."""
        # A monitor that nothing plays to gives its first block only after 2 s.
        patience = limits.SOUND_SILENT_NS if self.drift.blocks else limits.SOURCE_START_NS
        return now_ns - max(self.capture_ns, self.opened_ns) - patience

    def take(self) -> Pcm:
        """All that waits: the last of it is sample `count - 1` of the stream."""
        if not self._waiting:
            return silence(0, self._channels)
        pcm = joined(self._waiting)
        self._waiting.clear()
        self._held = 0
        self._taken.append(pcm)
        _trim(self._taken, sum(map(len, self._taken)))
        return pcm

    def put_back(self) -> None:
        """Let the last second wait again: a span that ends may have taken what belongs to the next."""
        for pcm in reversed(self._taken):
            self._waiting.appendleft(pcm)
            self._held += len(pcm)
        self._taken.clear()

    def trim(self) -> None:
        """Nothing is recorded: keep only as much as a span that begins now may need."""
        self._held = _trim(self._waiting, self._held)

    def number_at(self, clock_ns: int) -> int:
        """Which sample was captured at a moment, by the line."""
        # Up to the whole one: where the stream begins was rounded down, and none must be missing at the end for it.
        one_ns = limits.NS_PER_S // limits.SOUND_RATE
        return samples_in(max(0, clock_ns - self.drift.zero_ns(self.capture_ns) + one_ns))

    def leave(self, number: int) -> None:
        """Forget what waits from sample `number` on: it was captured when it must not be."""
        past = min(self._held, self.count - number)
        self.count -= max(0, past)
        while past > 0:
            last = self._waiting.pop()
            self._held -= len(last)
            if len(last) > past:
                self._waiting.append(last[: len(last) - past])
                self._held += len(last) - past
            past -= len(last)

    def abandon(self, since_ns: int) -> None:
        """Let go of the source, and forget what it gave since a moment: that was not the device's any more."""
        for _ in range(limits.SOUND_READS_A_STEP):
            if not self.read():
                break
        self.leave(self.number_at(since_ns))
        self._abandoned = True
        self._closing(self.source)
        self.source.close()
        if self.ended is None:
            self.ended = SourceEnded(self.capture_ns, "device_lost", "let go")

    def close(self) -> None:
        """Let go of the source; what it has given until now waits to be taken."""
        if self._abandoned:
            return
        for _ in range(limits.SOUND_READS_A_STEP):
            if not self.read():
                break
        self._closing(self.source)
        self.source.close()
        if self.ended is None:
            self.ended = SourceEnded(self.capture_ns, "device_lost", "let go")
        self._add(self._conformer.end())

    def _take(self, block: SoundBlock) -> None:
        if not len(block.samples):
            return
        self._frames += len(block.samples)
        self.capture_ns = block.at_ns
        self.drift.see(block.at_ns, self._frames * limits.SOUND_RATE // self._rate)
        pcm = self._conformer.push(block.samples)
        if pcm.any():
            self.zeros = 0
        else:
            self.zeros += len(pcm)
            pcm = silence(len(pcm), self._channels)
        self._add(pcm)

    def _add(self, pcm: Pcm) -> None:
        if len(pcm):
            self._waiting.append(pcm)
            self._held += len(pcm)
            self.count += len(pcm)


def _trim(blocks: deque[Pcm], held: int) -> int:
    """Leave the last second of what is `held`; how much that is."""
    while blocks and held - len(blocks[0]) >= samples_in(limits.SOUND_KEEP_NS):
        held -= len(blocks.popleft())
    return held


class Corrector:
    """Bends the samples of one stream within one span; while its clock is ours they pass as they are."""

    def __init__(self, drift: Drift, channels: int) -> None:
        self._drift, self._channels = drift, channels
        drift.pin()
        self._steering = Steering()
        self._resampler: AsyncResampler | None = None
        self._last: Pcm = np.zeros((0, channels), np.int16)
        self._taken = self._given = self._told = 0

    @property
    def held(self) -> int:
        """How many samples have been taken that are not given yet."""
        return self._resampler.held if self._resampler is not None else 0

    def push(self, pcm: Pcm, error: int, now_ns: int) -> tuple[list[Part], int, int]:
        """Take samples; `error` is by how much they would end before their place on the clock if nothing were done.

        Returns:
            The parts that are ready; how many samples of silence are missing after them; and how many were put in or
            (negative) left out of them in a step.
        """
        move = self._steering.decide(error, self._drift.stretch, now_ns, lost=self._drift.lost)
        self._drift.lost = False
        step = 0
        if -error > limits.SOUND_AHEAD_SAMPLES:
            # Far more comes than steps can leave out, and what is kept for later must not grow.
            step = -min(len(pcm), -error)
            pcm = pcm[-step:]
        elif move.step:
            pcm, step = splice(pcm, move.step)
        inserted, dropped = max(0, step), max(0, -step)
        if self._steering.on and self._resampler is None and move.stretch:
            self._resampler = AsyncResampler(self._channels, self._last)
        if self._resampler is None:
            self._last = pcm[-limits.SOUND_FADE_SAMPLES :]
            parts = [Part(pcm, "", inserted, dropped)]
        else:
            self._resampler.steer(move.stretch)
            self._taken += len(pcm)
            parts = [self._part(self._resampler.push(pcm), inserted, dropped)]
        if move.hole:
            parts += self.end()
        return parts, move.hole, step

    def end(self) -> list[Part]:
        """What is still held; what comes next begins anew."""
        if self._resampler is None:
            return []
        rest = self._resampler.end()
        self._resampler = None
        self._last = rest
        part = self._part(rest, 0, 0, final=True)
        self._taken = self._given = self._told = 0
        return [part]

    def _part(self, out: Pcm, inserted: int, dropped: int, *, final: bool = False) -> Part:
        """Count what the resampler made: single samples that come and go with its rounding are told once they stay."""
        self._given += len(out)
        held = 0 if final or self._resampler is None else self._resampler.held
        net = self._given + held - self._taken - self._told
        if final or abs(net) > 1:
            inserted, dropped = inserted + max(0, net), dropped + max(0, -net)
            self._told += net
        # A part that gives less than was put in elsewhere of it still counts no sample twice.
        return _fitting(out, inserted, dropped)


def _fitting(pcm: Pcm, inserted: int, dropped: int) -> Part:
    both = min(inserted, dropped)
    inserted, dropped = inserted - both, dropped - both
    return Part(pcm, "", inserted, dropped)
