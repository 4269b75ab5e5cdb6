"""One track's samples over deaths and switches of its devices: positions by the clock, silence where nothing was."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import DeviceMissing
from pepys.record.ports import SoundBlock, SoundCapabilities, SoundEvent, SourceEnded
from pepys.record.sound import Pcm, SoundChange, SoundInput, duration_of, samples_in

_MS = limits.NS_PER_MS
_BLOCK = 960  # 20 ms


class FakeDevice:
    """Gives what a test puts in."""

    capabilities = SoundCapabilities(limits.SOUND_RATE, 1)

    def __init__(self, name: str = "fake") -> None:
        self.name = name
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
        self.base_ns = 0
        self.sound = SoundInput("audio.mic", "fake", 1, self._open, self.clock)

    def _open(self, name: str) -> FakeDevice:
        if self.refuse:
            raise DeviceMissing("no such device")
        self.devices.append(FakeDevice(name))
        return self.devices[-1]

    @property
    def now(self) -> int:
        """How many samples the span has by the clock."""
        return samples_in(self.clock.now_ns() - self.base_ns)

    def start(self) -> None:
        """A span begins with a device that delivers."""
        self.sound.open()
        self.play(200)
        self.base_ns = self.clock.now_ns()
        self.sound.begin(self.base_ns)
        self.sound.changes()

    def play(self, milliseconds: int, only: FakeDevice | None = None) -> None:
        """Let time pass with blocks of 20 ms of all devices that are open, or of one."""
        for _ in range(milliseconds // 20):
            self.clock.advance(20 * _MS)
            world = samples_in(self.clock.now_ns())
            values = np.arange(world - _BLOCK, world) % 1000 + 1
            for device in self.devices:
                if not device.closed and only in {None, device}:
                    block = SoundBlock(self.clock.now_ns(), values.astype(np.int16).reshape(-1, 1))
                    device.events.append(block)
            self.sound.read()

    def put(self, pcm: Pcm) -> None:
        """A block waits to be read."""
        self.devices[0].events.append(SoundBlock(self.clock.now_ns(), pcm))

    def told(self, *kinds: str) -> list[SoundChange]:
        """Changes of these kinds since the last call."""
        return [change for change in self.sound.changes() if change.kind in kinds]

    def heard(self) -> list[int]:
        return [int(value) for value in self.sound.give()[:, 0]]


def _world(base_ns: int, positions: range) -> list[int]:
    first = samples_in(base_ns)
    return [(first + position) % 1000 + 1 for position in positions]


def _samples(base_ns: int, positions: range) -> Pcm:
    return np.array(_world(base_ns, positions), np.int16).reshape(-1, 1)


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
    assert bench.sound.account.silent == 0


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
    assert bench.sound.account.silent == back.position - before


def test_a_mute_device_counts_as_dead_and_is_tried_ever_more_rarely() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    for _ in range(6):
        assert not bench.sound.dead
        bench.clock.advance(limits.SOUND_SILENT_NS // 5)
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


def test_sound_that_a_living_device_leaves_out_is_a_hole_that_is_told() -> None:
    bench = Bench()
    bench.start()
    bench.play(11_000)
    # The device loses 80 ms once, for good: from then on each block lies that much behind.
    bench.clock.advance(80 * _MS)
    bench.play(24_000)
    lost, back = bench.told("lost", "back")
    assert lost.reason == "device_lost" and "left sound out" in lost.detail
    assert lost.position is not None and back.position == lost.position + samples_in(80 * _MS)
    assert len(bench.sound.end(bench.now)) == bench.now
    assert bench.sound.account.lost == {"device_stalled": samples_in(80 * _MS)}
    assert bench.sound.account.inserted == bench.sound.account.dropped == 0


def test_late_blocks_within_a_window_correct_nothing() -> None:
    bench = Bench()
    bench.start()
    bench.play(11_000)
    bench.clock.advance(500 * _MS)  # a stall ...
    for _ in range(25):  # ... after which all that was held back comes at once
        bench.put(np.ones((_BLOCK, 1), np.int16))
    bench.sound.read()
    bench.play(15_000)
    assert not bench.told("lost", "back", "corrected")
    assert bench.sound.position == bench.now == samples_in(26_500 * _MS)


def test_a_machine_that_slept_makes_no_living_device_dead() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.sound.tick()
    bench.clock.advance(3 * limits.SOUND_SILENT_NS)
    bench.sound.tick()
    assert not bench.sound.dead
    bench.clock.advance(limits.SOUND_SILENT_NS + 1)
    bench.sound.tick()
    assert bench.sound.dead, "it had its time"


def test_nothing_of_a_device_that_dies_is_lost() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.put(np.full((333, 1), 7, np.int16))
    bench.devices[-1].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "it died"))
    bench.sound.read()
    assert bench.heard()[-334:] == [*_world(bench.base_ns, range(9599, 9600)), *[7] * 333]
    assert bench.sound.account.delivered == bench.sound.account.captured == 9600 + 333


def test_a_device_that_is_let_go_is_read_out() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.put(np.full((333, 1), 7, np.int16))
    bench.clock.advance(7 * _MS)
    assert bench.sound.end(bench.now).shape[0] == bench.now
    bench.sound.begin(bench.clock.now_ns())
    bench.put(np.full((444, 1), 9, np.int16))
    bench.sound.stop()
    assert bench.devices[-1].closed and not bench.devices[-1].events


def test_few_blocks_before_the_end_of_a_span_are_in_it() -> None:
    bench = Bench()
    bench.sound.begin(bench.clock.now_ns())
    bench.base_ns = bench.clock.now_ns()
    bench.sound.open()
    bench.play(40)
    assert not bench.sound.delivers
    heard = [int(value) for value in bench.sound.end(bench.now)[:, 0]]
    assert heard == _world(bench.base_ns, range(samples_in(40 * _MS)))


def test_spans_that_meet_share_no_sample_and_lose_none() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    until = samples_in(130 * _MS)
    first = bench.sound.end(until)
    bench.sound.begin(bench.base_ns + duration_of(until))
    bench.play(100)
    both = [int(value) for value in np.concatenate((first, bench.sound.give()))[:, 0]]
    assert both == _world(bench.base_ns, range(samples_in(300 * _MS)))
    assert bench.sound.account.silent == 0


def test_blocks_of_nothing_and_several_in_one_poll_are_taken_as_they_are() -> None:
    bench = Bench()
    bench.start()
    for _ in range(limits.SOUND_SETTLE_BLOCKS):
        bench.put(np.zeros((0, 1), np.int16))
    bench.clock.advance(40 * _MS)
    for first in (0, _BLOCK):
        bench.put(_samples(bench.base_ns, range(first, first + _BLOCK)))
    bench.sound.read()
    assert bench.heard() == _world(bench.base_ns, range(2 * _BLOCK))


def test_thirty_seconds_of_digital_silence_are_told_and_their_end_too() -> None:
    bench = Bench()
    bench.start()
    for second in range(31):
        assert not bench.told("quiet"), second
        bench.put(np.zeros((limits.SOUND_RATE, 1), np.int16))
        bench.clock.advance(limits.NS_PER_S)
        bench.sound.read()
        if second >= 29:
            break
    (quiet,) = bench.told("quiet")
    assert quiet.device == "fake" and quiet.position is not None
    bench.put(np.zeros((_BLOCK, 1), np.int16))
    bench.clock.advance(20 * _MS)
    bench.sound.read()
    assert not bench.told("quiet", "heard"), "told once"
    bench.play(100)
    assert [change.kind for change in bench.told("quiet", "heard")] == ["heard"]


def test_a_new_device_takes_over_without_hole_or_overlap() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.sound.switch("other", "the default changed")
    assert len(bench.sound.sources) == 2 and bench.sound.wants_arrivals
    bench.play(300)
    (switched,) = bench.told("switched")
    assert (switched.device, switched.before, switched.reason) == ("other", "fake", "the default changed")
    assert bench.sound.device == "other" and bench.devices[0].closed and len(bench.sound.sources) == 1
    bench.play(200)
    assert bench.heard() == _world(bench.base_ns, range(samples_in(700 * _MS)))
    account = bench.sound.account
    assert account.exact and account.silent == 0 and account.delivered == samples_in(700 * _MS)


@pytest.mark.parametrize("how", ["refused", "dies", "mute", "replaced"])
def test_when_the_new_device_fails_the_old_one_goes_on(how: str) -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.refuse = how == "refused"
    bench.sound.switch("other", "the default changed")
    if how == "dies":
        bench.devices[1].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "no such device"))
    if how == "replaced":
        bench.sound.switch("third", "the default changed")
        bench.devices[2].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "no such device"))
    passed = 0
    while not (kept := bench.told("kept")):
        bench.play(100, only=bench.devices[0])
        bench.sound.tick()
        passed += 100
        assert passed < 4000
    assert (kept[0].device, kept[0].before) == ("other", "fake")
    bench.play(100, only=bench.devices[0])
    assert [change.device for change in bench.told("kept")] == (["third"] if how == "replaced" else [])
    assert bench.sound.device == "fake" and len(bench.sound.sources) == 1
    bench.play(100, only=bench.devices[0])
    assert bench.heard() == _world(bench.base_ns, range(bench.sound.position))
    assert bench.sound.account.exact and bench.sound.account.silent == 0


def test_a_new_device_comes_in_for_one_that_died_meanwhile() -> None:
    bench = Bench()
    bench.start()
    bench.play(200)
    bench.sound.switch("other", "unplugged")
    bench.devices[0].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "unplugged"))
    bench.play(200, only=bench.devices[1])
    assert [change.kind for change in bench.told("lost", "back", "switched")] == ["lost", "switched", "back"]
    assert bench.heard() == _world(bench.base_ns, range(samples_in(400 * _MS)))
    assert bench.sound.account.exact and not bench.sound.dead


@pytest.mark.parametrize("samples", [0, 1, 47_999, 48_000, 10**9])
def test_samples_and_durations_agree(samples: int) -> None:
    assert samples_in(duration_of(samples) + 20_833) == samples


def test_a_device_that_is_started_five_times_in_vain_has_failed() -> None:
    bench = Bench()
    bench.sound.open()
    bench.play(200)
    bench.sound.begin(bench.clock.now_ns())
    bench.sound.changes()
    bench.refuse = True
    bench.devices[-1].events.append(SourceEnded(bench.clock.now_ns(), "device_lost", "it died"))
    bench.sound.read()
    began_ns, kinds = bench.clock.now_ns(), []
    for _ in range(400):
        kinds += [(change.kind, bench.sound.seen.lost_state) for change in bench.sound.changes()]
        if len(kinds) > 1:
            break
        bench.clock.advance(100 * _MS)
        bench.sound.tick()
        bench.sound.fill(bench.clock.now_ns())
    assert kinds == [("lost", "restarting"), ("vain", "failed")]
    assert round((bench.clock.now_ns() - began_ns) / limits.NS_PER_S) == 1 + 2 + 4 + 8 + 16
    bench.refuse = False
    for _ in range(limits.SOUND_RETRY_MAX_NS // (100 * _MS) + 1):
        bench.clock.advance(100 * _MS)
        if bench.sound.tick():
            break
    bench.play(200)
    assert [change.kind for change in bench.sound.changes()] == ["back"]
    assert (bench.sound.seen.state, bench.sound.seen.tries.restarts) == ("healthy", 1)
