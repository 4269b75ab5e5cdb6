"""Search: the port, and its form over FTS5.

A document is found when every term of the query is in it: as a whole word, as any part of three characters or more,
or as CJK of two. Whole words come first, by their weight; then the newest. No query string can fail. Over PostgreSQL
the same is found (`postgres_search`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Protocol

from pepys.limits import NS_PER_MS, SEARCH_CANDIDATES, SEARCH_HITS, SNIPPET_CHARS
from pepys.store.database import Connection
from pepys.store.documents import Document, parts_json
from pepys.store.query import Term, bigrams, clean_text, marks, parse

_BEFORE_CHARS = 50
COLUMNS = "session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot"
# One statement for many rows: after each statement that sets off a trigger, FTS5 writes out what it has gathered, which
# takes as long as the indexing itself; and Python's other threads go on while one statement runs.
_INSERT = f"INSERT INTO documents ({COLUMNS}) SELECT {', '.join(f'value ->> {n}' for n in range(10))} FROM json_each(?)"
_BATCH_CHARS = 1 << 18
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # as SQL's lower() does it, in every database
_Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows a search; times are wall nanoseconds of the moment that is found."""

    session: str | None = None
    kind: str | None = None
    app: str | None = None
    tag: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One found moment.

    Attributes:
        at_ns: axis time: of the word for speech, else of the document.
        snippet: text around the first mark; `marks` are offsets in it.
        boxes: of the lines on the shot that hold a mark: `(x, y, w, h)` in shares of the picture.
    """

    session: str
    session_name: str
    kind: str
    at_ns: int
    end_ns: int
    wall_ns: int
    app: str
    snippet: str
    marks: tuple[tuple[int, int], ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    shot: str | None = None


class SearchIndex(Protocol):
    """What finds documents. Every form passes the same contract tests and finds the same.

    What a whole word weighs is the form's own, so that forms differ in the order of these: FTS5 takes bm25, by which a
    rare word counts for more than a common one; PostgreSQL `ts_rank`, which knows how often and how near to each other
    the words stand, among how many, but not how rare they are. Equal weight: the newest first, in every form.
    """

    def index(self, session: str, started_wall_ns: int, documents: Iterable[Document]) -> None:
        """Replace all documents of a session, within the caller's transaction."""
        ...

    def forget(self, session: str) -> None:
        """Drop all documents of a session."""
        ...

    def search(self, query: str, filters: Filters, limit: int) -> list[Hit]:
        """The best hits, at most `limit`; none for a query without terms."""
        ...


