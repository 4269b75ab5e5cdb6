"""What a dead recorder leaves becomes an interrupted session, which can be gone on with, ended or deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepys.clock import FakeClock
from pepys.errors import Busy, NotFound, Usage
from pepys.limits import CHUNK_INTERVAL_NS, FRAGMENT_NS
from pepys.model import events as ev
from pepys.store.reader import LiveView, events, live_sessions, load, manifest, session_ids
from pepys.store.recover import finish, recover, recover_all
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import (
    SECOND,
    WALL_NS,
    Recording,
    complete_session,
    content,
    damage_heads,
    make_store,
    sealed_beside,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def died(store: Store) -> Recording:
    """A recording that died with one fragment journalled and one more only in the file."""
    recording = Recording.begin(store)
    recording.segment()
    recording.open_segment()
    recording.fragment()
    assert recording.media is not None
    recording.media.append(content("video", 1, 1))
    recording.media.sync()
    recording.die()
    return recording


def test_a_crash_loses_only_what_no_event_names(store: Store) -> None:
    session = died(store).session
    before = load(store, session)
    assert before.state == "interrupted" and manifest(store, session).state == "recording"
    assert recover(store, session)
    view = load(store, session)
    track = view.track("video")
    assert track is not None
    assert [(segment.n, len(segment.fragments)) for segment in track.segments] == [(0, 2), (1, 1)]
    assert store.blobs.read(track.segments[1].blob) == content("video", 1, 0)
    assert view.duration_ns == 3 * FRAGMENT_NS
    assert [(gap.reason, gap.start_ns) for gap in view.gaps] == [("crash", 3 * FRAGMENT_NS)]
    assert verify(store).damages == ()
    assert not recover(store, session)


def test_a_living_recorder_is_left_alone(store: Store) -> None:
    recording = Recording.begin(store)
    assert live_sessions(store) == [recording.session]
    for refused in (recover, finish, SessionWriter.resume):
        with pytest.raises(Busy):
            refused(store, recording.session)
    assert recover_all(store) == []
    assert load(store, recording.session).state == "recording"
    recording.end()


def test_resume_goes_on_in_a_new_span(store: Store) -> None:
    old = died(store)
    writer = SessionWriter.resume(store, old.session)
    assert writer.view is not None and writer.view.state == "interrupted"
    recording = Recording(writer)
    recording.span, recording.at_ns = 1, old.at_ns + 5 * SECOND
    writer.append(ev.GapNoted(old.at_ns, recording.at_ns, "crash"))
    recording.begin_span()
    recording.open_segment(2)
    recording.fragment()
    recording.seal_segment()
    assert load(store, old.session).state == "recording"
    view = load(store, recording.end())
    assert view.state == "completed"
    assert [(span.start_ns, span.duration_ns) for span in view.spans] == [
        (0, 3 * FRAGMENT_NS), (3 * FRAGMENT_NS + 5 * SECOND, FRAGMENT_NS)
    ]  # fmt: skip
    assert [(gap.reason, gap.end_ns - gap.start_ns) for gap in view.gaps] == [("crash", 5 * SECOND)]
    numbers = [(chunk.first, chunk.end) for chunk in manifest(store, old.session).chunks]
    assert [first for first, _ in numbers] == [0, *(end for _, end in numbers[:-1])]
    assert verify(store).damages == ()


def test_finish_completes_and_its_times_add_up(store: Store) -> None:
    session = died(store).session
    finish(store, session)
    view = load(store, session)
    assert view.state == "completed"
    assert view.duration_ns + sum(gap.end_ns - gap.start_ns for gap in view.gaps) == view.end_ns
    finish(store, session)
    with pytest.raises(Usage):
        SessionWriter.resume(store, session)


def test_a_gap_that_was_open_ends_with_the_crash(store: Store) -> None:
    recording = Recording.begin(store)
    recording.segment()
    recording.writer.append(
        ev.GapNoted(FRAGMENT_NS, None, "device_lost", "audio.mic"), ev.TrackStarted("audio.mic", "audio", "mic")
    )
    recording.writer.sync()
    recover(store, recording.die())
    track = load(store, recording.session).track("audio.mic")
    assert track is not None
    assert [(gap.start_ns, gap.end_ns, gap.reason) for gap in track.gaps] == [
        (FRAGMENT_NS, 2 * FRAGMENT_NS, "device_lost")
    ]


def test_a_session_that_had_ended_in_order_is_completed(store: Store) -> None:
    recording = Recording.begin(store)
    recording.segment()
    recording.writer.append(ev.SpanEnded(0, recording.at_ns, recording.at_ns), ev.SessionEnded(recording.at_ns))
    recording.writer.sync()
    recover(store, recording.die())
    view = load(store, recording.session)
    assert (view.state, view.gaps) == ("completed", ())


def test_media_that_is_gone_is_a_gap_of_its_track(store: Store) -> None:
    recording = died(store)
    open_file = store.path / "blobs" / "open" / f"{recording.session}-video-1"
    open_file.unlink()
    assert [damage.track for damage in verify(store).damages] == ["video"]
    assert recover(store, recording.session)
    view = load(store, recording.session)
    track = view.track("video")
    assert track is not None
    assert [segment.n for segment in track.segments] == [0]
    assert [(gap.start_ns, gap.end_ns, gap.reason) for gap in track.gaps] == [
        (2 * FRAGMENT_NS, 3 * FRAGMENT_NS, "crash")
    ]
    assert verify(store).damages == ()


def test_a_damaged_frame_costs_only_what_follows_it(store: Store) -> None:
    recording = Recording.begin(store)
    recording.open_segment()
    for _ in range(3):
        recording.fragment()
    recording.die()
    path = store.path / "blobs" / "open" / f"{recording.session}-video-0"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    recover(store, recording.session)
    track = load(store, recording.session).track("video")
    assert track is not None
    assert [len(segment.fragments) for segment in track.segments] == [2]
    assert verify(store).damages == ()


def test_a_journal_without_a_head_is_a_session(store: Store) -> None:
    recording = Recording.begin(store, "No head yet")
    recording.note("kept")
    session = recording.die()
    for path in (store.path / "heads" / session).iterdir():
        path.unlink()
    assert session_ids(store) == [session]
    assert load(store, session).name == "No head yet"
    assert recover_all(store) == [session]
    assert [note.text for note in load(store, session).notes] == ["kept"]


def test_a_journal_that_holds_nothing_goes(store: Store) -> None:
    recording = Recording.begin(store)
    session = recording.die()
    for path in (store.path / "heads" / session).iterdir():
        path.unlink()
    journal = store.journal_path(session)
    journal.write_bytes(journal.read_bytes()[:150])
    with pytest.raises(NotFound):
        load(store, session)
    assert recover_all(store) == []
    assert session_ids(store) == []


def test_one_damaged_session_keeps_no_other_from_recovery(store: Store) -> None:
    broken, hurt, other = Recording.begin(store), Recording.begin(store), Recording.begin(store)
    hurt.note("in a chunk")
    hurt.writer.seal()
    hurt.note("in the journal")
    for recording in (broken, hurt, other):
        recording.die()
    damage_heads(store, broken.session)
    store.blobs.delete(manifest(store, hurt.session).chunks[0].blob)
    assert sorted(recover_all(store)) == sorted([hurt.session, other.session])
    assert manifest(store, hurt.session).state == "interrupted"
    assert len(manifest(store, hurt.session).chunks) == 2


def test_a_lost_journal_leaves_what_the_chunks_hold(store: Store) -> None:
    recording = Recording.begin(store)
    recording.segment()
    recording.writer.seal()
    session = recording.die()
    store.journal_path(session).unlink()
    assert recover_all(store) == [session]
    assert load(store, session).state == "interrupted"


def test_no_note_on_a_sealed_file_outlives_its_session(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording.begin(store)
    recording.open_segment()
    recording.fragment()
    with monkeypatch.context() as patched:
        patched.setattr(recording.writer, "sync", lambda: None)
        recording.seal_segment()
    assert store.blobs.noted()
    session = recording.end()
    assert store.blobs.noted() == []
    live = Recording.begin(store)
    for stale in (f"{session}-video-0", f"{live.session}-video-0"):
        (store.path / "blobs" / "open" / f"{stale}.sealed").write_text("b3-" + "0" * 64)
    recover_all(store)
    assert store.blobs.noted() == [f"{live.session}-video-0"]
    live.end()


def test_chunks_are_sealed_when_they_are_due(store: Store) -> None:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    recording = Recording.begin(store)
    recording.note("one")
    assert manifest(store, recording.session).chunks == ()
    clock.advance(CHUNK_INTERVAL_NS)
    recording.note("two")
    sealed_beside(recording.writer)
    (chunk,) = manifest(store, recording.session).chunks
    assert chunk.end == manifest(store, recording.session).next_event
    recording.note("three")
    assert [event.text for event in events(store, recording.session) if isinstance(event, ev.NoteAdded)] == [
        "one", "two", "three"
    ]  # fmt: skip
    recording.end()


def test_chunks_leave_out_what_a_sealed_segment_replaces(store: Store) -> None:
    session = complete_session(store)
    kinds = {type(event) for event in events(store, session)}
    assert ev.FragmentWritten not in kinds and ev.SegmentOpened not in kinds and ev.SegmentSealed in kinds


def test_a_live_view_is_what_a_fresh_load_is(store: Store) -> None:
    recording = Recording.begin(store)
    view = LiveView(store, recording.session)
    for step in (recording.segment, recording.shot, recording.writer.seal, recording.open_segment, recording.fragment):
        step()
        assert view.refresh() == load(store, recording.session)
    recording.seal_segment()
    assert view.refresh() == load(store, recording.session)
    recording.end()
    assert view.refresh() == load(store, recording.session)
    assert view.refresh().state == "completed"


def test_started_wall_time_is_the_header_s(store: Store) -> None:
    assert load(store, complete_session(store, wall_ns=WALL_NS + SECOND)).started_wall_ns == WALL_NS + SECOND
