"""The way of sound, declared: which sources go through which filters into which sinks, as data that is checked.

Invariants: a `SoundGraph` that was made is sound: names are unique, every parameter is whole and within its bounds,
every node has the inputs its kind needs and leads somewhere, nothing goes in circles, rates and channels fit, no two
encoders write one track. All errors are `Usage` and name the node. Inputs of a node are in the order of the edges.
Leaves running it to `pepys.media.sound_graph`, and kinds and parameters to `sound_kinds`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from pepys import limits
from pepys.errors import Usage
from pepys.model.sound_kinds import DEVICES, KINDS, SOURCES, Kind, Value, checked, kind_of, shown

FORMAT: Final = 1
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_PLAIN = re.compile(r"[^\w .,:%/@+=-]", re.UNICODE)
_LABEL_CHARS: Final = 48
_48_KHZ_ONLY: Final = frozenset({"encoder", "meter", "voice", "mix", "loudness", "denoise"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What leaves a node: samples a second, and channels."""

    rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node; `params` is whole once it is part of a graph."""

    name: str
    kind: str
    params: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SoundGraph:
    """A graph that holds together; making one checks it.

    Raises:
        Usage: it does not; the line names the node.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    _order: tuple[Node, ...] = field(init=False, repr=False, compare=False)
    _shapes: dict[str, Shape] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_sizes(self.nodes, self.edges)
        object.__setattr__(self, "nodes", _whole(self.nodes))
        object.__setattr__(self, "edges", tuple((start, end) for start, end in self.edges))
        _check_edges(self)
        object.__setattr__(self, "_order", _sorted(self))
        shapes: dict[str, Shape] = {}
        for node in self._order:
            shapes[node.name] = _shape(node, [(name, shapes[name]) for name in self.inputs(node.name)])
        object.__setattr__(self, "_shapes", shapes)

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            Usage: there is none.
        """
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            _refuse(f"there is no node {shown(name)}", "nodes: " + ", ".join(node.name for node in self.nodes))
        return found

    def inputs(self, name: str) -> tuple[str, ...]:
        """The nodes that lead into it, first edge first."""
        return tuple(start for start, end in self.edges if end == name)

    def outputs(self, name: str) -> tuple[str, ...]:
        """The nodes it leads into."""
        return tuple(end for start, end in self.edges if start == name)

    def order(self) -> tuple[Node, ...]:
        """All nodes, each after those that lead into it."""
        return self._order

    def shape(self, name: str) -> Shape:
        """What leaves a node; of a sink: what it takes in, and of a tap what it gives."""
        return self._shapes[self.node(name).name]

    def of_kind(self, *kinds: str) -> tuple[Node, ...]:
        """The nodes of these kinds, in the order they were declared."""
        return tuple(node for node in self.nodes if node.kind in kinds)

    def sources(self) -> tuple[Node, ...]:
        """Where sound comes from."""
        return self.of_kind(*SOURCES)

    def devices(self) -> tuple[Node, ...]:
        """The sources that are devices of the sound server."""
        return self.of_kind(*DEVICES)

    def before(self, name: str) -> frozenset[str]:
        """The names of all nodes from which sound reaches this one."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            more = set(self.inputs(waiting.pop())) - found
            found |= more
            waiting += more
        return frozenset(found)

    def changed(self, name: str, **params: Value) -> SoundGraph:
        """The graph with other parameters of one node.

        Raises:
            Usage: there is no such node, or it does not take them.
        """
        old = self.node(name)
        new = Node(old.name, old.kind, {**old.params, **params})
        return SoundGraph(tuple(new if node is old else node for node in self.nodes), self.edges)

    def to_json(self) -> dict[str, Any]:
        """The graph as plain JSON values, every parameter said."""
        nodes = [{"name": node.name, "kind": node.kind, "params": dict(node.params)} for node in self.nodes]
        return {"format": FORMAT, "nodes": nodes, "edges": [list(edge) for edge in self.edges]}

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart; nothing in a name or a parameter can break out of its label."""
        number = {node.name: f"n{index}" for index, node in enumerate(self.nodes)}
        lines = ["flowchart LR"]
        for node in self.nodes:
            opening, closing = ("([", "])") if node.kind in SOURCES or not self.outputs(node.name) else ("[", "]")
            lines.append(f'    {number[node.name]}{opening}"{_label(node)}"{closing}')
        lines += [f"    {number[start]} --> {number[end]}" for start, end in self.edges]
        return "\n".join(lines) + "\n"


def parse(data: bytes) -> SoundGraph:
    """Read a graph file.

    Raises:
        Usage: it is too large, no JSON, or no graph that holds together.
    """
    if len(data) > limits.SOUND_GRAPH_BYTES:
        _refuse(f"the file is larger than {limits.SOUND_GRAPH_BYTES} bytes", "declare fewer nodes")
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_single)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else shown(str(error))
        raise Usage(
            f"sound graph: the file is no JSON: {reason}", "`pepys show ID --graph --json` has one under `graph`"
        ) from error
    return from_json(value)


def from_json(value: object) -> SoundGraph:
    """Read what `to_json` wrote, or what a user did.

    Raises:
        Usage: it is no graph that holds together.
    """
    if not isinstance(value, dict):
        _refuse("the document is no object", 'write {"nodes": [...], "edges": [...]}')
    unknown = next((key for key in value if key not in ("format", "nodes", "edges")), None)
    if unknown is not None:
        _refuse(f"unknown key {shown(unknown)}", 'write {"nodes": [...], "edges": [...]}')
    form = value.get("format", FORMAT)
    if type(form) is not int or form != FORMAT:
        _refuse(f"format {shown(form)} is not known", f"write format {FORMAT}")
    nodes, edges = value.get("nodes"), value.get("edges")
    if not isinstance(nodes, list) or not isinstance(edges, list):
        _refuse("nodes and edges have to be lists", 'write {"nodes": [...], "edges": [...]}')
    return SoundGraph(tuple(_node(item) for item in nodes), tuple(_edge(item) for item in edges))


def _node(item: object) -> Node:
    remedy = 'write a node as {"name": "mic", "kind": "microphone", "params": {}}'
    if not isinstance(item, dict):
        _refuse(f"a node is no object: {shown(item)}", remedy)
    name = item.get("name")
    unknown = next((key for key in item if key not in ("name", "kind", "params")), None)
    if unknown is not None:
        _refuse(f"node {shown(name)} has an unknown key {shown(unknown)}", remedy)
    if not isinstance(name, str):
        _refuse(f"a node's name is no text: {shown(name)}", remedy)
    kind = item.get("kind")
    kind_of(shown(name), kind)
    return Node(name, str(kind), item.get("params", {}))


def _edge(item: object) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2 or not all(isinstance(end, str) for end in item):
        _refuse(f"an edge is no pair of names: {shown(item)}", 'write an edge as ["mic", "mic.track"]')
    return item[0], item[1]


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key said twice: readers differ in which one counts."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} stands twice in one object")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_sizes(nodes: Sequence[object], edges: Sequence[object]) -> None:
    if len(nodes) > limits.SOUND_GRAPH_NODES or len(edges) > limits.SOUND_GRAPH_EDGES:
        _refuse(
            f"more than {limits.SOUND_GRAPH_NODES} nodes or {limits.SOUND_GRAPH_EDGES} edges", "declare fewer of them"
        )


def _whole(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with all their parameters; names and tracks are unique."""
    whole: dict[str, Node] = {}
    tracks: dict[Value, str] = {}
    for node in nodes:
        if not isinstance(node.name, str) or not _NAME.fullmatch(node.name):
            _refuse(f"{shown(node.name)} is no name for a node", "use letters, digits, dot, dash and underscore")
        if node.name in whole:
            _refuse(f"two nodes are named {node.name}", "rename one of them")
        params = checked(node.name, node.kind, node.params)
        if node.kind == "encoder" and tracks.setdefault(params["track"], node.name) != node.name:
            _refuse(
                f"node {node.name} writes the track {params['track']}, and so does {tracks[params['track']]}",
                "give each encoder a track of its own",
            )
        whole[node.name] = Node(node.name, node.kind, params)
    return tuple(whole.values())


