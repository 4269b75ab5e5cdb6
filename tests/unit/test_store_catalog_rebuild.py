"""Making the catalog anew: the same rows and the same text, sessions before text, whatever happens in the middle."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pepys.errors import Partial
from pepys.store import database as db
from pepys.store import trigger
from pepys.store.catalog import Catalog
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.rebuild import Rebuilding, rebuild
from pepys.store.remove import remove
from pepys.store.store import Store
from tests.stored_session import SECOND, WALL_NS, Recording, damage_heads, make_store, reopen, screen_text, transcript

WORDS = ("zanzibar", "Ünïcode", "北京烤鸭", "c++", "budget 2025", "")


def small_session(store: Store, number: int, words: str) -> str:
    """A session with a note and a shot, and text on it."""
    recording = Recording.begin(
        store, f"Session {number} {words}", ("work", words or "none"), WALL_NS + number * SECOND
    )
    shot = recording.shot(f"picture {number % 3}".encode())
    recording.note(f"note of {words}")
    recording.at_ns += SECOND
    session = recording.end()
    add_artifacts(store, session, [screen_text(shot, words, "a line"), transcript(f"spoken {words}")])
    return session


def everything(store: Store) -> dict[str, Counter[tuple[Any, ...]]]:
    """All that the catalog holds, by content: rows, tags, documents, and every word of each index with its place."""
    with contextlib.closing(db.open_database(store, "catalog")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(sessions)") if row[1] != "glance"]
        documents = {row[0]: row[1:] for row in connection.execute("SELECT * FROM documents")}
        found = {
            # A glance is when somebody last looked, not what there is.
            "sessions": Counter(connection.execute(f"SELECT {', '.join(columns)} FROM sessions").fetchall()),
            "tags": Counter(connection.execute("SELECT * FROM session_tags").fetchall()),
            "documents": Counter(documents.values()),
        }
        for name in ("words", "grams", "pairs"):
            connection.execute(f"CREATE VIRTUAL TABLE temp.{name}_seen USING fts5vocab(main, {name}, instance)")
            seen = connection.execute(f"SELECT term, doc, col, offset FROM temp.{name}_seen").fetchall()
            found[name] = Counter((term, documents[doc], col, offset) for term, doc, col, offset in seen)
            connection.execute(f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)")
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


STEPS = st.lists(
    st.tuples(st.sampled_from(("record", "lose", "live", "edit", "tag", "note", "text", "delete", "look")),
              st.integers(0, 5), st.sampled_from(WORDS)),
    min_size=1, max_size=9,
)  # fmt: skip


@given(steps=STEPS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_made_anew_is_what_was_kept_up(steps: list[tuple[str, int, str]]) -> None:
    """Catches an edit, a deletion or a damage after which the catalog differs from what the disk says."""
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder))
        whole: list[str] = []
        for number, (step, which, words) in enumerate(steps):
            _take(store, whole, step, number, which, words)
        with Catalog(store) as catalog:
            catalog.refresh()
            listed = catalog.count()
        before = everything(store)
        assert rebuild(store).sessions == listed
        after = everything(store)
        for name, kept in before.items():
            assert after[name] == kept, name


def _take(store: Store, whole: list[str], step: str, number: int, which: int, words: str) -> None:
    if step == "record":
        whole.append(small_session(store, number, words))
    elif step == "lose":
        damage_heads(store, small_session(store, number, words))
    elif step == "live":
        recording = Recording.begin(store, f"Died {words}", (words or "x",), WALL_NS + number * SECOND)
        recording.note(words)
        recording.die()
    elif step == "look":
        with Catalog(store) as catalog:
            catalog.refresh_rows() if which % 2 else catalog.refresh()
    elif whole:
        session = whole[which % len(whole)]
        if step == "edit":
            apply_edit(store, session, ("set", {"field": "description", "value": words}))
        elif step == "tag":
            apply_edit(store, session, ("tag", {"value": words or "tag"}))
        elif step == "note":
            apply_edit(store, session, ("note", {"id": f"n{number}", "at_ns": 0, "text": words, "kind": "note"}))
        elif step == "text":
            add_artifacts(store, session, [transcript(f"again {words} {number}")])
        else:
            whole.remove(session)
            with contextlib.suppress(Partial):  # beside a damaged one, what only this one had is not known
                remove(store, session)


def test_sessions_can_be_used_before_their_text(store: Store) -> None:
    """Catches a rebuild that shows nothing until the last word is indexed."""
    ids = [small_session(store, number, "zanzibar") for number in range(3)]
    told: list[tuple[str, int, int]] = []
    with Rebuilding(store) as making, Catalog(store) as beside:
        assert making.rows(lambda done, total: told.append(("rows", done, total))) == 3
        assert [row.id for row in beside.list(tag="work")] == ids[::-1]
        assert beside.refresh_rows() == [] and beside.search("zanzibar") == []
        making.text(lambda done, total: told.append(("text", done, total)))
        assert len({hit.session for hit in beside.search("zanzibar")}) == 3
    assert told == [(phase, done, 3) for phase in ("rows", "text") for done in (1, 2, 3)]


def test_a_search_in_the_middle_of_a_rebuild_finds_all(store: Store) -> None:
    """Catches a search that takes rows without text for all there is; and text that two processes index twice."""
    for number in range(3):
        small_session(store, number, "zanzibar")
    with Rebuilding(store) as making, Catalog(store) as beside:
        making.rows()
        assert len(beside.refresh_text()) == 3
        assert len({hit.session for hit in beside.search("zanzibar")}) == 3
        before = everything(store)
        making.text()
        assert everything(store) == before


def test_text_of_a_session_that_moved_on_is_not_taken_for_its_own(store: Store) -> None:
    """Catches text of an older version that is noted as that of the newer row."""
    session = small_session(store, 0, "zanzibar")
    with Catalog(store) as catalog:
        catalog.refresh_rows()
        old = catalog.stamp(session)
        apply_edit(store, session, ("set", {"field": "description", "value": "quagga"}))
        catalog.refresh_rows()
        catalog.write_text(session, WALL_NS, old, [])
        assert catalog.untold(session, catalog.stamp(session))
        catalog.refresh_text()
        assert catalog.search("quagga") and catalog.search("zanzibar")


def test_a_rebuild_killed_anywhere_is_completed_by_the_next_look(tmp_path: Path) -> None:
    """Catches a catalog without tables, or text that nobody indexes any more, after a kill -9 in a rebuild."""
    store = make_store(tmp_path)
    for number in range(2):
        small_session(store, number, "zanzibar")
    rebuild(store)
    wanted = everything(store)
    number, killed = 1, True
    while killed:
        child = os.fork()
        if child == 0:
            try:
                trigger.aim(f"any:{number}")
                rebuild(reopen(tmp_path))
            finally:
                os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        after = reopen(tmp_path)
        with Catalog(after) as catalog:
            catalog.refresh()
            assert catalog.count() == 2
        assert everything(after) == wanted
        number += 1
    assert number > 8


def test_a_glance_tells_what_moved_without_a_closer_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a list that looks at each head of each session, and one that misses a head that moved."""
    ids = [small_session(store, number, "x") for number in range(3)]
    later = max(path.stat().st_mtime_ns for path in (store.path / "heads").iterdir()) + 10 * SECOND
    monkeypatch.setattr(store.clock, "wall_ns", lambda: later)
    looked: list[str] = []
    stamp = store.heads.stamp
    monkeypatch.setattr(store.heads, "stamp", lambda session: looked.append(session) or stamp(session))
    with Catalog(store) as catalog:
        assert sorted(catalog.refresh_rows()) == ids
        looked.clear()
        assert catalog.refresh_rows() == [] and sorted(looked) == ids  # once more, to be sure
        looked.clear()
        assert catalog.refresh_rows() == [] and looked == []
        apply_edit(store, ids[1], ("set", {"field": "name", "value": "Renamed"}))
        assert catalog.refresh_rows() == [ids[1]] and set(looked) == {ids[1]}
        assert catalog.get(ids[1]).name == "Renamed"


