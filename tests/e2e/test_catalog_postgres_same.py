"""A catalog on PostgreSQL tells what the one in the home tells: each list, each search, each row; and both rebuild."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from pepys.errors import NotFound, Partial, Usage
from pepys.store.catalog import Catalog
from pepys.store.catalog_database import FileDatabase
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.postgres import PostgresDatabase
from pepys.store.reader import load
from pepys.store.rebuild import rebuild
from pepys.store.remove import remove
from pepys.store.row import COLUMNS
from pepys.store.store import Store
from tests.golden.make_schemas import fill
from tests.postgres import PostgresServer
from tests.stored_session import SECOND, WALL_NS, complete_session, make_store, screen_text, transcript

pytestmark = pytest.mark.unhurried

_ROWS = f"SELECT {', '.join(COLUMNS)}, stamp, text_stamp FROM sessions ORDER BY id"
_TAGS = "SELECT tag, started_wall_ns, session FROM session_tags ORDER BY tag, started_wall_ns, session"
_DOCUMENTS = (
    "SELECT session, kind, at_ns, end_ns, wall_ns, app, text, parts, shot FROM documents"
    " ORDER BY session, kind, at_ns, end_ns, text, shot"
)
_NAMES = ("Ångström ÉTUDE", "ångström étude", "under_score 100%", "back\\slash 'quoted' \"double\"", "北京 烤鸭 店",
          "c++ and c#", "a?b $1 %s :x", "nul\0in a name", "\U0001f600 emoji")  # fmt: skip


@contextlib.contextmanager
def both(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Catalog, Catalog]]:
    """The catalog in the home and the one on the server, brought up to date."""
    monkeypatch.delenv("PEPYS_STORE_CATALOG", raising=False)
    with Catalog(store) as here:
        here.refresh()
        monkeypatch.setenv("PEPYS_STORE_CATALOG", url)
        with Catalog(store) as there:
            there.refresh()
            assert isinstance(here.held.open(), FileDatabase) and isinstance(there.held.open(), PostgresDatabase)
            yield here, there


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with sessions of every kind, made once."""
    folder = tmp_path_factory.mktemp("filled")
    store = make_store(folder)
    fill(store)
    for number, name in enumerate(_NAMES):
        tags = (f"tag {number % 3}", "Tag", "tag", "Ünïcode")[: number % 4 + 1]
        session = complete_session(store, name, wall_ns=WALL_NS + (1000 + number) * SECOND, tags=tags)
        shot = load(store, session).shots[0].blob
        add_artifacts(
            store, session, [screen_text(shot, f"line {number} {name}", "budget"), transcript(f"said {name}")]
        )
    return folder


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Store:
    shutil.copytree(filled, tmp_path / "copy", symlinks=True)
    return make_store(tmp_path / "copy")


LISTS: tuple[dict[str, Any], ...] = (
    {}, {"limit": 3}, {"limit": 3, "offset": 2}, {"limit": 0}, {"offset": 4}, {"tag": "work"}, {"tag": "Tag"},
    {"tag": "tag"}, {"tag": "Ünïcode"}, {"tag": "none"}, {"state": "completed"}, {"state": "interrupted"},
    {"state": "damaged"}, {"from_ns": WALL_NS + 100 * SECOND}, {"to_ns": WALL_NS + 1003 * SECOND},
    {"from_ns": WALL_NS + 100 * SECOND, "to_ns": WALL_NS + 1003 * SECOND, "limit": 5},
    {"tag": "tag 1", "state": "completed", "from_ns": WALL_NS, "query": "A"}, {"query": "ALPHA"}, {"query": "étude"},
    {"query": "ÉTUDE"}, {"query": "100%"}, {"query": "_"}, {"query": "\\"}, {"query": "'"}, {"query": '"'},
    {"query": "?"}, {"query": "%s"}, {"query": "$1"}, {"query": ":x"}, {"query": "北京"}, {"query": "in two lines"},
    {"query": "\n"}, {"query": "nul in"}, {"query": "half"}, {"query": "\ud800"}, {"query": "\U0001f600"},
)  # fmt: skip
SEARCHES = (
    "budget", "zanzibar", "北京", "烤鸭", "alph", "planning", "line", "said", "c++", "quoted", "ngstr", "étude",
    "ETUDE",
    '"line 3"', "bud*", "x", "?", "%s", "the", "line budget", "", "\0", "nothing at all", "100%", "under_score",
    "'",
)  # fmt: skip


