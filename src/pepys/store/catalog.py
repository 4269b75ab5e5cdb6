"""The catalog: one row a session and the search index. Derived from heads, journals and blobs, and never trusted.

`refresh` finds by `stamps` what moved since its row was made and indexes it again: first the rows, newest first, so
that every list is whole, then their text. Each session is a transaction; what a kill leaves undone, the next call goes
on with. A catalog that is missing, damaged or of a newer version is made anew; where the home cannot be written, it is
made in memory. Reading is literal SQL: importing SQLAlchemy takes longer than a whole `pepys list`. Safe to share
between threads, one call at a time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from typing import Any, Final, TypeVar

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.store import database as db
from pepys.store import stamps
from pepys.store.documents import Document
from pepys.store.index import index_row, read_texts
from pepys.store.listing import Listed, Question, beginning, one, unique
from pepys.store.row import Row, from_columns, storable, to_columns
from pepys.store.search import Filters, FtsIndex, Hit
from pepys.store.store import Store
from pepys.store.versions import VERSIONS

_Answer = TypeVar("_Answer")
Progress = Callable[[int, int], None]
"""Told `(done, total)` of sessions."""
Rows = list[tuple[Any, ...]]
Ids = list[str]
Hits = list[Hit]
_LAST: Final = "last"
_MOVED: Final = "SELECT id, glance FROM sessions"
_UNTOLD: Final = "SELECT id, stamp FROM sessions WHERE text_stamp != stamp ORDER BY id"


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
        self._anew = False  # made anew in place of one that did not open, and not filled yet
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
        """Index every session that moved since it was last indexed (`progress` is told of these), and all text.

        Returns:
            The ids of those that moved.
        """
        moved = self.refresh_rows(progress)
        self.refresh_text()
        return moved

    def refresh_rows(self, progress: Progress | None = None) -> Ids:
        """Make the row of every session that moved: lists are then whole; what is searched for may be of before."""
        return self._keep_up(False, progress)

    def refresh_newest(self, count: int) -> None:
        """Make what `list` without filters gives as its first `count` rows be as `refresh_rows` would make it.

        Each of them is looked at; of older ones, which nothing can bring among these, only that they are there.
        """
        looked = {row.id for row in self.list(limit=count)}
        self._keep_up(False, None, looked)
        while shown := {row.id for row in self.list(limit=count)} - looked:
            looked |= shown
            self._keep_up(False, None, looked)

    def refresh_text(self, progress: Progress | None = None) -> Ids:
        """Index the text of every session whose row is newer than it."""
        return self._keep_up(True, progress)

    def stamp(self, session: str) -> str:
        """What tells this version of a session from any other, for `write`."""
        return stamps.stamp(self.store, session, self.store.journal_sizes()) or ""

    def untold(self, session: str, stamp: str) -> bool:
        """Whether a session has a row of this stamp, whose text is not indexed yet."""
        question = "SELECT 1 FROM sessions WHERE id = ? AND stamp = ? AND text_stamp != stamp"
        return bool(self._read((question, (session, stamp))))

    def write(self, row: Row, stamp: str, documents: Iterable[Document] | None = None) -> None:
        """Replace a session's row, in one transaction with its documents where they are given."""
        columns = {**to_columns(row), "stamp": stamp, "glance": stamps.LOOK_CLOSER}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
        statement = f"INSERT INTO sessions ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}"
        tags = [(tag, row.started_wall_ns, row.id) for tag in sorted({storable(tag) for tag in row.tags})]
        with self._lock, db.transaction(self._open(), "catalog"):
            connection = self._open()
            connection.execute(statement, tuple(columns.values()))
            connection.execute("DELETE FROM session_tags WHERE session = ?", (row.id,))
            connection.executemany("INSERT INTO session_tags (tag, started_wall_ns, session) VALUES (?, ?, ?)", tags)
            if documents is not None:
                self._tell(row.id, row.started_wall_ns, stamp, documents)

    def write_text(self, session: str, started_wall_ns: int, stamp: str, documents: Iterable[Document]) -> None:
        """Replace a session's documents, unless its row has another stamp by now."""
        with self._lock, db.transaction(self._open(), "catalog.text"):
            self._tell(session, started_wall_ns, stamp, documents)

    def remove(self, session: str) -> None:
        """Drop what is known of a session."""
        with self._lock, db.transaction(self._open(), "catalog"):
            self._open().execute("DELETE FROM sessions WHERE id = ?", (session,))
            self._open().execute("DELETE FROM session_tags WHERE session = ?", (session,))
            FtsIndex(self._open()).forget(session)

    def _tell(self, session: str, started_wall_ns: int, stamp: str, documents: Iterable[Document]) -> None:
        told = self._open().execute(
            "UPDATE sessions SET text_stamp = stamp WHERE id = ? AND stamp = ?", (session, stamp)
        )
        if told.rowcount == 1:
            FtsIndex(self._open()).index(session, started_wall_ns, documents)

    def clear(self) -> None:
        """Empty the catalog, in place where that can be done: other processes may have it open."""
        with self._lock:
            try:
                db.empty_database(self._open(), "catalog")
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
        if not self.store.writable:
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
        """Sessions, newest first, without deleted ones: those that `Listed` tells, at most `limit`, after `offset`."""
        question = Listed(tag, state, query, from_ns, to_ns).rows(limit, offset)
        return [from_columns(row) for row in self._read(question)]

    def count(
        self, *, tag: str | None = None, state: str | None = None, query: str | None = None,
        from_ns: int | None = None, to_ns: int | None = None,
    ) -> int:  # fmt: skip
        """How many `list` would give without a limit."""
        return int(self._read(Listed(tag, state, query, from_ns, to_ns).count())[0][0])

    def get(self, session: str) -> Row:
        """The row of a session.

        Raises:
            NotFound: no such session, or it was deleted.
        """
        rows = self._read(one(session))
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
        ids = self._read(beginning(pattern))
        return unique(text, [row[0] for row in ids] if pattern and pattern == text.lower() else [])

    def search(
        self, query: str, *, session: str | None = None, kind: str | None = None, app: str | None = None,
        tag: str | None = None, from_ns: int | None = None, to_ns: int | None = None, limit: int = 50,
    ) -> Hits:  # fmt: skip
        """Moments in which every term of the query is found; `from_ns` and `to_ns` are wall times."""
        filters = Filters(session, kind, app, tag, from_ns, to_ns)
        return self._ask(lambda connection: FtsIndex(connection).search(query, filters, limit))

    # --- within

    def _keep_up(self, text: bool, progress: Progress | None, among: Set[str] | None = None) -> Ids:
        """Index the rows, or the text, that are behind; in memory where that cannot be written."""
        with self._lock:
            try:
                return self._index(text, progress, among)
            except (db.OperationalError, StorageProblem):
                if self._memory:
                    raise
                # A full disk or one that turned read-only: what is asked for can still be answered.
                self._to_memory()
            except db.DatabaseError:
                self._renew()
            return self._index(text, progress, None)

    def _index(self, text: bool, progress: Progress | None, among: Set[str] | None) -> Ids:
        behind = self._untold() if text else self._moved(among)
        if behind and not self._memory and not self.store.writable:
            self._to_memory()
        if self._anew:
            if text:
                self._index(False, None, None)  # text is nothing without its rows
            behind = self._untold() if text else self._moved()
        if text:
            self._index_texts(behind, progress)
            return list(behind)
        for done, (session, stamp) in enumerate(behind.items()):
            self._index_row(session, stamp)
            if progress:
                progress(done + 1, len(behind))
        return list(behind)

    def _index_row(self, session: str, stamp: str | None) -> None:
        self.unread.pop(session, None)
        if stamp is None:
            self.remove(session)
        elif problem := index_row(self, self.store, session, stamp):
            self.unread[session] = problem

    def _index_texts(self, behind: dict[str, str | None], progress: Progress | None) -> None:
        texts = read_texts(self.store, list(behind))
        for done, ((session, stamp), text) in enumerate(zip(behind.items(), texts, strict=True)):
            if text is not None and stamp is not None:
                self.write_text(session, text.started_wall_ns, stamp, text.documents)
                if text.problem:
                    self.unread[session] = text.problem
            if progress:
                progress(done + 1, len(behind))

    def _untold(self) -> dict[str, str | None]:
        """The sessions whose text is behind, with their rows' stamps, oldest first: the newest is to come last."""
        return dict(self._ready().execute(_UNTOLD).fetchall())

    def _moved(self, among: Set[str] | None = None) -> dict[str, str | None]:
        """The sessions whose row is behind (`stamps.compare`), newest first, with their stamps; None: it is gone."""
        known: dict[str, int] = dict(self._ready().execute(_MOVED).fetchall())
        self._anew = False
        rows = self._ready().execute
        question = "SELECT stamp FROM sessions WHERE id = ?"
        moved, same = stamps.compare(self.store, known, lambda one: rows(question, (one,)).fetchone(), among)
        self._remember(same)
        return moved

    def _remember(self, same: stamps.Same) -> None:
        """Keep what was looked at closely and had not moved from being looked at so closely again."""
        if not same or self._memory or not self.store.writable:
            return
        # Nothing is lost without: a full disk is no reason not to list.
        with contextlib.suppress(db.OperationalError), db.transaction(self._open(), "catalog.glance"):
            self._open().executemany("UPDATE sessions SET glance = ? WHERE id = ? AND stamp = ?", same)

    def _read(self, question: Question) -> Rows:
        def read(connection: db.Connection) -> Rows:
            rows: Rows = connection.execute(*question).fetchall()
            return rows

        return self._ask(read)

    def _ask(self, question: Callable[[db.Connection], _Answer]) -> _Answer:
        """Put a question; where the file turns out to be damaged, once more to a catalog made anew."""
        with self._lock:
            try:
                connection = self._ready()
                if not self._anew:
                    return question(connection)
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
            if self.store.writable:
                self._delete()
                self._anew = True
                return self._open()
        self._to_memory()
        return self._connection

    def _open(self) -> db.Connection:
        if self._connection is not None:
            if self._memory or self._inode == _inode(self._path):
                return self._connection
            # Somebody deleted the file: what this connection shows is nobody's any more.
            self.close()
        if not self.store.writable:
            self._open_for_reading()
            return self._connection
        try:
            connection = db.open_database(self.store, "catalog")
        except Damaged as error:
            raise db.DatabaseError(error.message) from error
        self._connection, self._inode = connection, _inode(self._path)
        return connection

    def _open_for_reading(self) -> None:
        key = self.store.keys.database_key("catalog")
        for mode in ("ro", "immutable"):
            with contextlib.suppress(db.DatabaseError):
                if self._path.exists():
                    connection = db.connect(self._path, key, mode)
                    if db.version_of(connection) != VERSIONS["catalog"]:
                        connection.close()
                        break
                    self._connection, self._inode = connection, _inode(self._path)
                    return
        self._to_memory()

    def _to_memory(self) -> None:
        self.close()
        self._connection, self._memory, self._anew = db.connect_memory(), True, True
        db.make_tables(self._connection, "catalog")


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


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino
