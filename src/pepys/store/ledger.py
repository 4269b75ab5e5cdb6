"""The ledger: money, limits, tokens and import maps, as an append-only chain of entries. All amounts in nano-dollars.

Truth: never derived and never touched by `rebuild`; where nothing was ever noted there is no file, which reads as zero.
Invariants: an entry is durable when `append` returns, and then stands in the database itself, not in the file of
recent writes beside it, which SQLite cuts without a word where a bit of it is wrong; processes that append at once
make one chain; the anchor follows each entry. To a ledger that has lost entries nothing is appended, which would hide
that. Where the anchor that would tell is missing or damaged, the next entry follows one that says so for good.

Spends are written by whoever stores an artifact that cost something, tokens by `ledger_tokens`. Limits and maps of
imports stand here for the commands that set and ask them, `budget` and `import`.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from pepys.clock import rfc3339
from pepys.errors import Damaged, NewerFormat, StorageProblem
from pepys.limits import LEDGER_ENTRY_BYTES, WAL_WAIT_MS
from pepys.store import ledger_chain as chain
from pepys.store.database import (
    Connection,
    DatabaseError,
    OperationalError,
    connect,
    open_database,
    refuse_newer,
    transaction,
    version_of,
)
from pepys.store.files import locked
from pepys.store.ledger_anchor import Anchor, anchor_path, read_anchor, write_anchor
from pepys.store.ledger_chain import COLUMNS, KINDS, UNANCHORED, Entry
from pepys.store.store import Store
from pepys.store.trigger import reach

_LOG: Final = logging.getLogger(__name__)
_CHAINED: Final = 3
"""The first version whose rows are chained; of an older one only money is read, as it lies there."""
_OLDER: Final = (
    "WITH entries AS (SELECT id - 1 AS number, 'spend' AS kind, session AS subject, cost_nanos AS amount_nanos,"
    " wall_ns, '' AS device, json_object('key', \"key\", 'stage', stage) AS body, x'' AS hash FROM spends) "
)
_SPENT_ON: Final = "SELECT coalesce(sum(amount_nanos), 0) FROM entries WHERE kind = 'spend' AND subject = ?"
_NEWEST: Final = f"SELECT {COLUMNS} FROM entries WHERE kind = ? AND subject = ? ORDER BY number DESC LIMIT 1"
_NEWEST_OF_ALL: Final = f"SELECT {COLUMNS} FROM entries ORDER BY number DESC LIMIT 1"
_STATES: Final = (
    f"SELECT {COLUMNS} FROM entries WHERE number IN"
    " (SELECT max(number) FROM entries WHERE kind = ? GROUP BY subject) ORDER BY number"
)
_OF_SUBJECT: Final = f"SELECT {COLUMNS} FROM entries WHERE kind = ? AND subject = ? ORDER BY number"
_IN_ORDER: Final = f"SELECT {COLUMNS} FROM entries ORDER BY number"
_INSERT: Final = f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

Judge = Callable[[Entry | None], None]
"""Told the newest entry of the same kind and subject before another one is appended; may refuse by raising."""


class Ledger:
    """The ledger of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.database_path("ledger")

    # --- questions

    def total_nanos(self, *sessions: str) -> int:
        """What sessions have cost so far, together: one, or those that have a tag.

        Raises:
            Damaged: the file is damaged; nobody makes it anew, as nothing else knows what was spent. Or only a newer
                pepys can read it.
        """
        with self._opened() as (connection, older):
            if connection is None:
                return 0
            return sum(int(connection.execute(older + _SPENT_ON, (one,)).fetchone()[0]) for one in set(sessions))

    def newest(self, kind: str, subject: str) -> Entry | None:
        """What counts now: the limit of a scope, the state of a token, where a source id went; None: nothing.

        Raises:
            Damaged: as of `total_nanos`.
        """
        return next(iter(self._entries(_NEWEST, kind, subject)), None)

    def states(self, kind: str) -> list[Entry]:
        """What counts now of every subject of a kind, the one that was noted last at the end.

        Raises:
            Damaged: as of `total_nanos`.
        """
        return self._entries(_STATES, kind)

    def entries(self, kind: str, subject: str) -> list[Entry]:
        """Everything about a subject, in the order in which it was noted.

        Raises:
            Damaged: as of `total_nanos`.
        """
        return self._entries(_OF_SUBJECT, kind, subject)

    # --- writing

    def append(
        self, kind: str, subject: str, amount_nanos: int = 0, body: Mapping[str, Any] | None = None,
        *, judge: Judge = lambda newest: None,
    ) -> Entry:  # fmt: skip
        """Note a fact. It is durable when this returns.

        Args:
            kind: one of `KINDS`.
            subject: what it is about.
            amount_nanos: nano-dollars; negative ones give back.
            body: what else there is to it.
            judge: asked within the transaction, so that nobody is between the question and the entry.

        Raises:
            ValueError: it is no entry, or one that is too large.
            Damaged: the ledger is damaged, has lost entries, or is of a newer pepys; nothing was written.
            StorageProblem: it cannot be written; nothing was.
        """
        text = json.dumps(dict(body or {}), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        if kind not in KINDS or len(subject.encode()) + len(text.encode()) > LEDGER_ENTRY_BYTES:
            raise ValueError(f"no entry of the ledger: {kind!r}, {len(subject)} + {len(text)} characters")
        store = self._store
        with locked(store.path / "locks" / "ledger.append.lock", disk=store.disk), self._told():
            anchor, why = self._anchor()
            self._refuse_empty()
            if anchor is not None and not self._path.exists():
                raise self._lost(f"{self._path.name} is missing", anchor)
            with closing(open_database(store, "ledger")) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                with transaction(connection, "ledger"):
                    end = self._end(connection, anchor, why)
                    judge(next(iter(_asked(connection, _NEWEST, kind, subject)), None))
                    row = (end[0], kind, subject, amount_nanos, store.clock.wall_ns(), store.keys.device_id, text)
                    hashed = self._insert(connection, row, end[1])
                self._settle(connection, Anchor(end[0], hashed))
        return Entry(*row[:-1], json.loads(text), hashed)

    def _end(self, connection: Connection, anchor: Anchor | None, why: str) -> tuple[int, bytes]:
        """The number of the next entry and the hash before it, after a look at what the anchor says of the others.

        Where it says nothing, an entry that tells `why` is put before.
        """
        newest = next(iter(_asked(connection, _NEWEST_OF_ALL)), None)
        if anchor is not None and (problem := _against(connection, newest, anchor)):
            raise self._lost(problem, anchor)
        if newest is None:
            return 0, chain.BEFORE_FIRST
        number, hashed = newest.number + 1, newest.hash
        if anchor is None and _is_unanchored(connection, newest):
            clock, device = self._store.clock, self._store.keys.device_id
            row = (number, UNANCHORED, "", 0, clock.wall_ns(), device, json.dumps({"anchor": why}))
            return number + 1, self._insert(connection, row, hashed)
        if anchor is None:
            # A migration, or a crash at the first entry: none may be written that nothing tells of.
            write_anchor(self._store, Anchor(newest.number, newest.hash))
        elif anchor.number < newest.number:
            # A crash left it behind; so it never is by more than two.
            self._put_anchor(Anchor(newest.number, newest.hash))
        return number, hashed

    def _insert(self, connection: Connection, row: chain.Columns, previous: bytes) -> bytes:
        hashed = chain.link(self._store.keys.ledger_key, previous, row)
        connection.execute(_INSERT, (*row, hashed))
        return hashed

    def _settle(self, connection: Connection, anchor: Anchor) -> None:
        """Bring what was committed into the database itself, then move the anchor; neither undoes the entry."""
        connection.execute(f"PRAGMA busy_timeout = {WAL_WAIT_MS}")
        with contextlib.suppress(OperationalError):  # a full disk, or a reader that stays: what is committed is durable
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        reach("ledger.checkpointed")
        self._put_anchor(anchor)

    def _put_anchor(self, anchor: Anchor) -> None:
        try:
            write_anchor(self._store, anchor)
        except StorageProblem as error:
            _LOG.warning("pepys: the anchor of the ledger stays behind: %s", error.message)

    def _anchor(self) -> tuple[Anchor | None, str]:
        """The anchor, or why there is none: one that is damaged proves nothing and is replaced.

        Raises:
            NewerFormat: it is a later pepys's.
        """
        try:
            found = read_anchor(self._store)
        except NewerFormat:
            raise
        except Damaged:
            return None, "damaged"
        return found, "" if found else "missing"

    def _refuse_empty(self) -> None:
        if self._path.exists() and not self._path.stat().st_size:
            raise self._empty()

    def _empty(self) -> Damaged:
        then = "where there is none, move it away and go on with an empty one"
        return Damaged(f"the ledger {self._path} is empty", f"put one back from a backup; {then}")

    def _lost(self, problem: str, anchor: Anchor) -> Damaged:
        return Damaged(
            f"the ledger has lost entries: {problem}",
            f"put a {self._path.name} back that holds entry {anchor.number}; where there is none, move "
            f"{anchor_path(self._store)} away to go on with what is left",
        )

    # --- proof

    def problems(self) -> list[str]:
        """What is wrong with the file, the chain and the anchor; empty when all is sound or nothing is there.

        Safe beside processes that append: the anchor is read before the entries, which only grow.

        Raises:
            NewerFormat: it is a later pepys's.
        """
        return self._proof(self._wrong)

    def doubts(self) -> list[str]:
        """What the anchor says against the entries, without a look at each of them; empty when they are all there.

        Raises:
            Damaged: as of `total_nanos`.
        """
        return self._proof(self._unproven)

    def losses(self) -> list[str]:
        """What its entries tell for good: that others before them may be lost. Of one that does not open, nothing."""
        with contextlib.suppress(Damaged, StorageProblem):
            return [
                f"its anchor was {entry.body.get('anchor')} at entry {entry.number}, {rfc3339(entry.wall_ns)}: "
                "of those before, the last ones may be gone"
                for entry in self.entries(UNANCHORED, "")
            ]
        return []

    def trusted_from(self) -> int:
        """The number of the first entry of which it is known that no newer one is lost.

        Raises:
            Damaged: nobody knows it of any, or as of `total_nanos`.
        """
        if found := self.doubts():
            raise Damaged(f"the ledger may have lost entries: {found[0]}", "pepys verify tells all; restore a backup")
        last = self.newest(UNANCHORED, "")
        return 0 if last is None else last.number + 1

    def _proof(self, look: Callable[[Connection, Anchor | None, str, bool], list[str]]) -> list[str]:
        found: list[str] = []
        anchor, why = None, ""
        try:
            anchor = read_anchor(self._store)
        except NewerFormat:
            raise
        except Damaged as error:
            why = error.message
            found.append(why)
        try:
            with self._opened() as (connection, older):
                if connection is not None:
                    connection.execute("BEGIN")
                    return found + look(connection, anchor, why, not older)
        except NewerFormat:
            raise
        except Damaged as error:
            return [*found, error.message]
        return found + ([f"{self._path} is missing: entry {anchor.number} was its newest one"] if anchor else [])

    def _wrong(self, connection: Connection, anchor: Anchor | None, why: str, chained: bool) -> list[str]:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        if found:
            return found
        if chained:
            found = list(chain.problems(self._store.keys.ledger_key, connection.execute(_IN_ORDER)))
        return found + self._unproven(connection, anchor, why, chained)

    def _unproven(self, connection: Connection, anchor: Anchor | None, why: str, chained: bool) -> list[str]:
        if not chained:
            # No pepys of its time wrote an anchor.
            last = anchor and f"an older one was put back: entry {anchor.number} was the newest one"
            return [f"{self._path}: {last}"] if last else []
        newest = next(iter(_asked(connection, _NEWEST_OF_ALL)), None)
        if anchor is not None:
            problem = _against(connection, newest, anchor)
            return [problem] if problem else []
        if not why and newest is not None and _is_unanchored(connection, newest):
            return [f"{anchor_path(self._store)} is missing: nothing tells whether entries are lost at the end"]
        return []

    # --- the file

    def _entries(self, statement: str, *values: str) -> list[Entry]:
        with self._opened() as (connection, older):
            return [] if connection is None else _asked(connection, older + statement, *values)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[Connection | None, str]]:
        """A connection to read, with what stands before a statement there; none where there is no file."""
        if not self._path.exists():
            yield None, ""
            return
        key = self._store.keys.database_key("ledger")
        with self._told(), closing(connect(self._path, key, self._mode())) as connection:
            # An older one is read as it is: only who writes migrates it.
            version = version_of(connection)
            if not version:
                raise self._empty()
            refuse_newer(self._path, "ledger", version)
            yield connection, "" if version >= _CHAINED else _OLDER

    def _mode(self) -> str:
        """In a home that cannot be written SQLite can make no lock; what lies in the database is read without one."""
        return "ro" if self._store.writable else "immutable"

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            remedy = "see that the file is yours and its disk has space"
            raise StorageProblem(f"{self._path}: {error}", remedy) from error
        except DatabaseError as error:
            raise Damaged(f"the ledger {self._path} is damaged: {error}", "restore it from a backup") from error


