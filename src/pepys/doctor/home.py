"""Checks of the data folder: can it be written, is there room, do its keys open it, is time what it should be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pepys import limits
from pepys.clock import SystemClock
from pepys.config import config_dir, load_settings, runtime_dir
from pepys.doctor.findings import Finding, less, missing, ok
from pepys.errors import NotFound, PepysError

_UPTIME = Path("/proc/uptime")
_ROOM_BYTES = 4 * limits.DISK_RESERVE_BYTES


def folder(home: Path) -> Iterator[Finding]:
    """Whether the home, or the folder it will be made in, can be written, and how much room there is."""
    existing = next(path for path in (home, *home.parents) if path.exists())
    if not existing.is_dir():
        yield missing("home", f"{existing} is no folder", "name another folder with --home")
        return
    if os.access(existing, os.W_OK | os.X_OK):
        yield ok("home", f"{home}" + ("" if existing == home else " (made with the first recording)"))
    else:
        yield missing("home", f"{existing} cannot be written", "make it writable, or name another folder with --home")
    free = shutil.disk_usage(existing).free
    told = f"{free // 10**6:,} MB free, {limits.DISK_RESERVE_BYTES // 10**6:,} MB of them kept in reserve"
    if free <= limits.DISK_RESERVE_BYTES:
        yield missing("disk", told, "free some space, or name another folder with --home")
    elif free <= _ROOM_BYTES:
        yield less("disk", told, "free some space before a long recording")
    else:
        yield ok("disk", told)


def key(home: Path) -> Iterator[Finding]:
    """Whether the master key opens the home; a passphrase is not asked for."""
    from pepys.store.key_master import Kind, master_key_path, read_kept, rights_problem
    from pepys.store.keys import damaged_copies, is_store, open_keys

    where = master_key_path(config_dir())
    problem = rights_problem(where)  # opening the home mends it
    try:
        kept = read_kept(where)
        if not is_store(home):
            yield ok("key", f"{where} (there, or made with the first recording)")
        elif kept is not None and kept.kind is Kind.PASSPHRASE:
            yield ok("key", f"{where}, under a passphrase; pepys key check tries it")
        else:
            damaged = damaged_copies(home)
            open_keys(home, config_dir(), create=False)
            ring = ", from the system's keyring," if kept is not None and kept.kind is Kind.KEYRING else ""
            if damaged:
                yield less(
                    "key", f"not whole: {', '.join(map(str, damaged))}", "see that it is restored: pepys key check"
                )
            else:
                yield ok("key", f"{where}{ring} opens the home")
    except NotFound as error:
        yield less("key", error.message, error.remedy)
    except PepysError as error:
        yield missing("key", error.message, error.remedy)
    if problem:
        if rights_problem(where):
            yield less("key rights", problem, f"make it yours alone: chmod 600 {where}")
        else:
            remedy = "if somebody may have read it: pepys key change"
            yield less("key rights", f"{problem}; it is yours alone now", remedy)


def sockets(home: Path) -> Iterator[Finding]:
    """The folder of the control sockets, and the settings."""
    try:
        yield ok("sockets", str(runtime_dir(home)))
    except PepysError as error:
        yield missing("sockets", error.message, error.remedy)
    try:
        load_settings()
        yield ok("settings", str(config_dir() / "config.toml"))
    except PepysError as error:
        yield missing("settings", error.message, error.remedy)


def clock() -> Iterator[Finding]:
    """Whether time goes on through suspend, and whether boots can be told apart."""
    system = SystemClock()
    if system.boot_id().startswith("process-"):
        yield less(
            "clock", "the system does not name its boots", "spans of different processes are placed by wall time"
        )
        return
    try:
        uptime_s = float(_UPTIME.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        yield less("clock", "the system does not tell its uptime", "a suspend may show as a gap of the wrong length")
        return
    if abs(uptime_s - system.now_ns() / limits.NS_PER_S) < 2:
        yield ok("clock", "counts suspend (CLOCK_BOOTTIME), boots are named")
    else:
        yield less("clock", "does not count suspend", "a suspend may show as a gap of the wrong length")
