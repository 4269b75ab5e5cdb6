"""Databases that older versions wrote, frozen with their rows: each is migrated, whole, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from pepys.errors import Damaged, StorageProblem
from pepys.store import database as db
from pepys.store import trigger
from pepys.store.catalog import Catalog
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import Anchor, read_anchor
from pepys.store.making import make_missing
from pepys.store.migrations import upgrade
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.versions import VERSIONS
from pepys.store.work import WorkQueue
from tests.stored_session import make_store, reopen

SCHEMAS = Path(__file__).with_name("schemas")
FROZEN = sorted(SCHEMAS.glob("*.sql"))
ROWS = {"catalog": ("sessions", "documents"), "work": ("jobs",), "ledger": ("spends",)}
SPENDS = (
    "SELECT number + 1 AS id, subject AS session, body ->> 'stage' AS stage, body ->> 'key' AS \"key\","
    " amount_nanos AS cost_nanos, wall_ns FROM entries WHERE kind = 'spend' ORDER BY number"
)
"""What was spent in the words of the versions before 3, whose every row has its place in the chain."""
Schema = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def thaw(store: Store, file: Path) -> str:
    """Put a frozen database into a home, under its key; its name."""
    name = file.name.split(".")[0]
    path = store.database_path(name)
    with contextlib.closing(db.connect(path, store.keys.database_key(name), "rwc")) as connection:
        connection.executescript(file.read_text(encoding="utf-8"))
    path.chmod(0o600)
    return name


@contextlib.contextmanager
def opened(store: Store, name: str) -> Iterator[db.Connection]:
    """The database as it lies there, not migrated."""
    with contextlib.closing(db.connect(store.database_path(name), store.keys.database_key(name))) as connection:
        yield connection


def schema(connection: db.Connection) -> Schema:
    """Columns, keys, indexes and triggers; not how their text is set."""
    found: Schema = {}
    master = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    for kind, name, sql in connection.execute(master).fetchall():
        if kind == "table":
            columns = connection.execute(f"PRAGMA table_xinfo('{name}')").fetchall()
            without_rowid = connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (name,)).fetchone()
            virtual = sql if sql.startswith("CREATE VIRTUAL") else ""
            found[name] = (columns, without_rowid, virtual)
        elif kind == "index":
            parts = connection.execute(f"PRAGMA index_xinfo('{name}')").fetchall()
            where = (sql or "").partition(" WHERE ")[2]
            found[name] = ([part[2:] for part in parts], where)
        else:
            found[name] = sql
    return found


def rows(connection: db.Connection, name: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of a database's tables, by its columns' names."""
    found = {}
    for table in ROWS[name]:
        chained = table == "spends" and db.version_of(connection) >= 3
        asked = connection.execute(SPENDS if chained else f"SELECT * FROM {table} ORDER BY id")
        names = [column[0] for column in asked.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in asked.fetchall()]
    return found


def made_new(name: str) -> db.Connection:
    """A database in memory as it is made today."""
    connection = db.connect_memory()
    db.make_tables(connection, name)
    return connection


