"""What a sound graph means for a recording: the usual one, its tracks, and what a user's word is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.errors import Usage
from pepys.model.sound_graph import Node, SoundGraph, from_json
from pepys.record.sound_plan import (
    Device,
    check_recordable,
    default_graph,
    file_path,
    gain_of,
    gain_of_source,
    mix_of,
    near,
    track_of,
)


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


def encoder(name: str, track: str, codec: str = "opus") -> Node:
    return Node(name, "encoder", {"track": track, "codec": codec})


SHARED = {
    "another's encoder": SoundGraph(
        (Node("mic", "tone"), Node("system", "silence"), encoder("a", "audio.system"), Node("x", "null")),
        (("mic", "a"), ("system", "x")),
    ),
    "the encoder of a mix": SoundGraph(
        (Node("mic", "tone"), Node("hum", "silence"), Node("both", "mix"), encoder("a", "audio.hum")),
        (("mic", "both"), ("hum", "both"), ("both", "a")),
    ),
    "the playback stream": SoundGraph(
        (Node("mix", "tone"), Node("n", "null"), Node("mic", "silence"), encoder("a", "audio.mic")),
        (("mix", "n"), ("mic", "a")),
    ),
}


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ("another's encoder", "node a writes audio.system, which is the track of node system"),
        ("the encoder of a mix", "node a writes audio.hum, which is the track of node hum"),
        ("the playback stream", "node mix is told of as audio.mix"),
    ],
)
def test_a_track_has_one_source(shared: str, words: str) -> None:
    with pytest.raises(Usage, match=words):
        check_recordable(SHARED[shared])


def test_a_source_may_have_several_encoders_and_any_name() -> None:
    check_recordable(own(encoder("a", "audio.a"), encoder("b", "audio.b"), encoder("film", "audio.mix", "aac")))
    named = SoundGraph((Node("mix", "tone"), encoder("a", "audio.voice")), (("mix", "a"),))
    check_recordable(named)


def test_a_source_is_muted_by_its_nearest_gain() -> None:
    graph = SoundGraph(
        (
            Node("mic", "tone"), Node("low", "high_pass"), Node("first", "gain"), Node("second", "gain"),
            encoder("own", "audio.mic"), Node("hum", "tone"), Node("both", "mix"), Node("late", "gain"),
            encoder("film", "audio.mix", "aac"),
        ),
        (
            ("mic", "low"), ("low", "first"), ("first", "second"), ("second", "own"), ("second", "both"),
            ("hum", "both"), ("both", "late"), ("late", "film"),
        ),
    )  # fmt: skip
    assert gain_of_source(graph, "mic") == gain_of(graph, "mic") == gain_of(graph, "audio.mic") == "first"
    assert gain_of_source(graph, "hum") == "", "one behind the mix would take others with it"
    with pytest.raises(Usage, match="hum cannot be muted"):
        gain_of(graph, "hum")


def test_a_file_is_named_by_a_path_that_means_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    graph = SoundGraph((Node("song", "file", {"path": "~/a.wav"}), encoder("a", "audio.a")), (("song", "a"),))
    assert file_path(graph.node("song")) == Path("/somebody/a.wav")
    check_recordable(graph)
    with pytest.raises(Usage, match=r"node song names a user who does not exist: ~nosuchuser/x\.wav"):
        check_recordable(graph.changed("song", path="~nosuchuser/x.wav"))
