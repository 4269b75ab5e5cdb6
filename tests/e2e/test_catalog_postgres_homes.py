"""Whose a catalog on PostgreSQL is, and of which version: copies, moved homes, other machines, other versions."""

from __future__ import annotations

import platform
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from pepys.errors import Damaged, StorageProblem
from pepys.store import catalog_server
from pepys.store.catalog import Catalog
from pepys.store.catalog_database import FilePlace
from pepys.store.catalog_server import ServerPlace
from pepys.store.migrations import upgrade
from pepys.store.postgres import PostgresDatabase
from pepys.store.postgres_tables import prepare
from pepys.store.rebuild import rebuild
from pepys.store.store import Store
from pepys.store.versions import SERVER_FROM, VERSIONS
from tests.postgres import PostgresServer
from tests.stored_session import complete_session, make_store, reopen

pytestmark = pytest.mark.unhurried

FROZEN = sorted((Path(__file__).parents[1] / "golden" / "schemas").glob("catalog.*.postgresql"))


@pytest.fixture
def store(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A home of two sessions, whose catalog is on the server."""
    monkeypatch.setenv("PEPYS_STORE_CATALOG", postgres_url)
    made = make_store(tmp_path / "one")
    complete_session(made, "First")
    complete_session(made, "Second")
    assert names(made) == ["First", "Second"]
    return made


def names(store: Store) -> list[str]:
    with Catalog(store) as catalog:
        catalog.refresh()
        assert isinstance(catalog.held.open(), PostgresDatabase)
        return sorted(row.name for row in catalog.list())


def place(store: Store, url: str) -> ServerPlace:
    return ServerPlace(store, url, FilePlace(store))


def test_a_copy_is_refused_until_it_takes_the_catalog_over(store: Store, tmp_path: Path) -> None:
    """Catches two homes that throw each other's sessions out of one catalog, turn by turn."""
    shutil.copytree(tmp_path / "one", tmp_path / "two", symlinks=True)
    copy = reopen(tmp_path / "two")
    complete_session(copy, "Only in the copy")
    with pytest.raises(StorageProblem) as refused:
        names(copy)
    assert str(store.path) in refused.value.message and "pepys rebuild" in refused.value.remedy
    assert refused.value.exit_code == 5
    assert names(store) == ["First", "Second"]
    assert rebuild(copy).sessions == 3
    assert names(copy) == ["First", "Only in the copy", "Second"]
    with pytest.raises(StorageProblem, match=str(copy.path)):
        names(store)
    rebuild(store)
    assert names(store) == ["First", "Second"]


def test_another_key_has_a_catalog_of_its_own(store: Store, tmp_path: Path) -> None:
    """Catches stores that share tables."""
    other = make_store(tmp_path / "other")
    complete_session(other, "Another store")
    assert names(other) == ["Another store"] and names(store) == ["First", "Second"]


def test_a_home_that_moved_takes_its_catalog_along(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a move that costs a rebuild, and a home on another machine that is taken for one that moved."""
    (tmp_path / "one").rename(tmp_path / "moved")
    moved = reopen(tmp_path / "moved")
    assert names(moved) == ["First", "Second"]
    with Catalog(moved) as catalog:
        assert catalog.held.open().execute("SELECT home FROM kept") == [(str(moved.path.resolve()),)]
    monkeypatch.setattr(catalog_server.platform, "node", lambda: "another-machine")
    with pytest.raises(StorageProblem, match=rf"{moved.path} on ") as refused:
        names(moved)
    assert "pepys rebuild" in refused.value.remedy


def test_a_newer_version_is_refused_and_left_alone(store: Store, postgres_url: str) -> None:
    """Catches an older pepys that works on tables it does not know, or throws them away."""
    with Catalog(store) as catalog:
        catalog.held.open().change("UPDATE kept SET version = 99")
    for ask in (lambda: names(store), lambda: rebuild(store)):
        with pytest.raises(Damaged, match="version 99 and needs a newer pepys") as refused:
            ask()
        assert "update pepys" in refused.value.remedy
    database = place(store, postgres_url)._connect()
    assert database.execute("SELECT count(*) FROM sessions") == [(2,)]
    database.close()


REVISION = '''"""A revision that serves both dialects."""

import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = {before}


def upgrade() -> None:
    op.add_column("sessions", sa.Column("mood", sa.Text, nullable=False, server_default=sa.text("'calm'")))
    op.create_index("sessions_by_mood", "sessions", ["mood"])
    {more}
'''


def revisions(folder: Path, more: str = "") -> Path:
    """The revisions there are, and one more that nobody ever released."""
    from pepys.store import migrations

    shutil.copytree(Path(migrations.__file__).with_name("catalog"), folder)
    number = VERSIONS["catalog"] + 1
    text = REVISION.format(number=number, before=f'"{number - 1:04}"', more=more)
    (folder / f"{number:04}_made_up.py").write_text(text, encoding="utf-8")
    return folder


def test_the_next_revision_moves_both_dialects(store: Store, postgres_url: str, tmp_path: Path) -> None:
    """Catches a version that does not move with its tables, and revisions that only SQLite takes."""
    folder = revisions(tmp_path / "revisions")
    database = place(store, postgres_url).open()
    with database.at_once("migration") as connection:
        assert upgrade(connection, "catalog", VERSIONS["catalog"], folder=folder) == VERSIONS["catalog"] + 1
        assert "sessions_by_mood" in {index["name"] for index in inspect(connection).get_indexes("sessions")}
    assert database.execute("SELECT version FROM kept") == [(VERSIONS["catalog"] + 1,)]
    assert database.execute("SELECT mood FROM sessions") == [("calm",), ("calm",)]
    database.close()


def test_a_revision_that_fails_leaves_the_version_that_was(store: Store, postgres_url: str, tmp_path: Path) -> None:
    """Catches tables that are half migrated."""
    folder = revisions(tmp_path / "revisions", more='op.execute("SELECT nonsense FROM nowhere")')
    database = place(store, postgres_url).open()
    with pytest.raises(Exception, match="nowhere"), database.at_once("migration") as connection:
        upgrade(connection, "catalog", VERSIONS["catalog"], folder=folder)
    assert database.execute("SELECT version FROM kept") == [(VERSIONS["catalog"],)]
    names_of = (
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'sessions' AND column_name = 'mood'"
    )
    assert database.execute(names_of) == []
    database.close()


def test_an_older_catalog_is_migrated_when_it_is_opened(
    store: Store, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a pepys that works on older tables as they are: here it is the next version that opens this one's."""
    from pepys.store import migrations

    folder = revisions(tmp_path / "revisions")
    monkeypatch.setitem(VERSIONS, "catalog", VERSIONS["catalog"] + 1)
    steps = migrations.upgrade
    monkeypatch.setattr(migrations, "upgrade", lambda *more: steps(*more, folder=folder))
    assert names(store) == ["First", "Second"]
    with Catalog(store) as catalog:
        assert catalog.held.open().execute("SELECT version FROM kept") == [(VERSIONS["catalog"],)]
        assert catalog.held.open().execute("SELECT DISTINCT mood FROM sessions") == [("calm",)]


def test_tables_of_no_version_are_made_anew(store: Store) -> None:
    """Catches a catalog that can be neither read nor replaced."""
    with Catalog(store) as catalog:
        catalog.held.open().change("UPDATE kept SET version = ?", (SERVER_FROM - 1,))
    assert names(store) == ["First", "Second"]


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda path: path.name)
def test_frozen_tables_become_those_of_today(
    frozen: Path, store: Store, postgres_url: str, postgres_server: PostgresServer
) -> None:
    """Catches a schema that changes without a version, and a revision that leads to other tables than new ones."""
    other = place(store, postgres_server.new_database())
    database = other._connect()
    with database.at_once("thawing") as connection:
        connection.exec_driver_sql(f'CREATE SCHEMA "{database.schema}"')
        prepare(connection)
        text = frozen.read_text(encoding="utf-8").replace("HOME", str(store.path)).replace("MACHINE", platform.node())
        for statement in text.splitlines():
            connection.exec_driver_sql(statement.replace("%", "%%"))
    database.close()
    with closing(other.open()) as thawed, closing(place(store, postgres_url).open()) as made:
        assert thawed.execute("SELECT version, made FROM kept") == [(VERSIONS["catalog"], "frozen")]
        assert tables(thawed) == tables(made)


def tables(database: PostgresDatabase) -> list[str]:
    """Columns, in any order, and indexes."""
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default FROM"
        " information_schema.columns WHERE table_schema = ?"
    )
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = ?"
    rows = database.execute(columns, (database.schema,)) + database.execute(indexes, (database.schema,))
    assert len(rows) > 30
    return sorted(" ".join(map(str, row)) for row in rows)
