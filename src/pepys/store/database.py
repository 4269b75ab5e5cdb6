"""Opening a database: SQLCipher under a raw key, and SQLAlchemy over it where that is worth its import.

Invariants: nothing of a database is readable without the key; writers wait for each other (WAL, a busy time-out of
30 s, `BEGIN IMMEDIATE`); a database file appears whole or not at all, and moves to a newer version in one
transaction. A home that cannot be written is read as it is. `wal` keeps the write-ahead files short, `migrations` knows
how to reach each version.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sqlcipher3 import dbapi2

from pepys.errors import Damaged, NewerFormat, StorageProblem
from pepys.limits import DATABASE_BUSY_MS, DATABASE_CACHE_KIB, WAL_BYTES
from pepys.store.files import locked, moved_away, private_file, storage_errors
from pepys.store.store import Store
from pepys.store.trigger import reach
from pepys.store.versions import VERSIONS
from pepys.store.wal import keep_short

if TYPE_CHECKING:
    from sqlalchemy import Connection as SqlConnection
    from sqlalchemy import Engine

Connection = Any
DatabaseError: Final[type[Exception]] = dbapi2.DatabaseError
OperationalError: Final[type[Exception]] = dbapi2.OperationalError
_SUFFIXES: Final = ("", "-wal", "-shm")


def connect(path: Path, key: bytes, mode: str = "rw") -> Connection:
    """A connection in autocommit mode to a database that exists.

    Args:
        path: the file.
        key: 32 raw bytes.
        mode: `rw`, `rwc` (make the file), `ro`, or `immutable` (where not even a lock can be made).

    Raises:
        DatabaseError: it is no database under this key, or cannot be opened.
    """
    if mode != "rwc" and path.exists() and not path.is_file():
        raise DatabaseError(f"{path} is no file")  # opening a FIFO would wait for its other side
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = dbapi2.connect(
        f"file:{quote(str(path))}?{query}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        # What is wrong with a page is raised as well; SQLCipher's own lines about it would reach the user's terminal.
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute(f"PRAGMA busy_timeout = {DATABASE_BUSY_MS}")
        # Every page that is read again is decrypted again: indexing text is several times faster with room for it.
        connection.execute(f"PRAGMA cache_size = -{DATABASE_CACHE_KIB}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mode.startswith("rw"):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # `keep_short` does it, one process at a time; a file that is begun anew does not stay as long as it was.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_memory() -> Connection:
    """A database of this process alone, which no disk ever sees."""
    return dbapi2.connect(":memory:", isolation_level=None, check_same_thread=False)


def open_database(store: Store, name: str) -> Connection:
    """A connection to a database of the store, made with its tables when it is missing, migrated when it is older.

    Raises:
        StorageProblem: it cannot be made, opened or migrated.
        Damaged: it is of a newer version than this pepys knows; it is left as it is.
        DatabaseError: the file is there, but is no database under this store's key, or damaged inside.
    """
    path = store.database_path(name)
    if not path.exists():
        make_database(store, name)
    with _opening(path):
        connection = connect(path, store.keys.database_key(name))
        try:
            version = version_of(connection)
            if version < VERSIONS[name]:
                _migrate(store, name, connection)
            refuse_newer(path, name, version)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StorageProblem(f"{path}: {error}", "see that the home is yours and its disk has space") from error


def version_of(connection: Connection) -> int:
    """The version of a database's tables; 0 where it has none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_newer(path: Path, name: str, version: int) -> None:
    """Let nobody work on tables that only a later pepys knows.

    Raises:
        NewerFormat: `version` is newer than the newest that is known here.
    """
    if version > VERSIONS[name]:
        raise NewerFormat.of(str(path), version, VERSIONS[name])


def outdated(store: Store, name: str) -> bool:
    """Whether a database is missing or of an older version: opening it then loads SQLAlchemy."""
    path = store.database_path(name)
    if not path.exists():
        return True
    try:
        with contextlib.closing(connect(path, store.keys.database_key(name), "ro")) as connection:
            return version_of(connection) < VERSIONS[name]
    except DatabaseError:
        return False


def _migrate(store: Store, name: str, connection: Connection) -> None:
    """Bring the tables to the newest version: in one transaction, so that a kill leaves the old ones or the new."""
    from pepys.store.migrations import upgrade

    with locked(store.path / "locks" / f"{name}.lock"), _at_once(connection, "migration") as transaction:
        # Another process may have been here before the lock.
        version = version_of(connection)
        if version < VERSIONS[name]:
            upgrade(transaction, name, version, store.keys.ledger_key)


