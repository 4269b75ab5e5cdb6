"""What the sound server lists, through pulsectl.

Each call runs in a thread of its own with a deadline, because the library waits for ever on a server that hangs.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from pepys.errors import DeviceMissing


@dataclass(frozen=True, slots=True)
class Source:
    """A device that can be recorded; `monitor` tells whether it carries what a sink plays."""

    name: str
    description: str
    monitor: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """All sources, and the names of the server's defaults (empty where it has none)."""

    sources: tuple[Source, ...]
    default_source: str
    default_sink: str
    default_monitor: str


def list_sources(deadline_s: float) -> Listing:
    """Ask the sound server.

    Raises:
        DeviceMissing: no server answers within the deadline.
    """
    result: list[Listing | BaseException] = []
    thread = threading.Thread(target=_ask, args=[result], name="pulse-list", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if not result:
        raise DeviceMissing("the sound server does not answer", "restart it, or record with --audio off")
    if isinstance(result[0], BaseException):
        raise DeviceMissing(
            f"no sound server can be reached: {result[0]}", "start PulseAudio or PipeWire, or record with --audio off"
        )
    return result[0]


def _ask(result: list[Listing | BaseException]) -> None:
    try:
        result.append(_listing())
    except Exception as error:  # noqa: BLE001 - the library raises what it likes, also at import; the caller judges it
        result.append(error)


def _listing() -> Listing:
    import pulsectl

    with pulsectl.Pulse("pepys", connect=False) as pulse:
        # With a time-out of its own the library always waits for all of it; the deadline is the caller's join.
        pulse.connect(autospawn=False)
        server: Any = pulse.server_info()
        sinks: list[Any] = pulse.sink_list()
        found: list[Any] = pulse.source_list()
    monitors = {sink.name: sink.monitor_source_name for sink in sinks}
    sources = tuple(
        Source(item.name, item.description or item.name, item.name in set(monitors.values())) for item in found
    )
    sink = server.default_sink_name or ""
    return Listing(sources, server.default_source_name or "", sink, monitors.get(sink, ""))
