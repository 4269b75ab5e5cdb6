"""What processes cost, from procfs: the CPU time of a family, the memory that is a process's own.

Works on Linux, where the measures run.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pepys.errors import DeviceMissing

_PROC = Path("/proc")
_HIGH = -11
"""What PulseAudio gives itself where it may."""


@dataclass(frozen=True, slots=True)
class Account:
    """One process: its parent, and the ticks of CPU it and those it waited for have spent."""

    parent: int
    ticks: int


def read_stat(line: str) -> Account:
    """The account in a line of `/proc/PID/stat`."""
    # The program's name stands in brackets and may hold anything; the numbers follow the last of them.
    fields = line.rpartition(")")[2].split()
    return Account(int(fields[1]), sum(int(value) for value in fields[11:15]))


def accounts() -> dict[int, Account]:
    """Every living process's account."""
    found: dict[int, Account] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = read_stat((entry / "stat").read_text(encoding="utf-8", errors="replace"))
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
    return found


def family(pid: int, every: Mapping[int, Account]) -> set[int]:
    """A process and all below it."""
    members = {pid}
    while more := {child for child, account in every.items() if account.parent in members} - members:
        members |= more
    return members


def cpu_seconds(pid: int) -> float:
    """CPU seconds spent so far by a process, its living descendants, and those of them that were waited for."""
    every = accounts()
    ticks = sum(every[member].ticks for member in family(pid, every) if member in every)
    return ticks / _ticks_a_second()


def family_seconds(pid: int) -> dict[str, float]:
    """The same by the name of the program; the process itself is called `recorder`."""
    every = accounts()
    found: dict[str, float] = {}
    for member in family(pid, every) & set(every):
        name = "recorder" if member == pid else _program(member)
        found[name] = found.get(name, 0.0) + every[member].ticks / _ticks_a_second()
    return found


def hurry(pid: int) -> None:
    """Raise a process's priority as desktops do for their sound servers; without the right to, leave it as it is."""
    if sys.platform != "win32":
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), _HIGH)


def pss_bytes(pid: int) -> int:
    """The memory of one process, pages that it shares counted by their share.

    Raises:
        DeviceMissing: the process is gone, or the system does not tell.
    """
    return read_rollup(_rollup(pid), "Pss")


def rss_bytes(pid: int) -> int:
    """The memory of one process, pages that it shares counted whole: whoever else begins or ends changes nothing.

    Raises:
        DeviceMissing: the process is gone, or the system does not tell.
    """
    return read_rollup(_rollup(pid), "Rss")


def read_rollup(text: str, name: str) -> int:
    """The bytes that a line of `smaps_rollup` tells."""
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def _rollup(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError as error:
        raise DeviceMissing(f"the memory of process {pid} cannot be read: {error.strerror}", "try again") from error


def _program(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "ended"


def _ticks_a_second() -> int:
    if sys.platform == "win32":
        return 100
    return os.sysconf("SC_CLK_TCK")