@pytest.mark.parametrize("database", ["", "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv'"], ids=["C", "sv"])
def test_every_list_and_search_is_the_same(
    database: str, store: Store, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches another collation, another case folding, another order, a mark that is taken for a parameter."""
    with both(store, postgres_server.new_database(database), monkeypatch) as (here, there):
        for filters in LISTS:
            assert there.list(**filters) == here.list(**filters), filters
            narrowed = {name: value for name, value in filters.items() if name not in {"limit", "offset"}}
            assert there.count(**narrowed) == here.count(**narrowed), filters
        ids = [row.id for row in here.list()]
        assert len(ids) >= 13
        for session in ids:
            assert there.get(session) == here.get(session)
        for text in ("last", ids[0], ids[0][:20], ids[0][:3], "zz", "", "ABC!"):
            assert _answer(there, text) == _answer(here, text), text
        filled: set[str] = set()
        for query in SEARCHES:
            for more in ({}, {"kind": "screen_text"}, {"tag": "work"}, {"session": ids[3]},
                         {"from_ns": WALL_NS + 1004 * SECOND}, {"to_ns": WALL_NS + 1004 * SECOND}):  # fmt: skip
                hits = here.search(query, **more)
                filled |= {query} if hits else set()
                assert _shown(there.search(query, **more)) == _shown(hits), (query, more)
                assert len(there.search(query, limit=2, **more)) == min(2, len(hits))
        assert len(filled) >= 16, filled


def _answer(catalog: Catalog, text: str) -> object:
    try:
        return catalog.resolve(text)
    except (NotFound, Usage) as error:
        return type(error), error.message


def _shown(hits: list[Any]) -> list[tuple[Any, ...]]:
    """Hits without their order: whole words come by their weight, which each index has a formula of its own for."""
    return sorted((astuple(hit) for hit in hits), key=repr)


def test_every_row_is_the_same_also_after_rebuild_and_edits(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a column that is kept in another form, and a change that one of them does not hear of."""
    with both(store, postgres_url, monkeypatch) as (here, there):
        _same_rows(here, there)
        before = there.held.open().execute(_ROWS), there.held.open().execute(_DOCUMENTS)
    made = rebuild(store)
    with both(store, postgres_url, monkeypatch) as (here, there):
        assert (there.held.open().execute(_ROWS), there.held.open().execute(_DOCUMENTS)) == before
        assert made.sessions == here.count() == there.count()
    first, second = (row.id for row in here.list(limit=2))
    apply_edit(store, first, ("set", {"field": "name", "value": "Another name"}))
    apply_edit(store, first, ("tag", {"value": "new"}))
    with pytest.raises(Partial):  # another one is damaged: nobody knows what it still needs
        remove(store, second)
    added = complete_session(store, "Added later", wall_ns=WALL_NS + 5000 * SECOND)
    with both(store, postgres_url, monkeypatch) as (here, there):
        _same_rows(here, there)
        assert [row.name for row in there.list(limit=2)] == ["Added later", "Another name"]
        assert there.resolve("last") == added and there.list(tag="new")[0].id == first
        assert second not in {row.id for row in there.list()}


def _same_rows(here: Catalog, there: Catalog) -> None:
    for question in (_ROWS, _TAGS, _DOCUMENTS):
        mine, theirs = here.held.open().execute(question), there.held.open().execute(question)
        assert len(mine) > 5
        for one, other in zip(mine, theirs, strict=True):
            assert one == other