class FtsIndex:
    """The index in the catalog's tables, over one open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def index(self, session: str, started_wall_ns: int, documents: Iterable[Document]) -> None:
        """Replace the documents of a session; the caller holds the transaction.

        What is there already is left alone: an edit touches one document, and indexing text is what costs.
        """
        wanted = Counter(values_of(session, started_wall_ns, document) for document in documents)
        rows = self._connection.execute(f"SELECT id, {COLUMNS} FROM documents WHERE session = ?", (session,)).fetchall()
        gone = []
        for number, *row in rows:
            if wanted[tuple(row)] > 0:
                wanted[tuple(row)] -= 1
            else:
                gone.append((number,))
        self._connection.executemany("DELETE FROM documents WHERE id = ?", gone)
        for batch in batches(wanted.elements()):
            self._connection.execute(_INSERT, (json.dumps(batch, ensure_ascii=False, separators=(",", ":")),))

    def forget(self, session: str) -> None:
        """Drop all documents of a session."""
        self._connection.execute("DELETE FROM documents WHERE session = ?", (session,))

    def search(self, query: str, filters: Filters, limit: int) -> list[Hit]:
        """The best hits: whole words first, by weight among the newest of them, then the newest others."""
        terms, limit = parse(query), max(0, min(limit, SEARCH_HITS))
        if not terms or not limit:
            return []
        found = self._whole_words(terms, filters)[:limit]
        if len(found) < limit:
            known = set(found)
            found += [number for number in self._parts(terms, filters) if number not in known]
        return [hit(row, terms) for row in self._rows(found[:limit])]

    def _whole_words(self, terms: tuple[Term, ...], filters: Filters) -> list[int]:
        """The documents in which every term is a word, the weightiest of the newest first."""
        if not all(term.words for term in terms):
            return []
        scored = self._newest("words", " ".join(term.words for term in terms), filters, "bm25(words)")
        return [number for number, _, _ in sorted(scored, key=lambda row: (row[2], -row[1]))]

    def _parts(self, terms: tuple[Term, ...], filters: Filters) -> list[int]:
        """The documents that hold every term in any way, the newest first."""
        if all(term.grams for term in terms):
            # The index of parts finds whole words too: one question, which can stop when it has enough.
            found = self._newest("grams", " ".join(term.grams for term in terms), filters, "0")
        else:
            conditions = [_condition(term) for term in terms]
            where = [sql for sql, _ in conditions]
            matches = [match for _, matched in conditions for match in matched]
            found = self._select("documents d", "d.id", where, matches, filters, "0")
        return [number for number, _, _ in sorted(found, key=lambda row: -row[1])]

    def _newest(self, index: str, match: str, filters: Filters, score: str) -> list[tuple[int, int, float]]:
        """`(document, wall time, score)` of what an index matches; of too many, the last that were indexed."""
        # A cross join keeps the index outermost: it is then read from its newest entry on, and no further than needed.
        source = f"{index} CROSS JOIN documents d ON d.id = {index}.rowid"
        return self._select(source, f"{index}.rowid", [f"{index} MATCH ?"], [match], filters, score)

    def _select(
        self, source: str, order: str, where: list[str], values: list[str], filters: Filters, score: str
    ) -> list[tuple[int, int, float]]:
        more, narrowed = narrowing(filters)
        statement = (
            f"SELECT d.id, d.wall_ns, {score} FROM {source} CROSS JOIN sessions s ON s.id = d.session"
            f" WHERE {' AND '.join([*where, *more])} ORDER BY {order} DESC LIMIT ?"
        )
        bound = [*values, *narrowed, SEARCH_CANDIDATES]
        rows: list[tuple[int, int, float]] = self._connection.execute(statement, bound).fetchall()
        return rows

    def _rows(self, found: list[int]) -> list[tuple[Any, ...]]:
        """The whole documents, in the order given."""
        statement = (
            "SELECT d.session, s.name, d.kind, d.at_ns, d.end_ns, s.started_wall_ns, d.app, d.text, d.parts, d.shot"
            " FROM documents d JOIN sessions s ON s.id = d.session WHERE d.id = ?"
        )
        return [row for number in found for row in self._connection.execute(statement, (number,))]


def values_of(session: str, started_wall_ns: int, document: Document) -> _Values:
    """What `COLUMNS` hold of a document."""
    one = document
    return (session, one.kind, one.at_ns, one.end_ns, started_wall_ns + one.at_ns, clean_text(one.app), one.text,
            bigrams(one.text), parts_json(one), one.shot)  # fmt: skip


def batches(rows: Iterable[_Values]) -> Iterator[list[_Values]]:
    """Rows, as many at a time as some hundred kilobytes hold."""
    batch: list[_Values] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str))
        if size >= _BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _condition(term: Term) -> tuple[str, list[str]]:
    """The SQL that is true of the documents that hold a term."""
    found = [(name, match) for name, match in
             (("words", term.words), ("grams", term.grams), ("pairs", term.pairs)) if match]  # fmt: skip
    if not found:
        return "0", []
    selects = " UNION ".join(f"SELECT rowid FROM {name} WHERE {name} MATCH ?" for name, _ in found)
    return f"d.id IN ({selects})", [match for _, match in found]


def narrowing(filters: Filters) -> tuple[list[str], list[Any]]:
    """The conditions on a document `d` of a session `s` that the filters are, and their values."""
    tests = {
        "d.session = ?": filters.session,
        "d.kind = ?": filters.kind,
        "lower(d.app) = ?": None if filters.app is None else filters.app.translate(_LOWER),
        "EXISTS (SELECT 1 FROM session_tags t"
        " WHERE t.tag = ? AND t.started_wall_ns = s.started_wall_ns AND t.session = s.id)": filters.tag,
        # A text that came before the first moment and was still there then counts.
        "s.started_wall_ns + d.end_ns >= ?": filters.from_ns,
        "d.wall_ns < ?": filters.to_ns,
    }
    chosen = {test: value for test, value in tests.items() if value is not None}
    texts = {test: clean_text(value) if isinstance(value, str) else value for test, value in chosen.items()}
    return list(texts), list(texts.values())


def hit(row: tuple[Any, ...], terms: tuple[Term, ...]) -> Hit:
    """The hit that a document makes.

    Args:
        row: its session, that one's name, its kind, at_ns, end_ns, that one's started_wall_ns, its app, text, parts,
            shot.
        terms: what was looked for.
    """
    session, name, kind, at_ns, end_ns, started_ns, app, text, parts_text, shot = row
    found = marks(terms, text)
    parts = json.loads(parts_text) if parts_text else []
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    if kind == "screen_text":
        boxes = _marked_boxes(text, found, parts)
    elif parts and found:
        # The last word that begins at or before the first mark is the one that holds it.
        spoken = [part for part in parts if part[0] <= found[0][0]]
        if spoken:
            at_ns, end_ns = int(spoken[-1][1] * NS_PER_MS), int(spoken[-1][2] * NS_PER_MS)
    snippet, shown = _snippet(text, found)
    return Hit(session, name, kind, at_ns, end_ns, started_ns + at_ns, app, snippet, shown, boxes, shot or None)


def _marked_boxes(
    text: str, found: list[tuple[int, int]], boxes: list[list[float]]
) -> tuple[tuple[float, float, float, float], ...]:
    """The boxes of the lines that hold a mark."""
    marked, start = [], 0
    for line, box in zip(text.split("\n"), boxes, strict=False):
        end = start + len(line)
        if any(mark[0] < end and mark[1] > start for mark in found):
            marked.append((box[0], box[1], box[2], box[3]))
        start = end + 1
    return tuple(marked)


def _snippet(text: str, found: list[tuple[int, int]]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A stretch of text around the first mark, in one line, and the marks' places in it."""
    first = found[0][0] if found else 0
    start = max(0, first - _BEFORE_CHARS)
    if start:
        space = max(text.rfind(mark, start, first) for mark in " \n")
        start = start if space < 0 else min(space, max(start, text.find(" ", start, first))) + 1
    end = min(len(text), start + SNIPPET_CHARS)
    lead, trail = ("…" if start else ""), ("…" if end < len(text) else "")
    shift = len(lead) - start
    shown = tuple((a + shift, min(b, end) + shift) for a, b in found if a >= start and a < end)
    return lead + text[start:end].replace("\n", " ") + trail, shown
