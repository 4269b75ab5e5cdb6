"""A catalog's database on a PostgreSQL server: statements, transactions, and a connection that is lost and made again.

Statements are the literal SQL of the catalog, with `?` for a value. Invariants: writers of one catalog wait for each
other, as they do with the file, so that none can deadlock; no statement takes longer than its time, whether the server
says so or hangs; a connection that was lost between two transactions is made again, once. One thread at a time.
psycopg is imported by `connect`, not before.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pepys.limits import POSTGRES_MAKING_MS
from pepys.store.postgres_address import Address, address
from pepys.store.trigger import reach

if TYPE_CHECKING:
    from sqlalchemy import Connection as SqlConnection

    from pepys.store.postgres_connection import Watched
    from pepys.store.search import SearchIndex

Rows = list[tuple[Any, ...]]
_Answer = TypeVar("_Answer")
_SCHEMA: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SIGN: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[?%]")


def connect(url: str, schema: str) -> PostgresDatabase:
    """Connect to a server; `schema` need not be there yet.

    Args:
        url: `postgresql://...`, as libpq takes it.
        schema: the name of the catalog's own schema: small letters, digits and `_`.

    Raises:
        Usage: the URL cannot be understood, or would send text over a network without TLS.
        DeviceMissing: the package psycopg is not installed.
        CatalogUnreachable: the server is down, starting, full, or does not answer within some seconds.
        StorageProblem: it does not let this user in, or the database cannot hold every text.
    """
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(f"{schema!r} is no name for a schema")
    return PostgresDatabase(address(url), schema)


class PostgresDatabase:
    """An open database on a server, as `catalog_database.CatalogDatabase` says.

    Attributes:
        writable: whether what moved can be written into it: always.
        place: "host:port/database", for messages.
        schema: the catalog's.
        made: what tells its tables from those made later; noted by whoever opened them.
    """

    writable = True

    def __init__(self, address: Address, schema: str) -> None:
        self.place = address.place
        self.schema = schema
        self.made = ""
        self._address = address
        self._within = False
        self._connection: Watched = self._connect()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """All rows of a question; none of a statement that gives none."""

        def ask(connection: Watched) -> Rows:
            cursor = connection.execute(_translated(statement), values)
            return cursor.fetchall() if cursor.description else []

        return self._insist(ask)

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        with self._errors():
            return self._connection.execute(_translated(statement), values).rowcount

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change by the same statement with other values, many times."""
        with self._errors(), self._connection.cursor() as cursor:
            cursor.executemany(_translated(statement), rows)

    def copy(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add many rows at once, in their order."""
        statement = f"COPY {table} ({columns}) FROM STDIN".encode()
        with self._errors(), self._connection.cursor() as cursor, cursor.copy(statement) as copying:
            for row in rows:
                copying.write_row(row)

    @contextlib.contextmanager
    def transaction(self, point: str) -> Iterator[None]:
        """One short write transaction; `point` names its trigger points. It waits for another writer's to end."""
        # What BEGIN IMMEDIATE is to the file. The name has no sign that would end the literal (`connect`).
        begin = f"BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('{self.schema}', 0))".encode()
        try:
            self._insist(lambda connection: connection.execute(begin))
            self._within = True
            yield
            reach(f"{point}.before_commit")
            with self._errors():
                self._connection.execute(b"COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._within = False
        reach(f"{point}.committed")

    @contextlib.contextmanager
    def at_once(self, point: str) -> Iterator[SqlConnection]:
        """A transaction in which SQLAlchemy works over this connection, with the time that making tables takes.

        Errors are those of the other methods, not SQLAlchemy's; `point` names its trigger points.
        """
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import StaticPool

        self._insist(lambda connection: connection.execute(b"SELECT 1"))
        connection = self._connection
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool, use_native_hstore=False
        )
        usual, connection.statement_ms, self._within = connection.statement_ms, POSTGRES_MAKING_MS, True
        try:
            with self._errors():
                try:
                    with engine.begin() as transaction:
                        transaction.exec_driver_sql("BEGIN")
                        transaction.exec_driver_sql(f"SET LOCAL statement_timeout = {POSTGRES_MAKING_MS}")
                        yield transaction
                        reach(f"{point}.before_commit")
                except DBAPIError as error:
                    raise (error.orig or error) from error
        finally:
            connection.statement_ms, self._within = usual, False
        reach(f"{point}.committed")

    def search(self) -> SearchIndex:
        """The search index in it; `index` and `forget` within the caller's transaction."""
        from pepys.store.postgres_search import PostgresIndex

        return PostgresIndex(self)

    def close(self) -> None:
        """Let go of it; never raises."""
        self._connection.close()

    # --- within

    def _connect(self) -> Watched:
        from pepys.store.postgres_connection import connect_watched

        return connect_watched(self._address, self.schema)

    def _insist(self, work: Callable[[Watched], _Answer]) -> _Answer:
        """Do what begins anew; once more on a new connection where the server was started again since."""
        from pepys.store.catalog_database import CatalogUnreachable

        try:
            with self._errors():
                return work(self._connection)
        except CatalogUnreachable:
            if self._within or not self._connection.closed or self._connection.told_silence():
                raise
        self._connection = self._connect()
        with self._errors():
            return work(self._connection)

    def _errors(self) -> AbstractContextManager[None]:
        from pepys.store.postgres_errors import translated

        return translated(self._address)

    def _roll_back(self) -> None:
        """Leave a transaction that failed; a server that cannot be told has left it by itself."""
        import psycopg

        with contextlib.suppress(psycopg.Error):
            if not self._connection.closed:
                self._connection.execute(b"ROLLBACK")


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    """A statement with psycopg's marks for values: `?` outside of literals is one, `%` is not."""
    marks = {"?": "%s", "%": "%%"}
    return _SIGN.sub(lambda found: marks.get(found[0], found[0].replace("%", "%%")), statement).encode()
