"""One device's samples over its deaths, and the mix: positions by the clock, silence where nothing was captured."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing
from pepys.record.mixer import Mixer
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import SoundInput, duration_of, samples_in

_MS = limits.NS_PER_MS
_BLOCK = 960  # 20 ms


class FakeDevice:
    """Gives what a test puts in."""

    name = "fake"
    capabilities = SoundCapabilities(limits.SOUND_RATE, 1)

    def __init__(self) -> None:
        self.events: deque[SoundEvent] = deque()
        self.closed = False

    def fileno(self) -> int:
        return -1

    def poll(self) -> Sequence[SoundEvent]:
        found = list(self.events)
        self.events.clear()
        return found

    def close(self) -> None:
        self.closed = True


class Bench:
    """An input over fake devices; sample n of the world has the value n % 1000 + 1 (never silence)."""

    def __init__(self) -> None:
        self.clock = FakeClock(now_ns=1_000_000_000)
        self.devices: list[FakeDevice] = []
        self.refuse = False
        self.sound = SoundInput("audio.mic", "fake", 1, self._open, self.clock)

    def _open(self) -> FakeDevice:
        if self.refuse:
            raise DeviceMissing("no such device")
        self.devices.append(FakeDevice())
        return self.devices[-1]

    def play(self, milliseconds: int, late_ms: int = 0) -> None:
        """Let time pass with blocks of 20 ms, each read `late_ms` after its last sample."""
        for _ in range(milliseconds // 20):
            self.clock.advance(20 * _MS)
            world = samples_in(self.clock.now_ns() - late_ms * _MS)
            values = np.arange(world - _BLOCK, world) % 1000 + 1
            block = SoundBlock(self.clock.now_ns(), values.astype(np.int16).reshape(-1, 1))
            self.devices[-1].events.append(block)
            self.sound.read()

    def heard(self) -> list[int]:
        return [int(value) for value in self.sound.give()[:, 0]]


def _world(base_ns: int, positions: range) -> list[int]:
    first = samples_in(base_ns)
    return [(first + position) % 1000 + 1 for position in positions]


def test_samples_stand_where_the_clock_says_and_none_is_from_before_the_span() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    base_ns = bench.clock.now_ns() + 7 * _MS
    bench.sound.begin(base_ns)
    bench.play(100)
    heard = bench.heard()
    assert len(heard) == samples_in(100 * _MS) - samples_in(7 * _MS)
    assert heard == _world(base_ns, range(len(heard)))
    assert bench.sound.seen.silent == 0


def test_the_end_is_exact_and_later_samples_are_left_out() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    base_ns = bench.clock.now_ns()
    bench.sound.begin(base_ns)
    bench.play(100)
    assert list(bench.sound.end(1000)[:, 0]) == _world(base_ns, range(1000))
    assert bench.sound.position == 1000
    assert list(bench.sound.end(1003)[:, 0]) == [0, 0, 0]


def test_a_dead_device_is_silent_and_its_sound_comes_back_at_its_place() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    base_ns = bench.clock.now_ns()
    bench.sound.begin(base_ns)
    bench.play(100)
    before = len(bench.heard())
    assert [(change.lost, change.position) for change in bench.sound.changes()] == [(False, None)]
    bench.devices[-1].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "it died"))
    bench.sound.read()
    (lost,) = bench.sound.changes()
    assert lost.lost and lost.position == before and lost.detail == "it died"
    assert bench.devices[-1].closed and bench.sound.dead
    assert not bench.sound.tick(), "not started again before its time"
    bench.clock.advance(limits.SOUND_RETRY_MIN_NS)
    bench.sound.fill(bench.clock.now_ns())
    silence = bench.heard()
    assert set(silence) == {0}
    assert len(silence) == samples_in(limits.SOUND_RETRY_MIN_NS - limits.SOUND_LATE_NS)
    assert bench.sound.tick() and not bench.sound.dead
    bench.play(200)
    (back,) = bench.sound.changes()
    heard = silence + bench.heard()
    assert not back.lost and back.position is not None
    assert set(heard[: back.position - before]) == {0}
    assert heard[back.position - before :] == _world(base_ns, range(back.position, bench.sound.position))
    assert bench.sound.seen.silent == back.position - before


def test_a_mute_device_counts_as_dead_and_is_tried_ever_more_rarely() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    bench.clock.advance(limits.SOUND_SILENT_NS + 1)
    bench.sound.tick()
    assert bench.sound.dead and "no more sound" in bench.sound.seen.detail
    bench.refuse = True
    waits = []
    for _ in range(8):
        start = bench.clock.now_ns()
        tried = bench.sound.seen.attempt_ns
        while bench.sound.seen.attempt_ns == tried:
            bench.clock.advance(100 * _MS)
            bench.sound.tick()
        waits.append(round((bench.clock.now_ns() - start) / 1e9))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_device_whose_clock_drifts_is_brought_back_and_the_correction_is_counted() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    base_ns = bench.clock.now_ns()
    bench.sound.begin(base_ns)
    bench.play(1000)
    # The device loses 80 ms once, for good: from then on each block lies that much behind.
    bench.clock.advance(80 * _MS)
    bench.play(24_000)
    assert bench.sound.seen.corrections == samples_in(80 * _MS)
    lag = samples_in(bench.clock.now_ns() - base_ns) - bench.sound.position
    assert abs(lag) < samples_in(5 * _MS)


def test_late_blocks_within_a_window_correct_nothing() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    bench.sound.begin(bench.clock.now_ns())
    bench.play(11_000)
    bench.clock.advance(500 * _MS)  # a stall ...
    for _ in range(25):  # ... after which all that was held back comes at once
        block = SoundBlock(bench.clock.now_ns(), np.ones((_BLOCK, 1), np.int16))
        bench.devices[-1].events.append(block)
        bench.sound.read()
    bench.play(15_000)
    assert bench.sound.seen.corrections == 0


def test_the_mix_waits_for_nobody_too_long() -> None:
    mixer = Mixer(("a", "b"))
    mixer.add("a", np.full((1000, 1), 5, np.int16))
    assert len(mixer.mix(0)) == 0
    assert mixer.mix(600).tolist() == [[5, 5]] * 600
    mixer.add("b", np.full((700, 2), 7, np.int16))
    assert mixer.mix(0).tolist() == [[12, 12]] * 100, "the first 600 of b came too late"
    assert mixer.late == 600
    assert mixer.end(1100).tolist() == [[5, 5]] * 300 + [[0, 0]] * 100
    assert mixer.position == 1100


def test_a_loud_mix_is_clipped() -> None:
    mixer = Mixer(("a", "b"))
    for track in ("a", "b"):
        mixer.add(track, np.array([[30_000, -30_000]], np.int16))
    assert mixer.mix(0).tolist() == [[32767, -32768]]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 400), st.integers(0, 2000)), max_size=40))
def test_the_mix_has_no_hole_whatever_comes_when(steps: list[tuple[str, int, int]]) -> None:
    mixer = Mixer(("a", "b"))
    fed = {"a": 0, "b": 0}
    out: list[int] = []
    for track, count, at_least in steps:
        # Each input counts its own samples: a in units, b in thousands.
        unit = 1 if track == "a" else 1000
        mixer.add(track, np.full((count, 1), unit, np.int16))
        fed[track] += count
        out += mixer.mix(at_least)[:, 0].tolist()
        assert mixer.position == len(out) >= min(fed.values())
    end = max(len(out), *fed.values())
    out += mixer.end(end)[:, 0].tolist()
    assert len(out) == end
    assert all(value in {0, 1, 1000, 1001} for value in out)
    ones = sum(value % 1000 for value in out)
    assert ones <= fed["a"]


@pytest.mark.parametrize("samples", [0, 1, 47_999, 48_000, 10**9])
def test_samples_and_durations_agree(samples: int) -> None:
    assert samples_in(duration_of(samples) + 20_833) == samples
