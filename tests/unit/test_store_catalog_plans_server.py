"""How PostgreSQL answers the hot questions: from an index each, so that ten thousand sessions cost what ten do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pepys.store.catalog import Catalog
from pepys.store.postgres import PostgresDatabase
from tests.postgres import PostgresServer
from tests.stored_session import WALL_NS, make_store

SESSIONS = 10_000
_SESSIONS = f"""
INSERT INTO sessions SELECT lpad(n::text, 26, '0'), 'name ' || n, CASE n % 100 WHEN 0 THEN 'interrupted' ELSE
'completed' END, {WALL_NS} + n, 0, 0, 'described at some length', '', '["tag"]', 'a summary of what was done', 0, 0, '',
'{{"apps":['
|| repeat('[123456,234567,"Application"],', 30)
|| '[1,2,"x"]],"gaps":[],"poster":null}}', 1, 's', 1, 's' FROM generate_series(0, {SESSIONS - 1}) n
"""
"""As many applications as an hour of work has: a row is as long as its detail."""
_TAGS = f"""
INSERT INTO session_tags SELECT 'tag ' || n % 7, {WALL_NS} + n, lpad(n::text, 26, '0')
FROM generate_series(0, {SESSIONS - 1}) n
"""
_DOCUMENTS = f"""
INSERT INTO documents (session, kind, at_ns, end_ns, wall_ns, app, text, bigrams, parts, shot, folded, words)
SELECT lpad(n::text, 26, '0'), 'note', 0, 0, {WALL_NS} + n, '', 'word' || n, '', '', '', 'word' || n,
('word' || n)::tsvector FROM generate_series(0, {SESSIONS - 1}) n
"""


@pytest.fixture(scope="module")
def catalog(_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog of ten thousand sessions, after ANALYZE; VACUUM too, as the server does by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEPYS_STORE_CATALOG", _postgres.new_database())
        with Catalog(make_store(tmp_path_factory.mktemp("home"))) as made:
            database = made.held.open()
            with database.transaction("test"):
                for statement in (_SESSIONS, _TAGS, _DOCUMENTS):
                    database.change(statement)
            for table in ("sessions", "session_tags", "documents"):
                database.change(f"VACUUM ANALYZE {table}")
            yield made


def plans(catalog: Catalog, ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The plan of every question that is asked, or change that is made, meanwhile, with its own values."""
    database = catalog.held.open()
    assert isinstance(database, PostgresDatabase)
    asked: list[tuple[str, Any]] = []
    with monkeypatch.context() as patch:
        for name in ("execute", "change"):
            run = getattr(database, name)
            patch.setattr(
                database, name, lambda text, values=(), run=run: (asked.append((text, values)), run(text, values))[1]
            )
        ask()
    assert asked, "nothing was asked"
    return [[row[0] for row in database.execute(f"EXPLAIN {text}", values)] for text, values in asked]


def check(found: list[list[str]], *, sorts: bool = False) -> None:
    """No table is walked from end to end, and nothing is sorted that has a row a session."""
    for plan in found:
        told = "\n".join(plan)
        assert not re.search(r"Seq Scan on (sessions|session_tags|documents)", told), told
        assert sorts or "Sort" not in told, told


LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "by tag": {"tag": "tag 3"},
    "by state": {"state": "completed"},
    "by a rare state": {"state": "interrupted"},
    "since": {"from_ns": WALL_NS + SESSIONS // 2},
    "until": {"to_ns": WALL_NS + SESSIONS // 2},
    "between": {"from_ns": WALL_NS + 400, "to_ns": WALL_NS + 500},
    "by tag, state and time": {"tag": "tag 3", "state": "completed", "from_ns": WALL_NS},
    "by words": {"query": "n"},
    "by words and tag": {"query": "n", "tag": "tag 3"},
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_reads_what_it_shows(catalog: Catalog, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list that reads or sorts every session to show fifty of them."""
    found = plans(catalog, lambda: catalog.list(**LISTS[name], limit=50), monkeypatch)
    check(found)


def test_one_session_is_found_by_its_id(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches ids that are compared in another collation than that of their index."""
    one = f"{5:026d}"
    check(plans(catalog, lambda: catalog.get(one), monkeypatch))
    check(plans(catalog, lambda: catalog.resolve(one[:25] + "5"), monkeypatch))
    check(plans(catalog, lambda: catalog.resolve("last"), monkeypatch))
    check(plans(catalog, lambda: catalog.untold(one, "s"), monkeypatch))


def test_keeping_up_reads_an_index_alone(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a refresh that reads every row: what it compares is in an index."""
    database = catalog.held.open()
    question = "SELECT id, glance FROM sessions"
    (found,) = plans(catalog, lambda: database.execute(question), monkeypatch)
    assert "Index Only Scan using sessions_glanced" in found[0], found
    (found,) = plans(catalog, catalog._untold, monkeypatch)
    assert "sessions_untold" in found[0], found
    (found,) = plans(catalog, catalog.count, monkeypatch)
    assert "Seq Scan" not in "\n".join(found), found


def test_a_change_finds_its_rows_by_index(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a session whose change costs a look at all others."""
    row, one = catalog.get(f"{7:026d}"), f"{8:026d}"
    check(plans(catalog, lambda: catalog.write(row, "other"), monkeypatch))
    check(plans(catalog, lambda: catalog.write_text(row.id, row.started_wall_ns, "other", []), monkeypatch))
    check(plans(catalog, lambda: catalog.remove(one), monkeypatch))


def test_a_search_reads_what_it_finds(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a search that walks the documents."""
    for query in ("word77", "ord770", '"word77"', "word7*"):
        found = plans(catalog, lambda query=query: catalog.search(query, limit=20), monkeypatch)
        check(found, sorts=True)
