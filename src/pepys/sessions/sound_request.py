"""From what a user asks of sound to the graph that a recorder is told: what goes together, and which devices are meant.

Invariants: a graph that leaves here was judged and names its devices; one of the user's own is kept as it is but for
them. A device that a graph names is required, unless partial recordings are allowed. Finding devices is `probe`'s, the
graph without a file is `record.sound_plan`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pepys.errors import DeviceMissing, Usage
from pepys.model.sound_graph import SoundGraph, from_json
from pepys.record.sound_plan import Device, check_recordable, default_graph

if TYPE_CHECKING:
    from pepys.record.probe import SoundFound
    from pepys.sessions.start import StartRequest


def check_sound(request: StartRequest) -> None:
    """Judge what is said of sound by itself; devices are not looked at.

    Raises:
        Usage: the graph is none, a value is out of bounds, or they do not go together.
    """
    if request.balance is not None:
        if isinstance(request.balance, bool) or not isinstance(request.balance, int) or not 0 <= request.balance <= 100:
            raise Usage(f"a balance of {request.balance} is out of bounds", "give 0 to 100")
        if request.audio not in {None, "both"}:
            raise Usage(f"--balance is of two sounds, and --audio {request.audio} leaves one out", "leave out one")
    if request.sound_graph is None:
        return
    flags = {"--mic": request.mic, "--system": request.system, "--audio": request.audio, "--balance": request.balance}
    named = [flag for flag, value in flags.items() if value is not None]
    if named:
        raise Usage(f"--sound-graph and {named[0]} do not go together", f"say it in the graph, or leave out {named[0]}")
    check_recordable(from_json(request.sound_graph))


def usual_graph(request: StartRequest, mic: str | None, system: str | None) -> SoundGraph | None:
    """The graph of a recording that names none, of these devices; None without any.

    A track whose device the user did not name goes where the default device goes.
    """
    return default_graph(
        None if mic is None else Device(mic, request.mic is None),
        None if system is None else Device(system, request.system is None),
        50 if request.balance is None else request.balance,
    )


def required_devices(request: StartRequest, graph: SoundGraph) -> tuple[str, ...]:
    """The source nodes without which the session fails: those that the user asked for, unless it may be partial."""
    if request.allow_partial:
        return ()
    if request.sound_graph is not None:
        return tuple(node.name for node in graph.devices())
    named = {"mic": request.mic is not None, "system": request.system is not None}
    return tuple(node.name for node in graph.devices() if named[node.name] or request.audio in {node.name, "both"})


def own_graph(request: StartRequest, found: SoundFound) -> SoundGraph:
    """The user's own graph with every device by its name; a device without a name is the default one.

    Raises:
        DeviceMissing: one is not there, and partial recordings are not allowed.
    """
    graph = from_json(request.sound_graph)
    for node in graph.devices():
        named = str(node.params["device"])
        default, reason = (
            (found.mic, found.mic_reason) if node.kind == "microphone" else (found.system, found.system_reason)
        )
        lacks = found.lacks(named or None, reason)
        if lacks is not None:
            if request.allow_partial:
                continue
            missing, there = lacks
            raise DeviceMissing(f"the node {node.name} of the sound graph: {missing}", there)
        device = named or default or ""
        graph = graph.changed(node.name, device=device, follow_default=not named or node.params["follow_default"])
    return graph
