"""The catalog: one row a session and the search index. Derived from heads, journals and blobs, and never trusted.

`refresh` finds by `stamps` what moved since its row was made and indexes it again: first the rows, newest first, so
that every list is whole, then their text. Each session is a transaction; what a kill leaves undone, the next call goes
on with. `catalog_database` says where it lies, `catalog_holding` what is done where that is missing, damaged or away.
Asking is literal SQL that SQLite and PostgreSQL take alike: importing SQLAlchemy takes longer than a whole `pepys
list`. Safe to share between threads, one call at a time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Final, TypeVar

from pepys.errors import Damaged, NotFound, StorageProblem
from pepys.store import stamps
from pepys.store.catalog_database import CatalogDatabase, CatalogUnreachable, CatalogUnusable, Rows
from pepys.store.catalog_holding import Holding
from pepys.store.documents import Document
from pepys.store.index import index_row, read_texts
from pepys.store.listing import Listed, Question, beginning, one, stored_ns, unique
from pepys.store.row import Row, from_columns, storable, to_columns
from pepys.store.search import Filters, Hit
from pepys.store.store import Store

_Answer = TypeVar("_Answer")
Progress = Callable[[int, int], None]
"""Told `(done, total)` of sessions."""
Ids = list[str]
Hits = list[Hit]
_LAST: Final = "last"
_MOVED: Final = "SELECT id, glance FROM sessions"
_UNTOLD: Final = "SELECT id, stamp FROM sessions WHERE text_stamp != stamp ORDER BY id"


class Catalog:
    """The catalog of one store; a context manager that closes it.

    Attributes:
        store: whose.
        held: the database it works on.
        unread: of the sessions that `refresh` indexed, those of which a part did not open, with what that was.
    """

    def __init__(self, store: Store, *, elsewhere: bool = True) -> None:
        """Open nothing yet.

        Args:
            store: whose catalog.
            elsewhere: whether a server that cannot be used gives way to the file in the home, or is an error.
        """
        self.store = store
        self.unread: dict[str, str] = {}
        self.held = Holding(store, elsewhere=elsewhere)
        self._lock = threading.RLock()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self.held.close()

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
        with self._changing("catalog") as database:
            database.change(statement, tuple(columns.values()))
            database.change("DELETE FROM session_tags WHERE session = ?", (row.id,))
            database.executemany("INSERT INTO session_tags (tag, started_wall_ns, session) VALUES (?, ?, ?)", tags)
            if documents is not None:
                _tell(database, row.id, row.started_wall_ns, stamp, documents)

    def write_text(self, session: str, started_wall_ns: int, stamp: str, documents: Iterable[Document]) -> None:
        """Replace a session's documents, unless its row has another stamp by now."""
        with self._changing("catalog.text") as database:
            _tell(database, session, started_wall_ns, stamp, documents)

    def remove(self, session: str) -> None:
        """Drop what is known of a session."""
        with self._changing("catalog") as database:
            database.change("DELETE FROM sessions WHERE id = ?", (session,))
            database.change("DELETE FROM session_tags WHERE session = ?", (session,))
            database.search().forget(session)

    @contextlib.contextmanager
    def _changing(self, point: str) -> Iterator[CatalogDatabase]:
        with self._lock:
            database = self.held.open()
            with database.transaction(point):
                yield database

    def clear(self) -> None:
        """Empty the catalog, in place where that can be done: other processes may have it open."""
        with self._lock:
            self.held.begin()

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
        filters = Filters(session, kind, app, tag, stored_ns(from_ns), stored_ns(to_ns))
        return self._ask(lambda database: database.search().search(query, filters, limit))

    # --- within

    def _keep_up(self, text: bool, progress: Progress | None, among: Set[str] | None = None) -> Ids:
        """Index the rows, or the text, that are behind; in memory where that cannot be written."""
        renewed = False
        with self._lock:
            while True:  # each turn ends, renews once, or goes on at another place, of which there are few
                try:
                    return self._index(text, progress, among)
                except CatalogUnreachable as error:
                    # A full disk or one that turned read-only: what is asked for can still be answered.
                    self.held.move(error)
                except CatalogUnusable as error:
                    if renewed:
                        raise _lost(error) from error
                    self.held.renew()
                    renewed = True
                among = None

    def _index(self, text: bool, progress: Progress | None, among: Set[str] | None) -> Ids:
        behind = self._untold() if text else self._moved(among)
        if behind and not self.held.open().writable:
            self.held.move(CatalogUnreachable(f"{self.store.path} cannot be written", "make it writable for you"))
            return self._index(text, progress, None)
        if text:
            if self.held.anew:
                self._index(False, None, None)  # text is nothing without its rows
                behind = self._untold()
            self._index_texts(behind, progress)
            return list(behind)
        for done, (session, stamp) in enumerate(behind.items()):
            self._index_row(session, stamp)
            if progress:
                progress(done + 1, len(behind))
        # Not before: what failed on the way lacks rows, and whoever asks next is to look again.
        self.held.anew = False
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
        return dict(self.held.ready().execute(_UNTOLD))

    def _moved(self, among: Set[str] | None = None) -> dict[str, str | None]:
        """The sessions whose row is behind (`stamps.compare`), newest first, with their stamps; None: it is gone."""
        known: dict[str, int] = dict(self.held.ready().execute(_MOVED))
        among = None if self.held.anew else among
        question = self.held.ready().execute

        def stamp_of(session: str) -> tuple[str] | None:
            rows = question("SELECT stamp FROM sessions WHERE id = ?", (session,)) if session in known else []
            return (rows[0][0],) if rows else None

        moved, same = stamps.compare(self.store, known, stamp_of, among)
        self._remember(same)
        return moved

    def _remember(self, same: stamps.Same) -> None:
        """Keep what was looked at closely and had not moved from being looked at so closely again."""
        if not same or not self.held.open().writable:
            return
        # Nothing is lost without: a full disk is no reason not to list.
        with contextlib.suppress(CatalogUnreachable), self._changing("catalog.glance") as database:
            database.executemany("UPDATE sessions SET glance = ? WHERE id = ? AND stamp = ?", same)

    def _read(self, question: Question) -> Rows:
        return self._ask(lambda database: database.execute(*question))

    def _ask(self, question: Callable[[CatalogDatabase], _Answer]) -> _Answer:
        """Put a question; where what is there turns out to be damaged, once more to a catalog made anew."""
        with self._lock:
            try:
                database = self.held.ready()
                if not self.held.anew:
                    return question(database)
            except CatalogUnreachable as error:
                self.held.move_reader(error)
            except CatalogUnusable:
                self.held.renew()
            self.refresh()
            try:
                return question(self.held.ready())
            except CatalogUnusable as error:
                raise _lost(error) from error


def _lost(error: CatalogUnusable) -> StorageProblem:
    """What remains to be said of a catalog that was made anew and is unusable again."""
    return StorageProblem(f"the catalog was made anew and does not work: {error}", "try again; then pepys rebuild")


def _tell(
    database: CatalogDatabase, session: str, started_wall_ns: int, stamp: str, documents: Iterable[Document]
) -> None:
    told = database.change("UPDATE sessions SET text_stamp = stamp WHERE id = ? AND stamp = ?", (session, stamp))
    if told == 1:
        database.search().index(session, started_wall_ns, documents)


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
