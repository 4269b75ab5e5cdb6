"""How long a user waits for the commands that are called often: a cold start of the whole program, wall time.

The peer of each is a Python that starts and does nothing, in the same run: the floor under any command.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pepys.bench.figures import Figure
from pepys.bench.recorders import Place, forget_settings, make_place, recording, silent
from pepys.clock import Clock, SystemClock
from pepys.demo.child import program
from pepys.demo.servers import XServer
from pepys.limits import NS_PER_MS
from pepys.model.events import FocusChanged, SessionStarted, SpanEnded, SpanStarted
from pepys.model.ids import new_session_id
from pepys.modules import module_words
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter

SESSIONS: Final = 1_000
RUNS: Final = 9
STATUS_BAR_MS: Final = 200.0
LIST_BAR_MS: Final = 400.0
_HOUR_NS: Final = 3_600_000_000_000
_SPAN_NS: Final = 60_000_000_000


def run(runs: int, say: Callable[[str], None]) -> list[Figure]:
    """Measure.

    Args:
        runs: how often each command is called.
        say: takes a line for people about what goes on.

    Raises:
        DeviceMissing: Xvfb is missing.
    """
    program("Xvfb", "xvfb")
    forget_settings()
    clock = SystemClock()
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir=short) as folder, XServer() as display:
        place = make_place(Path(folder) / "p", display.env)
        say(f"making {SESSIONS} sessions")
        _fill(_new_store(place), SESSIONS, clock)
        command = _program()
        _wall_ms([*command, "list"], place.env, clock)
        say("calling commands")
        listed = [_wall_ms([*command, "list"], place.env, clock) for _ in range(runs)]
        floor = [_wall_ms([sys.executable, "-c", "pass"], place.env, clock) for _ in range(runs)]
        with recording(place, silent([])):
            status = [_wall_ms([*command, "status"], place.env, clock) for _ in range(runs)]
            note = [_wall_ms([*command, "note", "a thought"], place.env, clock) for _ in range(runs)]
    return [
        _waited("python", "python that does nothing", floor, None),
        _waited("status", "`pepys status` while recording", status, STATUS_BAR_MS),
        _waited("note", "`pepys note` while recording", note, STATUS_BAR_MS),
        _waited("list", f"`pepys list`, {SESSIONS} sessions", listed, LIST_BAR_MS),
    ]


def _waited(name: str, what: str, values: Sequence[float], bar: float | None) -> Figure:
    # Nobody waits for a median: the bar holds for the longest.
    return Figure(
        "commands", "", name, f"{what}, longest", max(values), "ms", min(values), max(values), bar, below=True,
        said=f"median {statistics.median(values):.0f}",
    )  # fmt: skip


def _new_store(place: Place) -> Store:
    return open_store(place.home, config_dir=Path(place.env["XDG_CONFIG_HOME"]) / "pepys")


def _program() -> list[str]:
    """The program as a user calls it, where it is installed beside this Python."""
    beside = Path(sys.executable).with_name("pepys")
    return [str(beside)] if beside.is_file() else module_words("pepys")


def _fill(store: Store, sessions: int, clock: Clock) -> None:
    for number in range(sessions):
        wall_ns = clock.wall_ns() - number * _HOUR_NS
        session = new_session_id(wall_ns)
        header = SessionStarted(session, f"Session number {number}", wall_ns, store.keys.device_id, ("made",))
        writer = SessionWriter.create(store, header)
        writer.append(
            SpanStarted(0, 0, 0, clock.boot_id(), clock.now_ns(), wall_ns),
            FocusChanged(0, "Editor", f"file {number}"),
            SpanEnded(0, _SPAN_NS, _SPAN_NS),
        )
        writer.end(_SPAN_NS)


def _wall_ms(command: Sequence[str], env: Mapping[str, str], clock: Clock) -> float:
    begun_ns = clock.now_ns()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **env})
    return (clock.now_ns() - begun_ns) / NS_PER_MS
