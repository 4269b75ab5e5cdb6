"""What a sound graph means for a recording: its usual form, its tracks, and which node a user's word is for.

Pure. Invariants: the playback stream has one encoder, of the track `audio.mix` in AAC, or no sound; every source has
one track whose health and account are its own. Running the graph is left to `soundboard`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from pepys.errors import Usage
from pepys.model.sound_graph import Node, SoundGraph
from pepys.model.sound_kinds import Value, shown

MIX: Final = "audio.mix"
_OPUS: Final = {"audio.mic": 24_000, "audio.system": 36_000}
_AAC: Final = 52_000


@dataclass(frozen=True, slots=True)
class Device:
    """A device to record: its name as the sound server lists it; by default the track goes where the default goes."""

    name: str
    follow_default: bool = False


def default_graph(mic: Device | None, system: Device | None, balance: int = 50) -> SoundGraph | None:
    """The graph of a recording that names none; None without a device.

    Args:
        mic: the microphone.
        system: the monitor that carries the system's sound.
        balance: 50 for both whole, 0 for the microphone alone, 100 for the system alone.

    Raises:
        Usage: the balance is out of bounds.
    """
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    ends = []
    for name, kind, device, channels in (("mic", "microphone", mic, 1), ("system", "system", system, 2)):
        if device is None:
            continue
        params: dict[str, Value] = {
            "device": device.name,
            "channels": channels,
            "follow_default": device.follow_default,
        }
        track = f"audio.{name}"
        coded: dict[str, Value] = {"codec": "opus", "bit_rate": _OPUS[track], "track": track}
        chain = [
            Node(name, kind, params), Node(f"{name}.gain", "gain"), Node(f"{name}.meter", "meter"),
            Node(f"{name}.voice", "voice"), Node(f"{name}.track", "encoder", coded),
        ]  # fmt: skip
        nodes += chain
        edges += _chained(chain)
        ends.append(f"{name}.voice")
    if not ends:
        return None
    tail = [
        Node("mix.limiter", "limiter"),
        Node("mix.track", "encoder", {"codec": "aac", "bit_rate": _AAC, "track": MIX}),
    ]  # fmt: skip
    if len(ends) > 1:
        tail.insert(0, Node("mix", "mix", {"balance": balance}))
    edges += [(end, tail[0].name) for end in ends] + _chained(tail)
    return SoundGraph((*nodes, *tail), tuple(edges))


def _chained(nodes: list[Node]) -> list[tuple[str, str]]:
    return [(first.name, second.name) for first, second in pairwise(nodes)]


def check_recordable(graph: SoundGraph) -> None:
    """Whether a graph can be recorded beside pictures.

    Raises:
        Usage: an encoder does not fit its track, two nodes would share one, or a file's path means nothing; the node is
            named.
    """
    for node in graph.of_kind("file"):
        file_path(node)
    encoders = graph.of_kind("encoder")
    if not encoders:
        raise Usage("sound graph: there is no encoder", "lead a source to an encoder")
    for node in encoders:
        track, codec = str(node.params["track"]), node.params["codec"]
        if (track == MIX) != (codec == "aac"):
            what = f"node {node.name} writes {track} in {codec}"
            raise Usage(f"sound graph: {what}", f"{MIX} is the playback stream, in aac; other tracks are in opus")
    for source in graph.sources():
        _check_own_track(graph, source)


def _check_own_track(graph: SoundGraph, source: Node) -> None:
    """What is told of a source is told of its track: nobody else may have the same one."""
    track = track_of(graph, source.name)
    if track == MIX:
        raise Usage(f"sound graph: node {source.name} is told of as {MIX}, the playback stream", "rename the node")
    own = {node.name for node in near(graph, source.name)}
    for node in graph.of_kind("encoder"):
        if node.params["track"] == track and node.name not in own:
            what = f"node {node.name} writes {track}, which is the track of node {source.name}"
            raise Usage(f"sound graph: {what}", "rename the source, or give the encoder another track")


def file_path(node: Node) -> Path:
    """The whole path of a file node; `~` is the user's folder.

    Raises:
        Usage: it begins with a user whom nobody knows; the node is named.
    """
    path = str(node.params["path"])
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        what = f"the path of node {node.name} names a user who does not exist: {shown(path)}"
        raise Usage(f"sound graph: {what}", "name the file by its whole path") from error


def near(graph: SoundGraph, name: str) -> Iterator[Node]:
    """The nodes that sound from a node reaches before it is mixed, nearest first."""
    waiting, seen = [name], {name}
    while waiting:
        found = [end for start in waiting for end in graph.outputs(start) if end not in seen]
        waiting = [end for end in dict.fromkeys(found) if graph.node(end).kind != "mix"]
        seen.update(waiting)
        yield from (graph.node(end) for end in waiting)


def track_of(graph: SoundGraph, name: str) -> str:
    """The track that a node's sound is told of: of the nearest encoder before any mix, else of where it comes from."""
    own = [str(node.params["track"]) for node in near(graph, name) if node.kind == "encoder"]
    inputs = graph.inputs(name)
    apart = [track for track in own if track != MIX]
    if apart or (own and inputs):
        return apart[0] if apart else own[0]
    return track_of(graph, inputs[0]) if inputs else f"audio.{name}"


