"""Silence that is known to be silence, against the same samples that nobody marked: what comes out is the same."""

from __future__ import annotations

import numpy as np
import pytest

from pepys.limits import SOUND_RATE
from pepys.media import sound_nodes
from pepys.media.meter import Meter
from pepys.media.silence import Pcm, is_silence, joined, silence
from pepys.media.sound import AacEncoder, OpusEncoder, SoundEncoder
from pepys.media.sound_graph import SoundRun
from pepys.model.sound_graph import Node, Shape
from pepys.record.sound_plan import Device, default_graph

Programme = list[tuple[Pcm, bool]]


def _programme(seed: int, channels: int, blocks: int = 60) -> Programme:
    """Blocks of any length, some silent, some a room, some loud; and whether something is heard in each."""
    made = np.random.default_rng(seed)
    found: Programme = []
    while len(found) < blocks:
        count, kind = int(made.choice([1, 240, 1023, 1025, 2400, 19_200])), int(made.integers(0, 5))
        for _ in range(int(made.integers(1, 6))):
            if kind < 3:
                found.append((silence(count, channels), bool(made.integers(0, 9) == 0)))
            else:
                noise = made.normal(0, 33 if kind == 3 else 9000, (count, channels))
                found.append((np.clip(noise, -32_768, 32_767).astype(np.int16), kind == 4))
    return found[:blocks]


def _unmarked(programme: Programme) -> Programme:
    return [(pcm.copy(), active) for pcm, active in programme]


def test_a_mark_outlives_a_cut_and_a_join_of_silence_only() -> None:
    block = silence(480, 2)
    assert is_silence(block) and is_silence(block[100:200]) and not is_silence(block.copy())
    assert is_silence(joined((block, block[:7]))) and joined((block, block[:7])).shape == (487, 2)
    whole = joined((block, np.ones((1, 2), np.int16)))
    assert not is_silence(whole) and whole.shape == (481, 2)
    assert silence(20 * SOUND_RATE, 2).shape == (20 * SOUND_RATE, 2)
    with pytest.raises(ValueError, match="read-only"):
        block[0] = 1


@pytest.mark.parametrize("seed", range(4))
def test_a_meter_measures_known_silence_as_it_does_any(seed: int) -> None:
    channels = 1 + seed % 2
    known, other = Meter(channels), Meter(channels)
    programme = _programme(seed, channels)
    for (pcm, _), (same, _) in zip(programme, _unmarked(programme), strict=True):
        known.add(pcm)
        other.add(same)
        assert (known.active, known.latest) == (other.active, other.latest)
    assert known.take() + known.end() == other.take() + other.end()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("codec", "channels"), [(AacEncoder, 2), (OpusEncoder, 1), (OpusEncoder, 2)])
def test_an_encoder_gives_the_same_packets_for_blocks_and_for_frames(
    codec: type[SoundEncoder], channels: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    programme = _programme(seed, channels)
    at_once = codec(channels=channels)  # type: ignore[call-arg]  # both codecs have defaults for all else
    packets = [packet for pcm, active in programme for packet in at_once.encode(pcm, active)] + at_once.flush()
    monkeypatch.setattr(SoundEncoder, "_passes_silence", lambda _self, _block: False)
    by_frames = codec(channels=channels)  # type: ignore[call-arg]  # as above
    same = [packet for pcm, active in programme for packet in by_frames.encode(pcm, active)] + by_frames.flush()
    assert packets == same and sum(packet.duration for packet in packets) == sum(len(pcm) for pcm, _ in programme)


@pytest.mark.parametrize("seed", range(3))
def test_a_graph_gives_the_same_samples_whether_its_silence_is_known(seed: int) -> None:
    graph = default_graph(Device("m"), Device("s"))
    assert graph is not None
    given = []
    programmes = (_programme(seed, 1), _programme(seed + 10, 2))
    for pushed in (programmes, (_unmarked(programmes[0]), _unmarked(programmes[1]))):
        run, sinks = SoundRun(graph), [node.name for node in graph.of_kind("encoder")]
        taken: list[Pcm] = []
        ends = [0, 0]
        for number, blocks in enumerate(zip(*pushed, strict=True)):
            if number == 30:
                run.set_gain("system.gain", gain_db=-6)
            for place, (name, (pcm, _)) in enumerate(zip(("mic", "system"), blocks, strict=True)):
                run.push(name, pcm)
                ends[place] += len(pcm)
            run.mix(min(ends))
            taken += [run.take(name).pcm for name in sinks]
        run.end(max(ends))
        taken += [run.take(name).pcm for name in sinks]
        given.append(taken)
    assert all(np.array_equal(one, other) for one, other in zip(*given, strict=True))


def test_a_limiter_that_begins_again_leaves_what_it_held_as_loud_as_it_was() -> None:
    limiter = sound_nodes.LimiterNode(Node("l", "limiter", {"ceiling_db": -1.0}), Shape(SOUND_RATE, 1), takes_wide=True)
    quiet, loud = np.full((9600, 1), 0.01, np.float32), np.full((9600, 1), 1.5, np.float32)
    given = [limiter.feed(0, block, True)[0] for block in [quiet] * 12 + [loud]]
    whole = np.concatenate([*given, limiter.end()[0]])
    assert len(whole) == 13 * 9600 and whole[: 12 * 9600 - 480].max() < 400
    assert whole[12 * 9600 - 240 : 12 * 9600].max() < 400, "what was held back is no part of what was too loud"
