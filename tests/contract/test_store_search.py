"""What every search index must do: over FTS5, a real PostgreSQL server, and a scan that says what the words mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.limits import SEARCH_HITS
from pepys.store import database
from pepys.store.query import fold
from pepys.store.search import Filters, FtsIndex, Hit, SearchIndex
from tests.postgres import PostgresServer
from tests.search_indexes import (
    SECOND,
    STARTED,
    ScanIndex,
    document,
    emptied,
    fts,
    postgres_tables,
    times,
)
from tests.stored_session import WALL_NS


@pytest.fixture(scope="module")
def postgres(_postgres: PostgresServer) -> Iterator[SearchIndex]:
    """One for all tests of this file; who uses it empties it."""
    with postgres_tables(_postgres.new_database()) as tables:
        yield tables.search()


@pytest.fixture(scope="module")
def fts5_file(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    """FTS5 in a file under a key."""
    return fts(tmp_path_factory.mktemp("search") / "x.db")


_MEMORY = fts()


@pytest.fixture(params=["fts5_memory", "fts5_file", "postgres", "scan"])
def index(request: pytest.FixtureRequest) -> SearchIndex:
    """Each index in turn, empty."""
    if request.param == "scan":
        return ScanIndex()
    return emptied(_MEMORY if request.param == "fts5_memory" else request.getfixturevalue(request.param))


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("The quick brown fox", "quick", True),
        ("The quick brown fox", "QUICK fox", True),
        ("The quick brown fox", "quick cat", False),
        ("The quick brown fox", '"quick brown"', True),
        ("The quick\nbrown fox", '"quick brown"', True),
        ("The quick brown fox", '"brown quick"', False),
        ("The quick brown fox", "bro*", True),
        ("The quick brown fox", "row*", False),
        ("The quick brown fox", "row", True),
        ("The quick brown fox", "uick bro", True),
        ("to be or not", "to", True),
        ("tomato", "to", False),
        ("Café Zürich", "cafe zurich", True),
        ("cafe", "café", True),
        ("error E-1042 in foo_bar.py", "E-1042", True),
        ("error E-1042 in foo_bar.py", "foo_bar.py", True),
        ("error in fooxbar.py", "foo_bar", False),
        ("a hundred, 100 percent", "100%", False),
        ("foo and bar", "foo%bar", False),
        ("C:\\temp\\new", "p\\n", True),
        ("written in c++ mostly", "c++", True),
        ("the letter c", "c++", False),
        ("日本語の文書を検索する", "文書", True),
        ("日本語の文書を検索する", "検索する", True),
        ("日本語の文書を検索する", "書文", False),
        ("한국어 문서", "문서", True),
        ("mixed 日本 text", "日本 text", True),
        ("", "anything", False),
        ("anything", "", False),
        ("anything", "   ", False),
        ("quote \" inside", '"', False),
    ],
)  # fmt: skip
def test_what_is_found(index: SearchIndex, text: str, query: str, found: bool) -> None:
    index.index("one", WALL_NS, [document(text)])
    assert bool(index.search(query, Filters(), 10)) is found


def test_filters(index: SearchIndex) -> None:
    index.index("one", WALL_NS, [
        document("apple pie", at_s=1, app="XTerm"),
        document("apple tart", "screen_text", 10, 20, app="Firefox"),
    ])  # fmt: skip
    index.index("two", STARTED["two"], [document("apple cake", at_s=5)])

    def found(**filters: object) -> list[int]:
        return times(index.search("apple", Filters(**filters), 10))

    assert found() == [1, 5, 10]
    assert found(session="one") == [1, 10]
    assert found(kind="note") == [1, 5]
    assert found(app="xterm") == [1]
    assert found(tag="work") == [1, 10]
    # The text on the screen was still there at second 15.
    assert found(from_ns=WALL_NS + 15 * SECOND) == [5, 10]
    assert found(to_ns=WALL_NS + 10 * SECOND) == [1]
    assert found(session="three") == []


def test_indexing_again_replaces(index: SearchIndex) -> None:
    index.index("one", WALL_NS, [document("old words")])
    index.index("one", WALL_NS, [document("new words", at_s=3)])
    assert index.search("old", Filters(), 10) == []
    assert times(index.search("words", Filters(), 10)) == [3]
    index.forget("one")
    assert index.search("words", Filters(), 10) == []


def test_the_limit_and_the_order(index: SearchIndex) -> None:
    index.index("one", WALL_NS, [document("same text", at_s=n) for n in range(20)])
    hits = index.search("same", Filters(), 5)
    assert [hit.at_ns // SECOND for hit in hits] == [19, 18, 17, 16, 15]
    assert index.search("same", Filters(), 0) == []


def test_speech_is_timed_by_its_word(index: SearchIndex) -> None:
    parts = ((0, 1000, 1300), (3, 1400, 1900), (9, 2000, 2500))
    index.index("one", WALL_NS, [document("we speak slowly", "transcript", 1, 3, parts=parts)])
    for query, at_ms in [("we", 1000), ("speak", 1400), ("slow*", 2000), ("pea", 1400)]:
        assert [hit.at_ns // 1_000_000 for hit in index.search(query, Filters(), 10)] == [at_ms]


HOSTILE = st.text(max_size=40) | st.text(alphabet="\"*()^:-+{}[]\\'%_ ANDORNTEar\0日本", max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=HOSTILE, text=st.text(max_size=60))
def test_no_query_fails(postgres: SearchIndex, query: str, text: str) -> None:
    for made in (_MEMORY, postgres, ScanIndex()):
        emptied(made).index("one", WALL_NS, [document(text)])
        made.search(query, Filters(app=query, tag=query), SEARCH_HITS * 2)
        made.search(query, Filters(), 10)


@pytest.mark.parametrize(
    "query", ["\ud800", "a\ud800b", "x" * 100_000, "a " * 5000, '"' * 999, "NEAR(a b, 2)", "text:a"]
)
def test_strange_queries(index: SearchIndex, query: str) -> None:
    index.index("one", WALL_NS, [document("text a b NEAR")])
    index.search(query, Filters(), 10)


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "alphabet", "été", "42", "日本語", "x-ray"]), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(WORDS, max_size=5), query=WORDS)
def test_whole_words_are_found_as_the_contract_says(
    postgres: SearchIndex, texts: list[list[str]], query: list[str]
) -> None:
    found = []
    for made in (_MEMORY, postgres, ScanIndex()):
        emptied(made).index("one", WALL_NS, [document(" ".join(words), at_s=n) for n, words in enumerate(texts)])
        found.append(times(made.search(" ".join(query), Filters(), 100)))
    assert found[0] == found[1] == found[2]


# Few signs, so that queries often find something, and those on which databases differ: case and accents of many kinds,
# signs of patterns, and characters that are words to one and nothing to another.
SIGNS = "abcAB12 -_.%+'\"*\\\n\t éÉñßſİıΣςДй\u0301\u00ad\u200d\u0345日本語のガ・々⺀한국😀²Ⅷﬁ"
TEXTS = st.text(alphabet=SIGNS, max_size=30) | st.text(alphabet="aab é-日本", max_size=12)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, min_size=1, max_size=4), query=TEXTS, cut=st.tuples(st.integers(0, 30), st.integers(1, 6)))
def test_postgres_finds_what_fts5_finds(
    postgres: SearchIndex, texts: list[str], query: str, cut: tuple[int, int]
) -> None:
    """It would catch a folding, a word's end or a part of a word that the server sees otherwise than FTS5."""
    documents = [document(text, at_s=n) for n, text in enumerate(texts)]
    part = texts[0][cut[0] : cut[0] + cut[1]]
    for made in (_MEMORY, postgres):
        emptied(made).index("one", WALL_NS, documents)
    for asked in (query, part, f"{part}*", f'"{part}"'):
        assert unordered(postgres.search(asked, Filters(), 10)) == unordered(_MEMORY.search(asked, Filters(), 10))


