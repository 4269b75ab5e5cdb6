"""Gain, mute and balance: no click, no wrap-around, and what is muted is counted and is silence."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pepys.media.sound_filters import RAMP, Filters, row_of
from pepys.media.sound_graph import Pcm, SoundRun
from pepys.model.sound_graph import Node, Shape
from tests.sound_graphs import RATE, STEP, blocks, chain, mixed, noise, sine, through

_LEVEL = 0.5
_TONE = sine(440, _LEVEL, 12 * STEP)
_PEAK = _LEVEL * 32767


def edges(pcm: Pcm) -> int:
    """The largest second difference: what a click is made of. A step of half the wave alone has 16,000."""
    return int(np.abs(np.diff(pcm[:, 0].astype(int), 2)).max())


def steered(graph_gain_db: float, at: dict[int, Callable[[SoundRun], None]], step: int = STEP) -> tuple[SoundRun, Pcm]:
    """The tone through a gain that is steered before some of its blocks."""
    run = SoundRun(chain(("gain", {"gain_db": graph_gain_db})))
    for place, block in enumerate(blocks(_TONE, step)):
        at.get(place, lambda _run: None)(run)
        run.push("in", block)
    run.end(len(_TONE))
    return run, run.take("out").pcm


# The tone's own, the ramp's share (its slope times the tone's), and the rounding of three samples.
_SMOOTH = int(_PEAK * (2 * np.pi * 440 / RATE) ** 2 + 2 * _PEAK * (np.pi / 2 / RAMP) * (2 * np.pi * 440 / RATE)) + 3


@pytest.mark.parametrize("step", [STEP, 300])
def test_muting_makes_no_click_and_counts_what_it_silenced(step: int) -> None:
    at = {5: lambda run: run.set_gain("f0", muted=True), 9: lambda run: run.set_gain("f0", muted=False)}
    run, out = steered(0, at, step)
    assert edges(out) <= _SMOOTH
    muted, unmuted = 5 * step, 9 * step
    assert np.array_equal(out[:muted], _TONE[:muted])
    assert not out[muted + RAMP : unmuted].any()
    assert np.array_equal(out[unmuted + RAMP :], _TONE[unmuted + RAMP :])
    assert run.muted("f0") == max(0, unmuted - muted - RAMP)
    assert run.muted("in") == 0


def test_a_change_within_a_ramp_goes_on_from_where_it_is() -> None:
    def flip(muted: bool) -> Callable[[SoundRun], None]:
        return lambda run: run.set_gain("f0", muted=muted)

    _, out = steered(0, {place: flip(place % 2 == 1) for place in range(1, 60)}, 300)
    assert edges(out) <= _SMOOTH * 1.1
    assert np.array_equal(out[61 * 300 + RAMP :], _TONE[61 * 300 + RAMP :]) or not out[61 * 300 + RAMP :].any()


@pytest.mark.parametrize(("before", "after"), [(-6, 5), (5, -20), (0, 6), (-60, 0)])
def test_a_gain_goes_to_another_without_a_click(before: float, after: float) -> None:
    run, out = steered(before, {4: lambda run: run.set_gain("f0", gain_db=after)})
    for part, gain_db in ((out[: 4 * STEP], before), (out[4 * STEP + RAMP :], after)):
        assert abs(np.abs(part.astype(int)).max() - _PEAK * 10 ** (gain_db / 20)) <= 2
    assert edges(out) <= _SMOOTH * 10 ** (max(before, after, 0) / 20) + 3
    assert run.graph.node("f0").params == {"gain_db": float(after), "muted": False}
    assert run.muted("f0") == 0


def test_a_graph_that_begins_muted_gives_silence_from_the_first_sample() -> None:
    run = SoundRun(chain(("gain", {"muted": True})))
    run.push("in", _TONE)
    assert not run.take("out").pcm.any()
    assert run.muted("f0") == len(_TONE)


@pytest.mark.parametrize("balance", [0, 25, 50, 75, 100])
def test_balance_turns_one_side_down(balance: int) -> None:
    run = SoundRun(mixed(balance=balance, channels=(1, 1)))
    run.push("a", np.full((RATE, 1), 10_000, np.int16))
    run.push("b", np.full((RATE, 1), 1_000, np.int16))
    run.mix(0)
    wanted = 10_000 * min(1, (100 - balance) / 50) + 1_000 * min(1, balance / 50)
    assert np.abs(run.take("out").pcm - wanted).max() <= 1
    assert np.all(run.take("a.out").pcm == 10_000), "tracks of their own are not balanced"


def test_balance_changes_without_a_click() -> None:
    run = SoundRun(mixed(channels=(1, 1)))
    parts = []
    for place, block in enumerate(blocks(_TONE)):
        if place in (3, 6):
            run.set_balance("mix", {3: 100, 6: 20}[place])
        run.push("a", block)
        run.push("b", np.zeros_like(block))
        run.mix(0)
        parts.append(run.take("out").pcm)
    out = np.concatenate(parts)
    assert edges(out) <= _SMOOTH
    assert not out[3 * STEP + RAMP : 6 * STEP].any()
    assert np.array_equal(out[6 * STEP + RAMP :], _TONE[6 * STEP + RAMP :]), "below 50 the second is turned down"
    assert run.graph.node("mix").params["balance"] == 20


def test_too_loud_is_clipped_not_wrapped() -> None:
    loud = np.array([[30_000], [-30_000]] * 500, np.int16)
    assert through(chain(("gain", {"gain_db": 20})), loud)[:2].tolist() == [[32767], [-32768]]
    run = SoundRun(mixed(channels=(1, 1)))
    run.push("a", loud)
    run.push("b", loud)
    run.end(len(loud))
    assert run.take("out").pcm[:2].tolist() == [[32767], [-32768]]


@pytest.mark.parametrize("ceiling_db", [-1, -6])
def test_a_limiter_keeps_a_sum_below_its_ceiling_without_clipping_it(ceiling_db: float) -> None:
    run = SoundRun(mixed(("limiter", {"ceiling_db": ceiling_db}), channels=(1, 1)))
    tone = sine(440, 0.9, 8 * STEP)
    for block in blocks(tone):
        run.push("a", block)
        run.push("b", block)
        run.mix(0)
    run.end(len(tone))
    out = run.take("out").pcm[:, 0].astype(float)
    ceiling = 32768 * 10 ** (ceiling_db / 20)
    assert np.abs(out).max() <= ceiling + 1
    settled = out[2 * STEP : 3 * STEP]
    flat = np.mean(np.abs(settled) > ceiling * 0.999)
    assert flat < 0.1, "the wave keeps its shape: clipped, it would lie at the ceiling for most of the time"
    assert np.abs(settled).max() > ceiling * 0.85


def test_a_limiter_leaves_what_is_below_its_ceiling_as_it_is() -> None:
    quiet = noise(6 * STEP, level=0.1)
    assert np.array_equal(through(chain(("limiter", {})), quiet), quiet)
    late = np.concatenate((quiet, sine(300, 1.0, STEP), quiet))
    out = through(chain(("limiter", {})), late)
    assert np.array_equal(out[: 6 * STEP - 480], quiet[:-480])
    assert np.abs(out).max() <= 32768 * 10 ** (-1 / 20) + 1
    assert np.array_equal(out[8 * STEP :], quiet[STEP:])


def test_a_limiter_that_rests_gives_what_one_that_always_works_gives() -> None:
    node = Node("limiter", "limiter", {"ceiling_db": -6.0})
    shape = Shape(RATE, 2)
    row = row_of(node, shape)
    assert row is not None
    pcm = noise(40 * STEP, 2, level=0.1)
    for place in (3 * STEP, 3 * STEP + 9_000, 15 * STEP - 20, 22 * STEP + 1, 31 * STEP - 300, 40 * STEP - 50):
        pcm[place : place + 300] = np.sign(pcm[place : place + 300]) * 30_000
    always = Filters("limiter", row, [shape], shape)
    wanted = np.concatenate([*(always.push(block) for block in blocks(pcm)), always.end()])
    out = through(chain(("limiter", {"ceiling_db": -6}), channels=2), pcm)
    assert np.abs(out.astype(int) - wanted).max() <= 1
    assert not np.array_equal(out, pcm)


def test_a_gain_into_a_limiter_is_not_clipped_on_the_way() -> None:
    out = through(chain(("gain", {"gain_db": 12}), ("limiter", {"ceiling_db": -3})), sine(440, 0.9, 6 * STEP))[
        2 * STEP :
    ]
    assert np.mean(np.abs(out) > 32767 * 10 ** (-3 / 20) * 0.999) < 0.1


def test_two_thousand_steps_with_changes_keep_no_memory() -> None:
    run = SoundRun(mixed(("limiter", {}), balance=30))
    a, b = noise(STEP // 8), noise(STEP // 8, 2)

    def steps(count: int) -> None:
        for place in range(count):
            if place % 10 == 0:
                run.set_gain("a.gain", muted=place % 20 == 0)
                run.set_balance("mix", place % 101)
            run.push("a", a)
            if place % 7:  # every seventh block of b is late
                run.push("b", b)
            run.mix(0)
            if place % 7 == 0:
                run.push("b", b)
            for sink in ("a.out", "b.out", "out"):
                run.take(sink)

    steps(200)
    gc.collect()
    resident = resident_bytes()
    steps(1_700)
    gc.collect()
    assert resident_bytes() - resident < 2_000_000
    tracemalloc.start()
    steps(20)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    steps(280)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


def resident_bytes() -> int:
    """What the process holds in memory, libavfilter's buffers too."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
