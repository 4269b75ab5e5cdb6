"""The room that is left on the disk of a home: what a status tells before a recorder does, and what a start needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.errors import StorageProblem


def room(home: Path) -> dict[str, Any]:
    """The `disk` of a status; nobody knows how long the room lasts while nothing is recorded."""
    try:
        return {"free_bytes": shutil.disk_usage(home).free, "seconds_left": None}
    except OSError:
        return {"free_bytes": None, "seconds_left": None}


def require_room(home: Path) -> None:
    """Refuse to begin where less than the reserve is free.

    Raises:
        StorageProblem: there is too little room.
    """
    free = room(home)["free_bytes"]
    if free is not None and free < limits.DISK_RESERVE_BYTES:
        raise StorageProblem(
            f"{home} has {free // 1_000_000} MB left, less than the reserve of "
            f"{limits.DISK_RESERVE_BYTES // 1_000_000} MB", "free space, or choose another folder with --home",
        )  # fmt: skip