def _check_edges(graph: SoundGraph) -> None:
    names = {node.name for node in graph.nodes}
    for index, edge in enumerate(graph.edges):
        if edge[0] == edge[1] and edge[0] in names:
            _refuse(f"sound goes in circles: node {edge[0]} leads to itself", "take that edge away")
        unknown = next((end for end in edge if end not in names), None)
        if unknown is not None:
            _refuse(
                f"an edge leads to or from {shown(unknown)}, which is no node", "nodes: " + ", ".join(sorted(names))
            )
        if edge in graph.edges[:index]:
            _refuse(f"two edges lead from {edge[0]} to {edge[1]}", "leave one out")
    if not graph.sources():
        _refuse("there is no source", "add one of " + ", ".join(sorted(SOURCES)))
    for node in graph.nodes:
        _check_ends(graph, node, KINDS[node.kind])


def _check_ends(graph: SoundGraph, node: Node, kind: Kind) -> None:
    low, high = kind.inputs
    count, outputs = len(graph.inputs(node.name)), graph.outputs(node.name)
    if not low <= count <= high:
        wanted = "no input" if high == 0 else "one input" if high == 1 else f"{low} to {high} inputs"
        _refuse(f"node {node.name} ({node.kind}) has {_inputs(count)}", f"it takes {wanted}")
    if outputs and not kind.gives:
        _refuse(f"node {node.name} ({node.kind}) is an end, but leads to {outputs[0]}", "take that edge away")
    if not outputs and not kind.may_end:
        _refuse(f"node {node.name} ({node.kind}) leads nowhere", "lead it to an encoder, a tap, a meter or a null")
    if node.kind == "mix" and count != 2 and node.params["balance"] != 50:
        _refuse(f"node {node.name} has a balance and {_inputs(count)}", "a balance is between exactly 2 inputs")