def _asked(connection: Connection, statement: str, *values: str) -> list[Entry]:
    rows = connection.execute(statement, values)
    return [_entry(*row) for row in rows.fetchall()]


def _entry(
    number: int, kind: str, subject: str, amount_nanos: int, wall_ns: int, device: str, body: str, hashed: bytes
) -> Entry:
    try:
        told = json.loads(body)
    except (ValueError, TypeError):
        told = None
    # What somebody else wrote there is told by the chain, not by a reader.
    known = told if isinstance(told, dict) else {}
    return Entry(number, kind, subject, amount_nanos, wall_ns, device, known, hashed)


def _is_unanchored(connection: Connection, newest: Entry) -> bool:
    """Whether an anchor should be there, as the one of the first entry is written before the second.

    Not for entries that a migration made; nor where the last who appended told of it, and died before it wrote one.
    """
    told = next(iter(_asked(connection, _NEWEST, UNANCHORED, "")), None)
    return bool(newest.number and newest.device) and (told is None or told.number < newest.number - 1)


def _against(connection: Connection, newest: Entry | None, anchor: Anchor) -> str:
    """What the anchor says against these entries; nothing where it is only behind."""
    last = -1 if newest is None else newest.number
    if anchor.number > last:
        missing = f"entry {last + 1} is" if anchor.number == last + 1 else f"entries {last + 1} to {anchor.number} are"
        return f"{missing} missing at the end: it was cut off, or an older copy was put back"
    named = connection.execute("SELECT hash FROM entries WHERE number = ?", (anchor.number,)).fetchone()
    if named is None or named[0] != anchor.hash:
        return f"entry {anchor.number} is not the one that ledger.anchor names: another ledger was put here"
    return ""
