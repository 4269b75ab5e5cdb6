"""Group commit and sealing: what is acknowledged is durable, what failed is told to all, what waits is bounded."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pepys import limits
from pepys.clock import FakeClock
from pepys.errors import StorageProblem
from pepys.model.events import Event, NoteAdded, SessionStarted
from pepys.model.ids import new_session_id
from pepys.store.commit import GroupCommit
from pepys.store.disk import Disk
from pepys.store.journal_reader import read_journal
from pepys.store.reader import events, manifest
from pepys.store.recover import recover
from pepys.store.store import Store, open_store
from pepys.store.verify import verify
from pepys.store.writer import SessionWriter
from tests.stored_session import WALL_NS, sealed_beside
from tests.waiting import wait_until

SECOND = limits.NS_PER_S


class FailingDisk(Disk):
    """A disk that fails when it is told to; what it wrote before a failed sync may be there or not."""

    def __init__(self) -> None:
        self.syncs = 0
        self.fails: Callable[[], bool] = lambda: False
        self.full = False

    def sync_data(self, fd: int) -> None:
        self.syncs += 1
        if self.fails():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync_data(fd)

    def open(self, path: str | Path, flags: int) -> int:
        if self.full and "blobs" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture
def store(tmp_path: Path, disk: FailingDisk) -> Store:
    clock = FakeClock(wall_ns=WALL_NS)
    return open_store(tmp_path / "home", clock=clock, config_dir=tmp_path / "config", disk=disk)


def begin(store: Store) -> SessionWriter:
    return SessionWriter.create(store, SessionStarted(new_session_id(WALL_NS), "s", WALL_NS, store.keys.device_id))


def note(name: str, size: int = 0) -> NoteAdded:
    return NoteAdded(name, 0, "x" * size)


def names(store: Store, session: str) -> list[str]:
    return [event.id for event in events(store, session) if isinstance(event, NoteAdded)]


def test_who_waits_together_shares_one_sync(store: Store, disk: FailingDisk) -> None:
    """Would catch a sync for each caller, which is what a slow disk cannot do."""
    writer, clients = begin(store), 24
    entered, go = threading.Event(), threading.Event()

    def held() -> bool:
        entered.set()
        assert go.wait(30)
        return False

    disk.fails = held
    threads = [threading.Thread(target=writer.commit, args=(note(f"n{n}"),)) for n in range(clients)]
    before = disk.syncs
    threads[0].start()
    assert entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    queue = writer._group._queue
    while len(writer._group._queue) < clients - 1:
        threading.Event().wait(0.001)
    assert queue is not None
    go.set()
    for thread in threads:
        thread.join(30)
    assert disk.syncs - before == 2
    assert sorted(names(store, writer.session)) == sorted(f"n{n}" for n in range(clients))


def test_the_order_of_a_turn_is_that_of_coming() -> None:
    """Would catch turns that mix up what came first: a mark after the note that it was made after."""
    written: list[tuple[Event, ...]] = []
    group = GroupCommit(written.append)
    for number in range(5):
        group.commit((note(f"{number}a"), note(f"{number}b")))
    assert written == [(note(f"{number}a"), note(f"{number}b")) for number in range(5)]


def test_an_error_reaches_everybody_of_the_turn_and_nobody_else() -> None:
    """Would catch a follower that is told of a success which only the leader's turn before it had."""
    gate, entered = threading.Event(), threading.Event()
    results: dict[str, object] = {}

    def write(batch: tuple[Event, ...]) -> None:
        entered.set()
        assert gate.wait(30)
        if len(batch) > 1:
            raise StorageProblem("the disk failed", "look at it")

    group = GroupCommit(write)

    def client(name: str) -> None:
        try:
            group.commit((note(name),))
            results[name] = "durable"
        except StorageProblem as error:
            results[name] = error

    first = threading.Thread(target=client, args=("first",))
    first.start()
    assert entered.wait(30)
    others = [threading.Thread(target=client, args=(name,)) for name in ("second", "third")]
    for thread in others:
        thread.start()
    while len(group._queue) < 2:
        threading.Event().wait(0.001)
    gate.set()
    for thread in (first, *others):
        thread.join(30)
    assert results.pop("first") == "durable"
    told = list(results.values())
    assert len(told) == 2 and all(isinstance(error, StorageProblem) for error in told)
    assert told[0] is not told[1], "one error raised in two threads loses its way"
    group.commit((note("later"),))


