"""Deleting a session: gone for every reader, its bytes freed, nothing of another session touched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pepys.errors import Busy, NewerFormat, NotFound, Partial, StorageProblem
from pepys.model.ids import new_session_id
from pepys.store.disk import Disk
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.journal import Journal
from pepys.store.reader import load
from pepys.store.recover import recover, recover_all
from pepys.store.removal_room import ROOM_BYTES
from pepys.store.remove import remove, unfinished_removals
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.full_disk import FullDisk
from tests.stored_session import (
    SECOND,
    WALL_NS,
    Recording,
    blob_files,
    complete_session,
    damage_heads,
    make_store,
    reopen,
    screen_text,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def path_of(store: Store, blob: str) -> Path:
    return store.path / "blobs" / blob[3:5] / blob[5:7] / blob


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


@pytest.mark.parametrize("what", ["chunk", "manifest", "heads", "journal", "heads and journal"])
def test_a_damaged_session_can_be_deleted_and_then_nothing_stays(store: Store, what: str) -> None:
    """Catches a home in which nothing can be freed any more: each removal told to delete the damaged session."""
    other = complete_session(store, wall_ns=WALL_NS + SECOND)
    recording = Recording.begin(store)
    recording.shot(b"only here")
    if "journal" not in what:
        recording.writer.seal()
        recording.note("more")
        session = recording.end()
    else:
        session = recording.die()
        store.journal_path(session).write_bytes(b"damaged" * 50)
    apply_edit(store, session, ("set", {"field": "name", "value": "secret"}))
    head, current = store.heads.manifest(session)
    if what in {"chunk", "manifest"}:
        for path in blob_files(store, current.chunks[0].blob if what == "chunk" else head.manifest):
            path.write_bytes(b"damaged")
    if "heads" in what:
        damage_heads(store, session)
    with pytest.raises(Partial):
        remove(store, other)  # what the damaged one needs cannot be told
    assert unfinished_removals(store) == [other]
    with pytest.raises(Partial) as told:
        remove(store, session)
    assert "what only that named is not known" in told.value.message
    assert load(store, session).state == "deleted" and not store.has_journal(session)
    assert unfinished_removals(store) == []
    report = verify(store)
    assert report.damages == ()
    # Only the shot that the chunk or the journal alone named: manifests are found, heads or not.
    assert report.unreferenced == (1 if "journal" in what or what == "chunk" else 0)
    with pytest.raises(NotFound):
        remove(store, session)


def test_a_session_of_a_newer_pepys_is_left_to_it(store: Store) -> None:
    """Catches a session buried because this version does not know its form."""
    session = complete_session(store)
    path = path_of(store, store.heads.read(session).manifest)
    for one in blob_files(store, path.name):
        one.write_bytes(b"PPBL\x02" + one.read_bytes()[5:])
    with pytest.raises(NewerFormat):
        remove(store, session)
    assert path.exists() and unfinished_removals(store) == []
    crashed = Recording.begin(store).die()
    journal = store.journal_path(crashed)
    journal.write_bytes(b"PPJL\x02" + journal.read_bytes()[5:])
    with pytest.raises(NewerFormat):
        remove(store, crashed)
    assert journal.exists()


@pytest.mark.parametrize("doing", ["edit", "enrich", "resume"])
def test_nothing_comes_to_a_session_that_is_being_deleted(store: Store, doing: str) -> None:
    """Catches words that are stored between what a removal lists and its tombstone: they stayed on the disk."""
    recording = Recording.begin(store)
    recording.segment()
    session = recording.die()
    recover(store, session)
    done: list[str] = []

    def act() -> None:
        try:
            if doing == "edit":
                apply_edit(store, session, ("set", {"field": "name", "value": "SECRET NAME"}))
            elif doing == "enrich":
                add_artifacts(store, session, [screen_text("s", "SECRET WORDS")])
            else:
                SessionWriter.resume(store, session)
        except NotFound:
            done.append("refused")

    disk = Between(act)
    remove(Store(store.path, store.keys, store.clock, disk=disk), session)
    disk.thread.join()
    assert done == ["refused"]
    assert load(store, session).state == "deleted"
    report = verify(store)
    assert report.damages == () and report.unreferenced == 0
    assert not store.has_journal(session)


class Between(Disk):
    """A disk that begins something else as soon as the list of a removal is there."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.thread = threading.Thread(target=act)

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        if target.parent.name == "removing" and not self.thread.ident:
            self.thread.start()
            # Without a lock it is done by then; with one it waits for it.
            self.thread.join(0.3)


