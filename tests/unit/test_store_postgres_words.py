"""Texts that a `tsvector` cannot hold as they are: each is indexed, and found by what fits."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pepys.store.postgres import PostgresDatabase
from pepys.store.postgres_words import parts, searchable, words
from pepys.store.search import Filters, SearchIndex
from tests.postgres import PostgresServer
from tests.search_indexes import document, emptied, fts, postgres_tables, times
from tests.stored_session import WALL_NS


@pytest.fixture(scope="module")
def tables(_postgres: PostgresServer) -> Iterator[PostgresDatabase]:
    with postgres_tables(_postgres.new_database()) as made:
        yield made


@pytest.fixture
def index(tables: PostgresDatabase) -> SearchIndex:
    return emptied(tables.search())


def found(index: SearchIndex, query: str) -> list[int]:
    return times(index.search(query, Filters(), 50))


LONG = "".join(random.Random(2).choices("abcdefghijklmnopqrstuvwxyz", k=100_000))
CJK = "検索"


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG} end",
        f"start {LONG} end",
        "é" * 50_000 + " end",
        "𝒳" * 30_000 + " end",
        "日" * 20_000 + " end",
        "a\0b end",
        "half \ud800 of a pair end",
        "\ufffe\uffff\U0010ffff end",
        "' \\ '' \\' & | ! <-> :* (  end",
        "\u0301\u0301 end",
        "a" + "\u0301" * 10_000 + " end",
    ],
    ids=range(11),
)
def test_strange_texts_are_indexed(index: SearchIndex, tables: PostgresDatabase, text: str) -> None:
    """It would catch a document that the server refuses, and with it the whole session's text."""
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document(text), document("its neighbour", at_s=1)])
    assert found(index, "end") == [0] and found(index, "neighbour") == [1]
    beginning = text[:900]
    memory = fts()
    memory.index("one", WALL_NS, [document(text)])
    for query in (beginning, f"{beginning}*", beginning[1:600], beginning[:40]):
        assert found(index, query) == found(memory, query), query[:20]


def test_words_that_differ_after_what_a_lexeme_holds(index: SearchIndex, tables: PostgresDatabase) -> None:
    """It would catch words of some kilobytes that are found for one another."""
    begins = "𝒳" * 600
    index.index("one", WALL_NS, [document(f"{begins}{sign * 9}", at_s=n) for n, sign in enumerate("ab")])
    assert found(index, f"{begins}aaaaaaaaa") == [0] and found(index, f"{begins}b*") == [1]
    assert found(index, begins) == [0, 1]


def test_a_text_with_more_words_than_a_vector_holds(index: SearchIndex, tables: PostgresDatabase) -> None:
    """It would catch a text of some megabytes that fails; its words at the beginning, and any part, are found."""
    dice = random.Random(1)
    long = " ".join("".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(120_000))
    first, last = long[:12], long[-12:]
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document(long)])
    for query in (first, last, f'"{long[:25]}"', f"{first[:8]}*", last[2:9], f"{first} {last}"):
        assert found(index, query) == [0], query
    assert found(index, "notinit") == []


def test_words_beyond_the_places_that_a_vector_knows(index: SearchIndex, tables: PostgresDatabase) -> None:
    """Of a lexeme only 255 places are kept, and none after 16,383: phrases are found, and not found, all the same."""
    often = "the cat " * 400 + "the dog"
    far = "word " * 17_000 + "brown fox and fox brown"
    with tables.transaction("test"):
        index.index("one", WALL_NS, [document(often), document(far, at_s=1)])
    memory = fts()
    memory.index("one", WALL_NS, [document(often), document(far, at_s=1)])
    for query in ('"the dog"', '"dog the"', '"cat the"', '"brown fox"', '"fox brown"', '"fox fox"', '"word brown"',
                  '"and word"', '"brown fo"', "brown-fox", "the dog", "fox", '"fox brown" "brown fox"'):  # fmt: skip
        assert found(index, query) == found(memory, query), query
    kept = tables.execute("SELECT spoken IS NOT NULL FROM documents")
    assert kept == [(True,), (True,)]


def test_only_what_changed_is_written(index: SearchIndex, tables: PostgresDatabase) -> None:
    def numbers() -> dict[str, int]:
        return {text: number for number, text in tables.execute("SELECT id, text FROM documents")}

    texts = [document("stays", at_s=1), document("goes", at_s=2), document("twice", at_s=3), document("twice", at_s=3)]
    index.index("one", WALL_NS, texts)
    before = numbers()
    index.index("one", WALL_NS, [texts[0], texts[2], document("comes", at_s=4)])
    after = numbers()
    assert after["stays"] == before["stays"] and set(after) == {"stays", "twice", "comes"}
    assert tables.execute("SELECT count(*) FROM documents") == [(3,)]


def test_texts_are_folded_as_fts5_folds_them() -> None:
    """Every character of the scripts that have case or accents, in a sentence: one that is folded otherwise is lost."""
    memory = fts()._connection
    signs = [chr(code) for code in (*range(0x20, 0x590), *range(0x1E00, 0x2190), *range(0x3000, 0x3100))]
    for start in range(0, len(signs), 40):
        text = "".join(f"a{sign}b{sign} " for sign in signs[start : start + 40])
        for tokenizer, mine in (("unicode61 remove_diacritics 2", words(text)), ("trigram remove_diacritics 1", None)):
            memory.execute(f"CREATE VIRTUAL TABLE temp.t USING fts5(x, tokenize='{tokenizer}')")
            memory.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab('temp', 't', 'instance')")
            memory.execute("INSERT INTO temp.t VALUES (?)", (text,))
            theirs = [row[0] for row in memory.execute('SELECT term FROM temp.v ORDER BY "offset"')]
            folded = parts(text)
            assert theirs == (mine if mine is not None else [folded[n : n + 3] for n in range(len(folded) - 2)])
            memory.execute("DROP TABLE temp.v")
            memory.execute("DROP TABLE temp.t")


def test_what_is_kept_of_a_text() -> None:
    kept = searchable(f"Café, the café: {CJK}する")
    assert kept.folded == f"cafe, the cafe: {CJK}する"
    assert kept.words == f"'cafe':1,3 'the':2 '{CJK}する':4"
    assert kept.spoken is None and kept.pairs == ["する", CJK, "索す"]
    assert searchable("plain").pairs is None and searchable("").words == ""
