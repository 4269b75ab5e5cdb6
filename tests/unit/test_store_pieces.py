"""A chunk, a journal record or an edit log that does not open costs itself alone, and is told by number and time.

Catches: a session that is refused whole for a piece of it, a piece that is left out without a word, a lost record that
nothing tells of once the journal is gone, and whatever would make a loss final while a backup could still undo it: a
chunk that is dropped from the manifest, blobs that are freed because nobody can read who needs them, a log of edits
that is written over.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pepys.cli import main
from pepys.errors import Damaged, Partial
from pepys.model.events import EventsLost, NoteAdded
from pepys.model.session import Unread
from pepys.store.catalog import Catalog
from pepys.store.edits import apply_edit
from pepys.store.journal import Journal
from pepys.store.journal_reader import JournalReader
from pepys.store.merging import merge_chunks
from pepys.store.reader import LiveView, events, levels, load
from pepys.store.rebuild import rebuild
from pepys.store.recover import _Left, finish, recover, recover_all
from pepys.store.remove import remove
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import SECOND, WALL_NS, Recording, blob_files, complete_session, flip, make_store

FRAGMENT = 800_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def in_three(store: Store, *, wall_ns: int = WALL_NS) -> Recording:
    """A recording whose second of three chunks tells of a segment, a shot and a note."""
    recording = Recording.begin(store, wall_ns=wall_ns)
    recording.segment()
    recording.note("first")
    recording.writer.seal()
    recording.segment()
    recording.shot(b"only here")
    recording.note("second")
    recording.writer.seal()
    recording.segment()
    recording.note("third")
    recording.writer.seal()
    return recording


def spoil(store: Store, blob: str) -> bytes:
    """Damage a blob and its copy; gives what it was."""
    files = blob_files(store, blob)
    before = files[0].read_bytes()
    for path in files:
        flip(path, len(before) - 5)
    return before


def spoil_chunk(store: Store, session: str, chunk: int = 1) -> bytes:
    return spoil(store, store.heads.manifest(session)[1].chunks[chunk].blob)


def bring_back(store: Store, blob: str, before: bytes) -> None:
    """Restore a blob from a backup, its copy too."""
    for path in blob_files(store, blob):
        path.write_bytes(before)


def texts(store: Store, session: str) -> list[str]:
    return [note.text for note in load(store, session).notes]


@pytest.mark.parametrize("gone", [False, True])
def test_a_chunk_costs_itself_and_is_told_with_its_time(store: Store, gone: bool) -> None:
    recording = in_three(store)
    session = recording.die()
    assert recover(store, session)
    chunks = store.heads.manifest(session)[1].chunks
    assert len(chunks) == 1, "merged: the parts below are those of a live one"

    recording = in_three(store)
    session, chunk = recording.session, store.heads.manifest(recording.session)[1].chunks[1]
    if gone:
        for path in blob_files(store, chunk.blob):
            path.unlink()
    else:
        spoil(store, chunk.blob)
    part = Unread("events", chunk.first, chunk.end, 2 * FRAGMENT, 4 * FRAGMENT)
    for view in (load(store, session), LiveView(store, session).refresh()):
        assert view.unread == (part,)
        assert [note.text for note in view.notes] == ["first", "third"]
        track = view.track("video")
        assert track is not None and [segment.n for segment in track.segments] == [0, 2]
    assert list(levels(store, session)) == []
    (damage,) = verify(store, session).damages
    assert (damage.what, damage.start_ns, damage.end_ns) == (str(part), part.start_ns, part.end_ns)
    recording.die()


def test_a_chunk_that_does_not_open_is_never_dropped(store: Store) -> None:
    """By a merge, a recovery or an edit, and there is no end without it; a backup brings it and everything back."""
    recording = in_three(store)
    session = recording.session
    blobs = [chunk.blob for chunk in store.heads.manifest(session)[1].chunks]
    before = spoil_chunk(store, session)
    with pytest.raises(Damaged):
        merge_chunks(store, session)
    apply_edit(store, session, ("tag", {"value": "told"}))
    recording.die()
    assert recover_all(store) == [session]
    with pytest.raises(Damaged):
        SessionWriter.resume(store, session)
    assert not store.has_journal(session), "refused before anything is begun"
    with pytest.raises(Damaged):
        finish(store, session)
    assert [chunk.blob for chunk in store.heads.manifest(session)[1].chunks][:3] == blobs
    assert load(store, session).tags == ("told",)
    bring_back(store, blobs[1], before)
    assert texts(store, session) == ["first", "second", "third"] and load(store, session).unread == ()
    finish(store, session)
    view = load(store, session)
    assert view.state == "completed" and view.end_ns == 6 * FRAGMENT, "the end is not made up of what was left"
    assert verify(store).damages == ()


def test_nothing_is_freed_that_a_chunk_may_name(store: Store) -> None:
    """The shot is shared with a session that is removed while nobody can read who else needs it."""
    recording = in_three(store)
    session = recording.session
    other = Recording.begin(store, wall_ns=WALL_NS + SECOND)
    blob = other.shot(b"only here")
    other.end()
    before = spoil_chunk(store, session)
    with pytest.raises(Partial):
        remove(store, other.session)
    recording.die()
    recover_all(store)
    assert store.blobs.exists(blob)
    bring_back(store, store.heads.manifest(session)[1].chunks[1].blob, before)
    assert verify(store, session).damages == ()


def test_an_open_file_stays_while_a_chunk_may_name_it(store: Store) -> None:
    """Also when the first recovery was killed before it came to deleting anything."""
    recording = Recording.begin(store)
    recording.open_segment()
    recording.fragment()
    recording.writer.seal()
    session = recording.die()
    spoil_chunk(store, session, 0)
    path = store.path / "blobs" / "open" / f"{session}-video-0"
    journal = store.journal_path(session)
    kept = journal.read_bytes()
    assert recover(store, session) and path.exists()
    journal.write_bytes(kept)
    store.heads.update(session, lambda now: replace(now, next_event=now.next_event))
    recover(store, session)
    assert path.exists()


def test_a_log_of_edits_costs_its_edits_and_is_not_written_over(store: Store) -> None:
    session = complete_session(store)
    apply_edit(store, session, ("tag", {"value": "old"}))
    apply_edit(store, session, ("set", {"field": "name", "value": "Renamed"}))
    device = store.keys.device_id
    blob = store.heads.manifest(session)[1].edits[device]
    before = spoil(store, blob)
    view = load(store, session)
    assert (view.name, view.tags, view.unread) == ("Test session", (), (Unread("edits", device=device),))
    apply_edit(store, session, ("tag", {"value": "new"}))
    apply_edit(store, session, ("tag", {"value": "newer"}))
    assert store.heads.manifest(session)[1].edits[device] == blob
    assert load(store, session).tags == ("new", "newer")
    assert [damage.what for damage in verify(store).damages] == [f"edits of device {device}"]
    bring_back(store, blob, before)
    view = load(store, session)
    assert (view.name, set(view.tags), view.unread) == ("Renamed", {"old", "new", "newer"}, ())


def test_a_record_of_a_journal_is_told_while_it_lasts_and_after(store: Store) -> None:
    """`verify` names the events before the recovery as damaged and for ever after as lost."""
    recording = Recording.begin(store)
    recording.segment()
    path = store.journal_path(recording.session)
    at = path.stat().st_size
    recording.note("hit")
    recording.segment()
    recording.note("kept")
    session = recording.die()
    flip(path, at + 20)
    reader = JournalReader(path, store.keys)
    assert all(not isinstance(event, NoteAdded) or event.text == "kept" for _, event in reader.read())
    ((first, end),) = reader.lost
    assert end == first + 1
    (part,) = load(store, session).unread
    assert part == Unread("journal", first, end, 2 * FRAGMENT, 2 * FRAGMENT)
    (damage,) = verify(store).damages
    assert (damage.what, damage.start_ns) == ("journal", 2 * FRAGMENT) and str(part) in damage.problem
    journal = Journal.open_for_append(path, store.keys)
    _Left(store, journal, store.heads.manifest(session)[1]).tell_lost()
    journal.close()  # as after a kill of a recovery: it is not told twice
    assert recover_all(store) == [session]
    (event,) = (event for event in events(store, session) if isinstance(event, EventsLost))
    assert (event.first, event.end, event.wall_ns) == (first, end, WALL_NS)
    report = verify(store)
    assert report.damages == () and [lost.session for lost in report.lost] == [session]
    assert load(store, session).unread == (replace(part, what="lost"),)
    assert SessionWriter.resume(store, session).view is not None


def test_a_stretch_between_two_openings_is_told_by_number(store: Store) -> None:
    """More than one bit: what follows is found by the next salt record, which says how many events are missing."""
    recording = Recording.begin(store)
    path = store.journal_path(recording.session)
    at = path.stat().st_size
    for number in range(5):
        recording.note(f"n{number}")
    session = recording.die()
    data = bytearray(path.read_bytes())
    data[at : at + 4] = b"\x77\x77\x77\x77"
    resumed = store.keys
    path.write_bytes(data)
    reader = JournalReader(path, resumed)
    assert not [event for _, event in reader.read() if isinstance(event, NoteAdded)]
    first = reader.next_event
    other = Recording.begin(store, wall_ns=WALL_NS + SECOND)
    other.die()
    journal = Journal.create(path.with_name("x"), store.keys, session, first + 5)
    journal.append(NoteAdded("after", 0, "after"))
    journal.sync()
    journal.close()
    tail = path.with_name("x").read_bytes()[117:]
    path.write_bytes(bytes(data) + tail)
    reader = JournalReader(path, store.keys)
    assert [event.text for _, event in reader.read() if isinstance(event, NoteAdded)] == ["after"]
    assert reader.lost == [(first, first + 5)]


def test_every_command_goes_on_and_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(home)
    recording = in_three(store)
    session = recording.session
    spoil_chunk(store, session)
    recording.die()
    recover_all(store)
    with Catalog(store) as catalog:
        catalog.refresh()
        assert catalog.get(session).duration_ns == 6 * FRAGMENT and list(catalog.unread) == [session]
    assert list(rebuild(store).unread) == [session]
    assert main(["show", session]) == 0
    assert "is told without a part of it: events" in capsys.readouterr().err
    assert main(["show", session, "--json"]) == 0
    (part,) = json.loads(capsys.readouterr().out)["unread"]
    assert (part["lost"], part["start_ms"], part["end_ms"]) == (False, 1600, 3200)
    target = home.parent / "x.json"
    assert main(["export", session, "--to", str(target)]) == 9 and target.stat().st_size
    capsys.readouterr()
    assert main(["verify"]) == 6
    told = capsys.readouterr().err
    assert f"session {session}, {part['what']}, 0:01 to 0:03" in told