def test_every_version_is_frozen() -> None:
    """Catches a new version without a frozen copy of the one before it."""
    wanted = {f"{name}.{version}.sql" for name, newest in VERSIONS.items() for version in range(1, newest)}
    assert {file.name for file in FROZEN} >= wanted


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.stem)
def test_a_migrated_database_equals_a_new_one_and_keeps_every_row(store: Store, file: Path) -> None:
    """Catches a step that forgets a column, an index or a trigger, or that loses or changes a row."""
    name = thaw(store, file)
    with opened(store, name) as connection:
        before = rows(connection, name)
    assert all(before.values())
    db.open_database(store, name).close()
    with opened(store, name) as connection, contextlib.closing(made_new(name)) as new:
        assert db.version_of(connection) == db.version_of(new) == VERSIONS[name]
        assert schema(connection) == schema(new)
        after = rows(connection, name)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for table, kept in before.items():
        assert [{key: row[key] for key in old} for old, row in zip(kept, after[table], strict=True)] == kept
    assert store.database_path(name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", sorted(VERSIONS))
def test_all_steps_from_nothing_lead_to_the_tables_of_today(name: str) -> None:
    """Catches a first step, or any other, that departs from what the version before it was."""
    with contextlib.closing(db.connect_memory()) as connection, contextlib.closing(made_new(name)) as new:
        made = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        with made.begin() as transaction:
            assert upgrade(transaction, name, 0) == VERSIONS[name]
        assert schema(connection) == schema(new)


def test_what_was_indexed_is_found_and_listed_by_tag(store: Store) -> None:
    """Catches a step that leaves the search index empty, or the table of tags."""
    thaw(store, next(file for file in FROZEN if file.name == "catalog.1.sql"))
    with Catalog(store) as catalog:
        assert catalog.search("zanzibar") and catalog.search("烤鸭") and catalog.search("budg")
        assert [row.name for row in catalog.list(tag="work")] == ["Beta 100% done_it", "Alpha planning"]
        assert [row.name for row in catalog.list(tag="plan")] == ["Alpha planning"]
        assert catalog.refresh_text() == []


def test_jobs_go_on(store: Store) -> None:
    thaw(store, SCHEMAS / "work.1.sql")
    assert sorted(job.state for job in WorkQueue(store).list()) == ["done", "failed", "queued", "running"]


@pytest.mark.parametrize("version", range(1, VERSIONS["ledger"]))
def test_an_older_ledger_is_read_as_it_is_and_chained_by_who_writes(store: Store, version: int) -> None:
    """Catches money that is lost or counted twice on the way into the chain, and a chain that does not hold."""
    thaw(store, SCHEMAS / f"ledger.{version}.sql")
    ledger, session = Ledger(store), spender(store)
    asked = ledger.total_nanos(session)
    assert asked == 5 * 2**40 + 10 and ledger.entries("spend", "s") == [] and verify(store).damages == ()
    assert ledger.newest("spend", session) == ledger.states("spend")[-1]
    with opened(store, "ledger") as connection:
        assert db.version_of(connection) == version
    assert ledger.append("spend", session, 1).number == 5
    assert ledger.total_nanos(session) == asked + 1
    assert [entry.device for entry in ledger.entries("spend", session)] == [""] * 5 + [store.keys.device_id]
    assert verify(store).damages == () and read_anchor(store) == Anchor(5, ledger.entries("spend", session)[5].hash)


def spender(store: Store) -> str:
    """The session that money was spent on."""
    with opened(store, "ledger") as connection:
        return str(connection.execute("SELECT session FROM spends").fetchone()[0])


def test_the_ledger_takes_no_change_and_no_deletion(store: Store) -> None:
    """Catches a ledger that can be made to tell another sum."""
    thaw(store, SCHEMAS / "ledger.1.sql")
    with contextlib.closing(db.open_database(store, "ledger")) as connection:
        for statement in ("UPDATE entries SET amount_nanos = 0", "DELETE FROM entries"):
            with pytest.raises(db.DatabaseError, match="append-only"):
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (5,)


@pytest.mark.parametrize("name", ["work", "ledger"])
def test_a_newer_one_is_refused_with_the_version_needed_and_stays(store: Store, name: str) -> None:
    """Catches a pepys that works on, or makes anew, what a later one wrote."""
    with contextlib.closing(db.open_database(store, name)) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = store.database_path(name).read_bytes()
    with pytest.raises(Damaged) as told:
        WorkQueue(store).list() if name == "work" else Ledger(store).total_nanos("s")
    assert "version 7" in told.value.message and "update pepys" in told.value.remedy
    with pytest.raises(Damaged, match="version 7"):
        db.open_database(store, name)
    assert store.database_path(name).read_bytes() == before
    if name == "ledger":
        assert ["version 7" in damage.problem for damage in verify(store).damages] == [True]


def test_a_process_that_runs_long_has_another_one_migrate(store: Store) -> None:
    for name in VERSIONS:
        thaw(store, SCHEMAS / f"{name}.1.sql")
    assert make_missing(store)
    for name in ("catalog", "work"):
        with opened(store, name) as connection:
            assert db.version_of(connection) == VERSIONS[name]


def test_an_older_catalog_of_a_home_that_cannot_be_written_is_made_in_memory(store: Store) -> None:
    thaw(store, next(file for file in FROZEN if file.name == "catalog.1.sql"))
    before = store.database_path("catalog").read_bytes()
    store.__dict__["writable"] = False
    with Catalog(store) as catalog:
        catalog.refresh()
        assert catalog.list(tag="work") == []  # this home has no session
    assert store.database_path("catalog").read_bytes() == before


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.stem)
def test_a_kill_in_the_middle_leaves_the_old_or_the_new(tmp_path: Path, file: Path) -> None:
    """Catches a step outside the one transaction: after a kill -9 at each point all rows are there, in one version."""
    store = make_store(tmp_path)
    whole = store.path.with_name("whole")
    name = thaw(store, file)
    store.path.rename(whole)
    points, number = [], 0
    while not points or points[-1] != "end":
        number += 1
        left = _killed_at(tmp_path, whole, name, number)
        points.append("killed" if left else "end")
        after = reopen(tmp_path)
        with opened(after, name) as connection:
            assert db.version_of(connection) in (int(file.stem.rpartition(".")[2]), VERSIONS[name])
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            kept = rows(connection, name)
        db.open_database(after, name).close()
        with opened(after, name) as connection, contextlib.closing(made_new(name)) as new:
            assert schema(connection) == schema(new)
            assert [len(found) for found in rows(connection, name).values()] == [len(r) for r in kept.values()]
    assert len(points) >= 4  # after a step, before the commit, after it, and the run that was not killed


def _killed_at(folder: Path, whole: Path, name: str, number: int) -> bool:
    """Open a copy of the home in a child that dies at its so many-th point; whether it came to that."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(whole, home)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            trigger.aim(f"any:{number}")
            db.open_database(reopen(folder), name).close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_full_disk_leaves_the_old_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a migration that is half there when the disk is full."""
    name = thaw(store, next(file for file in FROZEN if file.name == "work.1.sql"))
    connect = db.connect

    def cramped(*arguments: Any) -> db.Connection:
        connection = connect(*arguments)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(db, "connect", cramped)  # SQLite's own limit raises what a full disk does
        with pytest.raises(StorageProblem):
            db.open_database(store, name)
    with opened(store, name) as connection:
        assert db.version_of(connection) == 1 and len(rows(connection, name)["jobs"]) == 4
