"""Search indexes to be held to one contract: over FTS5, over PostgreSQL, and a plain scan that says what it means."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pepys.limits import NS_PER_MS
from pepys.store import database
from pepys.store.documents import Document
from pepys.store.postgres import PostgresDatabase, connect
from pepys.store.postgres_tables import prepare
from pepys.store.query import clean_text, marks, parse
from pepys.store.search import Filters, FtsIndex, Hit, SearchIndex
from tests.stored_session import WALL_NS

SECOND = 1_000_000_000
TAGS: dict[str, list[str]] = {"one": ["work"], "two": []}
STARTED = {"one": WALL_NS, "two": WALL_NS + 1000 * SECOND}
SCHEMA = "pepys_test"
_SESSION = "INSERT INTO sessions VALUES (?, ?, 'completed', ?, 0, 0, '', '', ?, '', 0, 0, '', '{}', 1, '', 0, '')"
_TAG = "INSERT INTO session_tags VALUES (?, ?, ?)"
_SESSIONS = [(session, f"name of {session}", STARTED[session], json.dumps(tags)) for session, tags in TAGS.items()]
_TAGGED = [(tag, STARTED[session], session) for session, tags in TAGS.items() for tag in tags]


class ScanIndex:
    """The contract in its plainest form: every document is looked at."""

    def __init__(self) -> None:
        self._documents: dict[str, tuple[int, list[Document]]] = {}

    def index(self, session: str, started_wall_ns: int, documents: Iterable[Document]) -> None:
        self._documents[session] = (started_wall_ns, list(documents))

    def forget(self, session: str) -> None:
        self._documents.pop(session, None)

    def search(self, query: str, filters: Filters, limit: int) -> list[Hit]:
        terms = parse(query)
        hits = []
        for session, (started, documents) in self._documents.items():
            for document in documents if terms else ():
                if all(marks((term,), document.text) for term in terms) and self._passes(
                    session, started, document, filters
                ):
                    at_ns = self._at(document, marks(terms, document.text)[0][0])
                    hits.append(
                        Hit(session, f"name of {session}", document.kind, at_ns, 0, started + at_ns, document.app, "")
                    )
        return sorted(hits, key=lambda hit: -hit.wall_ns)[:limit]

    def _passes(self, session: str, started: int, document: Document, filters: Filters) -> bool:
        return (
            filters.session in (None, session)
            and filters.kind in (None, document.kind)
            and (filters.app is None or filters.app.lower() == document.app.lower())
            and (filters.tag is None or filters.tag in TAGS.get(session, []))
            and (filters.from_ns is None or started + document.end_ns >= filters.from_ns)
            and (filters.to_ns is None or started + document.at_ns < filters.to_ns)
        )

    @staticmethod
    def _at(document: Document, first: int) -> int:
        spoken = [part for part in document.parts if part[0] <= first] if document.kind == "transcript" else []
        return int(spoken[-1][1] * NS_PER_MS) if spoken else document.at_ns


def fts(file: Path | None = None) -> FtsIndex:
    """FTS5 in memory, or in a file under a key, with the two sessions' rows beside it."""
    connection = database.connect_memory() if file is None else database.connect(file, bytes(32), "rwc")
    database.make_tables(connection, "catalog")
    connection.executemany(_SESSION, _SESSIONS)
    connection.executemany(_TAG, _TAGGED)
    return FtsIndex(connection)


@contextlib.contextmanager
def postgres_tables(url: str) -> Iterator[PostgresDatabase]:
    """The catalog's tables in a schema of their own, with the two sessions' rows."""
    from pepys.store.schema import METADATA

    database = connect(url, SCHEMA)
    try:
        with database.at_once("tables") as transaction:
            transaction.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
            prepare(transaction)
            METADATA["catalog"].create_all(transaction, checkfirst=False)
        with database.transaction("sessions"):
            database.executemany(_SESSION, _SESSIONS)
            database.executemany(_TAG, _TAGGED)
        yield database
    finally:
        database.close()


def emptied(index: SearchIndex) -> SearchIndex:
    """An index without documents."""
    for session in TAGS:
        index.forget(session)
    return index


def document(text: str, kind: str = "note", at_s: int = 0, end_s: int | None = None, **more: object) -> Document:
    """A document of the session, from one second to another."""
    end = at_s if end_s is None else end_s
    return Document(kind, at_s * SECOND, end * SECOND, clean_text(text), **more)


def times(hits: list[Hit]) -> list[int]:
    """The seconds of hits, in order of time."""
    return sorted(hit.at_ns // SECOND for hit in hits)