def test_what_is_made_of_a_deleted_session_is_not_stored(store: Store) -> None:
    """Catches a transcript whose stage ends after the removal: it was stored before anybody looked."""
    session = complete_session(store)
    remove(store, session)
    with pytest.raises(NotFound):
        add_artifacts(store, session, [screen_text("s", "SECRET WORDS")])
    assert verify(store).unreferenced == 0


def test_a_recorder_does_not_take_a_tombstone_back(store: Store) -> None:
    """Catches a seal that puts `recording` over a tombstone that another device's sync brought meanwhile."""
    recording = Recording.begin(store)
    recording.note("said")
    store.heads.update(recording.session, lambda now: replace(now, state="deleted", chunks=()))
    with pytest.raises(NotFound):
        recording.writer.seal()
    assert store.heads.manifest(recording.session)[1].state == "deleted"
    recording.die()


def test_folders_are_durable_before_the_list_goes_and_empty_ones_go(store: Store) -> None:
    """Catches pictures that are back after a power cut, when no list tells any more that they were deleted."""
    session = complete_session(store)
    disk = Noting()
    remove(Store(store.path, store.keys, store.clock, disk=disk), session)
    (list_gone,) = (n for n, call in enumerate(disk.calls) if call == ("unlink", store.path / "removing" / session))
    before = disk.calls[:list_gone]
    for n, (call, path) in enumerate(before):
        if call == "unlink" and path.name.startswith("b3-"):
            after = before[n:]
            gone = ("rmdir", path.parent) in after
            assert gone or ("sync_folder", path.parent) in after
            assert not gone or {("sync_folder", path.parent.parent), ("rmdir", path.parent.parent)} & set(after)
    assert ("sync_folder", store.path / "blobs") in before
    assert all(any(folder.iterdir()) for folder in (store.path / "blobs").glob("??/**") if folder.is_dir())


class Noting(Disk):
    """A disk that notes what goes, and what is made durable."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Path]] = []

    def unlink(self, path: Path) -> None:
        self.calls.append(("unlink", path))
        super().unlink(path)

    def rmdir(self, folder: Path) -> None:
        super().rmdir(folder)
        self.calls.append(("rmdir", folder))

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.calls.append(("sync_folder", folder))


def test_a_folder_that_a_removal_takes_away_is_made_again(store: Store) -> None:
    """Catches a blob that finds no place because the last other one of its folder was just deleted."""
    blob = store.blobs.id_of(b"fresh")
    folder = path_of(store, blob).parent

    class Hasty(Disk):
        times = 2

        def replace(self, source: Path, target: Path) -> None:
            if target.parent == folder and self.times:
                self.times -= 1
                store.blobs.settle([blob])
                assert not folder.exists() and not folder.parent.exists()
            super().replace(source, target)

    assert Store(store.path, store.keys, store.clock, disk=Hasty()).blobs.put(b"fresh") == blob
    assert store.blobs.read(blob) == b"fresh"


def test_a_full_disk_takes_a_removal(store: Store) -> None:
    """Catches the one command that gives room back refused, because it needs some itself."""
    session, crashed = complete_session(store), Recording.begin(store)
    crashed.segment()
    crashed.die()
    recover_all(reopen(store.path.parent))
    room = store.path / "room"
    assert room.stat().st_size == ROOM_BYTES
    full = Store(store.path, store.keys, store.clock, disk=FullDisk())
    with pytest.raises(StorageProblem):
        full.blobs.put(b"no room")
    assert remove(full, session) > 140_000
    assert room.stat().st_size == ROOM_BYTES, "it is kept for the next one"
    assert remove(full, crashed.session) > 0
    assert verify(store).damages == () and verify(store).unreferenced == 0
