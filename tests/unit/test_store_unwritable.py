"""A home that cannot be written, or whose disk is full, is still listed, shown, searched and proven."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.errors import StorageProblem
from pepys.store.catalog import Catalog, resolve_session
from pepys.store.edits import apply_edit
from pepys.store.reader import load
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.file_modes import obey
from tests.stored_session import Recording, complete_session, make_store, reopen


@pytest.fixture
def folder(short_folder: Path) -> Path:
    """A store with a completed session and one that a dead recorder left, in a folder that others may enter."""
    store = make_store(short_folder)
    complete_session(store, "Completed")
    recording = Recording.begin(store, "Left")
    recording.note("heard the aardvark")
    recording.segment()
    recording.die()
    return short_folder


def in_child(limit: Callable[[], None], work: Callable[[], None]) -> None:
    """Run `work` in a process under a limit; what it raises fails the test."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            limit()
            work()
            os.write(writing, b"ok")
        except BaseException as error:  # noqa: BLE001 - the parent tells it
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told == "ok"


def everything_is_read(folder: Path) -> None:
    """What the contract promises of such a home."""
    store = reopen(folder)
    with Catalog(store) as catalog:
        catalog.refresh()
        assert sorted((row.name, row.state) for row in catalog.list()) == [
            ("Completed", "completed"), ("Left", "interrupted")
        ]  # fmt: skip
        assert [hit.kind for hit in catalog.search("aardvark")] == ["note"]
    session = resolve_session(store, "last")
    assert load(store, session).id == session
    assert verify(store).damages == ()
    refused(store, session)


def refused(store: Store, session: str) -> None:
    """What would write says so."""
    with pytest.raises(StorageProblem) as problem:
        apply_edit(store, session, ("tag", {"value": "x"}))
    assert problem.value.exit_code == 5 and problem.value.remedy


def index(folder: Path) -> None:
    """Make the catalog."""
    with Catalog(reopen(folder)) as catalog:
        catalog.refresh()


@pytest.mark.parametrize("catalog", ["none", "fresh", "stale"])
def test_a_read_only_home(folder: Path, catalog: str) -> None:
    if catalog != "none":
        index(folder)
    if catalog == "stale":
        store = reopen(folder)
        apply_edit(store, resolve_session(store, "last"), ("tag", {"value": "later"}))
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o500 if path.is_dir() else 0o400)
    in_child(obey, lambda: everything_is_read(folder))
    for path in everything:
        path.chmod(0o700)


@pytest.mark.parametrize("catalog", ["none", "fresh", "stale"])
def test_a_full_disk(folder: Path, catalog: str) -> None:
    if catalog != "none":
        index(folder)
    if catalog == "stale":
        store = reopen(folder)
        apply_edit(store, resolve_session(store, "last"), ("tag", {"value": "later"}))

    def nothing_can_grow() -> None:
        # Every write of this process fails from here on, as on a disk without space.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    in_child(nothing_can_grow, lambda: everything_is_read(folder))
    assert verify(reopen(folder)).damages == ()
