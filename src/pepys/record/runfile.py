"""The file that tells where a session's recorder is, so that the next host finds and adopts it.

A process id alone may have been given to another program since: its start time and the boot id make it one process.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pepys.clock import Clock
from pepys.errors import StorageProblem
from pepys.record.spec import PROTOCOL
from pepys.store.files import private_file

_START_FIELD = 19  # of /proc/<pid>/stat, counted after the command's closing parenthesis


@dataclass(frozen=True, slots=True)
class RunFile:
    """What the file says."""

    session: str
    pid: int
    pid_start: int
    boot_id: str
    protocol: int
    socket: str


def write_run_file(path: Path, session: str, socket: str, clock: Clock) -> RunFile:
    """Write this process's file, whole or not at all.

    Raises:
        StorageProblem: it cannot be written.
    """
    told = RunFile(session, os.getpid(), process_start(os.getpid()), clock.boot_id(), PROTOCOL, socket)
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(new, "w", encoding="utf-8", opener=private_file) as file:
            file.write(json.dumps(asdict(told)))
        new.replace(path)
    except OSError as error:
        raise StorageProblem(f"{path} cannot be written: {error.strerror}", "free space, or check rights") from error
    return told


def read_run_file(path: Path) -> RunFile | None:
    """Read a run file; None when it is missing or no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return RunFile(
            str(value["session"]), int(value["pid"]), int(value["pid_start"]), str(value["boot_id"]),
            int(value["protocol"]), str(value["socket"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def still_runs(told: RunFile, clock: Clock) -> bool:
    """Whether that very process is alive."""
    if told.boot_id != clock.boot_id():
        return False
    try:
        os.kill(told.pid, 0)
    except PermissionError:
        pass
    except OSError:
        return False
    return process_start(told.pid) == told.pid_start


def process_start(pid: int) -> int:
    """When a process began, in the kernel's ticks since boot; 0 where it is over or the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    # One that has ended and waits for its parent to notice is over.
    return 0 if fields[0] in {"Z", "X"} else int(fields[_START_FIELD])
