"""The ledger after a crash, after a loss and in a copy: what its anchor tells, and that what was noted is durable."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pepys.errors import Damaged, StorageProblem
from pepys.store import database as db
from pepys.store import ledger as ledger_module
from pepys.store import trigger
from pepys.store.disk import Disk
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import Anchor, anchor_path, read_anchor, write_anchor
from pepys.store.rebuild import rebuild
from pepys.store.store import Store
from pepys.store.verify import verify
from tests.ledger_entries import CUT, kept, told, written
from tests.stored_session import complete_session, flip, make_store, reopen

__all__ = ["kept", "written"]  # the fixtures


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


# --- the anchor


def older(store: Store, more: Callable[[], object]) -> None:
    """Put the database back as it was before `more` was done."""
    path = store.database_path("ledger")
    before = path.read_bytes()
    more()
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(before)


def test_an_older_copy_put_back_is_told_and_takes_no_entry(kept: Store) -> None:
    """Catches lost entries that the next one would hide."""
    ledger = Ledger(kept)
    older(kept, lambda: [ledger.append("spend", "s", 1) for _ in range(2)])
    assert told(kept) == [f"entries 8 to 9 are {CUT}"]
    with pytest.raises(Damaged, match=r"lost entries: entries 8 to 9") as refused:
        ledger.append("spend", "s", 1)
    assert refused.value.exit_code == 6 and str(anchor_path(kept)) in refused.value.remedy
    assert told(kept) == [f"entries 8 to 9 are {CUT}"]
    assert ledger.total_nanos("session 0") == 10 + 12 + 14 + 16  # what is left is read
    anchor_path(kept).unlink()  # as the remedy says
    assert ledger.append("spend", "s", 1).number == 9
    assert told(kept) == [] and len(lost(kept)) == 1


def lost(store: Store) -> list[str]:
    """What `verify` tells of the ledger for good."""
    found = verify(store).lost
    assert {damage.what for damage in found} <= {"ledger"}
    return [damage.problem for damage in found]


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_what_nobody_can_tell_any_more_is_told_for_good(kept: Store, how: str) -> None:
    """Catches the program that removes the only trace of a rollback: it writes a new anchor, and all is whole again."""
    ledger, path = Ledger(kept), anchor_path(kept)
    path.unlink() if how == "missing" else flip(path, 40)
    assert len(told(kept)) == 1 and lost(kept) == []
    ledger.append("spend", "s", 1)
    ledger.append("spend", "s", 1)
    for store in (kept, Store(kept.path, kept.keys, kept.clock)):
        assert told(store) == []
        (problem,) = lost(store)
        assert problem.startswith(f"its anchor was {how} at entry 8, ")
    assert [entry.number for entry in ledger.entries("spend", "s")] == [9, 10]
    assert ledger.trusted_from() == 9
    with pytest.raises(ValueError):
        ledger.append("unanchored", "")


def test_an_empty_file_is_damage(kept: Store) -> None:
    """Catches a ledger that a power cut emptied, which is whole for `verify` and zero for a budget."""
    path = kept.database_path("ledger")
    path.write_bytes(b"")
    (problem,) = told(kept)
    assert problem == f"the ledger {path} is empty"
    for act in (
        lambda: Ledger(kept).append("spend", "s", 1), lambda: Ledger(kept).total_nanos("s"),
        lambda: Ledger(kept).states("token"), lambda: Ledger(kept).doubts() and Ledger(kept).trusted_from(),
    ):  # fmt: skip
        with pytest.raises(Damaged) as refused:
            act()
        assert refused.value.exit_code == 6 and "is empty" in refused.value.message
    assert path.read_bytes() == b""
    path.unlink()  # as the remedy says
    with pytest.raises(Damaged, match="is missing"):
        Ledger(kept).append("spend", "s", 1)


def test_an_older_version_put_back_is_told(kept: Store) -> None:
    """Catches a ledger of before the chain, which reads well and knows of no revocation."""
    with contextlib.closing(db.open_database(kept, "ledger")) as connection:
        connection.execute("CREATE TABLE spends (id INTEGER PRIMARY KEY)")
        connection.execute("PRAGMA user_version = 2")
    (problem,) = told(kept)
    assert "an older one was put back: entry 7 was the newest one" in problem


def test_another_ledger_put_there_is_told(kept: Store) -> None:
    """Catches two histories of one store: an older copy that went on by itself."""
    ledger = Ledger(kept)

    def both() -> None:
        ledger.append("spend", "s", 1)

    older(kept, both)
    known = anchor_path(kept).read_bytes()
    anchor_path(kept).unlink()
    ledger.append("spend", "s", 2)
    anchor_path(kept).write_bytes(known)
    problem = "entry 8 is not the one that ledger.anchor names: another ledger was put here"
    assert told(kept) == [problem]
    with pytest.raises(Damaged, match="another ledger"):
        ledger.append("spend", "s", 3)


def test_an_anchor_behind_is_no_damage_and_one_that_is_damaged_or_missing_is_told(kept: Store) -> None:
    """Catches `verify` crying damage after a crash, or in a copy of a home in use; and an anchor nobody proves."""
    ledger, path = Ledger(kept), anchor_path(kept)
    behind = path.read_bytes()
    for _ in range(3):
        ledger.append("spend", "s", 1)
    path.write_bytes(behind)
    assert told(kept) == []
    for at in range(0, len(behind), 7):
        path.write_bytes(behind)
        flip(path, at)
        (problem,) = told(kept)
        assert problem.startswith(f"{path} is damaged"), at
    path.unlink()
    assert told(kept) == [f"{path} is missing: nothing tells whether entries are lost at the end"]
    ledger.append("spend", "s", 1)
    assert told(kept) == [] and read_anchor(kept) == Anchor(12, ledger.entries("spend", "s")[-1].hash)


def test_a_ledger_that_is_gone_is_told_and_not_begun_anew(kept: Store) -> None:
    """Catches a budget that begins at zero again because a file was deleted."""
    for path in kept.path.glob("ledger.db*"):
        path.unlink()
    path = kept.database_path("ledger")
    assert told(kept) == [f"{path} is missing: entry 7 was its newest one"]
    with pytest.raises(Damaged, match="lost entries"):
        Ledger(kept).append("spend", "s", 1)
    assert not path.exists()


def test_a_copy_of_a_home_in_use_opens(kept: Store, tmp_path: Path) -> None:
    """Catches a copy, whose files are of different moments, that cannot be read or that cries damage without reason."""
    ledger, path = Ledger(kept), anchor_path(kept)
    early = path.read_bytes()
    ledger.append("spend", "s", 1)
    shutil.copytree(tmp_path / "home", tmp_path / "copy" / "home")
    shutil.copytree(tmp_path / "config", tmp_path / "copy" / "config")
    copy = reopen(tmp_path / "copy")
    anchor_path(copy).write_bytes(early)  # copied before the database
    assert told(copy) == [] and Ledger(copy).append("spend", "s", 1).number == 9
    ledger.append("spend", "s", 1)
    ledger.append("spend", "s", 1)
    late = path.read_bytes()
    anchor_path(copy).write_bytes(late)  # copied after it: what is missing in the copy is told, the rest is read
    assert told(copy) == [f"entry 10 is {CUT}"] and Ledger(copy).total_nanos("s") == 2


def test_rebuild_leaves_every_byte_of_it(kept: Store) -> None:
    """Catches a `rebuild` that derives, moves or migrates what is truth."""
    complete_session(kept)
    files = (kept.database_path("ledger"), anchor_path(kept))
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files]
    rebuild(kept)
    assert [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files] == before


# --- durability


def test_what_is_noted_lies_in_the_database_itself(kept: Store) -> None:
    """Catches an entry that only the file of recent writes holds: one flipped bit there and SQLite drops it unasked."""
    path = kept.database_path("ledger")
    wal = path.with_name(path.name + "-wal")
    # A connection that stays keeps SQLite from tidying up when the writer's is closed.
    with contextlib.closing(db.connect(path, kept.keys.database_key("ledger"))) as reader:
        Ledger(kept).append("spend", "s", 1)
        assert reader.execute("SELECT count(*) FROM entries").fetchone() == (9,)
        left = wal.read_bytes()
        shutil.copy(path, path.with_name("alone.db"))
    assert left == b""
    with contextlib.closing(db.connect(path.with_name("alone.db"), kept.keys.database_key("ledger"))) as alone:
        assert alone.execute("SELECT count(*) FROM entries").fetchone() == (9,)


def test_a_flip_in_the_file_of_recent_writes_drops_nothing_unseen(kept: Store) -> None:
    """Catches commits that are gone without a word, where a reader kept them from reaching the database."""
    path = kept.database_path("ledger")
    wal = path.with_name(path.name + "-wal")
    with contextlib.closing(db.connect(path, kept.keys.database_key("ledger"))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ledger_module, "WAL_WAIT_MS", 10)
            Ledger(kept).append("spend", "s", 1)
        data = bytearray(wal.read_bytes())
        main = path.read_bytes()
    assert data, "the reader kept the file"
    data[len(data) // 2] ^= 1
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(main)
    wal.write_bytes(data)
    assert told(kept) == [f"entry 8 is {CUT}"]


def in_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; how it ended."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize(
    ("point", "noted"),
    [
        ("ledger.before_commit", False), ("ledger.committed", True), ("ledger.checkpointed", True),
        ("ledger.anchor.written", True), ("ledger.anchor.renamed", True), ("ledger.anchor.durable", True),
    ],
)  # fmt: skip
def test_a_kill_leaves_the_anchor_behind_at_most(kept: Store, tmp_path: Path, point: str, noted: bool) -> None:
    """Catches an anchor that names what was never committed: the next start would cry damage and take no entry."""

    def die() -> None:
        trigger.aim(point)
        Ledger(reopen(tmp_path)).append("spend", "s", 1)

    assert os.WTERMSIG(in_child(die)) == signal.SIGKILL
    store = reopen(tmp_path)
    assert told(store) == []
    assert Ledger(store).total_nanos("s") == (1 if noted else 0)
    assert Ledger(store).append("spend", "s", 1).number == (9 if noted else 8)
    assert told(store) == []


def test_a_kill_before_the_anchor_is_made_anew_is_told_once(kept: Store, tmp_path: Path) -> None:
    """Catches a kill after the anchor was moved away that looks like a second one that somebody took."""
    anchor_path(kept).unlink()

    def die() -> None:
        trigger.aim("ledger.committed")
        Ledger(reopen(tmp_path)).append("spend", "s", 1)

    assert os.WTERMSIG(in_child(die)) == signal.SIGKILL
    store = reopen(tmp_path)
    assert told(store) == [] and len(lost(store)) == 1
    Ledger(store).append("spend", "s", 1)
    assert told(store) == [] and len(lost(store)) == 1


def test_each_commit_is_brought_to_the_disk(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an entry that a power cut takes back: with NORMAL the file of recent writes is not synced by a commit."""
    levels: list[int] = []
    real = ledger_module.transaction

    def watched(connection: db.Connection, point: str) -> contextlib.AbstractContextManager[None]:
        levels.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        return real(connection, point)

    monkeypatch.setattr(ledger_module, "transaction", watched)
    Ledger(kept).append("spend", "s", 1)
    assert levels == [2]


def test_an_anchor_that_cannot_be_written_stays_behind(kept: Store) -> None:
    """Catches an entry that is told as failed although it stands: it would be noted twice."""

    class Full(Disk):
        def replace(self, source: Path, target: Path) -> None:
            raise OSError(28, os.strerror(28))

    full = Store(kept.path, kept.keys, kept.clock, disk=Full())
    before = read_anchor(kept)
    assert Ledger(full).append("spend", "s", 1).number == 8
    assert read_anchor(kept) == before and told(kept) == []
    with pytest.raises(StorageProblem):
        write_anchor(full, Anchor(8, b""))


def test_two_processes_make_one_chain(store: Store, tmp_path: Path) -> None:
    """Catches two entries after the same one, an entry that is lost, or two processes that make the file at once."""

    def spender() -> int:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ledger = Ledger(reopen(tmp_path))
                for _ in range(10):
                    ledger.append("spend", "s", 1)
                status = 0
            finally:
                os._exit(status)
        return child

    children = [spender() for _ in range(3)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert Ledger(store).total_nanos("s") == 30 and told(store) == []
    assert [entry.number for entry in Ledger(store).entries("spend", "s")] == list(range(30))
