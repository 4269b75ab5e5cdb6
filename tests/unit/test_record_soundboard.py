"""When a device is listened to: until its samples are placed, and for good where its pipe holds too little."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.record.health import Health
from pepys.record.loop import Loop
from pepys.record.mixer import Pcm
from pepys.record.playback import SpanPlace
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import samples_in
from pepys.record.soundboard import SoundBoard

_BLOCK_NS = 20 * limits.NS_PER_MS
_ENOUGH_NS = limits.SOUND_HOLD_STEPS * limits.SOUND_STEP_NS


class Piped:
    """A device behind a real pipe; sample n of the world has the value n % 1000 + 1."""

    name = "piped"

    def __init__(self, clock: FakeClock, holds_ns: int) -> None:
        self.capabilities = SoundCapabilities(limits.SOUND_RATE, 1, holds_ns)
        self._clock = clock
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)

    def play(self, blocks: int) -> None:
        for _ in range(blocks):
            self._clock.advance(_BLOCK_NS)
            world = samples_in(self._clock.now_ns())
            values = np.arange(world - samples_in(_BLOCK_NS), world) % 1000 + 1
            os.write(self._in, values.astype("<i2").tobytes())

    def die(self) -> None:
        os.close(self._in)

    def fileno(self) -> int:
        return self._out

    def poll(self) -> Sequence[SoundEvent]:
        try:
            data = os.read(self._out, 4096)
        except BlockingIOError:
            return ()
        if not data:
            return (SourceEnded(self._clock.now_ns(), "device_lost", "gone"),)
        return (SoundBlock(self._clock.now_ns(), np.frombuffer(data, "<i2").reshape(-1, 1)),)

    def close(self) -> None:
        os.close(self._out)


class Bench:
    """A board with one device in a span that has begun."""

    def __init__(self, holds_ns: int) -> None:
        self.clock = FakeClock()
        self.loop = Loop(self.clock)
        health = Health(lambda _events, _then: None, lambda _message: None)
        self.device = Piped(self.clock, holds_ns)
        self.board = SoundBoard(self.clock, self.loop, health, lambda _device, _channels: self.device)
        self.board.add("audio.mic", "piped", 1, required=False)
        self.board.open()
        self.mixed: list[Pcm] = []
        for _ in range(limits.SOUND_SETTLE_BLOCKS):
            self.device.play(1)
            self.loop.turn(0)
        self.board.prepare()
        self.base_ns = self.clock.now_ns()
        self.board.begin(SpanPlace(0, self.base_ns, 0, 0), lambda _work: True, self.mixed.append)
        self.loop.clear_timer("sound")

    @property
    def listens(self) -> bool:
        return self.device.fileno() in self.loop.selector.get_map()


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(getattr(request, "param", _ENOUGH_NS))
    yield made
    made.loop.close()


def test_a_placed_device_waits_for_the_next_step_and_loses_nothing(bench: Bench) -> None:
    assert bench.listens
    for _ in range(4):
        bench.device.play(9)
        bench.board.step()
        assert not bench.listens
    bench.board.finish(bench.clock.now_ns())
    heard = np.concatenate(bench.mixed)[:, 0]
    world = np.arange(len(heard)) + samples_in(bench.base_ns)
    assert len(heard) == samples_in(bench.clock.now_ns() - bench.base_ns)
    assert np.array_equal(heard, world % 1000 + 1)


@pytest.mark.parametrize("bench", [_ENOUGH_NS - 1], indirect=True)
def test_a_device_whose_pipe_holds_little_is_listened_to(bench: Bench) -> None:
    bench.device.play(9)
    bench.board.step()
    assert bench.listens


def test_a_device_that_dies_unheard_is_told_at_the_next_step(bench: Bench) -> None:
    bench.device.play(9)
    bench.board.step()
    bench.device.die()
    bench.board.step()
    assert bench.board.inputs[0].dead
    assert bench.board.inputs[0].seen.detail == "gone"
