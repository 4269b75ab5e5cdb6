"""How SQLite answers the hot questions: from an index each, so that ten thousand sessions cost what ten do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pepys.store import database as db
from pepys.store.catalog import Catalog
from pepys.store.documents import Document
from pepys.store.search import Filters, FtsIndex
from pepys.store.store import Store
from pepys.store.waiting import under_way
from pepys.store.work import Claimer, WorkQueue
from tests.stored_session import WALL_NS, make_store

Plan = list[str]
_TABLES = ("sessions", "session_tags", "documents", "jobs", "s", "t", "d")

# What may walk a table, and why: each walk is in an index's order and ends at the LIMIT, or is over an index alone.
NEWEST_FIRST = (
    "SCAN s USING INDEX sessions_listed"  # a list without filters: only sessions that are there, newest first
)
COUNTED = tuple(f"SCAN s USING COVERING INDEX sessions_{name}" for name in ("listed", "by_state"))  # a count counts all
GLANCED = "SCAN sessions USING COVERING INDEX sessions_glanced"  # every session is compared with its folder
UNTOLD = "SCAN sessions USING INDEX sessions_untold"  # holds only sessions whose text is behind: none, mostly
BY_AGE = "SCAN jobs USING INDEX jobs_made"  # all jobs were asked for


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def plans(connection: db.Connection, ask: Callable[[], object]) -> list[Plan]:
    """The plan of every statement that is run on a connection meanwhile, with SQLite's own values in it."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    try:
        ask()
    finally:
        connection.set_trace_callback(None)
    asked = [one for one in statements if re.match(r"SELECT|UPDATE|DELETE|INSERT INTO (sessions|documents)", one)]
    found = [_plan(connection, one) for one in asked if "FROM sqlite_" not in one and "FROM pragma_" not in one]
    assert found, "nothing was asked"
    return found


def _plan(connection: db.Connection, statement: str) -> Plan:
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]


def check(found: list[Plan], *allowed: str) -> None:
    """No table is walked, and nothing is sorted that has a row a session or document, but for what is allowed."""
    for plan in found:
        for step in plan:
            walked = re.match(r"SCAN (\w+)", step)
            if walked and walked[1] in _TABLES and step not in allowed:
                pytest.fail(f"{step} in {plan}")


def unsorted(found: list[Plan]) -> None:
    """What comes is in its order already."""
    assert not [step for plan in found for step in plan if "TEMP B-TREE" in step], found


@pytest.fixture
def catalog(store: Store) -> Catalog:
    """A catalog with a thousand sessions, so that no plan is chosen for want of rows."""
    made = Catalog(store)
    connection = made.held.open().connection
    with db.transaction(connection, "test"):
        for number in range(1000):
            session, begun = f"{number:026d}", WALL_NS + number
            connection.execute(
                "INSERT INTO sessions VALUES"
                " (?, 'n', 'completed', ?, 0, 0, '', '', '[]', '', 0, 0, '', ?, 1, 's', 1, 's')",
                (session, begun, '{"apps":[],"gaps":[],"poster":null}'),
            )
            connection.execute("INSERT INTO session_tags VALUES (?, ?, ?)", (f"tag {number % 7}", begun, session))
            FtsIndex(connection).index(session, begun, [Document("note", 0, 0, f"word{number % 50} 北京 text")])
    connection.execute("ANALYZE")
    return made


LISTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "all": ({}, (NEWEST_FIRST,)),
    "by tag": ({"tag": "tag 3"}, ()),
    "by state": ({"state": "completed"}, ()),
    "since": ({"from_ns": WALL_NS + 500}, ()),
    "until": ({"to_ns": WALL_NS + 500}, ()),
    "between": ({"from_ns": WALL_NS + 400, "to_ns": WALL_NS + 500}, ()),
    "by tag, state and time": ({"tag": "tag 3", "state": "completed", "from_ns": WALL_NS}, ()),
    # Any text within four columns: no index can tell; read newest first, and no further than the limit.
    "by words": ({"query": "n"}, (NEWEST_FIRST,)),
    "by words and tag": ({"query": "n", "tag": "tag 3"}, ()),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("analysed", [True, False])
def test_a_list_reads_what_it_shows(catalog: Catalog, name: str, analysed: bool) -> None:
    """Catches a list that reads or sorts every session to show fifty of them."""
    if not analysed:
        catalog.held.open().connection.execute("DROP TABLE sqlite_stat1")
        store = catalog.store
        catalog.close()
        catalog = Catalog(store)
    filters, allowed = LISTS[name]
    found = plans(catalog.held.open().connection, lambda: catalog.list(**filters, limit=50))
    check(found, *allowed)
    unsorted(found)


