"""What the sound server lists, asked of `pactl` by whoever needs it once: before a recording, or in the doctor.

A program rather than a library, because a child can be killed when the server hangs; and pulsectl tells the format of
the last source for all of them. Every answer comes within a deadline. News for a running recorder are `pactl`'s.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from pepys import limits
from pepys.clock import Clock, SystemClock
from pepys.errors import DeviceMissing
from pepys.record.adapters.pactl import command, defaults, environment

_OFF = "or record with --audio off"
_SPEC = re.compile(r"\S+ (\d+)ch (\d+)Hz")


@dataclass(frozen=True, slots=True)
class Source:
    """A device that can be recorded.

    Attributes:
        name: as the server names it, and as `--mic` and `--system` take it.
        description: for people.
        monitor: whether it carries what a sink plays.
        rate: samples a second; 0 where the server does not tell.
        channels: how many; 0 where the server does not tell.
        state: `running`, `idle` or `suspended`; empty where the server does not tell.
        monitor_of: the sink that a monitor carries.
    """

    name: str
    description: str
    monitor: bool
    rate: int = 0
    channels: int = 0
    state: str = ""
    monitor_of: str = ""


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
        DeviceMissing: no server answers within the deadline, or it refuses; the line says which.
    """
    clock = SystemClock()
    until_ns = clock.now_ns() + int(deadline_s * limits.NS_PER_S)
    with ExitStack() as children:
        asked = [children.enter_context(_begin(*words)) for words in (("info",), ("list", "sources"))]
        try:
            info, listed = (_answer(child, clock, until_ns) for child in asked)
        finally:
            for child in asked:
                child.kill()
    sources = tuple(_sources(listed))
    default_source, sink = defaults(info)
    monitor = next((source.name for source in sources if sink and source.monitor_of == sink), "")
    return Listing(sources, default_source, sink, monitor)


def _begin(*words: str) -> subprocess.Popen[bytes]:
    argv = command("pactl", *words)
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
    except OSError as error:
        raise DeviceMissing(f"pactl cannot be started: {error.strerror}", f"try again, {_OFF}") from error


def _answer(child: subprocess.Popen[bytes], clock: Clock, until_ns: int) -> str:
    try:
        said, complaint = child.communicate(timeout=max(0, until_ns - clock.now_ns()) / limits.NS_PER_S)
    except subprocess.TimeoutExpired as error:
        raise DeviceMissing("the sound server does not answer", f"restart it, {_OFF}") from error
    if child.returncode:
        words = complaint.decode(errors="replace").strip().splitlines()
        reason = words[0].rpartition(": ")[2] if words else f"pactl ends with {child.returncode}"
        if reason == "Access denied":
            raise DeviceMissing(
                "the sound server refuses this user: access denied", f"give this user the server's cookie, {_OFF}"
            )
        raise DeviceMissing(f"no sound server can be reached: {reason}", f"start PulseAudio or PipeWire, {_OFF}")
    return said.decode(errors="replace")


def _sources(listed: str) -> Iterator[Source]:
    """Read what `pactl list sources` says: a block for each, its facts behind one tab, details deeper."""
    for block in re.split(r"^Source #", listed, flags=re.MULTILINE)[1:]:
        facts: dict[str, str] = {}
        for line in block.splitlines():
            key, parted, value = line[1:].partition(": ")
            if parted and line.startswith("\t") and not key.startswith(("\t", " ")):
                facts.setdefault(key, value)
        name, sink = facts.get("Name", ""), facts.get("Monitor of Sink", "n/a")
        spec = _SPEC.match(facts.get("Sample Specification", ""))
        if name:
            yield Source(
                name=name,
                description=facts.get("Description", "").strip() or name,
                monitor=sink != "n/a",
                rate=int(spec.group(2)) if spec else 0,
                channels=int(spec.group(1)) if spec else 0,
                state=facts.get("State", "").lower(),
                monitor_of="" if sink == "n/a" else sink,
            )
