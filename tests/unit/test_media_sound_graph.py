"""A running sound graph: every sample comes out where it went in, once; mixes wait for nobody too long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepys.errors import Usage
from pepys.media.sound_filters import Filters, Row
from pepys.media.sound_graph import SoundRun
from pepys.media.sound_nodes import Heard
from pepys.model.sound_graph import Node, Shape, SoundGraph
from tests.sound_graphs import RATE, STEP, blocks, chain, counted, mixed, noise, sine, through

FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("gain", {"gain_db": -6}),
    ("high_pass", {"frequency_hz": 80}),
    ("denoise", {"reduction_db": 12}),
    ("loudness", {"target_lufs": -16}),
    ("limiter", {"ceiling_db": -1}),
    ("voice", {}),
    ("meter", {}),
]
KINDS = [kind for kind, _ in FILTERS]


@pytest.mark.parametrize("step", [STEP, 1_000, 200_000])
@pytest.mark.parametrize("filters", [[one] for one in FILTERS], ids=KINDS)
def test_an_impulse_comes_out_where_it_went_in(filters: list[tuple[str, dict[str, Any]]], step: int) -> None:
    pcm = np.zeros((4 * RATE + 17, 1), np.int16)
    places = [RATE, 2 * RATE + 4_321, 4 * RATE - 1_000]
    pcm[places] = 16_000
    out = through(chain(*filters), pcm, step)[:, 0].astype(int)
    assert len(out) == len(pcm)
    for place in places:
        part = out[place - 900 : place + 900]
        assert place - 900 + int(np.argmax(np.abs(part))) == place
        assert part.max() > 3_000


@pytest.mark.parametrize("samples", [1, 10, 480, STEP, 3 * RATE - 1, 3 * RATE + 4_001])
@pytest.mark.parametrize("filters", [[one] for one in FILTERS] + [FILTERS], ids=[*KINDS, "all"])
def test_as_many_samples_come_out_as_went_in(filters: list[tuple[str, dict[str, Any]]], samples: int) -> None:
    for channels in (1, 2):
        assert through(chain(*filters, channels=channels), noise(samples, channels)).shape == (samples, channels)


@pytest.mark.parametrize("samples", [10, 100, 700])
def test_a_short_span_is_not_lost_in_a_filter_that_looks_ahead(samples: int) -> None:
    pcm = np.full((samples, 1), 8_000, np.int16)
    for kind, params in [*FILTERS, ("resample", {"rate": 44_100})]:
        back = [("resample", {"rate": RATE})] if kind == "resample" else []
        out = through(chain((kind, params), *back), pcm)
        assert np.abs(out).max() > 1_000, kind
    assert np.abs(through(chain(end="tap"), pcm)).max() > 1_000


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("samples", [1, 10, 999, STEP, 3 * RATE + 5])
def test_a_detour_by_another_rate_keeps_count_and_place(rate: int, samples: int) -> None:
    graph = chain(("resample", {"rate": rate}), ("resample", {"rate": RATE}))
    assert len(through(graph, noise(samples))) == samples
    pcm = np.zeros((RATE, 1), np.int16)
    pcm[[12_000, RATE - 200]] = 30_000
    out = through(graph, pcm)[:, 0].astype(int)
    assert abs(int(np.argmax(out[:24_000])) - 12_000) <= RATE // rate
    assert abs(24_000 + int(np.argmax(out[24_000:])) - (RATE - 200)) <= RATE // rate


@pytest.mark.parametrize(("rate", "given_out"), [(16_000, 16_001), (8_000, 8_001), (44_100, 44_101), (48_000, 48_001)])
def test_a_tap_gives_its_own_rate(rate: int, given_out: int) -> None:
    graph = chain(end="tap").changed("out", rate=rate)
    pcm = sine(500, 0.5, RATE + 1)
    out = through(graph, pcm)[:, 0]
    assert len(out) == given_out
    wanted = np.sin(2 * np.pi * 500 * np.arange(len(out)) / rate) * 0.5 * 32767
    assert np.abs(out - wanted)[500:-500].max() < 60


def test_nothing_on_the_way_leaves_every_sample_as_it_is() -> None:
    graph = chain(
        ("gain", {}), ("meter", {}), ("voice", {}), ("downmix", {"channels": 1}), ("resample", {"rate": RATE})
    )
    pcm = noise(3 * STEP)
    assert np.array_equal(through(graph, pcm), pcm)
    run = SoundRun(graph)
    run.push("in", pcm)
    assert np.shares_memory(run.take("out").pcm, pcm), "it is not even copied"


def test_a_downmix_is_the_mean_and_one_channel_spreads_whole() -> None:
    pcm = np.tile(np.array([[10_000, 0], [32_767, 32_767], [-32_768, -32_768]], np.int16), (100, 1))
    out = through(chain(("downmix", {}), channels=2), pcm)
    assert out[:3, 0].tolist() == [5_000, 32_767, -32_768]
    run = SoundRun(chain(channels=2))
    run.push("in", np.array([1, 2, 3], np.int16))
    assert run.take("out").pcm.tolist() == [[1, 1], [2, 2], [3, 3]]


def test_a_high_pass_takes_the_rumble_and_leaves_the_voice() -> None:
    graph = chain(("high_pass", {"frequency_hz": 100}))
    assert np.abs(through(graph, sine(20, 0.5, RATE))[24_000:]).max() < 32767 * 0.5 * 0.06
    assert np.abs(through(graph, sine(1_000, 0.5, RATE))[24_000:]).max() > 32767 * 0.5 * 0.97


def test_noise_is_reduced_and_loudness_is_brought_to_its_target() -> None:
    pcm = noise(4 * RATE, level=0.003)
    assert through(chain(("denoise", {"reduction_db": 20})), pcm)[2 * RATE :].std() < pcm.std() * 0.2
    quiet = sine(1_000, 0.02, 8 * RATE)
    out = through(chain(("loudness", {"target_lufs": -20})), quiet)[4 * RATE :].astype(float) / 32768
    assert abs(10 * np.log10(np.mean(out**2)) - (-20 + 0.0)) < 2


def test_a_mix_is_the_sum_position_by_position() -> None:
    run = SoundRun(mixed())
    run.push("a", counted(0, 20_000))
    run.mix(0)
    assert len(run.take("out").pcm) == 0, "b has nothing yet"
    run.push("b", np.repeat(counted(0, 15_000) * 2, 2, axis=1))
    run.mix(0)
    block = run.take("out")
    assert (block.position, block.pcm.shape) == (0, (15_000, 2))
    assert np.array_equal(block.pcm[:, 0], 3 * counted(0, 15_000)[:, 0])
    assert np.array_equal(block.pcm[:, 1], block.pcm[:, 0])
    run.push("b", np.zeros((5_000, 2), np.int16))
    run.end(20_000)
    last = run.take("out")
    assert last.position == 15_000
    assert np.array_equal(last.pcm[:, 0], counted(15_000, 5_000)[:, 0])
    assert np.array_equal(run.take("a.out").pcm, counted(0, 20_000))


def test_the_mix_waits_for_nobody_too_long() -> None:
    run = SoundRun(mixed())
    run.push("a", np.full((1000, 1), 5, np.int16))
    run.mix(0)
    assert len(run.take("out").pcm) == 0
    run.mix(600)
    assert run.take("out").pcm.tolist() == [[5, 5]] * 600
    assert run.late() == 600
    run.push("b", np.full((700, 2), 7, np.int16))
    run.mix(0)
    assert run.take("out").pcm.tolist() == [[12, 12]] * 100, "the first 600 of b came too late"
    assert run.take("b.out").pcm.tolist() == [[7, 7]] * 700, "but its own track has them"
    run.end(1100)
    assert run.take("out").pcm.tolist() == [[5, 5]] * 300 + [[0, 0]] * 100


def test_what_a_filter_holds_back_is_not_late() -> None:
    graph = mixed()
    slow = SoundGraph(
        (*graph.nodes, Node("slow", "loudness")),
        (*(edge for edge in graph.edges if edge != ("a.voice", "mix")), ("a.voice", "slow"), ("slow", "mix")),
    )
    run = SoundRun(slow)
    for step in range(1, 30):
        run.push("a", noise(STEP))
        run.push("b", noise(STEP, 2))
        run.mix(step * STEP - 2_000)
    assert run.late() == 0
    run.end(29 * STEP)
    assert len(run.take("out").pcm) == 29 * STEP


def test_eight_inputs_are_summed() -> None:
    run = SoundRun(mixed(channels=(1,) * 8))
    for name in "abcdefgh":
        run.push(name, counted(0, 100))
    run.end(100)
    assert np.array_equal(run.take("out").pcm, counted(0, 100) * 8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 400), st.integers(0, 2000)), max_size=25))
def test_the_mix_has_no_hole_whatever_comes_when(steps: list[tuple[str, int, int]]) -> None:
    run = SoundRun(mixed(channels=(1, 1)))
    fed = {"a": 0, "b": 0}
    out: list[int] = []
    for name, count, at_least in steps:
        # Each input counts its own samples: a in units, b in thousands.
        unit = 1 if name == "a" else 1000
        run.push(name, np.full((count, 1), unit, np.int16))
        fed[name] += count
        run.mix(at_least)
        block = run.take("out")
        assert block.position == len(out)
        out += block.pcm[:, 0].tolist()
        assert len(out) >= min(fed.values())
    end = max(len(out), *fed.values())
    run.end(end)
    out += run.take("out").pcm[:, 0].tolist()
    assert len(out) == end
    assert all(value in {0, 1, 1000, 1001} for value in out)
    assert sum(value % 1000 for value in out) <= fed["a"]
    assert len(run.take("a.out").pcm) == len(run.take("b.out").pcm) == end


def test_the_end_cuts_and_fills_to_the_exact_position() -> None:
    for fed, until in ((10_000, 9_000), (10_000, 12_000), (0, 500), (0, 0)):
        run = SoundRun(mixed(("limiter", {})))
        if fed:
            run.push("a", counted(1, fed))
            run.push("b", np.zeros((fed, 2), np.int16))
        run.end(until)
        for sink in ("a.out", "b.out", "out"):
            assert len(run.take(sink).pcm) == until
            assert len(run.take(sink).pcm) == 0


def test_what_nothing_is_heard_in_is_said_so() -> None:
    run = SoundRun(mixed())
    heard: dict[str, list[bool]] = {"a.out": [], "b.out": [], "out": []}
    loud = sine(700, 0.3, STEP)
    for step in range(30):
        run.push("a", loud if 10 <= step < 12 else np.zeros((STEP, 1), np.int16))
        run.push("b", np.zeros((STEP, 2), np.int16))
        run.mix(0)
        for sink, said in heard.items():
            said.append(run.take(sink).active)
    assert heard["a.out"][5:10] == [False] * 5
    assert heard["a.out"][10:12] == [True] * 2
    assert not heard["a.out"][-1]
    assert heard["out"][5:] == heard["a.out"][5:]
    assert not any(heard["b.out"][5:])


def test_without_a_voice_node_everything_counts_as_heard() -> None:
    run = SoundRun(chain(("meter", {})))
    run.push("in", np.zeros((STEP, 1), np.int16))
    assert run.take("out").active


def test_what_is_heard_is_said_of_the_samples_a_filter_gives_later() -> None:
    run = SoundRun(chain(("voice", {}), ("loudness", {})))
    loud = {step for step in range(60) if 20 <= step < 22}
    said: list[tuple[int, int, bool]] = []
    for step in range(60):
        run.push("in", sine(700, 0.3, STEP) if step in loud else np.zeros((STEP, 1), np.int16))
        block = run.take("out")
        if len(block.pcm):
            said.append((block.position, block.position + len(block.pcm), block.active))
    over = [active for start, end, active in said if end > 20 * STEP and start < 22 * STEP]
    before = [active for start, end, active in said if end < 19 * STEP and start > 8 * STEP]
    assert all(over) and over
    assert not any(before) and before


def test_meters_tell_whole_seconds_and_the_last_part() -> None:
    graph = chain(("gain", {"gain_db": -6}), ("meter", {}), ("voice", {}), ("meter", {}))
    run = SoundRun(graph)
    for block in blocks(sine(1_000, 0.5, 4 * RATE + 4_800)):
        run.push("in", block)
    early = run.levels("f1")
    assert [levels.position for levels in early] == [0, RATE, 2 * RATE]
    assert run.latest("f1") == run.latest("f2") == run.latest("f3")
    assert abs(run.latest("f1").peak_db + 12.04) < 0.1
    run.end(4 * RATE + 4_800)
    late = run.levels("f1")
    assert [len(levels.peaks) for levels in late] == [20, 2]
    assert run.levels("f1") == []
    assert run.levels("f3") == [*early, *late], "each meter node tells its own"


def test_a_meter_behind_a_voice_node_tells_as_much() -> None:
    run = SoundRun(chain(("voice", {}), ("meter", {})))
    run.push("in", sine(1_000, 0.5, 3 * RATE))
    run.end(5 * RATE + 1)
    levels = run.levels("f1")
    assert [part.position for part in levels] == [second * RATE for second in range(6)], "also of what was not fed"
    assert levels[1].peaks[0] > 200 > levels[4].peaks[0] == 0


def test_a_block_that_is_heard_in_part_is_heard() -> None:
    heard = Heard(RATE, RATE)
    for active in (False, True, False, False):
        heard.add(100, active)
    assert [heard.over(count) for count in (100, 50, 60, 0, 190)] == [False, True, True, False, False]
    both = Heard(RATE, 16_000)
    both.add(300, True)
    both.add(300, False)
    assert both.over(200)


def test_a_graph_that_only_meters_needs_no_sink() -> None:
    graph = SoundGraph(
        (Node("tone", "tone"), Node("meter", "meter"), Node("off", "null")), (("tone", "meter"), ("tone", "off"))
    )
    run = SoundRun(graph)
    run.push("tone", sine(440, 0.1, 3 * RATE))
    run.end(3 * RATE)
    assert len(run.levels("meter")) == 3


def test_a_tap_that_nobody_takes_from_keeps_the_last_minute() -> None:
    run = SoundRun(chain(end="tap").changed("out", rate=RATE))
    for second in range(70):
        run.push("in", np.full((RATE, 1), second, np.int16))
    block = run.take("out")
    assert (block.position, len(block.pcm)) == (10 * RATE, 60 * RATE)
    assert block.pcm[0, 0] == 10


def test_words_that_name_the_wrong_node_are_refused() -> None:
    run = SoundRun(mixed())
    pcm = np.zeros((1, 1), np.int16)
    for call in (
        lambda: run.push("sofa", pcm),
        lambda: run.push("mix", pcm),
        lambda: run.take("mix"),
        lambda: run.take("sofa"),
        lambda: run.set_gain("mix", muted=True),
        lambda: run.set_gain("a.gain", gain_db=99),
        lambda: run.set_balance("a.gain", 50),
        lambda: run.set_balance("mix", 101),
        lambda: run.levels("a.gain"),
        lambda: run.latest("out"),
    ):
        with pytest.raises(Usage):
            call()
    for wrong in (np.zeros((3, 1), np.float32), np.zeros((3, 2), np.int16), np.zeros((3, 8), np.int16)):
        with pytest.raises(ValueError, match="a takes int16 of 1"):
            run.push("a", wrong)
    run.push("a", np.zeros((0, 1), np.int16))
    assert len(run.take("a.out").pcm) == 0


def test_a_filter_that_is_not_there_is_told_by_its_node() -> None:
    shape = Shape(RATE, 1)
    for steps in ((("reverb9", ""),), (("volume", "volume=loud"),)):
        with pytest.raises(Usage, match=r"node mic\.echo cannot be made"):
            Filters("mic.echo", Row(steps), [shape], shape)