def _inputs(count: int) -> str:
    return f"{count or 'no'} input{'' if count == 1 else 's'}"


def _sorted(graph: SoundGraph) -> tuple[Node, ...]:
    """Kahn's order; what is left when nothing more is free goes in circles."""
    waiting = {node.name: len(graph.inputs(node.name)) for node in graph.nodes}
    order: list[Node] = []
    free = [node for node in graph.nodes if not waiting[node.name]]
    while free:
        node = free.pop(0)
        order.append(node)
        for name in graph.outputs(node.name):
            waiting[name] -= 1
            if not waiting[name]:
                free.append(graph.node(name))
    if len(order) < len(graph.nodes):
        _refuse(f"sound goes in circles through node {_circle(graph, {n.name for n in order})}", "take an edge away")
    return tuple(order)


def _circle(graph: SoundGraph, done: set[str]) -> str:
    """A node that is part of a circle: from any that is left, go against the edges until one comes again."""
    name = next(node.name for node in graph.nodes if node.name not in done)
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        name = next(start for start in graph.inputs(name) if start not in done)
    return name


def _shape(node: Node, inputs: Sequence[tuple[str, Shape]]) -> Shape:
    """What leaves a node, given what goes in."""
    params = node.params
    if node.kind in SOURCES:
        return Shape(limits.SOUND_RATE, int(params["channels"]))
    for name, shape in inputs:
        if node.kind in _48_KHZ_ONLY and shape.rate != limits.SOUND_RATE:
            _refuse(
                f"node {node.name} ({node.kind}) takes {limits.SOUND_RATE} Hz, but {name} gives {shape.rate}",
                f"put a resample node of {limits.SOUND_RATE} between them",
            )
    _, first = inputs[0]
    if node.kind in ("resample", "tap"):
        return Shape(int(params["rate"]), first.channels)
    if node.kind == "mix":
        return Shape(first.rate, max(shape.channels for _, shape in inputs))
    if node.kind == "downmix":
        if int(params["channels"]) > first.channels:
            _refuse(
                f"node {node.name} cannot mix {first.channels} channel down to {params['channels']}", "leave it out"
            )
        return Shape(first.rate, int(params["channels"]))
    if node.kind == "high_pass" and float(params["frequency_hz"]) * 2 >= first.rate:
        _refuse(f"frequency_hz of node {node.name} is too high for {first.rate} Hz", f"stay below {first.rate // 2}")
    return first


def _label(node: Node) -> str:
    told = [f"{key} {_told(value)}" for key, value in node.params.items() if value != ""]
    lines = [node.name, node.kind] if node.name != node.kind else [node.name]
    return "<br/>".join(_PLAIN.sub(lambda found: f"#{ord(found[0])};", line) for line in lines + told)


def _told(value: Value) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LABEL_CHARS else text[: _LABEL_CHARS - 1] + "…"


def _refuse(what: str, remedy: str) -> NoReturn:
    raise Usage(f"sound graph: {what}", remedy)
