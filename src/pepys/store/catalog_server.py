"""The catalog of a home in a schema of a PostgreSQL server: whose it is, its version, making and taking it over.

Each store has a schema of its own, named by its key's fingerprint. The table `kept` says of which version its tables
are, which home they were made of and when; it is written last, in the transaction that makes them: a schema without it
holds nothing. Making, migrating and emptying wait for each other under a lock of the server. The home it was made of
is a folder on a machine: another one under the same key, a copy, is refused until `pepys rebuild` there takes the
schema over; one that was moved takes it along. Connections, errors and the search index: `postgres`.
"""

from __future__ import annotations

import logging
import platform
import secrets
from pathlib import Path
from typing import Any, Final

from pepys.errors import NewerFormat, StorageProblem
from pepys.limits import CATALOG_REST_NS
from pepys.store.catalog_database import CatalogDatabase, CatalogPlace, CatalogUnreachable, CatalogUnusable
from pepys.store.keys import is_store
from pepys.store.postgres import PostgresDatabase, connect
from pepys.store.store import Store
from pepys.store.versions import SERVER_FROM, VERSIONS

_LOG = logging.getLogger(__name__)
_NAME: Final = "catalog"
_KEPT: Final = "SELECT version, home, machine, made FROM kept"
_resting: dict[str, tuple[int, CatalogUnreachable]] = {}
"""By URL: until when a server that could not be reached is left alone, in this process, and what it said."""
_away: set[str] = set()
"""The URLs of those of which was told that they cannot be reached, and which did not answer since."""