def test_the_newest_are_current_and_the_older_are_left_for_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a page of the newest that shows a row of before or one deleted, and one that looks at every session."""
    ids = [small_session(store, number, "x") for number in range(6)]
    with Catalog(store) as catalog:
        catalog.refresh_rows()
        # Behind the catalog's back, as another program on this home does it.
        for which in (0, 5):
            apply_edit(store, ids[which], ("set", {"field": "name", "value": "Renamed"}))
        remove(store, ids[4])
        later = small_session(store, 9, "x")
        looked: list[str] = []
        stamp = store.heads.stamp
        monkeypatch.setattr(store.heads, "stamp", lambda session: looked.append(session) or stamp(session))
        catalog.refresh_newest(3)
        shown = [(row.id, row.name) for row in catalog.list(limit=3)]
        assert [one for one, _ in shown] == [later, ids[5], ids[3]] and shown[1][1] == "Renamed"
        assert not {ids[0], ids[1], ids[2]} & set(looked)
        assert catalog.refresh_rows() == [ids[0]]
        assert catalog.get(ids[0]).name == "Renamed"


def test_the_newest_of_a_catalog_that_is_not_there_yet(store: Store) -> None:
    """Catches a first list that shows nothing, or as many as were asked for and no more of them ever."""
    ids = [small_session(store, number, "x") for number in range(4)]
    with Catalog(store) as catalog:
        catalog.refresh_newest(2)
        assert [row.id for row in catalog.list(limit=2)] == ids[:1:-1]
        assert catalog.count() == 4
