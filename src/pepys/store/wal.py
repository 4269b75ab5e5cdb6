"""Keeps the write-ahead file of a database short: checkpoints, one process at a time.

SQLite would let every connection checkpoint when its own commit comes by, two of them at once, and starve where some
reader is always there. Here no connection does so by itself: who has committed looks at the file, and one process,
under a lock, moves it into the database and empties it. Where readers keep it from being emptied, writers go on; past
`WAL_MOST_BYTES` each of them waits for the readers a while, so that one that never ends slows writers and does not
fill the disk.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from pepys.limits import DATABASE_BUSY_MS, WAL_BYTES, WAL_MOST_BYTES, WAL_WAIT_MS
from pepys.store.disk import DISK, LOCK
from pepys.store.trigger import reach

_CHECKPOINT: Final = "PRAGMA wal_checkpoint(TRUNCATE)"


def keep_short(connection: Any) -> None:
    """Checkpoint when the file has grown and nobody else does; for after a commit.

    Args:
        connection: to any database, in no transaction; one in memory, or one that cannot be written, is left alone.

    A full disk, or a lock that cannot be made, leaves it to the next one: what was committed stays so.

    Raises:
        DatabaseError: the database is damaged.
    """
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    if not file:
        return
    path = Path(file)
    size = _size(path)
    if size < WAL_BYTES:
        return
    with contextlib.suppress(OSError, dbapi2.OperationalError):
        lock = DISK.open(path.parent / "locks" / f"{path.stem}.checkpoint.lock", LOCK)
        try:
            if DISK.lock(lock, wait=False):
                # In the time that getting here took, another process may have emptied it.
                _checkpoint(connection, _size(path))
        finally:
            DISK.close(lock)


def _checkpoint(connection: Any, size: int) -> None:
    if size < WAL_BYTES:
        return
    connection.execute(f"PRAGMA busy_timeout = {WAL_WAIT_MS if size >= WAL_MOST_BYTES else 0}")
    try:
        reach("wal.before_checkpoint")
        connection.execute(_CHECKPOINT).fetchone()
        reach("wal.checkpointed")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {DATABASE_BUSY_MS}")


def _size(path: Path) -> int:
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0