class ServerPlace:
    """A catalog on a server; a question that it cannot answer now is put to the place that follows."""

    readers_move = True
    begins_empty = False

    def __init__(self, store: Store, url: str, following: CatalogPlace) -> None:
        """Reach for nothing yet.

        Args:
            store: whose catalog.
            url: `postgresql://...` of the database.
            following: what answers while the server does not.
        """
        self.following: CatalogPlace | None = following
        self._store = store
        self._url = url

    def tell_away(self, error: CatalogUnreachable) -> None:
        """See `CatalogPlace.tell_away`: a page asks again and again, and would fill the log of a service."""
        if self._url not in _away:
            _away.add(self._url)
            _LOG.warning("pepys: %s; the answer comes from the catalog in the home", error.message)

    def open(self) -> PostgresDatabase:
        """Connect, and make or migrate what is there, as `CatalogPlace.open` says.

        Raises:
            NewerFormat: it is of a newer version than this pepys knows.
            StorageProblem: it belongs to another home of the same key.
        """
        database = self._connect()
        try:
            kept = _kept(database)
            if kept is None:
                kept = self._make(database, anew=False)
            version, home, machine, made = kept
            self._refuse_newer(database, version)
            if version < VERSIONS[_NAME]:
                self._migrate(database)
            if (home, machine) != self._whose():
                self._take_along(database, home, machine)
        except BaseException:
            database.close()
            raise
        database.made = made
        return database

    def is_current(self, database: CatalogDatabase) -> bool:
        """Always: tables that were made anew are found by their names."""
        return True

    def delete(self, database: CatalogDatabase | None = None) -> None:
        """Drop the tables, unless another process has made them anew since `database` was opened."""
        connection = self._connect()
        try:
            with connection.at_once("tables") as transaction:
                _lock(transaction, connection.schema)
                kept = _kept_within(transaction, connection.schema)
                if not isinstance(database, PostgresDatabase) or kept is None or kept[3] == database.made:
                    _drop(transaction, connection.schema)
        finally:
            connection.close()

    def begin(self) -> PostgresDatabase:
        """Make every table anew, for this home, whosever they were."""
        _resting.pop(self._url, None)
        database = self._connect()
        try:
            kept = _kept(database)
            if kept is not None:
                self._refuse_newer(database, kept[0])
            database.made = self._make(database, anew=True)[3]
        except BaseException:
            database.close()
            raise
        return database

    # --- within

    def _connect(self) -> PostgresDatabase:
        now_ns = self._store.clock.now_ns()
        until_ns, said = _resting.get(self._url, (0, None))
        if said is not None and now_ns < until_ns:
            # A new one: the same, raised again and again, would keep every frame that it went through.
            raise CatalogUnreachable(said.message, said.remedy)
        try:
            database = connect(self._url, f"pepys_{self._store.keys.fingerprint()}")
        except CatalogUnreachable as error:
            # Who asks next is not to wait as long again.
            _resting[self._url] = self._store.clock.now_ns() + CATALOG_REST_NS, error
            raise
        if self._url in _away:
            _away.discard(self._url)
            _LOG.warning("pepys: the PostgreSQL server %s answers again", database.place)
        return database

    def _whose(self) -> tuple[str, str]:
        return str(self._store.path.resolve()), platform.node()

    def _make(self, database: PostgresDatabase, *, anew: bool) -> tuple[int, str, str, str]:
        """Make the tables, unless somebody else just did; `anew` drops those there are."""
        from sqlalchemy import text

        from pepys.store.postgres_tables import prepare
        from pepys.store.schema import METADATA

        home, machine = self._whose()
        with database.at_once("tables") as transaction:
            _lock(transaction, database.schema)
            there = _kept_within(transaction, database.schema)
            if there is not None and not anew:
                return there
            found = transaction.execute(
                text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": database.schema}
            )
            if found.first() is None:
                transaction.exec_driver_sql(f'CREATE SCHEMA "{database.schema}"')
            prepare(transaction)
            _drop(transaction, database.schema)
            METADATA[_NAME].create_all(transaction, checkfirst=False)
            kept = VERSIONS[_NAME], home, machine, secrets.token_hex(8)
            names = dict(zip(("version", "home", "machine", "made"), kept, strict=True))
            transaction.execute(text("INSERT INTO kept VALUES (:version, :home, :machine, :made)"), names)
        return kept

    def _migrate(self, database: PostgresDatabase) -> None:
        """Bring the tables to the newest version, in one transaction.

        Raises:
            CatalogUnusable: no pepys ever made such tables there.
        """
        from pepys.store.migrations import upgrade

        with database.at_once("migration") as transaction:
            _lock(transaction, database.schema)
            kept = _kept_within(transaction, database.schema)
            if kept is None or kept[0] < SERVER_FROM:
                raise CatalogUnusable("the catalog on the server is of no version there ever was")
            if kept[0] < VERSIONS[_NAME]:
                upgrade(transaction, _NAME, kept[0])

    def _refuse_newer(self, database: PostgresDatabase, version: int) -> None:
        if version > VERSIONS[_NAME]:
            raise NewerFormat.of(f"the catalog on {database.place}", version, VERSIONS[_NAME])

    def _take_along(self, database: PostgresDatabase, home: str, machine: str) -> None:
        """Note that this home is the one, where the one it was made of is here no more.

        Raises:
            StorageProblem: it may still be there.
        """
        mine, here = self._whose()
        if machine != here or is_store(Path(home)):
            where = home if machine == here else f"{home} on {machine}"
            raise StorageProblem(
                f"the catalog on {database.place} is that of another home with the same key, {where}",
                "pepys rebuild makes it that of this home; or give this home another database, or none",
            )
        with database.transaction("catalog.taken"):
            database.change("UPDATE kept SET home = ? WHERE home = ? AND machine = ?", (mine, home, machine))


def _kept(database: PostgresDatabase) -> tuple[int, str, str, str] | None:
    """What is noted of the tables; None where there are none."""
    try:
        rows = database.execute(_KEPT)
    except CatalogUnusable:
        return None
    return rows[0] if rows else None


def _kept_within(transaction: Any, schema: str) -> tuple[int, str, str, str] | None:
    """The same within a transaction, which a question for a missing table would end."""
    if transaction.exec_driver_sql("SELECT to_regclass(%s)", (f'"{schema}".kept',)).scalar() is None:
        return None
    found = transaction.exec_driver_sql(_KEPT).first()
    return None if found is None else tuple(found)


def _lock(transaction: Any, schema: str) -> None:
    """Let nobody else make, migrate or drop the tables until the transaction ends."""
    transaction.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (schema,))


def _drop(transaction: Any, schema: str) -> None:
    """Drop every table of the schema, which may be all that its user may do there."""
    names = transaction.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).scalars()
    for name in list(names):
        transaction.exec_driver_sql(f'DROP TABLE IF EXISTS "{schema}"."{name}" CASCADE')
