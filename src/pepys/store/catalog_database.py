"""Where a catalog lies: the seam between what is asked of it (`catalog`) and the database that holds it.

A `CatalogPlace` opens a `CatalogDatabase`: the file in the home (here), memory (here), or a schema of a PostgreSQL
server (`catalog_server`). Statements are literal SQL that both dialects take, with `?` for a value. What goes wrong is
one of three kinds: `CatalogUnusable` (made anew), `CatalogUnreachable` (answered from the next place), and any other
`PepysError`, which the user has to decide about. Nothing else leaves a database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from pepys.errors import Damaged, StorageProblem
from pepys.store import database as db
from pepys.store.documents import Document
from pepys.store.search import Filters, FtsIndex, Hit, SearchIndex
from pepys.store.store import Store
from pepys.store.versions import VERSIONS

Rows = list[tuple[Any, ...]]
_NAME: Final = "catalog"
_NOT_OURS: Final = ("no such ", "malformed ", "vtable constructor failed")
"""How SQLite begins to say of a file that opens that tables, columns or what is in them are not those of a catalog."""


class CatalogUnusable(Exception):
    """What is there is no catalog of this store, or is damaged: nothing is lost by making it anew."""


class CatalogUnreachable(StorageProblem):
    """It cannot be read or written now: busy, full, read-only, or a server that is down or does not answer."""

    @property
    def code(self) -> str:
        """For machines it is any storage problem."""
        return "storage_problem"


class CatalogDatabase(Protocol):
    """An open database with the tables of a catalog, of this version; one thread at a time.

    Attributes:
        writable: whether what moved can be written into it.

    Every method raises `CatalogUnusable` where a table is missing or damaged, `CatalogUnreachable` where it cannot be
    reached or written now.
    """

    writable: bool

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """All rows of a question."""
        ...

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change by the same statement with other values, many times."""
        ...

    def transaction(self, point: str) -> AbstractContextManager[None]:
        """One short write transaction; `point` names its trigger points. Nothing of it stays where its body raises."""
        ...

    def search(self) -> SearchIndex:
        """The search index in it; `index` and `forget` within the caller's transaction."""
        ...

    def close(self) -> None:
        """Let go of it; never raises."""
        ...


class CatalogPlace(Protocol):
    """Where a catalog is kept.

    Attributes:
        following: where questions are answered from while this place cannot be used; None after the last one.
        readers_move: whether a question that cannot be reached here is put there, or fails.
        begins_empty: whether what is opened here holds nothing yet.
    """

    following: CatalogPlace | None
    readers_move: bool
    begins_empty: bool

    def tell_away(self, error: CatalogUnreachable) -> None:
        """Say that it cannot be used, once until it can be again."""
        ...

    def open(self) -> CatalogDatabase:
        """Open it; made where it is missing, migrated where it is older.

        Raises:
            CatalogUnusable: it has to be made anew.
            CatalogUnreachable: it cannot be opened now.
            PepysError: the user has to decide.
        """
        ...

    def is_current(self, database: CatalogDatabase) -> bool:
        """Whether `open` would open the same: another process may have replaced it."""
        ...

    def delete(self, database: CatalogDatabase | None = None) -> None:
        """Delete what is there; given what was found unusable (closed by now), only where nobody replaced that."""
        ...

    def begin(self) -> CatalogDatabase:
        """Open it empty, whatever was in it; other processes that have it open go on with the empty one."""
        ...


