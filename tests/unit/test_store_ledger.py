"""The ledger: what it says, that it only grows, and that every change of it is found and named."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Any

import pytest

from pepys.clock import FakeClock
from pepys.limits import LEDGER_ENTRY_BYTES
from pepys.sessions.queries import Library, show_session
from pepys.store import database as db
from pepys.store import ledger as ledger_module
from pepys.store import ledger_chain
from pepys.store.edits import add_artifacts
from pepys.store.ledger import Ledger
from pepys.store.ledger_anchor import Anchor, anchor_path, read_anchor
from pepys.store.ledger_chain import COLUMNS
from pepys.store.sealing import derive
from pepys.store.store import Store
from tests.ledger_entries import CUT, ENTRIES, kept, told, written
from tests.stored_session import WALL_NS, complete_session, flip, make_store, transcript

__all__ = ["kept", "written"]  # the fixtures

DAY_NS = 24 * 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@contextlib.contextmanager
def by_hand(store: Store) -> Iterator[db.Connection]:
    """The database for somebody who has its key, without what guards it."""
    with contextlib.closing(db.connect(store.database_path("ledger"), store.keys.database_key("ledger"))) as connection:
        for name in ("update", "delete", "hole"):
            connection.execute(f"DROP TRIGGER entries_no_{name}")
        yield connection


# --- what it says


def test_what_was_spent_what_counts_and_what_was(tmp_path: Path) -> None:
    clock = FakeClock(wall_ns=WALL_NS)
    made = make_store(tmp_path)
    store = Store(made.path, made.keys, clock)
    ledger = Ledger(store)
    assert (ledger.total_nanos("a"), ledger.newest("limit", "day"), ledger.states("limit")) == (0, None, [])
    assert ledger.problems() == [] and not store.database_path("ledger").exists() and not anchor_path(store).exists()
    for session, nanos in (("a", 5), ("b", 7), ("a", 11)):
        ledger.append("spend", session, nanos, {"stage": "summary", "key": "k"})
        clock.advance(DAY_NS)
    for nanos in (100, 50):
        ledger.append("limit", "day", nanos)
    ledger.append("limit", "tag:work", 2**62)
    ledger.append("import", "screenpipe/frame 7", body={"session": "one"})
    ledger.append("import", "screenpipe/frame 7", body={"session": None})
    assert (ledger.total_nanos("a"), ledger.total_nanos("c"), ledger.total_nanos("a", "b", "a", "c")) == (16, 0, 23)
    limit = ledger.newest("limit", "day")
    assert limit is not None and (limit.number, limit.amount_nanos, limit.device) == (4, 50, store.keys.device_id)
    limits = {state.subject: state.amount_nanos for state in ledger.states("limit")}
    assert limits == {"day": 50, "tag:work": 2**62}
    moved = [entry.body for entry in ledger.entries("import", "screenpipe/frame 7")]
    assert moved == [{"session": "one"}, {"session": None}]
    assert ledger.entries("spend", "day") == [] and ledger.problems() == []


@pytest.mark.parametrize(
    ("kind", "subject", "nanos", "body"),
    [
        ("sale", "s", 0, {}), ("spend", "s", 2**63, {}), ("spend", "x" * LEDGER_ENTRY_BYTES, 0, {}),
        ("spend", "\ud800", 0, {}), ("limit", "day", 0, {"share": float("nan")}),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(kept: Store, kind: str, subject: str, nanos: int, body: dict[str, Any]) -> None:
    """Catches an entry that no reader could chain, or that fills the disk."""
    with pytest.raises(ValueError, match=r"entry|surrogates|JSON"):
        Ledger(kept).append(kind, subject, nanos, body)
    assert told(kept) == []


def test_what_an_artifact_cost_is_noted_before_it_is_kept(store: Store) -> None:
    """Catches money that nobody knows of; and a free stage that makes a ledger."""
    session = complete_session(store)
    ref, content = transcript("words")
    add_artifacts(store, session, [(ref, content)])
    assert not store.database_path("ledger").exists()
    for nanos in (3, 4):  # made again: what the first one cost stays spent
        add_artifacts(store, session, [(replace(ref, cost_nanos=nanos, engine="remote"), content)])
    (first, _) = Ledger(store).entries("spend", session)
    assert Ledger(store).total_nanos(session) == 7
    with Library(store) as library:
        assert show_session(library, session)["enrichment"]["cost_usd"] == 7e-9
        flip(store.database_path("ledger"), 100)
        assert show_session(library, session)["enrichment"]["cost_usd"] == 4e-9  # of the artifact that is kept
        flip(store.database_path("ledger"), 100)
    assert first.body == {"stage": ref.stage, "unit": ref.unit, "key": ref.key, "engine": "remote"}


def test_hot_questions_are_answered_from_an_index(kept: Store) -> None:
    """Catches a sum, or a look, that reads all that was ever noted."""
    ledger = Ledger(kept)
    plans: list[list[str]] = []

    def plan(connection: db.Connection, statement: str, *values: object) -> None:
        plans.append([row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()])

    with contextlib.closing(db.open_database(kept, "ledger")) as connection:
        plan(connection, ledger_module._SPENT_ON, "s")
        plan(connection, ledger_module._NEWEST, "limit", "day")
        plan(connection, ledger_module._OF_SUBJECT, "limit", "day")
        plan(connection, ledger_module._STATES, "token")
        plan(connection, ledger_module._NEWEST_OF_ALL)
    assert plans[:3] == [
        ["SEARCH entries USING COVERING INDEX entries_spent_on (subject=?)"],
        ["SEARCH entries USING INDEX entries_of (kind=? AND subject=?)"],
        ["SEARCH entries USING INDEX entries_of (kind=? AND subject=?)"],
    ]
    assert "SEARCH entries USING COVERING INDEX entries_of (kind=?)" in plans[3]
    assert not [step for step in plans[3] if step.startswith("SCAN")]
    assert plans[4] == ["SCAN entries"]  # from the end on, one row
    assert ledger.problems() == []


# --- it only grows, and every change is found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount_nanos = 0", "DELETE FROM entries", "DELETE FROM entries WHERE number = 7",
        f"INSERT OR REPLACE INTO entries ({COLUMNS}) SELECT 3, kind, subject, 0, wall_ns, device, body, hash"
        " FROM entries WHERE number = 3",
        f"INSERT INTO entries ({COLUMNS}) SELECT 9, kind, subject, 0, wall_ns, device, body, hash"
        " FROM entries WHERE number = 3",
    ],
)  # fmt: skip
def test_it_takes_no_change_and_no_deletion(kept: Store, statement: str) -> None:
    """Catches a ledger that another program can make tell another sum."""
    with (
        contextlib.closing(db.open_database(kept, "ledger")) as connection,
        pytest.raises(db.DatabaseError, match=r"append-only|follow each other"),
    ):
        connection.execute(statement)
    assert told(kept) == []


ALTERED = "not what was written: changed, inserted or moved"
TAMPERING = {
    "amount": (["UPDATE entries SET amount_nanos = 1 WHERE number = 3"], [f"entry 3 is {ALTERED}"]),
    "body": (["UPDATE entries SET body = '{}' WHERE number = 0"], [f"entry 0 is {ALTERED}"]),
    "no text": (["UPDATE entries SET subject = x'ff00' WHERE number = 5"], [f"entry 5 is {ALTERED}"]),
    "hash": (["UPDATE entries SET hash = zeroblob(32) WHERE number = 3"], [f"entry 3 is {ALTERED}"]),
    "hash of another type": (["UPDATE entries SET hash = 'text' WHERE number = 3"], [f"entry 3 is {ALTERED}"]),
    "removed": (
        ["DELETE FROM entries WHERE number IN (2, 3, 5)"], ["entries 2 to 3 are missing", "entry 5 is missing"],
    ),
    "first removed": (["DELETE FROM entries WHERE number = 0"], ["entry 0 is missing"]),
    "removed, and the others moved up": (
        ["DELETE FROM entries WHERE number = 5", "UPDATE entries SET number = number - 1 WHERE number > 5"],
        [f"entries 5 to 6 are {ALTERED}", f"entry 7 is {CUT}"],
    ),
    "inserted": (
        ["INSERT INTO entries SELECT 8, kind, subject, 0, wall_ns, device, body, hash FROM entries WHERE number = 7"],
        [f"entry 8 is {ALTERED}"],
    ),
    "inserted before": (
        ["INSERT INTO entries SELECT -1, kind, subject, 0, wall_ns, device, body, hash FROM entries WHERE number = 7"],
        ["entry -1 was never written by pepys"],
    ),
    "swapped": (
        [
            "UPDATE entries SET number = -2 WHERE number = 2", "UPDATE entries SET number = 2 WHERE number = 3",
            "UPDATE entries SET number = 3 WHERE number = -2",
        ],
        [f"entries 2 to 4 are {ALTERED}"],
    ),
    "cut": (["DELETE FROM entries WHERE number > 4"], [f"entries 5 to 7 are {CUT}"]),
    "emptied": (["DELETE FROM entries"], [f"entries 0 to 7 are {CUT}"]),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERING)
def test_what_was_changed_removed_inserted_or_moved_is_named(kept: Store, how: str) -> None:
    """Catches an alteration by somebody who can open the database: it is found, and named by number."""
    statements, problems = TAMPERING[how]
    with by_hand(kept) as connection:
        for statement in statements:
            connection.execute(statement)
    assert told(kept) == problems


def test_the_chain_is_as_the_page_says(kept: Store) -> None:
    """Catches a hash that docs/FORMAT.md does not tell a stranger how to make."""
    previous = bytes(32)
    with contextlib.closing(db.open_database(kept, "ledger")) as connection:
        for number, kind, subject, nanos, wall_ns, device, body, stored in connection.execute(
            f"SELECT {COLUMNS} FROM entries ORDER BY number"
        ):
            message = previous + struct.pack("<Qqq", number, nanos, wall_ns)
            for text in (kind, subject, device, body):
                message += struct.pack("<I", len(text.encode())) + text.encode()
            previous = digest(derive(kept.keys.store_key, "pepys ledger 1"), message, sha256)
            assert stored == previous
    assert read_anchor(kept) == Anchor(ENTRIES - 1, previous)


def test_much_damage_is_told_shortly() -> None:
    rows = [(number * 2, "spend", "s", 1, 1, "d", "{}", b"") for number in range(1000)]
    assert len(list(ledger_chain.problems(b"key", rows))) == 21
