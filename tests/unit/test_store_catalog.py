"""The catalog: what it lists, that it keeps up, and that it can always be thrown away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepys.errors import NotFound, StorageProblem, Usage
from pepys.store import database, stamps
from pepys.store.catalog import Catalog, resolve_session
from pepys.store.catalog_database import MemoryPlace
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import load
from pepys.store.rebuild import rebuild
from pepys.store.remove import remove
from pepys.store.row import Row
from pepys.store.search import Hit
from pepys.store.store import Store
from pepys.store.work import WorkQueue
from tests.stored_session import (
    SECOND,
    WALL_NS,
    Recording,
    blob_files,
    complete_session,
    damage_heads,
    make_store,
    screen_text,
    transcript,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def three(store: Store) -> list[str]:
    """Three sessions, oldest first."""
    ids = [
        complete_session(store, "Alpha planning", wall_ns=WALL_NS, tags=("work", "plan")),
        complete_session(store, "Beta 100% done_it", wall_ns=WALL_NS + 100 * SECOND, tags=("work",)),
        complete_session(store, "Gamma", wall_ns=WALL_NS + 200 * SECOND),
    ]
    shot = load(store, ids[0]).shots[0].blob
    add_artifacts(store, ids[0], [screen_text(shot, "zanzibar"), transcript("quarterly budget")])
    return ids


@contextlib.contextmanager
def fresh(store: Store) -> Iterator[Catalog]:
    """A catalog brought up to date."""
    with Catalog(store) as catalog:
        catalog.refresh()
        yield catalog


def everything(catalog: Catalog) -> tuple[list[Row], list[Hit]]:
    """All that a catalog knows."""
    return catalog.list(), [hit for word in ("zanzibar", "budget", "importance", "a*") for hit in catalog.search(word)]


def written(store: Store) -> dict[str, bytes]:
    """Every file of a home, without what SQLite keeps beside an open database."""
    found = (path for path in store.path.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {str(path): path.read_bytes() for path in found}


def test_newest_first_and_filtered(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        assert [row.id for row in catalog.list()] == three[::-1]
        assert [row.id for row in catalog.list(tag="work")] == [three[1], three[0]]
        assert [row.id for row in catalog.list(query="ALPHA")] == [three[0]]
        assert [row.id for row in catalog.list(query="100% done_")] == [three[1]]
        assert catalog.list(query="100_done") == []
        assert [row.id for row in catalog.list(from_ns=WALL_NS + 100 * SECOND)] == [three[2], three[1]]
        assert [row.id for row in catalog.list(to_ns=WALL_NS + 100 * SECOND)] == [three[0]]
        assert [row.id for row in catalog.list(limit=1, offset=1)] == [three[1]]
        assert catalog.list(state="recording") == []
        assert (catalog.count(), catalog.count(tag="work")) == (3, 2)


def test_a_row_tells_what_a_list_shows(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        row = catalog.get(three[0])
    view = load(store, three[0])
    assert (row.name, row.state, row.tags) == ("Alpha planning", "completed", ("work", "plan"))
    assert row.duration_ns == view.duration_ns and row.end_ns == view.end_ns
    assert row.apps == ((0, view.end_ns // 1_000_000, "XTerm"),)
    assert row.poster == view.shots[0].blob
    assert row.bytes_on_disk > 280_000
    assert row.enrichment_state == "completed"


def test_only_what_moved_is_indexed_again(store: Store, three: list[str]) -> None:
    with Catalog(store) as catalog:
        assert sorted(catalog.refresh()) == three
        assert catalog.refresh() == []
        apply_edit(store, three[1], ("set", {"field": "name", "value": "Renamed"}))
        assert catalog.refresh() == [three[1]]
        assert catalog.get(three[1]).name == "Renamed"
        assert [hit.session for hit in catalog.search("renamed")] == [three[1]]
        assert catalog.search("done_it") == []


def test_a_recording_is_listed_as_it_grows_and_dies(store: Store) -> None:
    recording = Recording.begin(store, "Live")
    with Catalog(store) as catalog:
        assert catalog.refresh() == [recording.session]
        assert catalog.get(recording.session).state == "recording"
        recording.note("heard the aardvark")
        assert catalog.refresh() == [recording.session]
        assert [hit.kind for hit in catalog.search("aardvark")] == ["note"]
        add_artifacts(store, recording.session, [transcript("zanzibar")])
        assert catalog.refresh() == [recording.session]
        assert catalog.get(recording.session).enrichment_state == "pending"
        recording.die()
        assert catalog.refresh() == [recording.session]
        assert catalog.get(recording.session).state == "interrupted"


def test_deleted_sessions_are_neither_listed_nor_found(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        assert catalog.search("zanzibar")
        remove(store, three[0])
        catalog.refresh()
        assert three[0] not in [row.id for row in catalog.list()]
        assert catalog.search("zanzibar") == []
        with pytest.raises(NotFound):
            catalog.get(three[0])
        raw = catalog.held.open().execute("SELECT count(*) FROM documents WHERE session = ?", (three[0],))[0]
        assert raw == (0,)


@pytest.mark.parametrize("how", ["deleted", "deleted in use", "garbage", "another version", "rebuild", "rows lost"])
def test_it_can_always_be_made_again(store: Store, three: list[str], how: str) -> None:
    with fresh(store) as catalog:
        before = everything(catalog)
        if how == "deleted in use":
            database.delete_database(store, "catalog")
            catalog.refresh()
            assert everything(catalog) == before
    if how == "deleted":
        database.delete_database(store, "catalog")
    elif how == "garbage":
        database.delete_database(store, "catalog")
        store.database_path("catalog").write_bytes(b"no database at all " * 500)
    elif how == "another version":
        connection = database.open_database(store, "catalog")
        connection.execute("PRAGMA user_version = 99")
        connection.execute("DROP TABLE documents")
        connection.close()
    elif how == "rows lost":
        connection = database.open_database(store, "catalog")
        connection.execute("DELETE FROM documents")
        connection.execute("UPDATE sessions SET name = 'wrong'")
        connection.close()
        assert rebuild(store).sessions == 3
    elif how == "rebuild":
        assert rebuild(store).sessions == 3
    with fresh(store) as catalog:
        assert everything(catalog) == before


def test_rebuild_beside_an_open_catalog(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        before = everything(catalog)
        rebuild(store)
        assert everything(catalog) == before


@pytest.mark.parametrize("first", [2, 3, 4])
@pytest.mark.parametrize("writable", [True, False])
def test_a_catalog_damaged_inside_is_made_anew_without_a_word(
    store: Store, three: list[str], first: int, writable: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with fresh(store) as catalog:
        before = everything(catalog)
    path = store.database_path("catalog")
    data = bytearray(path.read_bytes())
    for page in range(first, len(data) // 4096, 2):
        data[page * 4096 + 100] ^= 1
    store.__dict__["writable"] = writable
    questions: list[Callable[[Catalog], object]] = [
        everything, Catalog.refresh, Catalog.count, lambda catalog: catalog.get(three[0]),
        lambda catalog: catalog.resolve(three[0]), lambda catalog: catalog.search("a*"),
    ]  # fmt: skip
    for ask in questions:
        path.write_bytes(data)
        with Catalog(store) as catalog:
            ask(catalog)
            catalog.refresh()
            assert everything(catalog) == before
        assert (path.read_bytes() == bytes(data)) is not writable
    assert capfd.readouterr() == ("", "")


def test_databases_are_for_this_user_alone(store: Store, three: list[str]) -> None:
    before = os.umask(0o002)
    try:
        with fresh(store):
            WorkQueue(store).list()
            modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.rglob("*") if path.is_file()}
    finally:
        os.umask(before)
    assert modes.keys() >= {"catalog.db", "catalog.db-wal", "work.db"}
    assert set(modes.values()) == {0o600}


def test_the_database_is_unreadable_without_the_key(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        catalog.search("zanzibar")
    for path in store.path.glob("catalog.db*"):
        data = path.read_bytes()
        assert b"zanzibar" not in data and b"Alpha" not in data and b"SQLite format" not in data


def test_a_home_that_cannot_be_written_is_read(store: Store, three: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh(store) as catalog:
        before = everything(catalog)
    monkeypatch.setitem(store.__dict__, "writable", False)
    files = written(store)
    with fresh(store) as catalog:
        assert everything(catalog) == before
    assert written(store) == files


def test_a_stale_or_missing_catalog_of_such_a_home_is_made_in_memory(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        catalog.list()
    apply_edit(store, three[2], ("set", {"field": "name", "value": "Later"}))
    store.__dict__["writable"] = False
    with fresh(store) as catalog:
        assert catalog.get(three[2]).name == "Later"
    for path in store.path.glob("catalog.db*"):
        path.unlink()
    with fresh(store) as catalog:
        assert catalog.get(three[2]).name == "Later"
        assert catalog.search("zanzibar")
    assert not list(store.path.glob("catalog.db*"))


def test_a_damaged_session_is_listed_with_what_is_known(store: Store, three: list[str]) -> None:
    blob = store.heads.manifest(three[0])[1].chunks[0].blob
    for path in blob_files(store, blob):
        path.unlink()
    damage_heads(store, three[1])
    with fresh(store) as catalog:
        rows = {row.id: row for row in catalog.list()}
    assert sorted(rebuild(store).unread) == three[:2]
    assert rows[three[0]].name == "Alpha planning"
    assert rows[three[1]].started_wall_ns == WALL_NS + 100 * SECOND
    assert rows[three[2]].name == "Gamma"


def test_prefixes_and_last(store: Store, three: list[str]) -> None:
    with fresh(store) as catalog:
        for resolve in (catalog.resolve, lambda text: resolve_session(store, text)):
            assert resolve("last") == three[2]
            assert resolve(three[0]) == three[0]
            assert resolve(three[1][:16].upper()) == three[1]
            with pytest.raises(Usage):
                resolve(three[0][:4])
            for text in ("", "nothing", "%", "_", "'", three[0] + "x", "\ud800"):
                with pytest.raises(NotFound):
                    resolve(text)
    remove(store, three[2])
    assert resolve_session(store, "last") == three[1]
    with pytest.raises(NotFound):
        resolve_session(store, three[2])


def test_an_empty_store(store: Store) -> None:
    with fresh(store) as catalog:
        assert catalog.list() == [] and catalog.search("x") == []
        with pytest.raises(NotFound):
            catalog.resolve("last")
    with pytest.raises(NotFound):
        resolve_session(store, "last")


def test_what_failed_on_the_way_is_looked_at_again(
    store: Store, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a new catalog that counts as whole after its first look broke off: every list is empty from then on."""
    compare, looks = stamps.compare, iter([True])

    def broken_once(*given: Any) -> Any:
        if next(looks, False):
            raise StorageProblem("the disk says no")
        return compare(*given)

    monkeypatch.setattr(stamps, "compare", broken_once)
    with Catalog(store) as catalog:
        monkeypatch.setattr(catalog.held, "_place", MemoryPlace())
        with pytest.raises(StorageProblem):
            catalog.list()
        assert len(catalog.list()) == 3 and catalog.get(three[0]).name == "Alpha planning"
        assert catalog.search("zanzibar") and catalog.resolve("last") == three[2]


def test_a_table_that_is_gone_is_made_anew(store: Store, three: list[str]) -> None:
    """Catches a catalog that stays broken for ever, with a word on the disk's space, as a table is missing in it."""
    with fresh(store) as catalog:
        catalog.held.open().execute("DROP TABLE session_tags")
    with Catalog(store) as catalog:
        assert [row.name for row in catalog.list(tag="plan")] == ["Alpha planning"]
        assert len(catalog.list()) == 3


def test_numbers_and_words_of_any_size_are_taken(store: Store, three: list[str]) -> None:
    """Catches a number beyond 64 bits, or a text that is longer than a pattern may be, that ends in a traceback."""
    huge = 10**30
    with fresh(store) as catalog:
        assert catalog.list(offset=huge) == [] and len(catalog.list(limit=huge, offset=-huge)) == 3
        assert catalog.list(from_ns=huge) == [] and len(catalog.list(from_ns=-huge, to_ns=huge)) == 3
        assert catalog.list(query="a" * 60_000) == [] and catalog.count(query="a" * 60_000) == 0
        assert catalog.search("zanzibar", from_ns=-huge, to_ns=huge) and not catalog.search("zanzibar", from_ns=huge)
