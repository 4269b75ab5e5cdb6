"""From what a user asks of sound to the graph that a recorder is told: what goes together, and which devices are meant.

Invariants: a graph that leaves here was judged and names its devices; one of the user's own is kept as it is but for
them. A device that a graph names is required, unless partial recordings are allowed. Finding devices is `probe`'s, the
graph without a file is `record.sound_plan`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pepys.errors import DeviceMissing, Usage
from pepys.model.sound_graph import SoundGraph, from_json
from pepys.record.sound_plan import Device, check_recordable, default_graph, file_path

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
        return tuple(node.name for node in graph.of_kind("microphone", "system", "file"))
    named = {"mic": request.mic is not None, "system": request.system is not None}
    return tuple(node.name for node in graph.devices() if named[node.name] or request.audio in {node.name, "both"})


def own_graph(request: StartRequest, found: SoundFound) -> SoundGraph:
    """The user's own graph with every device by its name; a device without a name is the default one.

    Where partial recordings are allowed, a default device that is not there is left without a name: it is recorded from
    when there is one.

    Raises:
        DeviceMissing: a device or a file is not there, and partial recordings are not allowed.
    """
    graph = from_json(request.sound_graph)
    for node in graph.of_kind("file"):
        if not request.allow_partial and not _is_file(path := file_path(node)):
            what = f"the node {node.name} of the sound graph: there is no file {path}"
            raise DeviceMissing(what, "name a file that exists, or add --allow-partial")
    for node in graph.devices():
        named = str(node.params["device"])
        default, reason = (
            (found.mic, found.mic_reason) if node.kind == "microphone" else (found.system, found.system_reason)
        )
        lacks = found.lacks(named or None, reason)
        if lacks is not None and not request.allow_partial:
            missing, there = lacks
            raise DeviceMissing(f"the node {node.name} of the sound graph: {missing}", there)
        device = named or (default or "" if lacks is None else "")
        graph = graph.changed(node.name, device=device, follow_default=not named or node.params["follow_default"])
    return graph


def set_as_before(graph: SoundGraph, before: Mapping[str, Mapping[str, Any]]) -> SoundGraph:
    """The graph of a session that goes on, with gains and mixes as they were set when it was interrupted.

    A gain of which nobody can tell how it was stays muted: nothing may be recorded that a user had muted.

    Args:
        graph: the graph as the session was asked for.
        before: what each gain and mix was set to last, by name; empty where nothing was told of any.
    """
    for node in graph.of_kind("gain", "mix"):
        was = before.get(node.name)
        if was is None:
            continue
        try:
            graph = graph.changed(node.name, **{name: was[name] for name in node.params})
        except (KeyError, TypeError, Usage):
            if node.kind == "gain":
                graph = graph.changed(node.name, muted=True)
    return graph


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
