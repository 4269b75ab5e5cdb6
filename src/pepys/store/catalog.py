"""The catalog: one row a session and the search index. Derived from heads, journals and blobs, and never trusted.

`refresh` compares a cheap stamp of every session's heads and journal with the one in its row and indexes again what
moved; a catalog that is missing, damaged or of another version is made anew; where the home cannot be written, it is
made in memory. Reading is literal SQL: importing SQLAlchemy takes longer than a whole `pepys list`. Safe to share
between threads, one call at a time.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from pepys.errors import Damaged, NotFound, StorageProblem, Usage
from pepys.store import database as db
from pepys.store.documents import Document
from pepys.store.heads import HeadStamp
from pepys.store.index import index_session
from pepys.store.journal import journal_locked
from pepys.store.row import COLUMNS, Row, from_columns, to_columns
from pepys.store.search import Filters, FtsIndex, Hit
from pepys.store.store import Store

CATALOG_VERSION: Final = 1
_Answer = TypeVar("_Answer")
Progress = Callable[[int, int], None]
Rows = list[tuple[Any, ...]]
Ids = list[str]
Hits = list[Hit]
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM sessions"
_LAST: Final = "last"


class Catalog:
    """The catalog of one store; a context manager that closes it.

    Attributes:
        store: whose.
        unread: of the sessions that `refresh` indexed, those of which a part did not open, with what that was.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unread: dict[str, str] = {}
        self._path = store.database_path("catalog")
        self._connection: db.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._memory = False
        self._lock = threading.RLock()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._inode, self._memory = None, None, False

    # --- keeping up

    def refresh(self, progress: Progress | None = None) -> Ids:
        """Index every session that moved since it was last indexed.

        Args:
            progress: told `(done, total)` of the sessions to index.

        Returns:
            Their ids.
        """
        with self._lock:
            stamps = dict(_stamps(self.store))
            try:
                moved = self._moved(stamps)
                if moved and not self._memory and not self._writable():
                    self._to_memory()
                    moved = self._moved(stamps)
                self._index(moved, stamps, progress)
                return moved
            except (db.OperationalError, StorageProblem):
                if self._memory:
                    raise
                # A full disk or one that turned read-only: what is asked for can still be answered.
                self._to_memory()
            except db.DatabaseError:
                self._renew()
            moved = self._moved(stamps)
            self._index(moved, stamps, progress)
            return moved

    def stamp(self, session: str) -> str:
        """What tells this version of a session from any other, for `write`."""
        return _stamp(self.store, session, self.store.heads.stamp(session), self.store.journal_sizes().get(session))

    def write(self, row: Row, stamp: str, documents: list[Document]) -> None:
        """Replace a session's row and documents, in one transaction."""
        columns = {**to_columns(row), "stamp": stamp}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        with self._lock, db.transaction(self._open(), "catalog"):
            connection = self._open()
            connection.execute(f"INSERT OR REPLACE INTO sessions ({names}) VALUES ({marks})", tuple(columns.values()))
            FtsIndex(connection).index(row.id, row.started_wall_ns, documents)

    def remove(self, session: str) -> None:
        """Drop what is known of a session."""
        with self._lock, db.transaction(self._open(), "catalog"):
            self._open().execute("DELETE FROM sessions WHERE id = ?", (session,))
            FtsIndex(self._open()).forget(session)

    def clear(self) -> None:
        """Empty the catalog, in place where that can be done: other processes may have it open."""
        with self._lock:
            try:
                connection = self._open()
                db.drop_tables(connection)
                db.make_tables(connection, "catalog")
            except db.DatabaseError:
                self._delete()

    def _delete(self) -> None:
        self.close()
        db.delete_database(self.store, "catalog")

    def _renew(self) -> None:
        """Begin anew after the file opened, but was damaged inside; in memory where it cannot be replaced."""
        if self._memory:
            raise StorageProblem("the catalog in memory is damaged", "run it again; the memory may be faulty")
        mine = self._inode
        self.close()
        if not self._writable():
            self._to_memory()
        elif mine == _inode(self._path):
            # Another process may have replaced it meanwhile: that one is not to be deleted again.
            try:
                db.delete_database(self.store, "catalog")
            except (StorageProblem, OSError):
                self._to_memory()

    # --- asking

    def list(
        self, *, tag: str | None = None, state: str | None = None, query: str | None = None,
        from_ns: int | None = None, to_ns: int | None = None, limit: int | None = None, offset: int = 0,
    ) -> list[Row]:  # fmt: skip
        """Sessions, newest first, without deleted ones.

        Args:
            tag: only those with this tag.
            state: only those in this state.
            query: only those with this text in name, description, tags or summary.
            from_ns: only those begun at this wall time or later.
            to_ns: only those begun before this wall time.
            limit: at most so many.
            offset: after so many.
        """
        where, values = _where(tag, state, query, from_ns, to_ns)
        statement = f"{_SELECT} WHERE {where} ORDER BY started_wall_ns DESC, id DESC LIMIT ? OFFSET ?"
        rows = self._read(statement, (*values, -1 if limit is None else max(0, limit), max(0, offset)))
        return [from_columns(row) for row in rows]

    def count(
        self, *, tag: str | None = None, state: str | None = None, query: str | None = None,
        from_ns: int | None = None, to_ns: int | None = None,
    ) -> int:  # fmt: skip
        """How many `list` would give without a limit."""
        where, values = _where(tag, state, query, from_ns, to_ns)
        return int(self._read(f"SELECT count(*) FROM sessions WHERE {where}", values)[0][0])

    def get(self, session: str) -> Row:
        """The row of a session.

        Raises:
            NotFound: no such session, or it was deleted.
        """
        rows = self._read(f"{_SELECT} WHERE id = ? AND state != 'deleted'", (session,))
        if not rows:
            raise NotFound(f"there is no session {session}", "pepys list shows what there is")
        return from_columns(rows[0])

    def resolve(self, text: str) -> str:
        """The id that a unique prefix or `last` means.

        Raises:
            NotFound: none.
            Usage: more than one.
        """
        if text == _LAST:
            rows = self.list(limit=1)
            if not rows:
                raise NotFound("there is no session yet", "record one: pepys record")
            return rows[0].id
        pattern = "".join(char for char in text.lower() if char.isascii() and char.isalnum())
        ids = self._read(
            "SELECT id FROM sessions WHERE state != 'deleted' AND id LIKE ? ORDER BY id LIMIT 3", (f"{pattern}%",)
        )
        return unique(text, [row[0] for row in ids] if pattern and pattern == text.lower() else [])

    def search(
        self, query: str, *, session: str | None = None, kind: str | None = None, app: str | None = None,
        tag: str | None = None, from_ns: int | None = None, to_ns: int | None = None, limit: int = 50,
    ) -> Hits:  # fmt: skip
        """Moments in which every term of the query is found; `from_ns` and `to_ns` are wall times."""
        filters = Filters(session, kind, app, tag, from_ns, to_ns)
        return self._ask(lambda connection: FtsIndex(connection).search(query, filters, limit))

    # --- within

    def _index(self, moved: Ids, stamps: dict[str, str], progress: Progress | None) -> None:
        for done, session in enumerate(moved):
            if session in stamps:
                problem = index_session(self, self.store, session, stamps[session])
            else:
                problem = None
                self.remove(session)
            self.unread.pop(session, None)
            if problem:
                self.unread[session] = problem
            if progress:
                progress(done + 1, len(moved))

    def _moved(self, stamps: dict[str, str]) -> Ids:
        known: dict[str, str] = dict(self._ready().execute("SELECT id, stamp FROM sessions").fetchall())
        changed = [session for session, stamp in stamps.items() if known.get(session) != stamp]
        return changed + [session for session in known if session not in stamps]

    def _read(self, statement: str, values: tuple[Any, ...]) -> Rows:
        def read(connection: db.Connection) -> Rows:
            rows: Rows = connection.execute(statement, values).fetchall()
            return rows

        return self._ask(read)

    def _ask(self, question: Callable[[db.Connection], _Answer]) -> _Answer:
        """Put a question; where the file turns out to be damaged, once more to a catalog made anew."""
        with self._lock:
            try:
                return question(self._ready())
            except db.OperationalError:
                raise
            except db.DatabaseError:
                self._renew()
            self.refresh()
            return question(self._ready())

    def _ready(self) -> db.Connection:
        """An open connection to a catalog of this version; one that is broken is made anew, in memory if need be."""
        with contextlib.suppress(StorageProblem):
            try:
                return self._open()
            except db.DatabaseError:
                self.close()
            if self._writable():
                self._delete()
                return self._open()
        self._to_memory()
        return self._connection

    def _open(self) -> db.Connection:
        if self._connection is not None:
            if self._memory or self._inode == _inode(self._path):
                return self._connection
            # Somebody deleted the file: what this connection shows is nobody's any more.
            self.close()
        if not self._writable():
            self._open_for_reading()
            return self._connection
        connection = db.open_database(self.store, "catalog")
        if connection.execute("PRAGMA user_version").fetchone()[0] != CATALOG_VERSION:
            connection.close()
            raise db.DatabaseError("a catalog of another version")
        self._connection, self._inode = connection, _inode(self._path)
        return connection

    def _open_for_reading(self) -> None:
        key = self.store.keys.database_key("catalog")
        for mode in ("ro", "immutable"):
            with contextlib.suppress(db.DatabaseError):
                if self._path.exists():
                    self._connection = db.connect(self._path, key, mode)
                    self._inode = _inode(self._path)
                    return
        self._to_memory()

    def _to_memory(self) -> None:
        self.close()
        self._connection, self._memory = db.connect_memory(), True
        db.make_tables(self._connection, "catalog")

    def _writable(self) -> bool:
        return self.store.writable