class FileDatabase:
    """A catalog in a database of SQLCipher.

    Attributes:
        connection: to it, in autocommit mode.
        inode: of its file; None in memory.
    """

    def __init__(self, connection: db.Connection, *, writable: bool, inode: tuple[int, int] | None = None) -> None:
        self.connection = connection
        self.writable = writable
        self.inode = inode

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """All rows of a question."""
        with _errors():
            rows: Rows = self.connection.execute(statement, tuple(values)).fetchall()
        return rows

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        with _errors():
            return int(self.connection.execute(statement, tuple(values)).rowcount)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change by the same statement with other values, many times."""
        with _errors():
            self.connection.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self, point: str) -> Iterator[None]:
        """One short write transaction; `point` names its trigger points."""
        with _errors(), db.transaction(self.connection, point):
            yield

    def search(self) -> SearchIndex:
        """The search index in it."""
        return _FileIndex(self.connection)

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(db.DatabaseError):
            self.connection.close()


class _FileIndex(FtsIndex):
    """The index over FTS5, with the errors of this module."""

    def index(self, session: str, started_wall_ns: int, documents: Iterable[Document]) -> None:
        with _errors():
            super().index(session, started_wall_ns, documents)

    def forget(self, session: str) -> None:
        with _errors():
            super().forget(session)

    def search(self, query: str, filters: Filters, limit: int) -> list[Hit]:
        with _errors():
            return super().search(query, filters, limit)


class MemoryPlace:
    """A catalog of this process alone, which no disk ever sees."""

    following: CatalogPlace | None = None
    readers_move = False
    begins_empty = True

    def tell_away(self, error: CatalogUnreachable) -> None:
        """Nothing: it is always there."""

    def open(self) -> FileDatabase:
        """Open a new one."""
        connection = db.connect_memory()
        with _errors():
            db.make_tables(connection, _NAME)
        return FileDatabase(connection, writable=True)

    def is_current(self, database: CatalogDatabase) -> bool:
        """Always: nobody else knows of it."""
        return True

    def delete(self, database: CatalogDatabase | None = None) -> None:
        """Refuse: what is in memory is not damaged by a disk.

        Raises:
            StorageProblem: always.
        """
        raise StorageProblem("the catalog in memory is damaged", "run it again; the memory may be faulty")

    def begin(self) -> FileDatabase:
        """Open a new one."""
        return self.open()


class FilePlace:
    """The catalog in the home, `catalog.db`; one in a home that cannot be written is read as it is."""

    readers_move = False
    begins_empty = False

    def __init__(self, store: Store) -> None:
        self.following: CatalogPlace | None = MemoryPlace()
        self._store = store
        self._path = store.database_path(_NAME)

    def tell_away(self, error: CatalogUnreachable) -> None:
        """Nothing: what a read-only or full home cannot keep is answered all the same."""

    def open(self) -> FileDatabase:
        """Open the file, as `CatalogPlace.open` says."""
        if not self._store.writable:
            return self._open_for_reading()
        try:
            with _errors():
                connection = db.open_database(self._store, _NAME)
        except Damaged as error:
            raise CatalogUnusable(error.message) from error
        except StorageProblem as error:
            raise CatalogUnreachable(error.message, error.remedy) from error
        return FileDatabase(connection, writable=True, inode=_inode(self._path))

    def is_current(self, database: CatalogDatabase) -> bool:
        """Whether the file is the one that was opened, and not deleted or replaced since."""
        return isinstance(database, FileDatabase) and database.inode == _inode(self._path)

    def delete(self, database: CatalogDatabase | None = None) -> None:
        """Delete the file, unless another process has replaced the one given."""
        if not self._store.writable:
            raise CatalogUnreachable(f"{self._path} cannot be written", "make the home writable for you")
        if not isinstance(database, FileDatabase) or self.is_current(database):
            try:
                db.delete_database(self._store, _NAME)
            except StorageProblem as error:
                raise CatalogUnreachable(error.message, error.remedy) from error
            except OSError as error:
                raise CatalogUnreachable(f"{self._path}: {error.strerror}", "see that the home is yours") from error

    def begin(self) -> FileDatabase:
        """Empty the file in place where that can be done: other processes may have it open."""
        try:
            database = self.open()
        except CatalogUnusable:
            self.delete()
            return self.open()
        try:
            db.empty_database(database.connection, _NAME)
        except db.DatabaseError:
            database.close()
            self.delete()
            return self.open()
        return database

    def _open_for_reading(self) -> FileDatabase:
        key = self._store.keys.database_key(_NAME)
        for mode in ("ro", "immutable"):
            with contextlib.suppress(db.DatabaseError):
                if self._path.exists():
                    connection = db.connect(self._path, key, mode)
                    if db.version_of(connection) != VERSIONS[_NAME]:
                        connection.close()
                        break
                    return FileDatabase(connection, writable=False, inode=_inode(self._path))
        raise CatalogUnreachable(f"{self._path} cannot be read or made", "make the home writable for you")


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """What SQLite says, in the kinds of this module."""
    try:
        yield
    except db.OperationalError as error:
        if str(error).startswith(_NOT_OURS):
            raise CatalogUnusable(str(error)) from error
        raise CatalogUnreachable(
            f"the catalog: {error}", "see that the home is yours and its disk has space"
        ) from error
    except db.DatabaseError as error:
        raise CatalogUnusable(str(error)) from error


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino
