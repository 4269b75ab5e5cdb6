"""What must be true of a home after a kill, given what its processes had told before they died.

Nothing that was told is lost, before the recovery as after it; no head is older than one that was told; `verify` finds
nothing; nothing dangles and nothing half done is left; and the user can go on.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from pepys.errors import KeyProblem, NotFound, Partial
from pepys.model import events as ev
from pepys.model.session import Session
from pepys.store.blob_names import LEFT
from pepys.store.catalog import Catalog
from pepys.store.heads_taken import sealed_heads
from pepys.store.key_change import change_master, import_key
from pepys.store.key_master import next_key_path
from pepys.store.ledger import Ledger
from pepys.store.reader import events, load, read_root, session_ids
from pepys.store.rebuild import rebuild
from pepys.store.recover import recover_all
from pepys.store.references import event_reference
from pepys.store.remove import remove, unfinished_removals
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.work import WorkQueue
from tests.kill_diary import TRACKS, Diary
from tests.kill_sync import prove_remote
from tests.stored_session import content, reopen

Told = list[list[Any]]


GARBAGE: Final = 4
"""What a kill may leave among the blobs: the newest that were put, and not named yet; of an edit nothing."""


def prove(folder: Path, told: Told, *, on: bool = True, garbage: int = GARBAGE) -> None:
    """Open the home as the next process does, and prove it; AssertionError where something is wrong.

    With `on`, go on with an interrupted session and end it.
    """
    if next_key_path(folder / "config").exists():
        # A change of the master key that was cut short opens as it is, and is ended by asking for it again.
        reopen(folder)
        change_master(folder / "home", folder / "config", None, str)
    if _of(told, "store_key") and not _of(told, "imported"):
        _key(folder, _of(told, "store_key")[0][0])
    store = reopen(folder, create=not _of(told, "home") and not _of(told, "session"))
    for (session,) in _of(told, "deleting"):
        # Until it is deleted it does not open: whoever was killed asks once more.
        with contextlib.suppress(NotFound, Partial):
            remove(store, session)
    gone = {session for session, state in _of(told, "state") if state == "deleted"}
    for session in session_ids(store):
        # One that was being deleted may be gone or not.
        if _state(store, session) == "deleted":
            gone.add(session)
        # A pull that was killed made the folder of a head; nobody was told of that session.
        if (
            not sealed_heads(store, session)
            and not store.has_journal(session)
            and [session] not in _of(told, "session")
        ):
            gone.add(session)
    _heads(store, told)
    _events(store, told, gone)
    recover_all(store)
    assert recover_all(store) == [], "a recovery leaves something to recover"
    if _of(told, "damaged") and not _of(told, "mended"):
        rebuild(store)
    after = reopen(folder)
    assert not after.notices + after.keys.hints, after.notices + after.keys.hints
    _whole(after, garbage)
    _heads(after, told)
    _events(after, told, gone)
    _states(after, told, gone)
    _changes(after, told, gone)
    _freed(after, told, gone)
    _databases(after, told)
    if (folder / "remote").exists():
        prove_remote(folder, after, max((count for (count,) in _of(told, "pushed")), default=0))
    if on:
        _go_on(after)


def _key(folder: Path, store_key: str) -> None:
    """A master key that was lost: the recovery code brings another, however often that was begun."""
    try:
        reopen(folder)
    except KeyProblem:
        import_key(folder / "home", folder / "config", bytes.fromhex(store_key), new_master=True)


def _of(told: Told, kind: str) -> Told:
    return [words for first, *words in told if first == kind]


def _state(store: Store, session: str) -> str:
    try:
        return read_root(store, session)[1].state
    except NotFound:
        return ""


def _heads(store: Store, told: Told) -> None:
    """No head is older than one that was told."""
    for session, sequence in _of(told, "head"):
        now = store.heads.read(session).sequence
        assert now >= sequence, f"the head of {session} is at {now}; {sequence} was told"


def _events(store: Store, told: Told, gone: set[str]) -> None:
    """Every event that was told is there, in order; a fragment may stand in its sealed segment, with its bytes."""
    for session in {session for session, _ in _of(told, "event")} - gone:
        listed = list(events(store, session))
        there: dict[str, list[int]] = {}
        for at, event in enumerate(listed):
            there.setdefault(ev.encode(event).decode(), []).append(at)
        view, last = load(store, session), -1
        for text in [text for owner, text in _of(told, "event") if owner == session]:
            event = ev.decode(text.encode())
            if isinstance(event, ev.FragmentWritten):
                _fragment(store, view, event)
            elif text in there:
                # Tracks begin anew with each span, in the same words.
                last = next((at for at in there[text] if at > last), -1)
                assert last >= 0, f"out of order: {text}"
            else:
                assert isinstance(event, ev.SegmentOpened), f"lost: {text}"
                assert _segment(view, event.track, event.segment).blob, f"lost: {text}"


def _segment(view: Session, track: str, n: int) -> Any:
    found = view.track(track)
    segments = [segment for segment in found.segments if segment.n == n] if found else []
    assert segments, f"lost: segment {n} of {track}"
    return segments[0]


def _fragment(store: Store, view: Session, event: ev.FragmentWritten) -> None:
    segment = _segment(view, event.track, event.segment)
    offsets = [fragment[0] for fragment in segment.fragments]
    assert event.offset in offsets, f"lost: {event}"
    if segment.blob:
        found = store.blobs.read_range(segment.blob, event.offset, event.length)
    else:
        try:
            found = store.blobs.read_open(segment.name, event.offset, event.length)
        except NotFound:
            # The kill came between the name and the event that tells it; the note says what it became.
            blob = store.blobs.became(segment.name)
            assert blob is not None, f"neither open nor sealed: {segment.name}"
            found = store.blobs.read_range(blob, event.offset, event.length)
    assert found == content(event.track, event.segment, offsets.index(event.offset), TRACKS[event.track])


def _whole(store: Store, garbage: int) -> None:
    """`verify` finds nothing, and nothing half done is left, nor more than that much garbage."""
    report = verify(store)
    assert not report.damages, report.damages
    assert report.unreferenced <= garbage, f"{report.unreferenced} blobs that nothing refers to"
    assert not store.journal_sizes(), "a journal is left"
    assert not unfinished_removals(store), "a removal is left"
    # What a killed `put` leaves may be another process's at work: it goes when it is an hour old.
    there = [path for path in (store.path / "blobs" / "open").glob("*")]
    # And what no event tells of, because the journal is gone, stays for whoever can make something of it.
    kept = [path for path in there if path.name.endswith(LEFT) or path.name.startswith("put-")]
    left = [path.name for path in there if path not in kept or not path.stat().st_mtime_ns]
    assert not left, f"open files are left: {left}"


def _states(store: Store, told: Told, gone: set[str]) -> None:
    for (session,) in _of(told, "session"):
        assert session in session_ids(store), f"session {session} is lost"
    for session, state in _of(told, "state"):
        assert session in gone or _state(store, session) == state
    for session in session_ids(store):
        assert _state(store, session) in {"interrupted", "completed", "deleted"} or session in gone
        if session not in gone:
            _twice(store, session)


def _twice(store: Store, session: str) -> None:
    """Nothing is there twice: no note, no segment, no end; and a crash is one gap for each death."""
    kinds = [event for event in events(store, session) if not isinstance(event, ev.LevelsNoted)]
    notes = [event.id for event in kinds if isinstance(event, ev.NoteAdded)]
    assert len(notes) == len(set(notes)), notes
    sealed = [(event.track, event.segment) for event in kinds if isinstance(event, ev.SegmentSealed)]
    assert len(sealed) == len(set(sealed)), sealed
    assert sum(isinstance(event, ev.SessionEnded) for event in kinds) <= 1
    crashes = [gap.start_ns for gap in load(store, session).gaps if gap.reason == "crash"]
    assert len(crashes) == len(set(crashes)), crashes


def _changes(store: Store, told: Told, gone: set[str]) -> None:
    """Edits and artifacts that were told are there."""
    views = {session: load(store, session) for session in session_ids(store) if session not in gone}
    untagged = {(session, value) for session, value in _of(told, "untag")}
    perhaps = {(session, value) for session, value in _of(told, "untagging")}
    for session, value in _of(told, "tag"):
        if session in views and (session, value) not in perhaps:
            assert value in views[session].tags, f"lost tag {value}"
    for session, value in untagged:
        assert session not in views or value not in views[session].tags, f"tag {value} is back"
    for session, view in views.items():
        names = [name for owner, name in _of(told, "naming") if owner == session]
        last = [name for owner, name in _of(told, "name") if owner == session][-1:]
        assert not last or view.name in names[names.index(last[0]) :], f"lost name {last}"
    for session, stage, unit in _of(told, "artifact"):
        if session in views:
            assert (stage, unit) in {(ref.stage, ref.unit) for ref in views[session].artifacts}, f"lost: {stage}"


def _freed(store: Store, told: Told, gone: set[str]) -> None:
    """What only a deleted session had is gone from the disk."""
    named: set[str] = set()
    for session in set(session_ids(store)) - gone:
        named.update(found.blob for event in events(store, session) if (found := event_reference(event)))
    for session, text in _of(told, "event"):
        found = event_reference(ev.decode(text.encode()))
        if session in gone and found is not None and found.blob not in named:
            assert not store.blobs.exists(found.blob), f"{found.what} of a deleted session is still there"


def _databases(store: Store, told: Told) -> None:
    """Jobs and entries of the ledger that were told are there; the catalog lists what there is."""
    if _of(told, "job"):
        queue = WorkQueue(store)
        queue.reclaim()
        jobs = {job.id: job.state for job in queue.list()}
        ended = {job: state for job, state in _of(told, "ended")}
        for (job,) in _of(told, "job"):
            assert job in jobs, f"lost job {job}"
            assert job not in ended or jobs[job] == ended[job], "a job that ended is as it was told"
        assert "running" not in jobs.values(), "whoever had claimed a job is dead: it is queued again"
    spent = _of(told, "spent")
    for session in {session for session, _ in spent}:
        total = sum(nanos for owner, nanos in spent if owner == session)
        assert total <= Ledger(store).total_nanos(session) <= total + 7, "at most the one under way is there untold"
    if store.database_path("catalog").exists():
        with Catalog(store) as catalog:
            catalog.refresh()
            living = {session for session in session_ids(store) if _state(store, session) != "deleted"}
            assert {row.id for row in catalog.list()} == living


def _go_on(store: Store) -> None:
    """An interrupted session can be gone on with and ended."""
    for session in session_ids(store):
        if _state(store, session) == "interrupted":
            diary = Diary.resume(store, session)
            diary.segments()
            diary.end()
            assert _state(store, session) == "completed"
            assert verify(store, session).damages == ()