def unordered(hits: list[Hit]) -> set[Hit]:
    """Hits whose weight is not compared."""
    assert len(set(hits)) == len(hits)
    return set(hits)


def test_only_the_weight_of_whole_words_may_differ(postgres: SearchIndex) -> None:
    """The rest of the order, and every field of a hit, is the same: parts of words, the newest first, and the limit."""
    texts = ["status", "statuses are many", "status status status", "a bus", "status of the bus", "nothing"]
    for one in (_MEMORY, postgres):
        emptied(one).index("one", WALL_NS, [document(text, at_s=n, app="XTerm") for n, text in enumerate(texts)])
    hits = [one.search("status", Filters(), 10) for one in (_MEMORY, postgres)]
    assert [hit.at_ns // SECOND for hit in hits[1]][:1] == [2]  # the word stands there most often
    assert sorted(times(hits[1][:3])) == sorted(times(hits[0][:3])) == [0, 2, 4]
    assert hits[0][3:] == hits[1][3:]
    for query in ("tat", "us", "stat*", "bus"):
        for limit in (1, 3, 10):
            found = [one.search(query, Filters(app="xterm"), limit) for one in (_MEMORY, postgres)]
            assert [dataclasses.asdict(hit) for hit in found[0]] == [dataclasses.asdict(hit) for hit in found[1]], query


def test_snippets_boxes_and_marks(index: SearchIndex) -> None:
    if isinstance(index, ScanIndex):
        return  # it tells what is found, not how that is shown
    lines = ["first line " * 10, "here is the WORD we want", "last line", "and the word again"]
    parts = tuple((0.1, 0.1 * n, 0.5, 0.05) for n in range(4))
    index.index("one", WALL_NS, [document("\n".join(lines), "screen_text", 4, 9, parts=parts, shot="b3-x")])
    (hit,) = index.search("word", Filters(), 10)
    assert [fold(hit.snippet[start:end]) for start, end in hit.marks] == ["word", "word"]
    assert len(hit.snippet) <= 162 and hit.snippet.startswith("…") and "\n" not in hit.snippet
    assert hit.boxes == (parts[1], parts[3])
    assert (hit.shot, hit.at_ns, hit.end_ns, hit.wall_ns) == ("b3-x", 4 * SECOND, 9 * SECOND, WALL_NS + 4 * SECOND)


def test_no_text_stays_behind(tmp_path: Path) -> None:
    connection = database.connect(tmp_path / "x.db", bytes(32), "rwc")
    database.make_tables(connection, "catalog")
    made = FtsIndex(connection)
    made.index("one", WALL_NS, [document("unrepeatable")])
    made.forget("one")
    for table in ("words", "grams", "pairs"):
        connection.execute(f"INSERT INTO {table}({table}) VALUES ('integrity-check')")
        assert connection.execute(f"SELECT count(*) FROM {table} WHERE {table} MATCH 'unrepeatable'").fetchone() == (0,)
