"""The search index over PostgreSQL: what `FtsIndex` finds, found by three GIN indexes over columns that Python makes.

`words` is a `tsvector` for whole words, phrases and beginnings of words; `folded` is indexed by its trigrams for any
part of three characters or more; `pairs` for two characters of CJK. What each column holds: `postgres_words`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from pepys.limits import SEARCH_CANDIDATES, SEARCH_HITS
from pepys.store.documents import Document
from pepys.store.postgres_words import fits, parts, phrase, searchable, spaced, together, words
from pepys.store.query import Term, parse
from pepys.store.search import COLUMNS, Filters, Hit, batches, hit, narrowing, values_of

_DERIVED: Final = "folded, words, spoken, pairs"
_TEXT_COLUMN: Final = 6
_PART_CHARS: Final = 3
_NEVER: Final = "false"
_BY_LOG_OF_UNIQUE_WORDS: Final = 16  # a flag of ts_rank: the weight is divided by 1 + log of how many there are
_Condition = tuple[str, list[Any]]


class Server(Protocol):
    """What the index needs of its database."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a question."""
        ...

    def copy(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add many rows at once, in their order."""
        ...


class PostgresIndex:
    """The index in the catalog's tables on a server."""

    def __init__(self, database: Server) -> None:
        self._database = database

    def index(self, session: str, started_wall_ns: int, documents: Iterable[Document]) -> None:
        """Replace the documents of a session; the caller holds the transaction. What is there already is left alone."""
        wanted = Counter(values_of(session, started_wall_ns, document) for document in documents)
        gone = []
        for number, *row in self._database.execute(
            f"SELECT id, {COLUMNS} FROM documents WHERE session = ?", (session,)
        ):
            if wanted[tuple(row)] > 0:
                wanted[tuple(row)] -= 1
            else:
                gone.append(number)
        if gone:
            self._database.execute("DELETE FROM documents WHERE id = ANY(?)", (gone,))
        for batch in batches(wanted.elements()):  # each a statement, which has its time
            self._database.copy("documents", f"{COLUMNS}, {_DERIVED}", _with_derived(batch))

    def forget(self, session: str) -> None:
        """Drop all documents of a session."""
        self._database.execute("DELETE FROM documents WHERE session = ?", (session,))

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
        asked = [(words(term.text), term.prefix) for term in terms]
        asked = [(found, prefix) for found, prefix in asked if found]  # a sign is no word; with others it is nothing
        conditions = [_spoken(found, prefix) for found, prefix in asked]
        if not asked or (_NEVER, []) in conditions:
            return []
        weighed = " & ".join(phrase(found, prefix=prefix) for found, prefix in asked)
        rows = self._newest(conditions, filters, f"ts_rank(words, ?::tsquery, {_BY_LOG_OF_UNIQUE_WORDS})", [weighed])
        return [number for number, _, _ in sorted(rows, key=lambda row: (-row[2], -row[1]))]

    def _parts(self, terms: tuple[Term, ...], filters: Filters) -> list[int]:
        """The documents that hold every term in any way, the newest first."""
        if all(term.grams for term in terms):
            # Whole words are parts too. What has no three characters left without its accents is nothing.
            folded = [parts(term.text) for term in terms]
            conditions = [_part(text) for text in folded if len(text) >= _PART_CHARS]
        else:
            conditions = [_any_way(term) for term in terms]
        if not conditions or (_NEVER, []) in conditions:
            return []
        rows = self._newest(conditions, filters, "0", [])
        return [number for number, _, _ in sorted(rows, key=lambda row: -row[1])]

    def _newest(
        self, conditions: list[_Condition], filters: Filters, score: str, scored: list[Any]
    ) -> list[tuple[Any, ...]]:
        """`(document, wall time, score)` of what is found; of too many, the last that were indexed."""
        more, narrowed = narrowing(filters)
        where = " AND ".join([*(sql for sql, _ in conditions), *more])
        values = [value for _, bound in conditions for value in bound]
        return self._database.execute(
            f"SELECT id, wall_ns, {score} FROM ("
            "SELECT d.id, d.wall_ns, d.words FROM documents d JOIN sessions s ON s.id = d.session"
            f" WHERE {where} ORDER BY d.id DESC LIMIT ?) found",
            [*scored, *values, *narrowed, SEARCH_CANDIDATES],
        )

    def _rows(self, found: list[int]) -> list[tuple[Any, ...]]:
        """The whole documents, in the order given; one that was just deleted is left out."""
        rows = self._database.execute(
            "SELECT d.id, d.session, s.name, d.kind, d.at_ns, d.end_ns, s.started_wall_ns, d.app, d.text, d.parts,"
            " d.shot FROM documents d JOIN sessions s ON s.id = d.session WHERE d.id = ANY(?)",
            (found,),
        )
        by_number = {number: tuple(row) for number, *row in rows}
        return [by_number[number] for number in found if number in by_number]


def _with_derived(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        kept = searchable(row[_TEXT_COLUMN])
        yield (*row, kept.folded, kept.words, kept.spoken, kept.pairs)


def _any_way(term: Term) -> _Condition:
    """True of the documents that hold a term."""
    found: list[_Condition] = []
    if term.words:
        found.append(_spoken(words(term.text), term.prefix))
    if term.grams:
        found.append(_part(parts(term.text)))
    if term.pairs:
        pairs = words(term.text)
        found.append(("d.pairs @> ?::text[]", [pairs]) if pairs else (_NEVER, []))
    found = [one for one in found if one != (_NEVER, [])]
    if not found:
        return _NEVER, []
    return f"({' OR '.join(sql for sql, _ in found)})", [value for _, values in found for value in values]


def _spoken(found: list[str], prefix: bool) -> _Condition:
    """True of the documents in which words follow each other; of the last, its beginning is enough with `prefix`."""
    if not found:
        return _NEVER, []
    if not fits(found):
        # The index knows no more than their beginning.
        texts = [_part(word) for word in found]
        sql = " AND ".join(["d.words @@ ?::tsquery", *(one for one, _ in texts)])
        return f"({sql})", [together(found, prefix=prefix), *(value for _, values in texts for value in values)]
    if len(found) == 1:
        return "d.words @@ ?::tsquery", [phrase(found, prefix=prefix)]
    pattern = spaced(found).rstrip(" ") if prefix else spaced(found)
    return (
        # The index is asked for the words; where a long text's words are not all at their places, the text itself is.
        "(d.words @@ ?::tsquery AND CASE WHEN d.spoken IS NULL THEN d.words @@ ?::tsquery ELSE d.spoken LIKE ? END)",
        [together(found, prefix=prefix), phrase(found, prefix=prefix), _like(pattern)],
    )


def _part(folded: str) -> _Condition:
    """True of the documents that hold some characters one after the other."""
    return ("d.folded LIKE ?", [_like(folded)]) if len(folded) >= _PART_CHARS else (_NEVER, [])


def _like(text: str) -> str:
    """The pattern of any text that holds this one."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
