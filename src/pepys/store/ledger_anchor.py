"""The anchor of the ledger: a small sealed file that names the newest entry, so that an older ledger is told as such.

Invariants: it is replaced after each commit, never before it, so that a crash leaves it behind the ledger and never
ahead. An anchor that is ahead therefore tells that entries were lost: the end was cut off, or an older copy put back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pepys.errors import Damaged, NewerFormat
from pepys.store.files import replace_file, storage_errors
from pepys.store.sealing import open_small, seal_small
from pepys.store.store import Store

MAGIC: Final = b"PPLA"
_INFO: Final = "pepys ledger anchor"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest entry when it was written: number and hash."""

    number: int
    hash: bytes


def anchor_path(store: Store) -> Path:
    """Where the anchor of a home lies."""
    return store.path / "ledger.anchor"


def read_anchor(store: Store) -> Anchor | None:
    """The anchor; None where there is none.

    Raises:
        Damaged: it does not open.
        StorageProblem: it cannot be read.
    """
    path = anchor_path(store)
    try:
        with storage_errors(path):
            data = store.disk.read(path)
    except FileNotFoundError:
        return None
    try:
        told = json.loads(open_small(store.keys.ledger_key, MAGIC, _INFO, data, str(path)))
        return Anchor(int(told["number"]), bytes.fromhex(told["hash"]))
    except NewerFormat:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise Damaged(f"{path} is damaged: {error}", "the next entry of the ledger makes it anew") from error


def write_anchor(store: Store, anchor: Anchor) -> None:
    """Put the anchor, durably; its entry is durable already.

    Raises:
        StorageProblem: it cannot be written; the one before stays.
    """
    told = json.dumps({"number": anchor.number, "hash": anchor.hash.hex()}).encode()
    sealed = seal_small(store.keys.ledger_key, MAGIC, _INFO, told)
    replace_file(anchor_path(store), sealed, "ledger.anchor", store.disk)
