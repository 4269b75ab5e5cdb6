"""The frozen home of format 1 is read by this version, by a reader made from the format's page, and recovered."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pepys.model.events import NoteAdded
from pepys.store.catalog import Catalog
from pepys.store.edits import apply_edit
from pepys.store.reader import events, load, session_ids
from pepys.store.recover import recover_all
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.golden.reader import Home
from tests.stored_session import Recording, complete_session, content, make_store

_FROZEN = Path(__file__).parent / "format1.tar"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The home and its config folder, unpacked."""
    with tarfile.open(_FROZEN) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Store:
    return open_store(folder / "home", create=False, config_dir=folder / "config")


def test_it_is_whole(store: Store) -> None:
    report = verify(store)
    assert report.damages == () and report.sessions == 3 and store.notices == ()


def test_the_completed_session(store: Store) -> None:
    view = load(store, session_ids(store)[0])
    assert (view.name, view.state, view.tags) == ("Frozen session", "completed", ("golden", "kept"))
    assert view.description == "made by format 1"
    assert [(note.text, note.kind) for note in view.notes] == [
        ("added later", "marker"),
        ("a note of format 1", "note"),
    ]
    track = view.track("video")
    assert track is not None
    (segment,) = track.segments
    assert store.blobs.read(segment.blob) == content("video", 0, 0, 300) + content("video", 0, 1, 200)
    assert store.blobs.read(track.inits[0].blob) == b"init of every span"
    assert store.blobs.read(view.shots[0].blob) == b"a shot of format 1"


def test_the_page_s_reader_reads_heads_that_have_copies(store: Store, folder: Path) -> None:
    session = session_ids(store)[0]
    apply_edit(store, session, ("tag", {"value": "later"}))
    assert len(list((store.path / "heads" / session).iterdir())) == 2
    (key,) = (folder / "config").rglob("master.key")
    assert Home(folder / "home", key).manifest(session) == json.loads(
        store.blobs.read(store.heads.read(session).manifest)
    )


def test_the_one_left_recording(store: Store) -> None:
    session = session_ids(store)[1]
    assert load(store, session).state == "interrupted"
    assert recover_all(store) == [session]
    view = load(store, session)
    assert [note.text for note in view.notes] == ["in a chunk", "in the journal"]
    track = view.track("video")
    assert track is not None
    assert store.blobs.read(track.segments[0].blob) == content("video", 0, 0, 200)
    assert verify(store).damages == ()


def test_it_is_listed_and_searched(store: Store) -> None:
    with Catalog(store) as catalog:
        catalog.refresh()
        assert [row.name for row in catalog.list()] == ["Left recording", "Frozen session"]
        assert [hit.kind for hit in catalog.search("zanzibar")] == ["screen_text"]
        assert [hit.kind for hit in catalog.search("frozen word")] == ["transcript"]


def test_a_reader_made_from_the_page_reads_the_same(folder: Path, store: Store) -> None:
    home = Home(folder / "home", folder / "config" / "master.key")
    done, live, deleted = session_ids(store)
    events = list(home.events(done))
    assert events[0]["t"] == "SessionStarted" and events[-1]["t"] == "SessionEnded"
    (segment,) = (event for event in events if event["t"] == "SegmentSealed")
    offset, length = segment["fragments"][1][:2]
    assert home.blob(segment["blob"])[offset : offset + length] == content("video", 0, 1, 200)
    assert [event["text"] for event in home.events(live) if event["t"] == "NoteAdded"] == [
        "in a chunk",
        "in the journal",
    ]
    assert home.manifest(deleted)["state"] == "deleted" and not home.manifest(deleted)["name"]
    described: list[dict[str, Any]] = [event for event in events if event["t"] == "NoteAdded"]
    assert described[0]["text"] == load(store, done).notes[1].text


def test_it_reads_a_home_of_today(tmp_path: Path) -> None:
    """Catches a page that is behind the program: chunks of today, merged ones, and a journal after a crash."""
    store = make_store(tmp_path)
    done, left = complete_session(store), Recording.begin(store)
    left.note("sealed")
    left.writer.seal()
    left.note("in the journal")
    left.writer.close()
    home = Home(store.path, next((tmp_path / "config").rglob("master.key")))
    for session in (done, left.session):
        named = [event.text for event in events(store, session) if isinstance(event, NoteAdded)]
        assert named and [event["text"] for event in home.events(session) if event["t"] == "NoteAdded"] == named
    assert len((Path(__file__).parent / "reader.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_it_stays_small_and_frozen() -> None:
    assert 10_000 < _FROZEN.stat().st_size < 60_000
