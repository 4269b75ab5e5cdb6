"""The file that tells where a session's recorder is, so that the next host finds and adopts it.

A process id alone may have been given to another program since: its start time and the boot id make it one process.
A copy of a home has a copy of the file too: the folder it was written in is named, so that only that home is meant.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pepys.clock import Clock
from pepys.errors import StorageProblem
from pepys.record.spec import PROTOCOL
from pepys.store.files import make_folder, private_file

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
    place: str = ""


def write_run_file(path: Path, session: str, socket: str, clock: Clock) -> RunFile:
    """Write this process's file, whole or not at all.

    Raises:
        StorageProblem: it cannot be written.
    """
    new = path.with_suffix(".new")
    try:
        make_folder(path.parent)
        pid = os.getpid()
        told = RunFile(session, pid, process_start(pid), clock.boot_id(), PROTOCOL, socket, place_of(path))
        with open(new, "w", encoding="utf-8", opener=private_file) as file:
            file.write(json.dumps(asdict(told)))
        new.replace(path)
    except OSError as error:
        raise StorageProblem(f"{path} cannot be written: {error.strerror}", "free space, or check rights") from error
    return told


def read_run_file(path: Path) -> RunFile | None:
    """Read a run file; None when it is missing, no such file, or a copy of another home's."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        told = RunFile(
            str(value["session"]), int(value["pid"]), int(value["pid_start"]), str(value["boot_id"]),
            int(value["protocol"]), str(value["socket"]), str(value["place"]),
        )  # fmt: skip
        return told if told.place == place_of(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def place_of(path: Path) -> str:
    """What tells the folder of a file from a copy of it: its device and inode.

    Raises:
        OSError: the folder cannot be looked at.
    """
    folder = path.parent.stat()
    return f"{folder.st_dev}:{folder.st_ino}"


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
