"""Heads of several devices in one home, on a bad day: nothing that one of them acknowledged is hidden or lost."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from pepys.clock import FakeClock
from pepys.errors import Busy, Damaged, NotFound, StorageProblem
from pepys.model import events as ev
from pepys.model.manifest import ChunkRef
from pepys.move import sync_pull
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.memory import MemoryAdapter
from pepys.store.catalog import Catalog
from pepys.store.disk import Disk
from pepys.store.edits import apply_edit
from pepys.store.head_chain import TWO_RECORDINGS, is_one_recording
from pepys.store.heads_taken import begin_taking, is_being_taken, sealed_heads, take_head
from pepys.store.merging import merge_chunks
from pepys.store.reader import load
from pepys.store.recover import recover
from pepys.store.store import Store
from pepys.store.twice import mend
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import WALL_NS, Recording, blob_files, complete_session, encode_chunk, flip
from tests.synced_homes import another_home, first_home, sync, whole


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Store, Store, MemoryAdapter]:
    here, remote = first_home(tmp_path / "a"), MemoryAdapter()
    push(here, remote)
    return here, another_home(tmp_path / "b", here), remote


def tag(store: Store, session: str, *values: str) -> None:
    for value in values:
        apply_edit(store, session, ("tag", {"value": value}))


def interrupted(here: Store, there: Store, remote: MemoryAdapter) -> str:
    """A session that died here, was recovered, and is known on both."""
    session = Recording.begin(here).die()
    recover(here, session)
    push(here, remote)
    pull(there, remote)
    return session


def go_on(store: Store, session: str, count: int, name: str) -> SessionWriter:
    writer = SessionWriter.resume(store, session)
    for n in range(count):
        writer.commit(ev.NoteAdded(f"{name}{n}", n, name))
    return writer


def notes(store: Store, session: str) -> set[str]:
    return {note.id for note in load(store, session).notes}


def test_an_update_that_changes_nothing_writes_no_damaged_head_over_its_copy(tmp_path: Path) -> None:
    """Catches bytes of a head that are taken for whole without opening them: both would then be damaged."""
    store = first_home(tmp_path)
    session = complete_session(store)
    tag(store, session, "kept")
    head = store.path / "heads" / session / store.keys.device_id
    before = head.read_bytes()
    for damaged in (head, head.with_name(f"{head.name}.copy")):
        flip(damaged, -3)
        store.heads.update(session, lambda current: current)
        assert damaged.read_bytes() == before
        assert store.heads.damaged(session) == []
    assert load(store, session).tags == ("kept",)


def test_a_session_of_whose_head_only_the_copy_is_left_is_listed(tmp_path: Path) -> None:
    """Catches a stamp that looks at heads alone: the session opens, and no list has it."""
    store = first_home(tmp_path)
    session = complete_session(store)
    with Catalog(store) as catalog:
        catalog.refresh()
    (store.path / "heads" / session / store.keys.device_id).unlink()
    with Catalog(store) as catalog:
        catalog.refresh()
        assert [row.id for row in catalog.list()] == [session]


def test_two_devices_that_both_went_on_keep_what_each_recorded(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches the longer of two recordings being taken for both: the notes of the shorter would be gone, untold."""
    here, there, remote = homes
    session = interrupted(here, there, remote)
    go_on(here, session, 3, "a").end(60)
    go_on(there, session, 9, "b").end(60)
    assert not push(here, remote).left
    for _ in range(2):
        results = [pull(there, remote), push(there, remote)]
        assert [left.reason for result in results for left in result.left] == [TWO_RECORDINGS] * 2
        assert not pull(here, remote).left
    assert notes(here, session) == {f"a{n}" for n in range(3)}
    assert notes(there, session) == {f"b{n}" for n in range(9)}
    assert whole(here)
    assert whole(there)


