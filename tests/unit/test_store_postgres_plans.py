"""How PostgreSQL answers a search among twenty thousand texts, and how long that takes beside FTS5."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pepys.clock import SystemClock
from pepys.limits import NS_PER_MS, SEARCH_CANDIDATES
from pepys.store.documents import Document
from pepys.store.postgres import PostgresDatabase
from pepys.store.postgres_search import PostgresIndex
from pepys.store.search import Filters, FtsIndex, SearchIndex
from tests.postgres import PostgresServer
from tests.search_indexes import TAGS, document, fts, postgres_tables, times
from tests.stored_session import WALL_NS

TEXTS = 20_000
_DICE = random.Random(6)
_WORDS = ["".join(_DICE.choices("etaoinshrdlu", k=_DICE.randint(4, 9))) for _ in range(4000)]
_WEIGHTS = [1 / (n + 1) for n in range(len(_WORDS))]
COMMON, RARE = _WORDS[0], _WORDS[2500]
WALKS = r"Seq Scan on documents|Index Scan using documents_session"


@dataclass
class Asked:
    """Both indexes over the same texts."""

    tables: PostgresDatabase
    postgres: SearchIndex
    fts5: FtsIndex

    def plan(self, query: str, filters: Filters | None = None) -> str:
        """The plans of the statements of one search, with the values that it is run with."""
        asked: list[tuple[str, Sequence[Any]]] = []
        tables = self.tables

        class Listening:
            def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
                asked.append((statement, values))
                return tables.execute(statement, values)

            copy = tables.copy

        PostgresIndex(Listening()).search(query, filters or Filters(), 50)
        return "\n".join(row[0] for one, values in asked for row in tables.execute(f"EXPLAIN {one}", values))


@pytest.fixture(scope="module")
def texts() -> list[Document]:
    lines = [" ".join(_DICE.choices(_WORDS, _WEIGHTS, k=6)) for _ in range(TEXTS)]
    lines[100:100] = ["検索する文書"]
    return [document(line, "screen_text", at_s) for at_s, line in enumerate(lines)]


@pytest.fixture(scope="module")
def asked(_postgres: PostgresServer, texts: list[Document]) -> Iterator[Asked]:
    fts5 = fts()
    fts5._connection.execute("BEGIN")
    fts5.index("one", WALL_NS, texts)
    fts5._connection.execute("COMMIT")
    with postgres_tables(_postgres.new_database()) as tables:
        index = tables.search()
        with tables.transaction("test"):
            index.index("one", WALL_NS, texts)
        # What the server does by itself some seconds later. Before, it walks over what its indexes have not sorted in.
        tables.execute("VACUUM ANALYZE documents")
        yield Asked(tables, index, fts5)


@pytest.mark.parametrize(
    ("query", "used"),
    [
        (RARE, ["documents_words"]),
        (RARE[1:5], ["documents_words", "documents_parts"]),
        (f"{RARE[:4]}*", ["documents_words"]),
        (f'"{RARE} {COMMON}"', ["documents_words"]),
        (f"{RARE} {COMMON[1:5]}", ["documents_words", "documents_parts"]),
        ("文書", ["documents_words", "documents_pairs"]),
        ("検索", ["documents_words", "documents_pairs"]),
    ],
)
def test_a_search_uses_its_indexes(asked: Asked, query: str, used: list[str]) -> None:
    """It would catch an index that no question can use, and a condition that walks over every text."""
    plan = asked.plan(query)
    assert not re.search(WALKS, plan), plan
    assert [name for name in used if f"Bitmap Index Scan on {name}" not in plan] == [], plan


def test_a_word_that_is_everywhere_is_looked_for_among_the_newest(asked: Asked, texts: list[Document]) -> None:
    """It would catch a search that weighs every text that there is, of which only the newest are told."""
    plan = asked.plan(COMMON)
    assert "Limit" in plan and not re.search(WALKS, plan), plan
    newest = [at_s for at_s, text in enumerate(texts) if COMMON in text.text.split()][-SEARCH_CANDIDATES:]
    hits = times(asked.postgres.search(COMMON, Filters(), 50))
    assert len(hits) == 50 and set(hits) <= set(newest)


def test_indexing_one_session_looks_at_no_other(asked: Asked) -> None:
    for statement in ("SELECT id FROM documents WHERE session = ?", "DELETE FROM documents WHERE session = ?"):
        plan = "\n".join(row[0] for row in asked.tables.execute(f"EXPLAIN {statement}", ("two",)))
        assert "documents_session" in plan and "Seq Scan" not in plan, plan
    assert list(TAGS) == ["one", "two"]


def test_how_long_a_search_takes(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not held to a bar: the machine is shared. A walk over every text would take ten times as long."""
    clock = SystemClock()
    for name, query in {
        "a rare word": RARE, "a common word": COMMON, "a part": RARE[1:5], "a phrase": f'"{COMMON} {_WORDS[1]}"',
        "a beginning": f"{RARE[:4]}*", "nothing": "zzzzq",
    }.items():  # fmt: skip
        took = []
        for index in (asked.fts5, asked.postgres):
            times = []
            for _ in range(3):
                begun = clock.awake_ns()
                found = index.search(query, Filters(), 50)
                times.append(clock.awake_ns() - begun)
            took.append((min(times) / NS_PER_MS, len(found)))
        (fts5_ms, fts5_found), (postgres_ms, postgres_found) = took
        with capsys.disabled():
            print(f"\n{name}: FTS5 {fts5_ms:.1f} ms, PostgreSQL {postgres_ms:.1f} ms, {fts5_found} found", end="")
        assert fts5_found == postgres_found
        assert postgres_ms < 2000