def test_an_event_that_cannot_be_written_concerns_only_who_brought_it(store: Store) -> None:
    """Would catch one oversized event that makes every note beside it fail."""
    writer = begin(store)
    with pytest.raises(ValueError, match="larger"):
        writer.commit(note("large", limits.JOURNAL_RECORD_BYTES))
    writer.commit(note("small"))
    assert names(store, writer.session) == ["small"]


def test_after_a_failed_sync_nothing_unsure_counts(store: Store, disk: FailingDisk) -> None:
    """Would catch the second sync that succeeds although the system forgot the pages of the first (fsyncgate)."""
    writer = begin(store)
    writer.commit(note("before"))
    writer.append(note("appended"))
    disk.fails = lambda: True
    with pytest.raises(StorageProblem):
        writer.commit(note("refused"))
    with pytest.raises(StorageProblem):
        writer.sync()
    disk.fails = lambda: False
    size = store.journal_path(writer.session).stat().st_size
    writer.commit(note("after"))
    # What had been appended was written once more, under another key, behind what was durable.
    assert names(store, writer.session) == ["before", "appended", "after"]
    reader = read_journal(store.journal_path(writer.session), store.keys)
    assert [event.id for _, event in reader if isinstance(event, NoteAdded)] == ["before", "appended", "after"]
    assert store.journal_path(writer.session).stat().st_size < size + 300
    writer.end(0)
    assert names(store, writer.session) == ["before", "appended", "after"]
    assert verify(store).damages == ()


def test_a_failed_sync_and_a_death_lose_nothing_acknowledged(store: Store, disk: FailingDisk) -> None:
    """Would catch a cut that goes behind what was durable."""
    writer = begin(store)
    writer.commit(note("kept"))
    disk.fails = lambda: True
    with pytest.raises(StorageProblem):
        writer.commit(note("lost"))
    disk.fails = lambda: False
    writer.close()
    recover(store, writer.session)
    assert names(store, writer.session)[0] == "kept"


def test_a_head_that_moved_on_though_it_was_not_told_is_not_sealed_twice(store: Store, disk: FailingDisk) -> None:
    """Would catch events that a chunk holds twice, after the folder's sync behind the rename of a head failed."""
    writer = begin(store)
    writer.append(note("a"), note("b"))
    rename, update = store.heads._write, store.heads.update

    def failing(session: str, device: str, data: bytes) -> None:
        rename(session, device, data)
        raise StorageProblem("the folder could not be synced", "")

    store.heads._write = failing  # type: ignore[method-assign] # after the rename, before the answer
    with pytest.raises(StorageProblem):
        writer.seal()
    store.heads._write = rename  # type: ignore[method-assign] # the disk is whole again
    assert store.heads.update == update
    writer.append(note("c"))
    writer.end(0)
    assert names(store, writer.session) == ["a", "b", "c"]
    assert verify(store).damages == ()


def test_large_events_are_sealed_by_their_bytes(store: Store) -> None:
    """Would catch thousands of window lists that are held until they are enough in number."""
    writer = begin(store)
    size = 400_000
    for number in range(25):
        writer.append(note(f"{number}", size))
        writer.sync()
        sealed_beside(writer)
        assert writer._pending_bytes < limits.CHUNK_BYTES
    assert len(manifest(store, writer.session).chunks) >= 2
    writer.end(0)
    assert len(names(store, writer.session)) == 25