def make_database(store: Store, name: str) -> None:
    """Make a database with its tables, unless somebody else just did."""
    path = store.database_path(name)
    with _opening(path), locked(store.path / "locks" / f"{name}.lock"):
        if path.exists():
            return
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            # Made here, so that it and the files that SQLite puts beside it are private.
            with storage_errors(path):
                os.close(private_file(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL))
            connection = connect(temporary, store.keys.database_key(name), "rwc")
            try:
                make_tables(connection, name)
            finally:
                connection.close()
            reach("database.made")
            temporary.replace(path)
        finally:
            for suffix in _SUFFIXES:
                temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def make_tables(connection: Connection, name: str) -> None:
    """Make the tables of database `name` on an open connection.

    Raises:
        DatabaseError: it cannot be written.
    """
    from pepys.store.schema import METADATA

    with _at_once(connection, "tables") as transaction:
        METADATA[name].create_all(transaction)
        connection.execute(f"PRAGMA user_version = {VERSIONS[name]}")


def empty_database(connection: Connection, name: str) -> None:
    """Make every table of a database anew, at once: nobody sees it without them.

    Raises:
        DatabaseError: it is damaged, or cannot be written.
    """
    # SQLCipher writes zeros over every page that a table leaves, and keeps what stood there in memory until all of the
    # table is gone: 1.5 times its bytes. Here the pages themselves go.
    connection.execute("PRAGMA secure_delete = OFF")
    try:
        _drop_and_make(connection, name)
        with contextlib.suppress(DatabaseError):
            connection.execute("VACUUM")  # somebody else writes: the pages are used again
    finally:
        connection.execute("PRAGMA secure_delete = ON")


def _drop_and_make(connection: Connection, name: str) -> None:
    from pepys.store.schema import METADATA

    with _at_once(connection, "tables") as transaction:
        kinds = connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'table')").fetchall()
        for kind in ("trigger", "table"):
            for _, found in (item for item in kinds if item[0] == kind):
                if not found.startswith("sqlite_") and not _is_shadow(found, kinds):
                    connection.execute(f'DROP {kind} IF EXISTS "{found}"')
        METADATA[name].create_all(transaction)
        connection.execute(f"PRAGMA user_version = {VERSIONS[name]}")


@contextlib.contextmanager
def _at_once(connection: Connection, point: str) -> Iterator[SqlConnection]:
    """A write transaction that SQLAlchemy works in; a kill leaves all of it or nothing. `point` names trigger points.

    Raises:
        DatabaseError: the driver's own error, not SQLAlchemy's about it.
    """
    from sqlalchemy.exc import DBAPIError

    try:
        with _engine_over(connection).begin() as transaction:
            transaction.exec_driver_sql("BEGIN IMMEDIATE")
            yield transaction
            reach(f"{point}.before_commit")
    except DBAPIError as error:
        raise (error.orig or error) from error
    reach(f"{point}.committed")
    keep_short(connection)


def _is_shadow(name: str, kinds: list[tuple[str, str]]) -> bool:
    """Whether a table belongs to a search table, which drops it itself."""
    return any(kind == "table" and name != other and name.startswith(f"{other}_") for kind, other in kinds)


def delete_database(store: Store, name: str) -> None:
    """Delete a derived database's files; other processes that have it open find that out by its inode."""
    with locked(store.path / "locks" / f"{name}.lock"):
        path = store.database_path(name)
        _unlink(path)


def _unlink(path: Path) -> None:
    """Delete a database's files.

    Raises:
        Damaged: something else is in the place of one.
    """
    for file in (path.with_name(path.name + suffix) for suffix in _SUFFIXES):
        if file.is_dir():
            raise Damaged(f"{file} is no file", f"move it away ({moved_away(file)}); it is made anew")
        with storage_errors(file):
            file.unlink(missing_ok=True)
        reach("database.unlinked")


def delete_damaged(store: Store, name: str) -> None:
    """Delete a database that loses nothing with it, unless it is sound: another process may just have made it anew."""
    path = store.database_path(name)
    with locked(store.path / "locks" / f"{name}.lock"):
        with (
            contextlib.suppress(DatabaseError),
            contextlib.closing(connect(path, store.keys.database_key(name))) as connection,
        ):
            if connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]:
                return
        _unlink(path)


@contextlib.contextmanager
def transaction(connection: Connection, point: str) -> Iterator[None]:
    """One short write transaction; `point` names its trigger point."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        reach(f"{point}.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    reach(f"{point}.committed")
    keep_short(connection)


def engine(store: Store, name: str) -> Engine:
    """A SQLAlchemy engine for a database of the store; each transaction takes the write lock at its beginning."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    made = create_engine(
        "sqlite://", module=dbapi2, creator=lambda: open_database(store, name), poolclass=NullPool
    )  # fmt: skip

    @event.listens_for(made, "begin")
    def begin(connection: SqlConnection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(made, "close")
    def close(connection: Connection, _: object) -> None:
        with contextlib.suppress(DatabaseError):  # whoever opens it next is told
            keep_short(connection)

    return made


def _engine_over(connection: Connection) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    return create_engine("sqlite://", module=dbapi2, creator=lambda: connection, poolclass=StaticPool)
