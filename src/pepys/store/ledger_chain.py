"""Entries of the ledger, how each is chained to the one before it, and what is wrong with a chain.

Invariants: entries are numbered from 0 without a hole; the hash of each is keyed and covers the hash before it, its
number and every column, so that without the key none can be changed, removed, inserted or moved unseen. Only the end
can be cut off, which the anchor tells (`ledger_anchor`). Pure: no file is touched here.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

KINDS: Final = ("spend", "limit", "token", "import")
"""What entries are about; their subjects: a session, a scope, a label, `SOURCE KIND/SOURCE ID`."""
UNANCHORED: Final = "unanchored"
"""The kind of an entry, without a subject, that only the ledger itself writes: what came before may not be all."""
COLUMNS: Final = "number, kind, subject, amount_nanos, wall_ns, device, body, hash"
BEFORE_FIRST: Final = bytes(32)
"""Stands for the hash before entry 0."""
_NUMBERS: Final = struct.Struct("<Qqq")
_LENGTH: Final = struct.Struct("<I")
_RUNS_TOLD: Final = 20

Columns = tuple[int, str, str, int, int, str, str]
"""An entry as its columns hold it, in the order of `COLUMNS`, without its hash."""
StoredRow = tuple[int, str, str, int, int, str, str, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact.

    Attributes:
        number: its place, from 0.
        kind: one of `KINDS`.
        subject: what it is about.
        amount_nanos: nano-dollars, where it is about money; else 0.
        wall_ns: when it was noted.
        device: who noted it; empty for what was spent before the ledger had a chain.
        body: what else there is to it, as JSON.
        hash: what the next entry is chained to, and the anchor names.
    """

    number: int
    kind: str
    subject: str
    amount_nanos: int
    wall_ns: int
    device: str
    body: dict[str, Any] = field(default_factory=dict)
    hash: bytes = b""


def link(key: bytes, previous: bytes, columns: Columns) -> bytes:
    """The hash of an entry: HMAC with SHA-256 over the hash before it and every column.

    Args:
        key: the ledger's.
        previous: the hash of the entry before, or `BEFORE_FIRST`.
        columns: the entry.

    Raises:
        ValueError: a text is none that can be stored, or a number is out of range.
    """
    number, kind, subject, amount_nanos, wall_ns, device, body = columns
    pieces = [previous]
    try:
        pieces.append(_NUMBERS.pack(number, amount_nanos, wall_ns))
    except struct.error as error:
        raise ValueError(f"a number of the entry is out of range: {error}") from error
    for text in (kind, subject, device, body):
        data = text.encode()
        pieces += (_LENGTH.pack(len(data)), data)
    return hmac.digest(key, b"".join(pieces), hashlib.sha256)


def problems(key: bytes, rows: Iterable[StoredRow]) -> Iterator[str]:
    """What is wrong with a chain, each run of entries named by its numbers; at most some twenty runs.

    Args:
        key: the ledger's.
        rows: all entries, in the order of their numbers; they are streamed.
    """
    for told, (first, last, what) in enumerate(_runs(_wrong(key, rows))):
        if told == _RUNS_TOLD:
            yield "and more of that kind"
            return
        yield f"{_named(first, last)} {_IS[what] if first == last else _ARE[what]}"


_MISSING: Final = "missing"
_ALTERED: Final = "altered"
_STRANGE: Final = "strange"
_ALTERATION: Final = "not what was written: changed, inserted or moved"
_IS: Final = {_MISSING: "is missing", _ALTERED: f"is {_ALTERATION}", _STRANGE: "was never written by pepys"}
_ARE: Final = {_MISSING: "are missing", _ALTERED: f"are {_ALTERATION}", _STRANGE: "were never written by pepys"}


def _wrong(key: bytes, rows: Iterable[StoredRow]) -> Iterator[tuple[int, int, str]]:
    """Runs of wrong numbers: first, last, what is wrong with them."""
    expected = 0
    # The hash as stored and as it should be: where only a hash was changed, the entry after it is still right.
    befores = {BEFORE_FIRST}
    for row in rows:
        number, columns, stored = row[0], row[:7], row[7]
        if number < expected:
            yield number, number, _STRANGE
            continue
        if number > expected:
            yield expected, number - 1, _MISSING
            befores = set()
        hashes = {_link_or_nothing(key, before, columns) for before in befores}
        if befores and stored not in hashes:
            yield number, number, _ALTERED
            befores = {*hashes, stored if isinstance(stored, bytes) else b""}
        else:
            befores = {stored if isinstance(stored, bytes) else b""}
        expected = number + 1


def _link_or_nothing(key: bytes, previous: bytes, columns: Columns) -> bytes:
    """The hash of what stands in the columns; nothing where no entry could have that."""
    try:
        return link(key, previous, columns)
    except (ValueError, AttributeError):
        return b""


def _runs(wrong: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Neighbouring numbers with the same problem, together."""
    run: tuple[int, int, str] | None = None
    for first, last, what in wrong:
        if run is not None and run[2] == what and run[1] + 1 == first:
            run = (run[0], last, what)
            continue
        if run is not None:
            yield run
        run = (first, last, what)
    if run is not None:
        yield run


def _named(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"
