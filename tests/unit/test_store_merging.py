"""Merging chunks: a long session stays a handful of blobs, says what it said, and a kill leaves no garbage."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.model import events as ev
from pepys.store.chunks import compress, decode_chunk, decompress, owner
from pepys.store.merging import finish_merges, merge_chunks
from pepys.store.reader import LiveView, events, load, manifest
from pepys.store.recover import recover_all
from pepys.store.removals import MERGE, REMOVAL, listed_sessions, write_list
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.stored_session import Recording, complete_session, encode_chunk, make_store
from tests.waiting import wait_until


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def long_session(store: Store, seals: int) -> Recording:
    """A session that was sealed so often, with fragments and segments that lie across the borders of chunks."""
    recording = Recording.begin(store)
    for number in range(seals):
        recording.open_segment()
        recording.fragment(500)
        recording.writer.seal()
        recording.fragment(500)
        recording.seal_segment()
        recording.note(f"n{number}")
    return recording


def spoken(store: Store, session: str) -> list[ev.Event]:
    return list(events(store, session))


def test_an_hour_ends_as_one_chunk_that_says_the_same(store: Store) -> None:
    """Would catch events that are lost, doubled or out of order when chunks are joined."""
    recording = long_session(store, 5)
    before = load(store, recording.session)
    assert len(manifest(store, recording.session).chunks) == 5
    session = recording.end()
    (chunk,) = manifest(store, session).chunks
    assert (chunk.first, chunk.end) == (0, manifest(store, session).next_event)
    after = load(store, session)
    assert [note.text for note in after.notes] == [f"n{n}" for n in range(5)]
    assert after.tracks == before.tracks
    said = spoken(store, session)
    # The fragments that an earlier chunk had to name are replaced by their sealed segments.
    assert not [event for event in said if isinstance(event, ev.FragmentWritten | ev.SegmentOpened)]
    assert sum(isinstance(event, ev.SegmentSealed) for event in said) == 5
    report = verify(store)
    assert (report.damages, report.unreferenced) == ((), 0)
    assert not listed_sessions(store, MERGE)


def test_hours_of_recording_keep_their_manifest_short(store: Store) -> None:
    """Would catch a chunk list that grows by one each five minutes for as long as the session lasts."""
    assert isinstance(store.clock, FakeClock)
    recording = Recording.begin(store)
    view = LiveView(store, recording.session)
    for number in range(36):
        store.clock.advance(limits.CHUNK_INTERVAL_NS)
        recording.note(f"n{number}")
        # The merge has a thread of its own, which a note each five minutes never overtakes.
        wait_until(lambda: len(manifest(store, recording.session).chunks) <= 13)
        if number % 10 == 0:
            assert len(view.refresh().notes) == number + 1
    session = recording.end()
    assert len(manifest(store, session).chunks) == 1
    assert len(load(store, session).notes) == 36
    assert verify(store).unreferenced == 0


def test_what_a_crash_left_is_merged_by_its_recovery(store: Store) -> None:
    """Would catch an interrupted session that stays in pieces for good."""
    session = long_session(store, 4).die()
    recover_all(store)
    assert len(manifest(store, session).chunks) == 1
    assert (verify(store).damages, verify(store).unreferenced) == ((), 0)


@pytest.mark.parametrize("stage", ["listed", "stored", "moved"])
def test_a_merge_that_was_cut_short_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Would catch chunks that nothing names and nobody deletes after a kill, or ones deleted that are still named."""
    recording = long_session(store, 4)

    def reach(point: str) -> None:
        if point == f"merge.{stage}":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pepys.store.merging.reach", reach)
        with pytest.raises(KeyboardInterrupt):
            merge_chunks(store, recording.session)
    assert listed_sessions(store, MERGE) == [recording.session]
    # While its recorder lives nobody else touches what it may be about to name.
    assert finish_merges(store) == 0 and listed_sessions(store, MERGE)
    recording.die()
    recover_all(store)
    assert not listed_sessions(store, MERGE)
    assert [note.text for note in load(store, recording.session).notes] == [f"n{n}" for n in range(4)]
    assert (verify(store).damages, verify(store).unreferenced) == ((), 0)


def test_a_list_of_a_removal_is_never_taken_for_one_of_a_merge(store: Store) -> None:
    """Would catch a removal that was cut short before its tombstone, and whose list then costs a living session."""
    session = complete_session(store)
    blobs = [shot.blob for shot in load(store, session).shots]
    write_list(store, session, REMOVAL, blobs)
    assert finish_merges(store) == 0
    recover_all(store)
    assert all(store.blobs.exists(blob) for blob in blobs)
    assert verify(store).damages == ()


def test_chunks_of_two_sessions_are_never_equal(store: Store) -> None:
    """Would catch a merge that frees a chunk which another session, equal but for its name, refers to."""
    one, two = Recording.begin(store, "One"), Recording.begin(store, "Two")
    for recording in (one, two):
        recording.writer.seal()
        recording.note("the same")
        recording.writer.seal()
    blobs = [{chunk.blob for chunk in manifest(store, each.session).chunks} for each in (one, two)]
    assert not blobs[0] & blobs[1]
    one.end()
    assert verify(store).damages == ()
    remove(store, one.session)
    assert [note.text for note in load(store, two.end()).notes] == ["the same"]


def test_chunks_of_earlier_versions_are_left_as_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a chunk without a name, which another session may share, being freed."""

    def unnamed(session: str, listed: list[bytes]) -> list[tuple[int, bytes]]:
        return [(len(listed), encode_chunk(map(ev.decode, listed)))]

    with monkeypatch.context() as patched:
        patched.setattr("pepys.store.chunks.pack_lines", unnamed)
        recording = long_session(store, 3)
    before = manifest(store, recording.session).chunks
    session = recording.end()
    after = manifest(store, session).chunks
    assert after[:3] == before
    assert [note.text for note in load(store, session).notes] == ["n0", "n1", "n2"]
    assert (verify(store).damages, verify(store).unreferenced) == ((), 0)


def test_the_line_of_a_name_is_no_event() -> None:
    """Would catch a chunk of which the name is counted or shown as an event."""
    named = compress(b'{"t":"Chunk","session":"abc"}\n{"t":"SessionEnded","at_ns":5}\n')
    assert list(decode_chunk(named)) == [ev.SessionEnded(5)]
    assert owner(decompress(named)) == "abc"
    assert owner(decompress(encode_chunk([ev.SessionEnded(5)]))) is None
