"""Scenarios of removals for the kill suite: of a whole session, a damaged one, on a full disk; a journal lost."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from pepys.clock import FakeClock
from pepys.errors import NotFound, Partial, PepysError
from pepys.model import events as ev
from pepys.store.edits import apply_edit
from pepys.store.journal import Journal
from pepys.store.reader import session_ids
from pepys.store.recover import recover_all
from pepys.store.remove import remove
from pepys.store.store import Store
from tests.full_disk import FullDisk
from tests.kill_diary import Diary, Tell, untold
from tests.stored_session import SECOND, WALL_NS, flip, reopen


def day(folder: Path, tell: Tell) -> None:
    """Two completed sessions that have their inits and most of their media in common."""
    store = reopen(folder, create=True)
    for number in range(2):
        diary = Diary.begin(store, tell, WALL_NS + number * SECOND, f"Day {number}")
        diary.segments()
        diary.shot(f"picture {number}".encode())
        diary.note("of importance")
        diary.segments(2 + number)
        diary.end()


def delete(folder: Path, tell: Tell) -> None:
    """The removal of the first of two sessions that share blobs; something of it was read at a remote."""
    store = reopen(folder)
    session = session_ids(store)[0]
    kept = store.path / "cache" / "blobs"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / store.heads.read(session).manifest).touch()
    with contextlib.suppress(NotFound):  # it was done before this act was begun anew
        remove(store, session)
    tell("state", session, "deleted")


def lose(folder: Path, tell: Tell) -> None:
    """A recorder that dies; then its journal is deleted, with what was told after the last head."""
    store = reopen(folder, create=True)
    diary = Diary.begin(store, tell)
    diary.segments()
    diary.open()
    diary.fragments()
    diary.head()
    diary.say(ev.NoteAdded("lost", 0, "lost"))
    store.blobs.writer(f"{diary.session}-video-77").close()
    diary.die()
    store.journal_path(diary.session).unlink()


def broken(folder: Path, tell: Tell) -> None:
    """Two sessions; the first does not open any more, its head no better than its manifest, and is to be deleted."""
    day(folder, untold)
    store = reopen(folder)
    first, second = session_ids(store)
    with contextlib.suppress(PepysError):
        Journal.create(store.journal_path(first), store.keys, first).close()
    store.journal_path(first).write_bytes(b"damaged" * 50)
    there = Store(store.path, replace(store.keys, device_id="0123456789abc"), store.clock)
    apply_edit(there, first, ("tag", {"value": "there"}))
    for path in (store.path / "heads" / first).iterdir():
        flip(path, 30)
    tell("session", second)
    tell("deleting", first)


def delete_broken(folder: Path, tell: Tell) -> None:
    """The removal of a session that does not open."""
    store = reopen(folder)
    with contextlib.suppress(NotFound, Partial):  # what it named is not all known; and it may be done before
        remove(store, session_ids(store)[0])
    tell("state", session_ids(store)[0], "deleted")


def roomy(folder: Path, tell: Tell) -> None:
    """Two sessions, and the room that is kept for a removal."""
    day(folder, tell)
    recover_all(reopen(folder))


def delete_full(folder: Path, tell: Tell) -> None:
    """The removal of the first of two sessions on a disk that is full."""
    store = Store(folder / "home", reopen(folder).keys, FakeClock(wall_ns=WALL_NS), disk=FullDisk())
    session = session_ids(store)[0]
    with contextlib.suppress(NotFound):
        remove(store, session)
    tell("state", session, "deleted")
