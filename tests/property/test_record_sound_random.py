"""The account of sound under random troubles: deaths, moves, switches, pauses, stalls, refused fragments, mutes.

A board with made devices on a made clock is driven by a seed. After each span: what a track was told to hold is what
its fragments hold, every sum holds, and each stretch of silence is a gap inside the span. `PEPYS_SOUND_SEEDS` is how
many seeds are tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pepys import limits
from pepys.record import following, soundboard
from pepys.record.devices import Devices
from pepys.record.sound import samples_in
from tests.sound_house import NORMAL, PAUSED, SECRET, SLICE_NS, House, Made, Watch

SEEDS = int(os.environ.get("PEPYS_SOUND_SEEDS", "12"))


@pytest.fixture(autouse=True)
def made_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(following, "DeviceWatch", Watch)
    yield


def _house(seed: int, monkeypatch: pytest.MonkeyPatch, *, jitter: bool) -> House:
    house = House(seed, jitter=jitter)

    class Selecting:
        @staticmethod
        def select(fds: list[int], *_rest: object) -> tuple[list[int], list[int], list[int]]:
            """Time passes while a board waits for its devices."""
            house.clock.advance(SLICE_NS)
            for source in house.sources:
                source.run()
            return fds, [], []

    monkeypatch.setattr(soundboard, "select", Selecting)
    return house


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_sample_is_accounted_for_whatever_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(seed, monkeypatch, jitter=seed % 2 == 0)
    for _ in range(3):
        house.resume()
        for _ in range(house.random.randrange(1, 12)):
            house.run(house.random.randrange(0, 60))
            house.trouble()
        house.pause()
        for _ in range(house.random.randrange(3)):
            house.trouble()
        house.run(house.random.randrange(0, 100))
    house.loop.close()


@pytest.mark.parametrize("ppm", [0, -100, -3_000, -10_000, 12_000])
def test_nothing_of_a_pause_is_taken(ppm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(ppm, monkeypatch, jitter=False)
    house.ppm = dict.fromkeys(house.ppm, ppm)
    for slices in (7, 60, 150, 400):
        house.resume()
        house.run(slices)
        house.pause()
        # The end is cut by where the device's samples lie on the clock: known to a millisecond, and of a device that is
        # parts in a thousand off only after half a minute.
        most = limits.SOUND_RATE // 1000 if abs(ppm) <= 100 else 2 * limits.SOUND_STEP_SAMPLES
        assert house.heard(PAUSED // 2) <= most, f"{house.heard(PAUSED // 2)} samples of the pause after {slices}"
        house.run(50)
    house.loop.close()


@pytest.mark.parametrize("slices", range(1, 10))
def test_what_was_said_while_muted_stays_silent(slices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(slices, monkeypatch, jitter=False)
    house.ppm = dict.fromkeys(house.ppm, 0)
    house.resume()
    house.run(50)
    house.board.set(["mic"], [], None)
    house.said = SECRET
    house.run(60 + slices)
    house.board.set([], ["mic"], None)
    house.said = NORMAL
    house.run(30)
    assert house.heard(SECRET // 2) <= samples_in(limits.SOUND_RAMP_NS) // 2, "it fades out, and comes back in time"
    house.pause()
    house.loop.close()


def test_what_another_device_gave_after_a_move_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(1, monkeypatch, jitter=False)
    house.resume()
    house.run(50)
    moved_ns, house.said = house.clock.now_ns(), SECRET
    house.run(6)
    rest = tuple(sorted(house.present - {"m0"}))
    house.watch.tell(Devices(rest, "m1", house.monitor, moved_ns))
    house.said = NORMAL
    house.run(60)
    assert house.heard(SECRET // 2) == 0
    house.pause()
    house.loop.close()


@pytest.mark.parametrize("stays", [True, False])
def test_a_switch_under_way_at_a_pause_is_made_after_it(stays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(1, monkeypatch, jitter=False)
    house.resume()
    house.run(50)
    house.default = "m1"
    house.tell()
    house.slice()
    house.pause()
    if not stays:
        house.present.discard("m0")
    house.resume()
    house.run(300)
    mic = house.board.inputs["mic"]
    assert (mic.device, mic.delivers) == ("m1", True)
    house.pause()
    house.loop.close()


def test_a_new_device_with_the_old_ones_descriptor_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is closed leaves the selector's kernel side by itself: its number must be registered anew."""
    house = _house(1, monkeypatch, jitter=False)
    house.resume()
    house.run(20)
    mic = house.board.inputs["mic"]
    old = mic.sources[0].fileno()
    house.present.discard("m0")
    house.default = "m1"
    house.tell()
    assert [source.fileno() for source in mic.sources] == [old], "the number was not used again: this shows nothing"
    before = mic.sources[0]
    assert isinstance(before, Made)
    before.run()
    house.clock.advance(SLICE_NS)
    before.run()
    assert any(key.fd == old for key, _ in house.loop.selector.select(0))
    house.pause()
    house.loop.close()


def test_a_device_that_dies_at_a_spans_end_is_listened_to_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(1, monkeypatch, jitter=False)
    house.resume()
    house.run(20)
    place, source = house.place, house.board.inputs["mic"].source
    assert place is not None and isinstance(source, Made)
    fd = source.fileno()
    house.hung.add("m0")
    house.run(3)
    source.end()
    house.board.finish(house.clock.now_ns(), rests=True)
    assert source.fileno() == -1 and fd not in house.loop.selector.get_map()
    house.board.stop()
    house.loop.close()
