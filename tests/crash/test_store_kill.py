"""Kill -9 at every point where the store reaches the disk: nothing acknowledged is lost, nothing dangles.

Each case is a real process that dies by SIGKILL at one named point, the nth time it gets there. What it had
acknowledged before is read from a pipe; then the store is opened anew, recovered, proven, gone on with and ended.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.errors import NotFound
from pepys.limits import FRAGMENT_NS
from pepys.model.events import NoteAdded, ShotTaken
from pepys.store import trigger
from pepys.store.catalog import Catalog
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.reader import events, load, session_ids
from pepys.store.recover import finish, recover_all
from pepys.store.remove import remove, unfinished_removals
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.work import Claimer, WorkQueue
from pepys.store.writer import SessionWriter
from tests.stored_session import SECOND, WALL_NS, Recording, complete_session, content, make_store, reopen, screen_text

Acknowledge = Callable[[str], None]
Scenario = Callable[[Store, Acknowledge], None]


def record(store: Store, acknowledged: Acknowledge) -> None:
    """A whole recording, with an edit and an artifact on the way."""
    recording = Recording.begin(store, acknowledged=acknowledged)
    recording.segment()
    shot = recording.shot()
    recording.note("first")
    recording.writer.seal()
    apply_edit(store, recording.session, ("tag", {"value": "kept"}))
    acknowledged("tag kept")
    apply_edit(store, recording.session, ("tag", {"value": "also"}))
    add_artifacts(store, recording.session, [screen_text(shot, "text")])
    acknowledged("artifact")
    recording.segment(3)
    recording.note("second")
    recording.open_segment()
    recording.fragment()
    recording.note("third")
    recording.fragment()
    recording.seal_segment()
    recording.end()


def recover(store: Store, acknowledged: Acknowledge) -> None:
    """The recovery of a recorder that died in the middle of a segment."""
    recover_all(store)


def delete(store: Store, acknowledged: Acknowledge) -> None:
    """The removal of the first of two sessions."""
    remove(store, session_ids(store)[0])
    acknowledged("removed")


def index(store: Store, acknowledged: Acknowledge) -> None:
    """Indexing, from no catalog on, and a job."""
    with Catalog(store) as catalog:
        catalog.refresh()
    queue = WorkQueue(store)
    job = queue.enqueue("session", ["screen_text"])
    acknowledged(f"job {job.id}")
    assert queue.claim(Claimer.current("fake-boot")) is not None


def run(folder: Path, scenario: Scenario, target: str) -> tuple[list[str], int, dict[str, int]]:
    """Run a scenario in a process aimed at `target`: what it acknowledged, its wait status, the points it reached."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        trigger.aim(target)
        try:
            scenario(reopen(folder), lambda what: _say(writing, f"ack {what}"))
        finally:
            _say(writing, *(f"seen {point} {count}" for point, count in trigger.seen.items()))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        lines = [line.rstrip("\n").split(" ", 1) for line in pipe]
    status = os.waitpid(child, 0)[1]
    seen = {text.split()[0]: int(text.split()[1]) for kind, text in lines if kind == "seen"}
    return [text for kind, text in lines if kind == "ack"], status, seen


def _say(pipe: int, *lines: str) -> None:
    os.write(pipe, "".join(f"{line}\n" for line in lines).encode())


def each_kill(folder: Path, scenario: Scenario, most: int) -> list[tuple[str, list[str], Path]]:
    """Kill the scenario at each point it reaches, at most `most` times a point (the first times and the last).

    Returns:
        For each kill the point, what was acknowledged, and the folder that was left.
    """
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    _, status, seen = run(whole, scenario, "*")
    assert status == 0
    left = []
    for point, count in sorted(seen.items()):
        chosen = sorted({*range(1, min(count, most - 1) + 1), count})
        for nth in chosen:
            copy = folder.with_name(f"{point}-{nth}")
            shutil.copytree(folder, copy)
            acknowledged, status, _ = run(copy, scenario, f"{point}:{nth}")
            assert os.WIFSIGNALED(status), f"{point}:{nth} was not reached"
            assert os.WTERMSIG(status) == signal.SIGKILL
            left.append((f"{point}:{nth}", acknowledged, copy))
    return left


