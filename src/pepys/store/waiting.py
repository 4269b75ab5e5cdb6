"""Which jobs have not ended, by literal SQL: a process that only wants to know that loads no SQLAlchemy.

Nothing is made, changed or repaired here: where the database is missing or damaged there is no job to know of, and
`work` makes good for it when the next one is asked for.
"""

from __future__ import annotations

import contextlib
from typing import Final

from pepys.store import database as db
from pepys.store.store import Store

ENDED: Final = ("done", "failed", "cancelled")
"""States of a job that has ended."""

_UNDER_WAY: Final = "SELECT session, state FROM jobs WHERE state IN ('queued', 'running') ORDER BY created_wall_ns, id"


def under_way(store: Store) -> list[tuple[str, str]]:
    """Session and state, `queued` or `running`, of each job that has not ended, oldest first. Blocks."""
    path = store.database_path("work")
    if not path.exists():
        return []
    try:
        with contextlib.closing(db.connect(path, store.keys.database_key("work"), "ro")) as connection:
            return [(str(session), str(state)) for session, state in connection.execute(_UNDER_WAY)]
    except db.DatabaseError:
        return []