def test_two_recordings_at_a_remote_are_told_apart_by_a_third_device(
    homes: tuple[Store, Store, MemoryAdapter], tmp_path: Path
) -> None:
    """Catches a comparison with what is here alone: both heads are news, and one would hide the other."""
    here, there, remote = homes
    session = interrupted(here, there, remote)
    elsewhere = MemoryAdapter()
    go_on(here, session, 3, "a").end(60)
    go_on(there, session, 9, "b").end(60)
    push(here, remote)
    push(there, elsewhere)
    for held in elsewhere.names():
        remote.put(held.name, elsewhere.read(held.name))
    third = another_home(tmp_path / "c", here)
    assert [left.reason for left in pull(third, remote).left] == [TWO_RECORDINGS]
    assert notes(third, session) == {f"b{n}" for n in range(9)}
    assert [left.reason for left in pull(here, remote).left] == [TWO_RECORDINGS]
    assert notes(here, session) == {f"a{n}" for n in range(3)}


def test_one_recording_is_known_however_its_events_are_packed(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches chunks that are compared by their names: a merge on one device would look like a second recording."""
    here, there, remote = homes
    recording = Recording.begin(here)
    for n in range(4):
        recording.open_segment()
        recording.fragment()
        recording.writer.seal()  # what the next chunk replaces stays in this one until they are merged
        recording.fragment()
        recording.seal_segment()
        recording.note(f"n{n}")
    session = recording.die()
    before = here.heads.manifest(session)[1]
    packed = {chunk.blob: here.blobs.read(chunk.blob) for chunk in before.chunks}
    recover(here, session)
    merge_chunks(here, session)
    after = here.heads.manifest(session)[1]
    assert len(after.chunks) < len(before.chunks)
    sync(here, remote)
    sync(there, remote)
    go_on(there, session, 5, "b").end(60)
    sync(there, remote)
    sync(here, remote)
    assert notes(here, session) == notes(there, session) >= {"n3", "b4"}
    further = here.heads.manifest(session)[1]
    for one, other in ((after, further), (further, after), (before, after), (further, before)):
        assert is_one_recording(one, other, lambda blob: packed.get(blob) or here.blobs.read(blob))
    other = here.blobs.put(encode_chunk([ev.NoteAdded("other", 1, "other")]))
    another = replace(after, chunks=(ChunkRef(other, 0, after.next_event),))
    assert not is_one_recording(another, further, here.blobs.read)


def test_a_recording_begun_during_a_pull_keeps_its_events(
    homes: tuple[Store, Store, MemoryAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a head that is taken under a recorder, who then drops as many events as the other device had more."""
    here, there, remote = homes
    session = interrupted(here, there, remote)
    go_on(there, session, 50, "b").end(60)
    push(there, remote)
    writers = []

    def late(store: Store, *rest: object) -> bool:
        writers.append(go_on(here, session, 10, "a"))
        return take_head(store, *rest)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(sync_pull, "take_head", late)
    assert len(pull(here, remote).left) == 1
    writers[0].seal()
    writers[0].commit(ev.NoteAdded("last", 1, "last"))
    writers[0].end(70)
    assert notes(here, session) == {*(f"a{n}" for n in range(10)), "last"}
    assert whole(here)


def test_a_recorder_does_not_go_on_behind_events_of_others(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches a seal that believes any head: its events would be dropped, or numbered as others are."""
    here, there, remote = homes
    session = interrupted(here, there, remote)
    go_on(there, session, 50, "b").end(60)
    writer = go_on(here, session, 10, "a")
    theirs = there.heads.manifest(session)[1]
    for chunk in theirs.chunks:
        here.blobs.put(there.blobs.read(chunk.blob), twice=True)
    with pytest.raises(Busy):
        take_head(here, session, there.keys.device_id, sealed_heads(there, session)[there.keys.device_id], ())
    here.heads.update(session, lambda current: replace(current, chunks=theirs.chunks, next_event=theirs.next_event))
    for _ in range(2):
        with pytest.raises(Damaged, match="gone on with elsewhere"):
            writer.seal()
    assert here.heads.manifest(session)[1].next_event == theirs.next_event
    assert len(writer._pending) >= 10
    writer.close()


def test_a_damaged_own_manifest_beside_a_further_head_costs_no_edit(
    homes: tuple[Store, Store, MemoryAdapter],
) -> None:
    """Catches a head that is passed over as its manifest does not open: its edits vanish, and the next buries them.

    And any flip in what the heads lead to that `verify` does not see, or `mend` not mend.
    """
    here, there, remote = homes
    session = complete_session(here)
    sync(here, remote)
    sync(there, remote)
    tag(there, session, "b0", "b1", "b2")
    tag(here, session, "a0", "a1")
    sync(there, remote)
    own = here.heads.read(session)
    pull(here, remote)
    tags = set(load(here, session).tags)
    assert tags == {"a0", "a1", "b0", "b1", "b2"}
    for blob in sorted(here.blobs.ids()):
        files = blob_files(here, blob)
        for path in files:
            flip(path, -1)
            assert verify(here).damages, blob
            if len(files) == 2:
                assert mend(here) == [path]
            else:
                flip(path, -1)
    assert whole(here)
    for path in blob_files(here, own.manifest):
        flip(path, -1)
    assert set(load(here, session).tags) == tags
    assert [damage.what for damage in verify(here).damages] == ["manifest of another device's head"]
    with pytest.raises(Damaged, match="this device's manifest"):
        tag(here, session, "late")
    for path in blob_files(here, own.manifest):
        flip(path, -1)
    assert whole(here)
    tag(here, session, "late")
    assert set(load(here, session).tags) == {*tags, "late"}


class FullForHeads(Disk):
    """A disk that takes no head."""

    def replace(self, source: Path, target: Path) -> None:
        if "heads" in target.parts:
            raise OSError(errno.ENOSPC, "full")
        super().replace(source, target)


def test_an_update_that_fails_deletes_no_manifest_that_was_there(tmp_path: Path) -> None:
    """Catches a clean-up that takes what it met for what it made: the manifest before the last would be gone."""
    store = first_home(tmp_path)
    session = complete_session(store)
    first, before = store.heads.manifest(session)
    store.heads.update(session, lambda current: replace(current, name="renamed"))
    count = len(list(store.blobs.ids()))
    full = Store(store.path, store.keys, store.clock, disk=FullForHeads())
    for goal in (before, replace(before, name="another")):
        with pytest.raises(StorageProblem):
            full.heads.update(session, lambda _, goal=goal: goal)  # type: ignore[misc] # of a loop that ends before the next
        assert store.blobs.exists(first.manifest)
        assert len(list(store.blobs.ids())) == count


def test_an_edit_counts_where_the_clock_of_another_device_is_ahead(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches an edit that is acknowledged and does nothing, as what it changes bears a later time."""
    here, there, remote = homes
    session = complete_session(here)
    sync(here, remote)
    sync(there, remote)
    for ahead_ns in (300 * 10**9, 7 * 10**18, 2**63 - 1 - WALL_NS):
        there.clock = FakeClock(wall_ns=WALL_NS + ahead_ns)
        for value in ("first", "second", "third", "fourth", "fifth", "theirs"):
            apply_edit(there, session, ("set", {"field": "name", "value": value}))
        sync(there, remote)
        sync(here, remote)
        assert load(here, session).name == "theirs"
        apply_edit(here, session, ("set", {"field": "name", "value": "mine"}))
        apply_edit(here, session, ("set", {"field": "name", "value": "mine now"}))
        assert load(here, session).name == "mine now"
        sync(here, remote)
        sync(there, remote)
        assert load(there, session).name == "mine now"
    assert whole(here)


def test_a_head_that_is_one_behind_costs_one_edit(tmp_path: Path) -> None:
    """Catches a log that is freed while the copy of a head still names it: all edits would be gone, not the last."""
    store = first_home(tmp_path)
    session = complete_session(store)
    tag(store, session, "one", "two")
    head = store.path / "heads" / session / store.keys.device_id
    copy = head.with_name(f"{head.name}.copy")
    old = copy.read_bytes()
    tag(store, session, "three")
    copy.write_bytes(old)
    flip(head, 60)
    assert load(store, session).tags == ("one", "two")
    assert load(store, session).unread == ()


def test_logs_and_manifests_of_before_are_freed_by_any_update(tmp_path: Path) -> None:
    """Catches logs that are kept for the manifest before the last, and by nobody freed when that one goes."""
    store = first_home(tmp_path)
    session = complete_session(store)
    tag(store, session, "one", "two", "three")
    for name in ("renamed", "again", "and again"):
        store.heads.update(session, lambda current, name=name: replace(current, name=name))  # type: ignore[misc] # of a loop that ends before the next
        assert verify(store).unreferenced == 0
    assert load(store, session).tags == ("one", "two", "three")


def test_a_first_pull_that_was_killed_leaves_nothing_for_a_push(
    homes: tuple[Store, Store, MemoryAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a push that ends with exit 9 for ever over a session that is not here."""
    here, there, remote = homes
    complete_session(here)
    sync(here, remote)

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(sync_pull, "take_head", killed)
    with pytest.raises(KeyboardInterrupt):
        pull(there, remote)
    assert push(there, MemoryAdapter()).left == []


def test_a_pull_that_gives_up_says_so(
    homes: tuple[Store, Store, MemoryAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the last of several tries that fails in silence, with exit 0."""
    here, there, remote = homes
    session = complete_session(here)
    sync(here, remote)
    blob = here.heads.read(session).manifest

    def freed(*_: object) -> bool:
        with there.blobs.referring([f"b3-{'0' * 64}"]):
            return True

    monkeypatch.setattr(sync_pull, "take_head", freed)
    assert [left.session for left in pull(there, remote).left] == [session]
    assert there.blobs.exists(blob)


def test_a_head_of_another_device_only_moves_forward(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches a head that goes back, one that counts before what it leads to is here, and a mark that stays."""
    here, there, remote = homes
    session = complete_session(here)
    device = here.keys.device_id
    old = sealed_heads(here, session)[device]
    tag(here, session, "newer")
    new = sealed_heads(here, session)[device]
    begin_taking(there, session)
    with pytest.raises(NotFound):
        take_head(there, session, device, new, ())
    assert sealed_heads(there, session) == {}
    assert is_being_taken(there, session)
    sync(here, remote)
    sync(there, remote)
    assert not is_being_taken(there, session)
    there.blobs.put(here.blobs.read(here.heads.opened(session, old).manifest), twice=True)
    assert not take_head(there, session, device, old, ())
    assert sealed_heads(there, session)[device] == new


def test_what_another_devices_head_names_stays(homes: tuple[Store, Store, MemoryAdapter]) -> None:
    """Catches a manifest that goes with the one before the last, though the head of another device leads to it."""
    here, there, remote = homes
    session = complete_session(here)
    tag(here, session, "a")
    sync(here, remote)
    sync(there, remote)
    for name in "bcde":
        tag(there, session, name)
        for head in there.heads.every(session):
            assert there.blobs.exists(head.manifest)
        assert whole(there)


def test_a_seal_does_not_bring_a_deleted_session_back(tmp_path: Path) -> None:
    """Catches a chunk whose manifest puts `recording` over a tombstone that came meanwhile."""
    store = first_home(tmp_path)
    recording = Recording.begin(store)
    recording.writer.seal()
    store.heads.update(recording.session, lambda current: replace(current, state="deleted", chunks=()))
    recording.note("late")
    with pytest.raises(NotFound):
        recording.writer.seal()
    assert store.heads.manifest(recording.session)[1].state == "deleted"
    recording.die()