def check_recorded(store: Store, acknowledged: list[str], point: str) -> None:
    """All that was acknowledged is there, after a recovery; and the session can be gone on with and ended."""
    recover_all(store)
    assert verify(store).damages == (), point
    # What a killed `put` leaves may be another process's at work: it goes when it is an hour old.
    left = [path.name for path in (store.path / "blobs" / "open").glob("*") if not path.name.startswith("put-")]
    assert not left, f"{point}: an open file is left"
    assert not store.journal_sizes(), point
    if not any(what.startswith("session") for what in acknowledged):
        return
    (session,) = session_ids(store)
    view = load(store, session)
    assert view.state == ("completed" if "ended" in acknowledged else view.state)
    assert view.state in {"interrupted", "completed"}
    notes = {event.id for event in events(store, session) if isinstance(event, NoteAdded)}
    shots = {event.blob for event in events(store, session) if isinstance(event, ShotTaken)}
    track = view.track("video")
    segments = {segment.n: segment for segment in track.segments} if track else {}
    for kind, *what in (line.split() for line in acknowledged):
        if kind == "note":
            assert what[0] in notes, point
        elif kind == "shot":
            assert what[0] in shots, point
        elif kind == "tag":
            assert "kept" in view.tags, point
        elif kind == "artifact":
            assert [ref.stage for ref in view.artifacts] == ["screen_text"], point
        elif kind == "fragment":
            segment, number = int(what[0]), int(what[1])
            offset, length, _, duration = segments[segment].fragments[number]
            assert duration == FRAGMENT_NS
            found = store.blobs.read_range(segments[segment].blob, offset, length)
            assert found == content("video", segment, number), point
    if view.state == "interrupted":
        _go_on(store, session, point)


def _go_on(store: Store, session: str, point: str) -> None:
    assert [gap.reason for gap in load(store, session).gaps] == ["crash"], point
    recording = Recording(SessionWriter.resume(store, session))
    recording.span, recording.at_ns = 7, load(store, session).end_ns + FRAGMENT_NS
    recording.begin_span()
    recording.open_segment(100)
    recording.fragment()
    recording.seal_segment()
    recording.die()
    finish(store, session)
    assert load(store, session).state == "completed", point
    assert verify(store).damages == (), point


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty store in it."""
    made = tmp_path / "made"
    make_store(made)
    return made


def test_recording(folder: Path) -> None:
    kills = each_kill(folder, record, 3)
    assert len({point.split(":")[0] for point, _, _ in kills}) >= 15
    for point, acknowledged, left in kills:
        check_recorded(reopen(left), acknowledged, point)


def test_recovery_can_be_killed_too(folder: Path) -> None:
    recording = Recording.begin(reopen(folder))
    recording.segment()
    recording.note("first")
    recording.writer.seal()
    recording.open_segment()
    recording.fragment()
    recording.note("second")
    recording.die()
    acknowledged = [f"session {recording.session}", "note first", "note second", "fragment 1 0"]
    for point, _, left in each_kill(folder, recover, 2):
        check_recorded(reopen(left), acknowledged, point)


def test_removal_frees_what_only_it_had_in_the_end(folder: Path) -> None:
    store = reopen(folder)
    recording = Recording.begin(store)
    for _ in range(3):
        recording.segment()
    gone, kept = recording.end(), complete_session(store, wall_ns=WALL_NS + SECOND)
    own = {segment.blob for track in load(store, gone).tracks for segment in track.segments}
    own -= {segment.blob for track in load(store, kept).tracks for segment in track.segments}
    assert own
    for point, acknowledged, left in each_kill(folder, delete, 4):
        after = reopen(left)
        recover_all(after)
        assert verify(after).damages == (), point
        assert load(after, kept).state == "completed"
        assert not unfinished_removals(after)
        state = load(after, gone).state
        assert state == "deleted" if acknowledged else state in {"deleted", "completed"}
        if state == "deleted":
            assert not [blob for blob in own if after.blobs.exists(blob)], point
            with pytest.raises(NotFound):
                remove(after, gone)


def test_catalog_and_jobs(folder: Path) -> None:
    session = complete_session(reopen(folder))
    for point, acknowledged, left in each_kill(folder, index, 2):
        store = reopen(left)
        with Catalog(store) as catalog:
            catalog.refresh()
            assert [row.id for row in catalog.list()] == [session], point
            assert catalog.search("importance"), point
        jobs = {job.id for job in WorkQueue(store).list()}
        assert {what.split()[1] for what in acknowledged} <= jobs, point
        # Whoever had claimed a job is dead: it can be claimed again.
        if jobs:
            assert WorkQueue(store).claim(Claimer.current("fake-boot")) is not None, point
