"""Deleting a session: gone for every reader, its bytes freed, nothing of another session touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.errors import Busy, NotFound, Partial
from pepys.model.ids import new_session_id
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.journal import Journal
from pepys.store.reader import load
from pepys.store.recover import recover_all
from pepys.store.remove import remove, unfinished_removals
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import SECOND, WALL_NS, Recording, complete_session, damage_heads, make_store, screen_text


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def disk_bytes(store: Store) -> int:
    """Bytes of all blobs and journals."""
    folders = [store.path / "blobs", store.path / "journals"]
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def test_all_of_it_goes_and_the_bytes_are_told(store: Store) -> None:
    session = complete_session(store)
    apply_edit(store, session, ("note", {"id": "n", "at_ns": 0, "text": "secret", "kind": "note"}))
    add_artifacts(store, session, [screen_text("s", "secret")])
    before = disk_bytes(store)
    freed = remove(store, session)
    # What is left is the tombstone: its manifest and its edit log.
    left = disk_bytes(store)
    assert freed > 280_000 and before - freed <= left <= before - freed + 1000
    assert len(list(store.blobs.ids())) == 2
    view = load(store, session)
    assert (view.state, view.name, view.notes, view.tracks) == ("deleted", "", (), ())
    assert verify(store).damages == () and verify(store).unreferenced == 0
    with pytest.raises(NotFound):
        remove(store, session)


def test_what_another_session_shares_stays(store: Store) -> None:
    one, two = complete_session(store), complete_session(store, wall_ns=WALL_NS + SECOND)
    # Both were made of the same bytes: only chunks and manifests are the first one's own.
    assert remove(store, one) < 3000
    assert verify(store).damages == ()
    assert remove(store, two) > 280_000
    assert verify(store).unreferenced == 0


def test_a_recording_is_not_deleted(store: Store) -> None:
    recording = Recording.begin(store)
    with pytest.raises(Busy):
        remove(store, recording.session)
    recording.note("still here")
    assert load(store, recording.end()).state == "completed"


def test_what_a_crash_left_can_be_deleted(store: Store) -> None:
    recording = Recording.begin(store)
    recording.open_segment()
    recording.fragment()
    session = recording.die()
    assert remove(store, session) > 0
    assert not store.journal_path(session).exists()
    assert not list((store.path / "blobs" / "open").iterdir())
    assert load(store, session).state == "deleted"


def test_what_a_recorder_may_just_have_met_again_waits(store: Store) -> None:
    session = complete_session(store)
    recording = Recording.begin(store, wall_ns=WALL_NS + SECOND)
    # Stored, and equal to the deleted session's shot, but not yet named by an event.
    blob = recording.writer.put(b"a picture")
    remove(store, session)
    assert store.blobs.exists(blob)
    recording.shot(b"a picture")
    recording.end()
    recover_all(store)
    assert not unfinished_removals(store)
    assert store.blobs.exists(blob)
    assert verify(store).damages == ()


def test_a_damaged_neighbour_keeps_every_blob_until_it_is_gone(store: Store) -> None:
    one, two = complete_session(store), complete_session(store, wall_ns=WALL_NS + SECOND)
    view = load(store, two)
    damage_heads(store, two)
    with pytest.raises(Partial):
        remove(store, one)
    assert load(store, one).state == "deleted"
    shots = [shot.blob for shot in view.shots]
    assert all(store.blobs.exists(blob) for blob in shots)
    assert unfinished_removals(store) == [one]


def test_a_neighbour_that_never_began_keeps_nothing(store: Store) -> None:
    """Would catch a removal that frees nothing for good because of a journal whose first event the disk refused."""
    session = complete_session(store)
    empty = new_session_id(WALL_NS)
    Journal.create(store.journal_path(empty), store.keys, empty).close()
    assert remove(store, session) > 0
    assert unfinished_removals(store) == []


def test_a_resumed_neighbour_without_a_head_keeps_every_blob(store: Store) -> None:
    """Would catch blobs freed that a session names whose head is lost, and whose new journal is still empty."""
    session, lost = complete_session(store), new_session_id(WALL_NS)
    Journal.create(store.journal_path(lost), store.keys, lost, first_event=7).close()
    with pytest.raises(Partial):
        remove(store, session)


def test_a_damaged_session_can_be_deleted(store: Store) -> None:
    session = complete_session(store)
    blob = store.heads.manifest(session)[1].chunks[0].blob
    (store.path / "blobs" / blob[3:5] / blob[5:7] / blob).write_bytes(b"damaged")
    remove(store, session)
    assert load(store, session).state == "deleted"
    assert verify(store).damages == ()