@pytest.mark.parametrize("name", [name for name in LISTS if "words" not in name])
def test_a_count_reads_an_index(catalog: Catalog, name: str) -> None:
    filters, _ = LISTS[name]
    check(plans(catalog.held.open().connection, lambda: catalog.count(**filters)), *COUNTED)


def test_one_session_is_found_by_id_and_prefix(catalog: Catalog) -> None:
    """Catches a prefix that is looked for in every id."""
    check(plans(catalog.held.open().connection, lambda: catalog.get(f"{5:026d}")))
    check(plans(catalog.held.open().connection, lambda: catalog.resolve(f"{5:026d}"[:25] + "5")))
    check(plans(catalog.held.open().connection, lambda: catalog.resolve("last")), NEWEST_FIRST)
    check(plans(catalog.held.open().connection, lambda: catalog.untold(f"{5:026d}", "s")))


def test_keeping_up_reads_no_whole_row(catalog: Catalog) -> None:
    """Catches a look for what moved that decrypts every row."""
    connection = catalog.held.open().connection
    check(plans(connection, lambda: catalog._moved()), GLANCED)
    found = plans(connection, lambda: catalog._untold())
    check(found, UNTOLD)
    unsorted(found)
    check(plans(connection, lambda: catalog.write(catalog.get(f"{5:026d}"), "new", [])))
    check(plans(connection, lambda: catalog.remove(f"{5:026d}")))


@pytest.mark.parametrize("query", ["word7", "wor*", '"word7 text"', "ord7", "北京", "word7 北京", "te"])
@pytest.mark.parametrize("filters", [
    Filters(), Filters(session=f"{7:026d}"), Filters(kind="note", app="xterm"), Filters(tag="tag 3"),
    Filters(from_ns=WALL_NS + 100, to_ns=WALL_NS + 900),
])  # fmt: skip
def test_a_search_begins_at_an_index_of_text(catalog: Catalog, query: str, filters: Filters) -> None:
    """Catches a search that looks at every document. Text indexes are virtual tables, which SQLite says it scans."""
    connection = catalog.held.open().connection
    found = plans(connection, lambda: FtsIndex(connection).search(query, filters, 50))
    check(found)
    for plan in found:
        for step in plan:
            if "VIRTUAL TABLE" in step:
                assert re.search(r"VIRTUAL TABLE INDEX \d+:.*M\d", step), plan  # M: by MATCH, not all of it


def test_documents_are_replaced_by_session(catalog: Catalog) -> None:
    connection = catalog.held.open().connection
    session = f"{9:026d}"
    check(plans(connection, lambda: FtsIndex(connection).index(session, WALL_NS, [Document("note", 0, 0, "other")])))
    check(plans(connection, lambda: FtsIndex(connection).forget(session)))


def test_jobs_are_claimed_and_asked_for_from_an_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a claim that sorts all jobs there ever were."""
    queue, me = WorkQueue(store), Claimer.current("fake-boot")
    for number in range(50):
        queue.enqueue(f"s{number}", ["summary"])
    statements: list[tuple[str, tuple[object, ...]]] = []
    event.listen(queue._engine, "before_cursor_execute", lambda *given: statements.append((given[2], tuple(given[3]))))
    job = queue.claim(me)
    assert job is not None
    claimed, statements[:] = list(statements), []
    for ask in (
        lambda: queue.enqueue("s3", ["summary"]), lambda: queue.progress(job.id, {}), lambda: queue.get(job.id),
        lambda: queue.list(session="s3"), lambda: queue.list(state="running"), lambda: queue.finish(job.id, "done"),
    ):  # fmt: skip
        ask()
    with contextlib.closing(db.open_database(store, "work")) as connection:
        for asked, sorting in ((claimed, True), (statements, False)):
            found = [
                [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
                for sql, values in asked if sql.startswith(("SELECT", "UPDATE"))
            ]  # fmt: skip
            assert found
            check(found)
            if sorting:
                unsorted([plan for plan in found if any("jobs_next (state=?)" in step for step in plan)][-1:])
        check([_plan(connection, "SELECT session, state FROM jobs WHERE state IN ('queued', 'running')")])
    assert len(under_way(store)) == 49