def resolve_session(store: Store, text: str) -> str:
    """The id that a unique prefix or `last` means, from the heads alone: no database is opened.

    Raises:
        NotFound: none.
        Usage: more than one.
    """
    from pepys.store.reader import manifest, session_ids

    def is_there(session: str) -> bool:
        try:
            return manifest(store, session).state != "deleted"
        except NotFound:
            return False
        except Damaged:
            return True

    ids = session_ids(store)
    if text == _LAST:
        found = next((session for session in reversed(ids) if is_there(session)), None)
        if found is None:
            raise NotFound("there is no session yet", "record one: pepys record")
        return found
    return unique(text, [session for session in ids if text and session.startswith(text.lower()) and is_there(session)])


def unique(text: str, ids: list[str]) -> str:
    """The only id of a list; errors as `Catalog.resolve`."""
    if len(ids) == 1:
        return ids[0]
    if text in ids:
        return text
    if ids:
        raise Usage(f"{text} begins the id of more than one session", "give more of the id")
    raise NotFound(f"there is no session {text[:80]}", "pepys list shows what there is")


def _where(
    tag: str | None, state: str | None, query: str | None, from_ns: int | None, to_ns: int | None
) -> tuple[str, tuple[Any, ...]]:
    like = None
    if query is not None:
        escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = f"%{escaped}%".encode("utf-8", "replace").decode()
    tests = {
        "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)": tag,
        "state = ?": state,
        "name || char(10) || description || char(10) || tags || char(10) || summary LIKE ? ESCAPE '\\'": like,
        "started_wall_ns >= ?": from_ns,
        "started_wall_ns < ?": to_ns,
    }
    chosen = {test: value for test, value in tests.items() if value is not None}
    return " AND ".join(["state != 'deleted'", *chosen]), tuple(chosen.values())


def _stamps(store: Store) -> Iterator[tuple[str, str]]:
    journals = store.journal_sizes()
    for session, stamp in store.heads.stamps():
        yield session, _stamp(store, session, stamp, journals.pop(session, None))
    for session, size in journals.items():
        yield session, _stamp(store, session, HeadStamp(()), size)


def _stamp(store: Store, session: str, stamp: HeadStamp, size: int | None) -> str:
    # That a recorder died moves neither file, but frees the lock.
    live = None if size is None else journal_locked(store.journal_path(session))
    return json.dumps((stamp.files, size, live), separators=(",", ":"))


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino
