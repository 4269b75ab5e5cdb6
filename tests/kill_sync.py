"""Scenarios of sync for the kill suite: a push, a pull, and what must hold of a remote after a kill.

The remote is the folder `remote` beside the home; `there` is another home of the same store, with its own device.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from pepys.errors import StorageProblem
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.disk import Disk
from pepys.store.edits import apply_edit
from pepys.store.key_change import import_key
from pepys.store.reader import load, session_ids
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.kill_diary import Tell
from tests.stored_session import SECOND, WALL_NS, complete_session, make_store, reopen


def remote_of(folder: Path) -> FolderAdapter:
    """The remote of a scenario."""
    return FolderAdapter(folder / "remote")


def joined_home(folder: Path, store: Store) -> Store:
    """Another home of the same store, in a folder of its own."""
    folder.mkdir(parents=True)
    import_key(folder / "home", folder / "config", store.keys.store_key)
    return reopen(folder)


def two_homes(folder: Path, tell: Tell) -> None:
    """Two homes that edited one session, one of which deleted another, recorded a third and pushed."""
    there = make_store(folder / "there")
    first, second = (complete_session(there, f"Day {n}", wall_ns=WALL_NS + n * SECOND) for n in range(2))
    push(there, remote_of(folder))
    here = joined_home(folder / "joined", there)
    for name in ("home", "config"):
        shutil.move(folder / "joined" / name, folder / name)
    here = reopen(folder)
    pull(here, remote_of(folder), with_media=False)
    for store, value in ((here, "here"), (there, "there")):
        apply_edit(store, first, ("tag", {"value": value}))
    tell("tag", first, "here")
    remove(there, second)
    complete_session(there, "Day 3", wall_ns=WALL_NS + 2 * SECOND)
    push(there, remote_of(folder))


def push_all(folder: Path, tell: Tell) -> None:
    """Bringing all to a remote, and again after a change and a removal."""
    store = reopen(folder)
    push(store, remote_of(folder))
    tell("pushed", len(session_ids(store)))
    first, second = session_ids(store)
    apply_edit(store, first, ("tag", {"value": "pushed"}))
    tell("tag", first, "pushed")
    if load(store, second).state != "deleted":
        remove(store, second)
    tell("state", second, "deleted")
    push(store, remote_of(folder))
    tell("pushed", 2)


class _Sick(Disk):
    """A disk that fails to bring a file's bytes down."""

    def sync_data(self, fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def pull_all(folder: Path, tell: Tell) -> None:
    """Bringing all from a remote, the tombstone too, to a disk that fails, without media, and whole."""
    store = reopen(folder)
    with contextlib.suppress(StorageProblem):
        pull(Store(store.path, store.keys, store.clock, disk=_Sick()), remote_of(folder))
        raise AssertionError("the disk took it")
    pull(store, remote_of(folder), with_media=False)
    result = pull(store, remote_of(folder))
    assert not result.left, result.left
    tell("pushed", 3)
    tell("tag", session_ids(store)[0], "there")
    result = push(store, remote_of(folder))
    assert not result.left, result.left
    assert pull(store, remote_of(folder)).sessions == 0


def prove_remote(folder: Path, store: Store, sessions: int) -> None:
    """What a remote has opens in a home that is made for it, and what was told is there.

    Args:
        folder: of the scenario.
        store: the home, whole again.
        sessions: how many were told to be at the remote.
    """
    if not (folder / "remote" / "pepys.json").exists():
        assert not sessions
        return
    fresh = joined_home(folder / "proof", store)
    result = pull(fresh, remote_of(folder))
    assert not result.left, result.left
    assert verify(fresh).damages == ()
    assert len(session_ids(fresh)) >= sessions
    # And whoever was killed does it again, to its end.
    for again in (pull(store, remote_of(folder)), push(store, remote_of(folder)), pull(fresh, remote_of(folder))):
        assert not again.left, again.left
    assert verify(store).damages == verify(fresh).damages == ()
    for session in session_ids(store):
        assert _shape(store, session) == _shape(fresh, session)


def _shape(store: Store, session: str) -> tuple[object, ...]:
    seen = load(store, session)
    return (
        seen.state,
        seen.name,
        sorted(seen.tags),
        seen.end_ns,
        [segment.blob for t in seen.tracks for segment in t.segments],
    )
