"""A sound device whose clock differs from ours, read as the recorder reads: in steps, at times at once, or late.

What it plays is a slow tone by the true time, a second in every ten, so that the place of any sample can be read off
its phase. Everything happens by a fake clock.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

import numpy as np

from pepys import limits
from pepys.clock import FakeClock
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import Pcm, SoundChange, SoundInput

MS = limits.NS_PER_MS
S = limits.NS_PER_S
RATE = limits.SOUND_RATE
BLOCK = 2880
TONE_HZ = 5
_EVERY_S = 10


class Device:
    """A device that is fast by `ppm`; sample n is captured at `n / (rate * (1 + ppm))` after its start."""

    name = "drifting"

    def __init__(
        self, clock: FakeClock, ppm: float, *, block: int = BLOCK, rate: int = RATE, channels: int = 1
    ) -> None:
        self.capabilities = SoundCapabilities(rate, channels)
        self.factor = 1 + ppm / 1e6
        self.start_ns = clock.now_ns()
        self.made = 0
        self.latency_ns = 0
        """How long after its capture a block is there."""
        self.closed = False
        self._clock, self._block, self._rate, self._channels = clock, block, rate, channels
        self._pipe: deque[Pcm] = deque()
        self._end: SourceEnded | None = None
        self._still = np.full((block, channels), 1, np.int16)

    def due_ns(self) -> int:
        """When the next block is complete."""
        return self.start_ns + self.latency_ns + round((self.made + self._block) * S / (self._rate * self.factor))

    def shift(self, latency_ns: int, block: int) -> None:
        """From now on blocks of this length come after this latency, as a server does that serves a new client."""
        self.latency_ns, self._block = latency_ns, block
        self._still = np.full((block, self._channels), 1, np.int16)

    def make(self) -> None:
        """The next block goes into the pipe."""
        if (self.due_ns() - self.latency_ns) / S % _EVERY_S < 1.2:
            times = self.start_ns / S + (self.made + np.arange(self._block)) / (self._rate * self.factor)
            tone = np.sin(2 * np.pi * TONE_HZ * times) * 20_000
            self._pipe.append(np.repeat(tone.round().astype(np.int16).reshape(-1, 1), self._channels, axis=1))
        else:
            self._pipe.append(self._still)
        self.made += self._block

    def lose(self, duration_ns: int) -> None:
        """It stands still for so long."""
        self.start_ns += duration_ns

    def die(self, message: str = "it died") -> None:
        self._end = SourceEnded(self._clock.now_ns(), "device_lost", message)

    def fileno(self) -> int:
        return -1

    def poll(self) -> Sequence[SoundEvent]:
        found: list[SoundEvent] = [SoundBlock(self._clock.now_ns(), pcm) for pcm in self._pipe]
        self._pipe.clear()
        if self._end is not None and not found:
            return (self._end,)
        return found

    def close(self) -> None:
        self.closed = True


class World:
    """An input over drifting devices, and the reader's habits."""

    def __init__(
        self,
        ppm: float,
        *,
        seed: int = 1,
        probes: bool = True,
        late_ms: float = 2,
        arrival_ms: float = 0.3,
        rate: int = RATE,
        channels: int = 1,
    ) -> None:
        self.clock = FakeClock(now_ns=1000 * S)
        self.random = random.Random(seed)
        self.ppm = ppm
        self.devices: list[Device] = []
        self.sound = SoundInput("audio.mic", "drifting", 1, self._open, self.clock)
        self.changes: list[SoundChange] = []
        self.given: list[Pcm] = []
        self.base_ns = self.base_ns_before = 0
        self.arrivals = self.steps = 0
        self._probes, self._late_ms, self._arrival_ms = probes, late_ms, arrival_ms
        self._form = rate, channels
        self._step_ns = self.clock.now_ns()
        self._stall_until_ns = 0
        self._until: int | None = None

    def _open(self, _name: str) -> Device:
        rate, channels = self._form
        self.devices.append(Device(self.clock, self.ppm, block=BLOCK * rate // RATE, rate=rate, channels=channels))
        return self.devices[-1]

    def start(self) -> None:
        """Open the device, and begin a span once it delivers."""
        self.sound.open()
        while not self.sound.delivers:
            self.run(60 * MS)
        self.begin()

    def begin(self) -> None:
        """A span starts now."""
        self.base_ns = self.clock.now_ns()
        self.sound.begin(self.base_ns)

    def stall(self, duration_ns: int) -> None:
        """The reader stands still; the device goes on."""
        self._stall_until_ns = self.clock.now_ns() + duration_ns

    def sleep(self, duration_ns: int) -> None:
        """The machine stands still, and what the device would have captured is lost."""
        for device in self.devices:
            device.lose(duration_ns)
        self.clock.advance(duration_ns)

    def run(self, duration_ns: int) -> None:
        """Let time pass."""
        until_ns = self.clock.now_ns() + duration_ns
        while self.clock.now_ns() < until_ns:
            living = [device for device in self.devices if not device.closed]
            device = min(living, key=Device.due_ns, default=None)
            due_ns = device.due_ns() if device is not None else until_ns
            step_ns = max(self._step_ns, self._stall_until_ns)
            at_ns = max(self.clock.now_ns(), min(until_ns, due_ns, step_ns))
            self.clock.advance(at_ns - self.clock.now_ns())
            if device is not None and at_ns >= due_ns:
                device.make()
                if self._probes and self.sound.wants_arrivals and at_ns >= self._stall_until_ns:
                    self.arrivals += 1
                    self.clock.advance(round(min(self.random.expovariate(1 / self._arrival_ms), 60) * MS))
                    self.sound.read()
            if self.clock.now_ns() >= step_ns:
                self._on_step()

    def _on_step(self) -> None:
        self.steps += 1
        self.clock.advance(round(self.random.uniform(0, self._late_ms) * MS))
        while self.sound.read():
            pass
        self.sound.tick()
        self.sound.fill(self.clock.now_ns())
        self._give(self.sound.give(self.limit()))
        self.changes += self.sound.changes()
        self._step_ns = self.clock.now_ns() + limits.SOUND_STEP_NS

    def limit(self) -> int:
        """How many samples the span has by the clock, or has had."""
        return self._until if self._until is not None else (self.clock.now_ns() - self.base_ns) * RATE // S

    def _give(self, pcm: Pcm) -> None:
        if self.base_ns:
            self.given.append(pcm)

    def end(self) -> Pcm:
        """The span ends now; all that was given in it. What was captured before is waited for, as the recorder does."""
        self._until = self.limit()
        self.run(limits.SOUND_DRAIN_NS)
        self.sound.read()
        self._give(self.sound.end(self._until))
        self.changes += self.sound.changes()
        pcm = np.concatenate(self.given)
        self.given.clear()
        self.base_ns_before, self.base_ns, self._until = self.base_ns, 0, None
        return pcm

    def offsets_ms(self, pcm: Pcm) -> list[tuple[float, float]]:
        """By how much the sound of the span that is over is late, from its phase: (its second, milliseconds)."""
        found = []
        first = -(-self.base_ns_before // (_EVERY_S * S)) * _EVERY_S * S
        width = RATE // TONE_HZ
        for at_ns in range(first, self.clock.now_ns() - S, _EVERY_S * S):
            for part_ms in (300, 600):
                start = (at_ns + part_ms * MS - self.base_ns_before) * RATE // S
                part = pcm[start : start + width, 0].astype(float)
                if start < 0 or len(part) < width or np.abs(part).max() < 10_000:
                    continue
                times = self.base_ns_before / S + (start + np.arange(width)) / RATE
                turns = np.angle(np.sum(part * np.exp(-2j * np.pi * TONE_HZ * times)) * 1j) / (2 * np.pi)
                found.append((start / RATE, -turns / TONE_HZ * 1000))
        return found