def tracks_of(graph: SoundGraph, source: str) -> tuple[str, ...]:
    """All tracks that hold the sound of one source alone; one of its own name where it is only heard in mixes."""
    own = [str(node.params["track"]) for node in near(graph, source) if node.kind == "encoder"]
    return tuple(track for track in own if track != MIX) or (track_of(graph, source),)


def joined_tracks(graph: SoundGraph) -> tuple[str, ...]:
    """The tracks in which several sources are mixed, but for the playback stream."""
    own = {track for source in graph.sources() for track in tracks_of(graph, source.name)}
    written = [str(node.params["track"]) for node in graph.of_kind("encoder")]
    return tuple(track for track in written if track != MIX and track not in own)


def muted_by(graph: SoundGraph, track: str) -> tuple[str, ...]:
    """The gains through which all sound of a track has to go."""
    encoder = next((node.name for node in graph.of_kind("encoder") if node.params["track"] == track), "")
    gains = []
    while encoder and len(inputs := graph.inputs(encoder)) == 1:
        encoder = inputs[0]
        if graph.node(encoder).kind == "gain":
            gains.append(encoder)
    return tuple(gains)


def gain_of_source(graph: SoundGraph, name: str) -> str:
    """The gain that a source is muted by: the nearest one before any mix; empty for none."""
    return next((node.name for node in near(graph, name) if node.kind == "gain"), "")


def gain_of(graph: SoundGraph, word: str) -> str:
    """The gain node that a user means by `mic`, `audio.mic`, or its own name.

    Raises:
        Usage: there is none, or the sound is heard past it.
    """
    gains = [node.name for node in graph.of_kind("gain")]
    if word in gains:
        return word
    whole = sources_muted(graph)
    for source in graph.sources():
        gain = gain_of_source(graph, source.name)
        if gain and word in {source.name, *tracks_of(graph, source.name)}:
            if gain not in whole:
                it = "it" if word == source.name else source.name
                what = f"{word} cannot be muted: {it} reaches the node {_past(graph, source.name, gain)}"
                raise Usage(f"{what} past its gain {gain}", f"name {gain} to mute what goes through that")
            return gain
    known = [*whole.values(), *(gain for gain in gains if gain not in whole)]
    if not known:
        raise Usage(f"{word} cannot be muted: the sound graph has no gain", "give it one")
    raise Usage(f"{word} cannot be muted: there is no such sound", f"name one of {', '.join(known)}")


def sources_muted(graph: SoundGraph) -> dict[str, str]:
    """The sources that are heard nowhere when one gain is muted, by that gain."""
    found: dict[str, str] = {}
    for source in graph.sources():
        gain = gain_of_source(graph, source.name)
        if gain and not _past(graph, source.name, gain):
            found.setdefault(gain, source.name)
    return found


def _past(graph: SoundGraph, source: str, gain: str) -> str:
    """An encoder or a tap that hears a source past a gain; empty for none."""
    for node in graph.of_kind("encoder", "tap"):
        before = graph.before(node.name)
        if source in before and gain not in before:
            return node.name
    return ""


def mix_of(graph: SoundGraph) -> str:
    """The node whose balance a user sets.

    Raises:
        Usage: nothing is balanced here.
    """
    mixes = [node.name for node in graph.of_kind("mix") if len(graph.inputs(node.name)) == 2]
    if len(mixes) != 1:
        raise Usage("there is no balance to set", "a balance needs a microphone and system sound")
    return mixes[0]
