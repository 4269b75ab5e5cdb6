"""What every search index must do, over FTS5 and over a plain scan that says what the words of the contract mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.limits import NS_PER_MS, SEARCH_HITS
from pepys.store import database
from pepys.store.documents import Document
from pepys.store.query import clean_text, fold, marks, parse
from pepys.store.search import Filters, FtsIndex, Hit, SearchIndex
from tests.stored_session import WALL_NS

SECOND = 1_000_000_000


class ScanIndex:
    """The contract in its plainest form: every document is looked at."""

    def __init__(self, tags: dict[str, list[str]]) -> None:
        self._documents: dict[str, tuple[int, list[Document]]] = {}
        self._tags = tags

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
            and (filters.tag is None or filters.tag in self._tags.get(session, []))
            and (filters.from_ns is None or started + document.end_ns >= filters.from_ns)
            and (filters.to_ns is None or started + document.at_ns < filters.to_ns)
        )

    @staticmethod
    def _at(document: Document, first: int) -> int:
        spoken = [part for part in document.parts if part[0] <= first] if document.kind == "transcript" else []
        return int(spoken[-1][1] * NS_PER_MS) if spoken else document.at_ns


TAGS = {"one": ["work"], "two": []}
STARTED = {"one": WALL_NS, "two": WALL_NS + 1000 * SECOND}


def fts() -> SearchIndex:
    """FTS5 in memory, with the two sessions' rows beside it."""
    connection = database.connect_memory()
    database.make_tables(connection, "catalog")
    for session, tags in TAGS.items():
        connection.execute(
            "INSERT INTO sessions VALUES (?, ?, 'completed', ?, 0, 0, '', '', ?, '', 0, 0, '', '{}', 1, '', 0, '')",
            (session, f"name of {session}", STARTED[session], json.dumps(tags)),
        )
        connection.executemany(
            "INSERT INTO session_tags VALUES (?, ?, ?)", [(tag, STARTED[session], session) for tag in tags]
        )
    return FtsIndex(connection)


@pytest.fixture(params=[fts, lambda: ScanIndex(TAGS)], ids=["fts5", "scan"])
def index(request: pytest.FixtureRequest) -> SearchIndex:
    make: Callable[[], SearchIndex] = request.param
    return make()


def document(text: str, kind: str = "note", at_s: int = 0, end_s: int | None = None, **more: object) -> Document:
    end = at_s if end_s is None else end_s
    return Document(kind, at_s * SECOND, end * SECOND, clean_text(text), **more)


def times(hits: list[Hit]) -> list[int]:
    """The seconds of hits, in order of time."""
    return sorted(hit.at_ns // SECOND for hit in hits)


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


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=HOSTILE, text=st.text(max_size=60))
def test_no_query_fails_and_both_agree_on_words(query: str, text: str) -> None:
    for made in (fts(), ScanIndex(TAGS)):
        made.index("one", WALL_NS, [document(text)])
        made.search(query, Filters(app=query, tag=query), SEARCH_HITS * 2)
        made.search(query, Filters(), 10)


@pytest.mark.parametrize(
    "query", ["\ud800", "a\ud800b", "x" * 100_000, "a " * 5000, '"' * 999, "NEAR(a b, 2)", "text:a"]
)
def test_strange_queries(index: SearchIndex, query: str) -> None:
    index.index("one", WALL_NS, [document("text a b NEAR")])
    index.search(query, Filters(), 10)


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "alphabet", "été", "42", "日本語", "x-ray"]), max_size=6)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(WORDS, max_size=5), query=WORDS)
def test_whole_words_are_found_as_the_contract_says(texts: list[list[str]], query: list[str]) -> None:
    found = []
    for made in (fts(), ScanIndex(TAGS)):
        made.index("one", WALL_NS, [document(" ".join(words), at_s=n) for n, words in enumerate(texts)])
        found.append(times(made.search(" ".join(query), Filters(), 100)))
    assert found[0] == found[1]


def test_snippets_boxes_and_marks() -> None:
    made = fts()
    lines = ["first line " * 10, "here is the WORD we want", "last line", "and the word again"]
    parts = tuple((0.1, 0.1 * n, 0.5, 0.05) for n in range(4))
    made.index("one", WALL_NS, [document("\n".join(lines), "screen_text", 4, 9, parts=parts, shot="b3-x")])
    (hit,) = made.search("word", Filters(), 10)
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
