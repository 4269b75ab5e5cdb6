"""The room that is left on the disk of a home: what a status tells before a recorder does, and what a start needs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from pepys import limits
from pepys.errors import StorageProblem
from pepys.record.disk import Looks, Room, look_at, require_reserve


def room(home: Path) -> dict[str, Any]:
    """The `disk` of a status while nothing is recorded; waits `limits.DISK_ANSWER_S` at most.

    How long the room lasts is told at the rate of a busy screen with sound, for no other is known.
    """
    with contextlib.suppress(StorageProblem):
        return _told(_look(home))
    return {"free_bytes": None, "seconds_left": None, "warning": ""}


def require_room(home: Path) -> dict[str, Any]:
    """Refuse to begin where less than the reserve is free; waits `limits.DISK_ANSWER_S` at most.

    Returns:
        The `disk` of a status, so that the time left can be told at the start.

    Raises:
        StorageProblem: there is too little room, the home is read-only, or its disk does not answer.
    """
    found = _look(home)
    if found.read_only:
        raise StorageProblem(f"the home {home} is read-only", "choose a writable folder with --home")
    require_reserve(found.free_bytes, limits.DISK_RESERVE_BYTES)
    return _told(found)


def _told(found: Room) -> dict[str, Any]:
    left_s = max(0, found.free_bytes - limits.DISK_RESERVE_BYTES) // limits.DISK_USUAL_BYTES_A_S
    low = left_s < limits.DISK_LOW_S[0]
    return {"free_bytes": found.free_bytes, "seconds_left": left_s, "warning": "low" if low else ""}


def _look_above(home: Path) -> Room:
    """A home that is yet to be made lies on the disk of the folder above."""
    return look_at(next((path for path in (home, *home.parents) if path.is_dir()), home))


def _look(home: Path) -> Room:
    looks = Looks(home, _look_above)
    try:
        looks.ask()
        if not looks.wait(limits.DISK_ANSWER_S):
            raise StorageProblem(f"the disk of {home} does not answer", "look what holds it up, then try again")
        found = looks.found
    finally:
        looks.close()
    if not isinstance(found, Room):
        raise StorageProblem(f"the home {home} cannot be read: {found}", "see that the folder exists and is yours")
    return found
