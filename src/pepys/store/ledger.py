"""The ledger of money: what each stage of each session cost, append-only, in integer nano-dollars.

Truth: never derived and never touched by `rebuild`. Limits and reservations come with the first stage that costs.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pepys.errors import Damaged, StorageProblem
from pepys.store.database import DatabaseError, OperationalError, connect, refuse_newer, version_of
from pepys.store.store import Store


class Ledger:
    """The ledger of one store. A store that never spent anything has none, which reads as zero."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.database_path("ledger")

    def total_nanos(self, session: str) -> int:
        """What a session has cost so far.

        Raises:
            Damaged: the file is damaged; nobody makes it anew, as nothing else knows what was spent. Or only a newer
                pepys can read it.
        """
        rows = self._read("SELECT coalesce(sum(cost_nanos), 0) FROM spends WHERE session = ?", (session,))
        return int(rows[0][0]) if rows else 0

    def problems(self) -> list[str]:
        """What an integrity check of the file finds; empty when it is sound or not there."""
        try:
            rows = self._read("PRAGMA integrity_check", ())
        except Damaged as error:
            return [error.message]
        return [str(row[0]) for row in rows if row[0] != "ok"]

    def _read(self, statement: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        try:
            with closing(connect(self._path, self._store.keys.database_key("ledger"), "ro")) as connection:
                # An older one is read as it is: only who writes migrates it.
                refuse_newer(self._path, "ledger", version_of(connection))
                found: list[tuple[Any, ...]] = connection.execute(statement, values).fetchall()
                return found
        except OperationalError as error:
            raise StorageProblem(f"{self._path}: {error}", "see that the file is readable for you") from error
        except DatabaseError as error:
            raise Damaged(f"the ledger {self._path} is damaged: {error}", "restore it from a backup") from error
