"""Roots that somebody deleted from outside: what is left of a session stays, and is told until it is whole again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from pepys.errors import Busy, Damaged
from pepys.limits import FRAGMENT_NS
from pepys.model.session import Unread
from pepys.store.journal import Journal, journal_locked
from pepys.store.journal_framing import SALT_RECORD_BYTES
from pepys.store.journal_reader import HEADER_BYTES
from pepys.store.reader import load, session_ids
from pepys.store.recover import finish, recover, recover_all
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import Recording, blob_files, complete_session, content, flip, make_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def resumed(store: Store) -> Recording:
    """A session that was gone on with after a crash, with a note in the journal of that."""
    recording = Recording.begin(store)
    recording.segment()
    writer = SessionWriter.resume(store, recording.die())
    recording = Recording(writer)
    recording.note("precious words")
    return recording


def test_the_journal_of_a_resumed_session_stays_without_its_head(store: Store, tmp_path: Path) -> None:
    """Catches a recovery that takes a journal for one that never began, and deletes what was acknowledged in it."""
    session = resumed(store).die()
    heads, kept = store.path / "heads" / session, tmp_path / "kept"
    shutil.move(heads, kept)
    for _ in range(2):
        (damage,) = verify(store).damages
        assert (damage.session, damage.what) == (session, "head") and "the journal is kept" in damage.problem
        assert recover_all(store) == []
        with pytest.raises(Damaged):
            recover(store, session)
    shutil.move(kept, heads)
    assert recover_all(store) == [session]
    assert [note.text for note in load(store, session).notes] == ["precious words"]
    assert verify(store).damages == ()


def test_a_journal_whose_beginning_is_damaged_stays_without_its_head(store: Store, tmp_path: Path) -> None:
    """Catches the same of a journal whose first record alone does not open."""
    recording = Recording.begin(store)
    recording.note("precious words")
    session = recording.die()
    flip(store.journal_path(session), HEADER_BYTES + SALT_RECORD_BYTES + 20)
    shutil.move(store.path / "heads" / session, tmp_path / "kept")
    assert [damage.what for damage in verify(store).damages] == ["head"]
    assert recover_all(store) == []
    shutil.move(tmp_path / "kept", store.path / "heads" / session)
    assert recover_all(store) == [session]
    assert [note.text for note in load(store, session).notes] == ["precious words"]


def test_a_missing_journal_is_told_and_what_was_recovered_without_it(store: Store) -> None:
    """Catches a crashed session that becomes shorter, or empty, without a word."""
    recording = Recording.begin(store)
    recording.segment()
    recording.open_segment()
    recording.fragment()
    recording.writer.seal()
    recording.fragment()
    recording.note("only in the journal")
    session = recording.die()
    store.journal_path(session).unlink()
    after = store.heads.manifest(session)[1].next_event
    (damage,) = verify(store).damages
    assert (damage.session, damage.what) == (session, "journal")
    assert f"events from {after} on" in damage.problem and damage.start_ns == 3 * FRAGMENT_NS
    (part,) = load(store, session).unread
    assert (part.what, part.first, part.end) == ("journal", after, after)
    assert recover_all(store) == [session]
    view = load(store, session)
    assert view.state == "interrupted"
    assert view.unread == (Unread("lost", after, after, 3 * FRAGMENT_NS, 3 * FRAGMENT_NS),)
    track = view.track("video")
    assert track is not None and [len(segment.fragments) for segment in track.segments] == [2, 1]
    assert store.blobs.read(track.segments[1].blob) == content("video", 1, 0)
    report = verify(store)
    assert report.damages == () and [lost.session for lost in report.lost] == [session]
    assert f"events from {after} on" in report.lost[0].problem
    finish(store, session)
    assert load(store, session).state == "completed"


def test_open_files_of_a_missing_journal_stay_and_are_in_nobodys_way(store: Store) -> None:
    """Catches media deleted that no event tells of any more, and a session that cannot be gone on with beside it."""
    recording = Recording.begin(store)
    recording.writer.seal()
    recording.open_segment()
    recording.fragment()
    session = recording.die()
    store.journal_path(session).unlink()
    recover(store, session)
    (left,) = (store.path / "blobs" / "open").iterdir()
    assert left.name == f"{session}-video-0.left" and left.stat().st_size > 70_000
    again = Recording(SessionWriter.resume(store, session))
    again.span = 1
    again.begin_span()
    again.segment()
    again.end()
    assert verify(store).damages == () and left.exists()


def test_no_session_is_ended_by_what_is_left_of_it(store: Store) -> None:
    """Catches a session completed at time 0 because the chunk that tells its length does not open just now."""
    recording = Recording.begin(store)
    recording.segment()
    recover(store, recording.die())
    (chunk,) = store.heads.manifest(recording.session)[1].chunks
    before = {path: path.read_bytes() for path in blob_files(store, chunk.blob)}
    for path in before:
        path.write_bytes(b"damaged")
    with pytest.raises(Damaged):
        finish(store, recording.session)
    assert load(store, recording.session).state == "interrupted"
    for path, data in before.items():
        path.write_bytes(data)
    finish(store, recording.session)
    view = load(store, recording.session)
    assert (view.state, view.end_ns) == ("completed", 2 * FRAGMENT_NS)


@pytest.mark.parametrize("folder", [False, True])
def test_deleted_heads_are_told_with_and_without_their_folder(store: Store, folder: bool) -> None:
    """Catches a folder that is taken for a session's heads, though it is empty."""
    session, whole = complete_session(store), complete_session(store)
    for path in (store.path / "heads" / session).iterdir():
        path.unlink()
    if not folder:
        (store.path / "heads" / session).rmdir()
    for damages in (verify(store).damages, verify(store, session).damages if folder else verify(store).damages):
        assert [(damage.session, damage.what) for damage in damages] == [(session, "head")]
    assert verify(store, whole).damages == ()


def test_an_empty_folder_of_heads_is_no_damage(store: Store) -> None:
    """Catches a kill, or a pull that was cut short, told as damage."""
    complete_session(store)
    (store.path / "heads" / "01jxt21q0095abpj83zb53d5zm").mkdir()
    assert verify(store).damages == ()
    assert len(session_ids(store)) == 2


def test_who_asks_for_a_recorder_keeps_nobody_from_its_journal(store: Store) -> None:
    """Catches a dead recorder that is told to live because others ask whether it does."""
    recording = Recording.begin(store)
    path = store.journal_path(recording.session)
    with pytest.raises(Busy):
        Journal.open_for_append(path, store.keys)
    recording.die()
    fd = store.disk.open(path, 0)
    assert store.disk.lock(fd, shared=True, wait=False) and not journal_locked(path)
    release = threading.Timer(0.02, store.disk.close, [fd])
    release.start()
    Journal.open_for_append(path, store.keys).close()
    release.join()
    fd = store.disk.open(path, 0)
    store.disk.lock(fd, shared=True, wait=False)
    with pytest.raises(Busy):  # one that never lets go is not waited for without end
        Journal.open_for_append(path, store.keys)
    store.disk.close(fd)
