"""Whatever graph is declared and however sound comes: every encoder gets every sample of the span, once, in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pepys.media.sound_graph import SoundRun
from pepys.model.sound_graph import Node, SoundGraph, from_json
from tests.sound_graphs import RATE

_FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("gain", {}),
    ("gain", {"gain_db": 9.0}),
    ("gain", {"muted": True}),
    ("resample", {"rate": 16_000}),
    ("downmix", {}),
    ("high_pass", {}),
    ("denoise", {}),
    ("loudness", {}),
    ("limiter", {"ceiling_db": -12.0}),
    ("voice", {}),
    ("meter", {}),
    ("mix", {}),
]


@st.composite
def graphs(draw: st.DrawFn) -> SoundGraph:
    """Sources, then filters behind any nodes that are there, then ends for all that lead nowhere."""
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    rates: dict[str, int] = {}
    for place in range(draw(st.integers(1, 3))):
        channels = draw(st.sampled_from([1, 2]))
        nodes[f"s{place}"] = Node(f"s{place}", "tone", {"channels": channels})
        rates[f"s{place}"] = RATE
    for place, (kind, params) in enumerate(draw(st.lists(st.sampled_from(_FILTERS), max_size=7))):
        name = f"f{place}"
        count = draw(st.integers(2, 3)) if kind == "mix" else 1
        inputs = [start for start in draw(st.permutations(sorted(nodes))) if rates[start] == RATE][:count]
        if len(inputs) == count:
            nodes[name] = Node(name, kind, params)
            rates[name] = int(params.get("rate", RATE))
            edges += [(start, name) for start in inputs]
    for place, name in enumerate(sorted(set(nodes) - {start for start, _ in edges})):
        if rates[name] != RATE:
            nodes[f"r{place}"] = Node(f"r{place}", "resample", {"rate": RATE})
            edges.append((name, f"r{place}"))
            name = f"r{place}"
        nodes[f"e{place}"] = Node(f"e{place}", "encoder", {"track": f"audio.t{place}"})
        edges.append((name, f"e{place}"))
    return SoundGraph(tuple(nodes.values()), tuple(edges))


@settings(max_examples=60, deadline=None)
@given(
    graphs(),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30_000), st.integers(0, 60_000)), max_size=8),
    st.integers(0, 20_000),
)
def test_every_encoder_gets_the_whole_span(graph: SoundGraph, steps: list[tuple[int, int, int]], more: int) -> None:
    assert from_json(graph.to_json()) == graph
    run = SoundRun(graph)
    sources = [node.name for node in graph.sources()]
    fed = dict.fromkeys(sources, 0)
    got = {node.name: 0 for node in graph.of_kind("encoder")}

    def take() -> None:
        for sink in got:
            block = run.take(sink)
            assert block.position == got[sink]
            assert block.pcm.dtype == np.int16
            assert block.pcm.shape[1] == graph.shape(sink).channels
            got[sink] += len(block.pcm)

    late = 0
    for which, count, at_least in steps:
        source = sources[which % len(sources)]
        run.push(source, np.full((count, graph.shape(source).channels), 20_000, np.int16))
        fed[source] += count
        late = max(late, min(at_least, max(fed.values())))
        run.mix(late)
        take()
    until = max(fed.values()) + more
    run.end(until)
    take()
    assert got == dict.fromkeys(got, until)