def test_what_one_chunk_cannot_hold_becomes_several(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a chunk of more than a blob may hold, which no disk would ever take."""
    monkeypatch.setattr("pepys.store.chunks.CHUNK_PLAIN_BYTES", limits.CHUNK_PLAIN_BYTES // 8)
    monkeypatch.setattr("pepys.store.merging.CHUNK_MERGED_BYTES", limits.CHUNK_MERGED_BYTES // 8)
    writer = begin(store)
    writer.append(*(replace(note(f"{number}"), text=os.urandom(60_000).hex()) for number in range(20)))
    writer.end(0)
    chunks = manifest(store, writer.session).chunks
    assert len(chunks) > 1
    assert [chunk.first for chunk in chunks] == [0, *(chunk.end for chunk in chunks)][:-1]
    assert names(store, writer.session) == [f"{number}" for number in range(20)]
    assert verify(store).damages == ()


def test_what_waits_is_bounded_while_the_disk_takes_no_chunk(
    store: Store, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch memory that grows for as long as a disk is full but for the journal."""
    most = limits.PENDING_BYTES // 16
    monkeypatch.setattr("pepys.store.writer.PENDING_BYTES", most)
    writer = begin(store)
    disk.full = True
    size, taken = 50_000, 0
    assert isinstance(store.clock, FakeClock)
    with pytest.raises(StorageProblem):
        for number in range(200):
            writer.commit(note(f"{number}", size))
            store.clock.advance(11 * SECOND)
            taken = number + 1
    assert most // size <= taken <= most // size + 1
    disk.full = False
    writer.commit(note("again"))
    writer.end(0)
    # All that were acknowledged, and not the one that was refused.
    assert names(store, writer.session) == [*(f"{number}" for number in range(taken)), "again"]


class Turn:
    """Three callers whose events come into one turn, and what each is told."""

    def __init__(self, write: Callable[[tuple[str, ...]], None]) -> None:
        self.told: dict[str, object] = {}
        entered, go = threading.Event(), threading.Event()

        def held(batch: tuple[object, ...]) -> None:
            if batch == ("first",):
                entered.set()
                assert go.wait(30)
                return
            write(batch)  # type: ignore[arg-type] # events are words here

        group = GroupCommit(held)
        threads = [threading.Thread(target=self._client, args=(group, name)) for name in ("first", "a", "big", "b")]
        threads[0].start()
        assert entered.wait(30)
        for number, thread in enumerate(threads[1:], 1):
            thread.start()
            wait_until(partial(self._waits, group, number))
        go.set()
        for thread in threads:
            thread.join(30)

    def _waits(self, group: GroupCommit, number: int) -> bool:
        return len(group._queue) == number

    def _client(self, group: GroupCommit, name: str) -> None:
        try:
            group.commit((name,))  # type: ignore[arg-type] # events are words here
            self.told[name] = "durable"
        except BaseException as error:  # noqa: BLE001 - what it is told, is looked at
            self.told[name] = error


def test_who_is_durable_is_told_so_whatever_becomes_of_the_others() -> None:
    """Would catch a caller told "not written" of what is durable, who then gives it a second time."""

    def write(batch: tuple[str, ...]) -> None:
        if "big" in batch:
            raise ValueError("too large")
        if "b" in batch:
            raise StorageProblem("the disk failed", "look at it")

    told = Turn(write).told
    assert told["a"] == "durable"
    assert isinstance(told["big"], ValueError)
    assert isinstance(told["b"], StorageProblem)


class Odd(Exception):
    """One that cannot be copied."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(one)


def test_nobody_is_told_of_a_success_that_was_none() -> None:
    """Would catch followers released as if durable, where telling them of the error failed."""

    def write(batch: tuple[str, ...]) -> None:
        raise Odd(1, 2)

    told = Turn(write).told
    assert all(isinstance(told[name], Odd | StorageProblem) for name in ("a", "big", "b"))


class _Interrupting:
    """A lock that is interrupted, as by Ctrl-C, just before one of the times that it is taken."""

    def __init__(self, lock: threading.Lock, at: int) -> None:
        self._lock, self._left = lock, at

    def __enter__(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_before_a_turn_leaves_somebody_who_leads(at: int) -> None:
    """Would catch commits that wait for good on one who was interrupted between taking the lead and leading."""
    written: list[Event] = []
    group = GroupCommit(lambda events: written.extend(events))
    # It is a lock in what it does, not in its type.
    group._lock = _Interrupting(threading.Lock(), at)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        group.commit((note("first"),))
    group.commit((note("second"),))
    assert written == [note("second")]
