"""Sound graphs as data: what holds together is kept whole, what does not is refused by the name of the node."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepys import limits
from pepys.errors import Usage
from pepys.model.sound_graph import Node, Shape, SoundGraph, from_json, parse
from pepys.model.sound_kinds import KINDS

NODES: list[dict[str, Any]] = [
    {"name": "mic", "kind": "microphone", "params": {"device": "a mic"}},
    {"name": "mic.gain", "kind": "gain", "params": {"gain_db": 3}},
    {"name": "mic.track", "kind": "encoder", "params": {"track": "audio.mic"}},
    {"name": "system", "kind": "system"},
    {"name": "mix", "kind": "mix", "params": {"balance": 40}},
    {"name": "mix.track", "kind": "encoder", "params": {"codec": "aac", "bit_rate": 96000, "track": "audio.mix"}},
]
EDGES = [["mic", "mic.gain"], ["mic.gain", "mic.track"], ["mic.gain", "mix"], ["system", "mix"], ["mix", "mix.track"]]


def document(*more: dict[str, Any], edges: list[Any] | None = None, without: str = "") -> dict[str, Any]:
    nodes = [node for node in NODES if node["name"] != without]
    return {"nodes": [*nodes, *more], "edges": [*EDGES, *(edges or [])]}


def chain(*kinds: tuple[str, dict[str, Any]], end: str = "null") -> dict[str, Any]:
    """A tone through filters named f0, f1 ..."""
    nodes = [{"name": "tone", "kind": "tone"}]
    nodes += [{"name": f"f{n}", "kind": kind, "params": params} for n, (kind, params) in enumerate(kinds)]
    nodes.append({"name": "end", "kind": end, "params": {"track": "audio.mic"} if end == "encoder" else {}})
    names = [node["name"] for node in nodes]
    return {"nodes": nodes, "edges": [list(pair) for pair in itertools.pairwise(names)]}


def refused(value: object) -> Usage:
    with pytest.raises(Usage) as caught:
        from_json(value)
    assert "\n" not in caught.value.message
    assert caught.value.remedy
    return caught.value


def test_a_graph_is_whole_and_comes_back_as_it_was() -> None:
    graph = from_json(document())
    assert graph.node("system").params == {"device": "", "channels": 2, "follow_default": False}
    assert graph.node("mic.gain").params == {"gain_db": 3.0, "muted": False}
    assert graph.inputs("mix") == ("mic.gain", "system")
    assert graph.outputs("mic.gain") == ("mic.track", "mix")
    assert graph.shape("mic.track") == Shape(48_000, 1)
    assert graph.shape("mix.track") == Shape(48_000, 2)
    assert graph.before("mix.track") == {"mix", "mic.gain", "mic", "system"}
    assert [node.name for node in graph.devices()] == ["mic", "system"]
    assert from_json(json.loads(json.dumps(graph.to_json()))) == graph
    assert parse(json.dumps(graph.to_json()).encode()) == graph


def test_order_has_every_node_after_those_that_lead_into_it() -> None:
    graph = from_json({"nodes": NODES[::-1], "edges": EDGES})
    order = [node.name for node in graph.order()]
    assert sorted(order) == sorted(node["name"] for node in NODES)
    assert all(order.index(start) < order.index(end) for start, end in graph.edges)


def test_changing_a_node_makes_another_graph() -> None:
    graph = from_json(document())
    changed = graph.changed("mic.gain", muted=True)
    assert changed.node("mic.gain").params == {"gain_db": 3.0, "muted": True}
    assert graph.node("mic.gain").params["muted"] is False
    assert changed.nodes[0] == graph.nodes[0]
    with pytest.raises(Usage, match=r"muted of node mic.gain cannot be 1"):
        graph.changed("mic.gain", muted=1)
    with pytest.raises(Usage, match="there is no node sofa"):
        graph.changed("sofa", muted=True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "no object"),
        (None, "no object"),
        ("graph", "no object"),
        ({"nodes": []}, "have to be lists"),
        ({"nodes": {}, "edges": []}, "have to be lists"),
        ({"nodes": [], "edges": []}, "no source"),
        ({**document(), "shapes": 1}, "unknown key shapes"),
        ({**document(), "format": 2}, "format 2"),
        ({**document(), "format": True}, "format True"),
        (document("mic"), "a node is no object"),  # type: ignore[arg-type] # that is the mistake
        (document({"name": 7, "kind": "null"}), "name is no text: 7"),
        (document({"name": "a b", "kind": "null"}), "a b is no name"),
        (document({"name": "", "kind": "null"}), "is no name"),
        (document({"name": "x" * 65, "kind": "null"}), "is no name"),
        (document({"name": "mic", "kind": "null"}), "two nodes are named mic"),
        (document({"name": "n", "kind": "reverb"}), "node n is of an unknown kind: reverb"),
        (document({"name": "n", "kind": ["null"]}), "node n is of an unknown kind: a list"),
        (document({"name": "n"}), "node n is of an unknown kind"),
        (document({"name": "n", "kind": "null", "colour": 1}), "node n has an unknown key colour"),
        (document({"name": "n", "kind": "null", "params": []}), "params of node n are no object"),
        (document({"name": "n", "kind": "null", "params": {"x": 1}}), "node n has an unknown parameter: x"),
        (document({"name": "n", "kind": "file"}), "node n needs path"),
        (document({"name": "n", "kind": "encoder"}), "node n needs track"),
        (document(edges=[["mic"]]), "no pair of names"),
        (document(edges=["mic"]), "no pair of names"),
        (document(edges=[["mic", 3]]), "no pair of names"),
        (document(edges=[["mic", "sofa"]]), "leads to or from sofa"),
        (document(edges=[["mic", "mix"], ["mic", "mix"]]), "two edges lead from mic to mix"),
        (document(edges=[["mic.gain", "mic.gain"]]), "sound goes in circles: node mic.gain leads to itself"),
        (document(edges=[["mic.gain", "system"]]), "node system (system) has 1 input"),
        (document({"name": "n", "kind": "null"}, edges=[["mix.track", "n"]]), "node mix.track (encoder) is an end"),
        (document(edges=[["system", "mic.gain"]]), "node mic.gain (gain) has 2 inputs"),
        (document({"name": "n", "kind": "tone"}), "node n (tone) leads nowhere"),
        (document({"name": "n", "kind": "voice"}, edges=[["mic", "n"]]), "node n (voice) leads nowhere"),
        (document({"name": "n", "kind": "meter"}), "node n (meter) has no inputs"),
        (document({"name": "n", "kind": "tone"}, edges=[["n", "mix"]]), "node mix has a balance and 3 inputs"),
        (
            document({"name": "n", "kind": "encoder", "params": {"track": "audio.mic"}}, edges=[["system", "n"]]),
            "node n writes the track audio.mic, and so does mic.track",
        ),
        (chain(("resample", {"rate": 16000}), end="encoder"), "node end (encoder) takes 48000 Hz, but f0 gives 16000"),
        (chain(("resample", {"rate": 16000}), ("meter", {})), "node f1 (meter) takes 48000 Hz"),
        (chain(("resample", {"rate": 8000}), ("high_pass", {"frequency_hz": 4000})), "frequency_hz of node f1"),
        (chain(("downmix", {"channels": 2})), "node f0 cannot mix 1 channel down to 2"),
    ],
)
def test_what_does_not_hold_together_is_refused_by_name(value: object, words: str) -> None:
    assert words in refused(value).message


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("gain", {"gain_db": float("nan")}),
        ("gain", {"gain_db": float("inf")}),
        ("gain", {"gain_db": 10**400}),
        ("gain", {"gain_db": 41}),
        ("gain", {"gain_db": True}),
        ("gain", {"gain_db": "3"}),
        ("gain", {"gain_db": None}),
        ("gain", {"gain_db": {"a": [1]}}),
        ("gain", {"muted": 1}),
        ("gain", {"muted": "true"}),
        ("resample", {"rate": 11025}),
        ("resample", {"rate": 48000.0}),
        ("resample", {"rate": True}),
        ("downmix", {"channels": True}),
        ("downmix", {"channels": 0}),
        ("denoise", {"reduction_db": 98}),
        ("loudness", {"target_lufs": 0}),
        ("limiter", {"ceiling_db": 1}),
    ],
)
def test_a_parameter_has_its_type_and_its_bounds(kind: str, params: dict[str, Any]) -> None:
    error = refused(chain((kind, params)))
    assert next(iter(params)) in error.message
    assert "of node f0 cannot be" in error.message


def test_a_text_in_place_of_a_number_is_told_as_a_text() -> None:
    assert refused(chain(("gain", {"gain_db": "3"}))).message.endswith('gain_db of node f0 cannot be "3"')
    assert refused(chain(("gain", {"gain_db": True}))).message.endswith("gain_db of node f0 cannot be true")


@pytest.mark.parametrize(
    "track", ["mic", "audio.", "audio.Mic", "audio.a/../b", "audio.mic\n", "audio." + "a" * 33, "audio.mïc", 5]
)
def test_a_track_has_a_plain_name(track: object) -> None:
    value = chain(end="encoder")
    value["nodes"][-1]["params"]["track"] = track
    assert "track of node end" in refused(value).message


@pytest.mark.parametrize("device", ["a\nb", "\x1b[2J", "\ud800", "x" * 1025, "a\0b", "a\u2028b", 5, ["mic"]])
def test_a_device_is_a_line_of_text(device: object) -> None:
    value = document(without="mic")
    value["nodes"].append({"name": "mic", "kind": "microphone", "params": {"device": device}})
    message = refused(value).message
    assert "device of node mic" in message
    assert message.isprintable()


@pytest.mark.parametrize(
    "device", ["Mikrofon „Größe“ (USB) 日本", "a\u00a0b\u200d", "alsa_input.usb-0d8c:00.analog", ""]
)
def test_a_device_may_have_spaces_and_any_letters(device: str) -> None:
    graph = from_json(document()).changed("mic", device=device)
    assert graph.node("mic").params["device"] == device


def test_circles_are_refused_by_a_node_of_the_circle() -> None:
    gains = [{"name": f"g{n}", "kind": "gain"} for n in range(3)]
    circle = [["g0", "g1"], ["g1", "g2"], ["g2", "g0"]]
    message = refused(document(*gains, edges=circle)).message
    assert re.search(r"circles through node g[012]$", message)
    lead = [{"name": "m", "kind": "mix"}, {"name": "g", "kind": "gain"}, {"name": "e", "kind": "null"}]
    behind = [["mic", "m"], ["m", "g"], ["g", "m"], ["g", "e"]]
    assert re.search(r"node [mg]$", refused(document(*lead, edges=behind)).message)
    assert "node g" in refused(document({"name": "g", "kind": "gain"}, edges=[["g", "g"]])).message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b" " * (limits.SOUND_GRAPH_BYTES + 1), "larger than"),
        (b'{"nodes": [], "nodes": [], "edges": []}', "stands twice"),
        (b'{"nodes": [NaN], "edges": []}', "NaN is no JSON"),
        (b'{"nodes": [], "edges": [-Infinity]}', "-Infinity is no JSON"),
        (b"1" * 5000, "no JSON"),
        (b"1e999", "no object"),
        (b'{"nodes": [], "edges": []} trailing', "no JSON"),
    ],
)
def test_a_hostile_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(Usage, match=words) as caught:
        parse(data)
    assert caught.value.remedy
    assert caught.value.message.isprintable()


def test_numbers_too_large_in_a_file_are_refused_by_name() -> None:
    text = json.dumps(chain(("gain", {"gain_db": 12345}))).encode()
    for number in (b"1e999", b"-1e400", b"9" * 4000):
        with pytest.raises(Usage, match="gain_db of node f0"):
            parse(text.replace(b"12345", number))


def test_a_graph_has_bounds() -> None:
    many = [{"name": f"n{n}", "kind": "null"} for n in range(limits.SOUND_GRAPH_NODES)]
    assert "more than" in refused(document(*many)).message
    assert "more than" in refused(document(edges=[["mic", "mix"]] * limits.SOUND_GRAPH_EDGES)).message
    nodes = tuple(Node(f"n{n}", "tone") for n in range(limits.SOUND_GRAPH_NODES + 1))
    with pytest.raises(Usage, match="more than"):
        SoundGraph(nodes, ())
    inputs = [{"name": f"n{n}", "kind": "tone"} for n in range(7)]
    value = document(*inputs, {"name": "wide", "kind": "mix"}, {"name": "end", "kind": "null"})
    value["edges"] += [[f"n{n}", "wide"] for n in range(7)] + [["mic", "wide"], ["wide", "end"]]
    assert len(from_json(value).inputs("wide")) == 8
    value["edges"].append(["system", "wide"])
    assert "node wide (mix) has 9 inputs" in refused(value).message


def test_a_drawing_shows_every_node_and_edge() -> None:
    drawn = from_json(document()).changed("mic", device="Ein Mikrofon").mermaid()
    lines = drawn.splitlines()
    assert lines[0] == "flowchart LR"
    assert '    n0(["mic<br/>microphone<br/>device Ein Mikrofon<br/>channels 1<br/>follow_default false"])' in lines
    assert '    n1["mic.gain<br/>gain<br/>gain_db 3<br/>muted false"]' in lines
    assert lines[-len(EDGES) :][2] == "    n1 --> n4"


@given(st.text(max_size=80).filter(str.isprintable))
def test_no_name_of_a_device_breaks_a_drawing(device: str) -> None:
    plain = from_json(document()).changed("mic", device="x").mermaid().splitlines()
    drawn = from_json(document()).changed("mic", device=device).mermaid().splitlines()
    assert [line for line in drawn if not line.startswith("    n0(")] == plain[:1] + plain[2:]
    label = re.fullmatch(r'    n0\(\["(.*)"\]\)', drawn[1])
    assert label is not None
    text = label[1].replace("<br/>", "")
    assert not re.search(r"""["<>&`'{}\[\]()|]""", text)
    decoded = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)
    assert device[:40] in decoded


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(KINDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
odd_nodes = st.fixed_dictionaries(
    {}, optional={"name": st.sampled_from(["a", "b", "mic"]) | json_values, "kind": json_values, "params": json_values}
)


@given(json_values | st.fixed_dictionaries({"nodes": st.lists(odd_nodes, max_size=4), "edges": json_values}))
def test_whatever_is_in_a_file_it_is_a_graph_or_refused(value: object) -> None:
    try:
        graph = from_json(value)
    except Usage as error:
        assert error.message.isprintable()
    else:
        assert from_json(graph.to_json()) == graph
