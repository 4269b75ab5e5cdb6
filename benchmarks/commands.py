"""How long a user waits for the commands that are called often: a cold start of the whole program, wall time.

The peer of each is a Python that starts and does nothing, in the same run: the floor under any command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Row, spread, write
from pepys.clock import SystemClock
from pepys.demo.servers import XServer
from pepys.model.events import FocusChanged, SessionStarted, SpanEnded, SpanStarted
from pepys.model.ids import new_session_id
from pepys.store.store import Store, open_store
from pepys.store.writer import SessionWriter

SESSIONS = 1_000
RUNS = 9
STATUS_BAR_MS = 200.0
LIST_BAR_MS = 400.0


def main() -> bool:
    """Measure and write the rows; True when every bar is held."""
    with tempfile.TemporaryDirectory(prefix="pepys-bench-", dir="/tmp") as folder:
        env = _environment(Path(folder))
        os.environ.update(env)
        _fill(open_store(Path(env["PEPYS_HOME"])), SESSIONS)
        program = [str(Path(sys.executable).with_name("pepys"))]
        _wall_ms([*program, "list"])
        listed = [_wall_ms([*program, "list"]) for _ in range(RUNS)]
        floor = [_wall_ms([sys.executable, "-c", "pass"]) for _ in range(RUNS)]
        status, note = _while_recording(program)
    rows = [
        Row("python that does nothing, ms", spread(floor, ".0f"), "-", None),
        Row("`pepys status` while recording, ms", spread(status, ".0f"), "< 200", max(status) < STATUS_BAR_MS),
        Row("`pepys note` while recording, ms", spread(note, ".0f"), "< 200", max(note) < STATUS_BAR_MS),
        Row(f"`pepys list`, {SESSIONS} sessions, ms", spread(listed, ".0f"), "< 400", max(listed) < LIST_BAR_MS),
    ]
    write(
        "commands",
        "make bench ARGS=commands",
        rows,
        f"Median of {RUNS} (minimum to maximum); the bar holds for the maximum.",
    )
    return all(row.held is not False for row in rows)


def _environment(folder: Path) -> dict[str, str]:
    names = {"HOME": "user", "XDG_CONFIG_HOME": "config", "XDG_RUNTIME_DIR": "run", "PEPYS_HOME": "home"}
    for name in names.values():
        (folder / name).mkdir(mode=0o700)
    return {key: str(folder / name) for key, name in names.items()}


def _fill(store: Store, sessions: int) -> None:
    clock = SystemClock()
    for number in range(sessions):
        wall_ns = clock.wall_ns() - number * 3_600_000_000_000
        session = new_session_id(wall_ns)
        header = SessionStarted(session, f"Session number {number}", wall_ns, store.keys.device_id, ("made",))
        writer = SessionWriter.create(store, header)
        writer.append(
            SpanStarted(0, 0, 0, clock.boot_id(), clock.now_ns(), wall_ns),
            FocusChanged(0, "Editor", f"file {number}"),
            SpanEnded(0, 60_000_000_000, 60_000_000_000),
        )
        writer.end(60_000_000_000)


def _wall_ms(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def _while_recording(program: Sequence[str]) -> tuple[list[float], list[float]]:
    with XServer() as server:
        command = [
            *program,
            "record",
            "bench",
            "--display",
            server.display,
            "--audio",
            "off",
            "--shots",
            "off",
            "--json",
        ]
        with subprocess.Popen(
            command, env={**os.environ, **server.env}, stdout=subprocess.PIPE, text=True
        ) as recording:
            assert recording.stdout is not None
            for line in recording.stdout:
                if '"recording"' in line:
                    break
            status = [_wall_ms([*program, "status"]) for _ in range(RUNS)]
            note = [_wall_ms([*program, "note", "a thought"]) for _ in range(RUNS)]
            recording.send_signal(signal.SIGINT)
            recording.communicate(timeout=30)
    return status, note
