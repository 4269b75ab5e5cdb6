"""Several homes of one store with a remote between them, for tests of sync."""

from __future__ import annotations

from pathlib import Path

from pepys.clock import FakeClock
from pepys.move.sync_pull import pull
from pepys.move.sync_push import push
from pepys.move.sync_told import Result
from pepys.store.blob_port import BlobAdapter
from pepys.store.key_change import import_key
from pepys.store.reader import load
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from tests.stored_session import WALL_NS


def first_home(folder: Path, clock: FakeClock | None = None) -> Store:
    """A home of a new store, below `folder`."""
    return open_store(folder / "home", clock=clock or FakeClock(wall_ns=WALL_NS), config_dir=folder / "config")


def another_home(folder: Path, of: Store, clock: FakeClock | None = None) -> Store:
    """A home of the same store on another device."""
    folder.mkdir(parents=True, exist_ok=True)
    import_key(folder / "home", folder / "config", of.keys.store_key)
    return first_home(folder, clock)


def shown(store: Store, session: str) -> tuple[object, ...]:
    """What a user sees of a session, for comparison between homes."""
    seen = load(store, session)
    segments = [(track.track, segment.blob) for track in seen.tracks for segment in track.segments]
    notes = [(note.id, note.text) for note in seen.notes]
    return seen.state, seen.name, sorted(seen.tags), notes, seen.end_ns, segments, sorted(s.blob for s in seen.shots)


def sync(store: Store, adapter: BlobAdapter) -> tuple[Result, Result]:
    """Pull and push, of which nothing is left out."""
    pulled = pull(store, adapter)
    pushed = push(store, adapter)
    assert not pulled.left and not pushed.left, (pulled.left, pushed.left)
    return pulled, pushed


def whole(store: Store) -> bool:
    """Whether every byte of a home is proven."""
    report = verify(store)
    assert report.damages == (), report.damages
    return True
