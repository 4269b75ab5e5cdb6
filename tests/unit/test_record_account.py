"""The account of a track: whatever happens to its devices, each sample is encoded or told."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepys.model import events as ev
from pepys.record.account import Account, Part, Placed
from tests.drifting import MS, RATE, S, World


def _part(count: int, silent: str = "", inserted: int = 0, dropped: int = 0) -> Part:
    return Part(np.ones((count, 1), np.int16), silent, inserted, dropped)


def test_only_what_was_given_counts_and_what_lies_past_the_end_never_does() -> None:
    placed = Placed(1)
    placed.put(_part(100, inserted=3, dropped=0))
    placed.put(_part(50, dropped=5))
    assert placed.silence(200, "device_lost") == 50
    assert placed.position == 200 and placed.account == Account()
    assert len(placed.give(120)) == 120
    assert placed.account == Account(delivered=122, captured=117, dropped=5, inserted=3, silent=0, encoded=120)
    assert len(placed.cut(180)) == 60
    assert placed.account == Account(
        delivered=152, captured=147, dropped=5, inserted=3, silent=30, encoded=180, lost={"device_lost": 30}
    )
    assert placed.account.exact and placed.position == 180
    assert len(placed.give()) == 0


def test_the_event_tells_the_sums() -> None:
    account = Account(12, 10, 2, 1, 4, 15, {"device_lost": 4})
    assert account.exact
    event = account.at(track="audio.mic", span=2, at_ns=7, muted=3, refused=1, final=True)
    assert event == ev.SoundAccounted(
        "audio.mic", 2, 7, delivered=12, captured=10, dropped=2, inserted=1, silent=4, muted=3, encoded=15, refused=1,
        lost={"device_lost": 4}, final=True,
    )  # fmt: skip
    event.lost["device_lost"] = 0
    assert account.lost == {"device_lost": 4}, "an event is not changed afterwards"


@pytest.mark.parametrize("wrong", [
    Account(delivered=1), Account(encoded=1), Account(silent=1, encoded=1), Account(captured=1, encoded=1),
])  # fmt: skip
def test_a_sum_that_does_not_add_up_is_seen(wrong: Account) -> None:
    assert not wrong.exact


@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans(), st.integers(0, 300), st.integers(0, 50)), max_size=20),
    st.lists(st.integers(0, 4000), max_size=5),
)
def test_however_it_is_cut_it_adds_up(parts: list[tuple[int, bool, int, int]], limits: list[int]) -> None:
    placed = Placed(1)
    given_out = 0
    for count, silent, inserted, dropped in parts:
        if silent:
            placed.put(_part(count, "device_lost"))
        else:
            placed.put(_part(count, "", min(inserted, count), dropped))
    for limit in limits:
        given_out += len(placed.give(limit))
        assert placed.account.exact and placed.account.encoded == given_out <= placed.position
    until = random.Random(len(parts)).randint(given_out, max(given_out, placed.position))
    given_out += len(placed.cut(until))
    assert placed.account.exact and placed.account.encoded == given_out == until


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0, 100, -3000, 10_000, -10_000]),
    st.lists(
        st.tuples(st.sampled_from(["run", "die", "switch", "stall", "sleep", "pause"]), st.integers(50, 4000)),
        max_size=12,
    ),
)
def test_the_account_is_exact_whatever_happens(ppm: int, course: list[tuple[str, int]]) -> None:
    world = World(ppm)
    world.start()
    for what, milliseconds in course:
        if what == "die" and not world.sound.dead:
            world.devices[-1].die()
        elif what == "switch":
            world.sound.switch("another", "a test")
        elif what == "stall":
            world.stall(milliseconds * MS)
        elif what == "sleep":
            world.sleep(milliseconds * MS)
        elif what == "pause":
            pcm = world.end()
            account = world.sound.account
            assert account.exact and account.encoded == len(pcm)
            world.run(milliseconds * MS)
            world.begin()
        world.run(milliseconds * MS)
        assert world.sound.account.exact
    expected = world.limit()
    pcm = world.end()
    assert world.sound.account.exact
    assert len(pcm) == world.sound.account.encoded == expected


def test_what_a_device_gave_until_it_died_is_all_in_the_account() -> None:
    world = World(10_000)
    world.start()
    device = world.devices[0]
    before = (world.base_ns - device.start_ns) / S * RATE * device.factor
    world.run(60 * S)
    device.die()
    world.run(S // 2)
    assert world.sound.account.delivered == pytest.approx(device.made - before, abs=RATE / 200)
    assert world.sound.account.exact
