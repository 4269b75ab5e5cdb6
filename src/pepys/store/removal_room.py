"""Room that is kept so that a full disk takes a deletion: what a list and a tombstone need, for the one who makes room.

It is a file of random bytes, as some file systems keep no room for others. It is made by the next recovery, or removal,
that finds none; nobody fails for want of it.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
from pathlib import Path
from typing import Final

from pepys.errors import PepysError, StorageProblem
from pepys.store.files import remove_file, replace_file
from pepys.store.store import Store

ROOM_BYTES: Final = 256 * 1024
"""The list of ten hours' blobs, and a tombstone."""
_NAME: Final = "room"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def keep_room(store: Store) -> None:
    """Make the file where there is none and the disk has room for it."""
    path = _path(store)
    with contextlib.suppress(PepysError, OSError):
        if store.writable and not store.disk.exists(path):
            replace_file(path, secrets.token_bytes(ROOM_BYTES), "removal.room", store.disk)


def give_room(store: Store) -> bool:
    """Delete the file, durably; whether there was one."""
    path = _path(store)
    there = store.disk.exists(path)
    remove_file(path, store.disk)
    return there


def is_full(error: StorageProblem) -> bool:
    """Whether the disk, or the user's share of it, has no more room."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def _path(store: Store) -> Path:
    return store.path / _NAME
