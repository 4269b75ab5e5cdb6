"""What a sound graph means for a recording: the usual one, its tracks, and what a user's word is for."""

from __future__ import annotations

import pytest

from pepys.errors import Usage
from pepys.model.sound_graph import Node, SoundGraph, from_json
from pepys.record.sound_plan import Device, check_recordable, default_graph, gain_of, mix_of, near, track_of


def usual() -> SoundGraph:
    graph = default_graph(Device("a mic", follow_default=True), Device("a sink.monitor"), 30)
    assert graph is not None
    return graph


def own(*encoders: Node) -> SoundGraph:
    """A tone into each of these."""
    tone = Node("hum", "tone", {"channels": 1})
    return SoundGraph((tone, *encoders), tuple((tone.name, node.name) for node in encoders))


def test_the_usual_graph_has_two_tracks_and_their_mix() -> None:
    graph = usual()
    assert [(node.params["track"], node.params["codec"]) for node in graph.of_kind("encoder")] == [
        ("audio.mic", "opus"), ("audio.system", "opus"), ("audio.mix", "aac"),
    ]  # fmt: skip
    assert graph.inputs("mix") == ("mic.voice", "system.voice") and graph.node("mix").params["balance"] == 30
    assert graph.node("mic").params == {"device": "a mic", "channels": 1, "follow_default": True}
    assert graph.node("system").params["channels"] == 2
    check_recordable(graph)
    assert from_json(graph.to_json()) == graph


def test_one_device_is_its_own_mix_and_none_is_no_graph() -> None:
    graph = default_graph(None, Device("a sink.monitor"))
    assert graph is not None and not graph.of_kind("mix")
    assert {node.params["track"] for node in graph.of_kind("encoder")} == {"audio.system", "audio.mix"}
    assert default_graph(None, None) is None


def test_every_node_has_its_track() -> None:
    graph = usual()
    assert [track_of(graph, name) for name in ("mic", "mic.meter", "mic.gain")] == ["audio.mic"] * 3
    assert track_of(graph, "system.meter") == "audio.system"
    assert track_of(graph, "mix.limiter") == "audio.mix"
    assert [node.name for node in near(graph, "mic")] == ["mic.gain", "mic.meter", "mic.voice", "mic.track"]
    only_mixed = own(Node("t", "encoder", {"track": "audio.mix", "codec": "aac"}))
    assert track_of(only_mixed, "hum") == "audio.hum", "a source has a track of its own, whoever records it"


def test_words_are_for_gains_and_the_mix() -> None:
    graph = usual()
    assert [gain_of(graph, word) for word in ("mic", "audio.mic", "mic.gain")] == ["mic.gain"] * 3
    with pytest.raises(Usage, match="speaker cannot be muted") as told:
        gain_of(graph, "speaker")
    assert told.value.remedy == "name one of mic, system"
    assert mix_of(graph) == "mix"
    with pytest.raises(Usage, match="no balance"):
        mix_of(own(Node("t", "encoder", {"track": "audio.a"})))


@pytest.mark.parametrize(
    ("encoders", "words"),
    [
        ((Node("end", "null"),), "there is no encoder"),
        ((Node("t", "encoder", {"track": "audio.a", "codec": "aac"}),), "node t writes audio.a in aac"),
        ((Node("t", "encoder", {"track": "audio.mix"}),), "node t writes audio.mix in opus"),
    ],
)
def test_a_graph_that_cannot_be_recorded_names_the_node(encoders: tuple[Node, ...], words: str) -> None:
    with pytest.raises(Usage, match=words):
        check_recordable(own(*encoders))
