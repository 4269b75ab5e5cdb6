"""The write-ahead files: short whatever readers do, and emptied by one process at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepys.limits import WAL_BYTES, WAL_MOST_BYTES
from pepys.store import database as db
from pepys.store import wal
from pepys.store.files import locked
from pepys.store.store import Store
from tests.stored_session import make_store

BIG = "x" * 100_000
_INSERT = "INSERT INTO sessions (id, name, state, started_wall_ns, end_ns, duration_ns, description, category, tags,"
_INSERT += " summary, bytes_on_disk, cost_nanos, enrichment_state, detail, sequence, stamp)"
_INSERT += " VALUES (?, ?, 'x', 0, 0, 0, '', '', '[]', '', 0, 0, '', '{}', 0, '')"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def writer(store: Store) -> Iterator[db.Connection]:
    with contextlib.closing(db.open_database(store, "catalog")) as connection:
        yield connection


@pytest.fixture
def reader(store: Store, writer: db.Connection) -> Iterator[db.Connection]:
    with contextlib.closing(db.open_database(store, "catalog")) as connection:
        yield connection


def length(store: Store) -> int:
    """The bytes of the write-ahead file."""
    return store.path.joinpath("catalog.db-wal").stat().st_size


def write(connection: db.Connection, first: int, count: int) -> None:
    """So many transactions of 100 KB."""
    for number in range(first, first + count):
        with db.transaction(connection, "test"):
            connection.execute(_INSERT, (str(number), BIG))


def begin_reading(connection: db.Connection) -> int:
    connection.execute("BEGIN")
    return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])


def test_it_stays_short_while_readers_come_and_go(store: Store, writer: db.Connection, reader: db.Connection) -> None:
    """Catches checkpoints that starve because some reader is always there."""
    ended, turns = threading.Event(), 0

    def relay(mine: db.Connection, other: db.Connection) -> None:
        nonlocal turns
        begin_reading(mine)
        while not ended.is_set():
            begin_reading(other)
            mine.execute("COMMIT")  # there is one reader at every moment
            mine, other = other, mine
            turns += 1

    with contextlib.closing(db.open_database(store, "catalog")) as second:
        reading = threading.Thread(target=relay, args=(reader, second))
        reading.start()
        try:
            longest = 0
            for number in range(0, 300, 10):
                write(writer, number, 10)
                longest = max(longest, length(store))
        finally:
            ended.set()
            reading.join()
    assert turns > 5
    assert longest < WAL_MOST_BYTES + WAL_BYTES  # of 30 MB that were written
    assert writer.execute("SELECT count(*) FROM sessions").fetchone() == (300,)


def test_a_long_reader_sees_what_it_saw_and_then_it_is_emptied(
    store: Store, writer: db.Connection, reader: db.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a write-ahead file that fills the disk, and one that stays as long as it once was."""
    monkeypatch.setattr(wal, "WAL_MOST_BYTES", 2 * WAL_BYTES)
    monkeypatch.setattr(wal, "WAL_WAIT_MS", 20)
    waits: list[str] = []
    writer.set_trace_callback(lambda statement: waits.append(statement) if "busy_timeout = 20" in statement else None)
    assert begin_reading(reader) == 0
    write(writer, 0, 100)
    assert length(store) > WAL_BYTES  # nothing that it may still read is overwritten
    assert reader.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    assert waits  # past the most, each writer waits for it a while
    reader.execute("COMMIT")
    write(writer, 100, 1)
    assert length(store) <= WAL_BYTES
    assert reader.execute("SELECT count(*) FROM sessions").fetchone() == (101,)


def test_one_process_at_a_time_empties_it(store: Store, writer: db.Connection) -> None:
    """Catches two checkpoints at once, or one that SQLite does by itself at a commit."""
    with locked(store.path / "locks" / "catalog.checkpoint.lock"):
        write(writer, 0, 60)
        assert length(store) > WAL_BYTES
    write(writer, 60, 1)
    assert length(store) <= WAL_BYTES


def test_every_connection_leaves_it_to_them(writer: db.Connection) -> None:
    assert writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    assert writer.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_lock_that_cannot_be_made_loses_nothing(store: Store, writer: db.Connection) -> None:
    """Catches a commit that fails because it could not be tidied up after."""
    store.path.joinpath("locks", "catalog.checkpoint.lock").mkdir()
    write(writer, 0, 60)
    assert writer.execute("SELECT count(*) FROM sessions").fetchone() == (60,)


def test_jobs_keep_it_short_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a queue whose every request makes the file longer while somebody watches it."""
    from pepys.store.work import WorkQueue

    monkeypatch.setattr(wal, "WAL_BYTES", 100_000)
    queue = WorkQueue(store)
    queue.enqueue("s", ["x"])
    with contextlib.closing(db.connect(store.database_path("work"), store.keys.database_key("work"))):
        for number in range(40):
            queue.enqueue(f"s{number}", ["x"])
        assert store.path.joinpath("work.db-wal").stat().st_size < 200_000
