"""Money becomes one kind of entry among others, and every entry is chained to the one before it."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct

from alembic import op

revision = "0003"
down_revision = "0002"

_REFUSALS = {
    "update": "BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only')",
    "delete": "BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only')",
    "hole": "BEFORE INSERT ON entries WHEN new.number IS NOT (SELECT coalesce(max(number), -1) + 1 FROM entries) "
    "BEGIN SELECT RAISE(ABORT, 'entries of the ledger follow each other')",
}


def upgrade() -> None:
    """Make the table of entries, give each spend its place in the chain, and drop the table of spends."""
    op.execute(
        "CREATE TABLE entries (number INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,"
        " amount_nanos BIGINT NOT NULL, wall_ns BIGINT NOT NULL, device TEXT NOT NULL, body TEXT NOT NULL,"
        " hash BLOB NOT NULL, PRIMARY KEY (number))"
    )
    op.execute("CREATE INDEX entries_spent_on ON entries (subject, amount_nanos) WHERE kind = 'spend'")
    op.execute("CREATE INDEX entries_when ON entries (kind, wall_ns, amount_nanos)")
    op.execute("CREATE INDEX entries_of ON entries (kind, subject, number)")
    _chain()
    for name, refusal in _REFUSALS.items():
        op.execute(f"CREATE TRIGGER entries_no_{name} {refusal}; END")
    op.drop_table("spends")


def _chain() -> None:
    """Nobody noted which device spent: the column stays empty."""
    key: bytes = op.get_context().opts["chain_key"]
    connection = op.get_bind()
    previous = bytes(32)
    spends = connection.exec_driver_sql('SELECT session, stage, "key", cost_nanos, wall_ns FROM spends ORDER BY id')
    for number, (session, stage, unit, cost, wall_ns) in enumerate(spends):
        body = json.dumps({"key": unit, "stage": stage}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        texts = [text.encode() for text in ("spend", session, "", body)]
        message = previous + struct.pack("<Qqq", number, cost, wall_ns)
        message += b"".join(struct.pack("<I", len(text)) + text for text in texts)
        previous = hmac.digest(key, message, hashlib.sha256)
        connection.exec_driver_sql(
            "INSERT INTO entries VALUES (?, 'spend', ?, ?, ?, '', ?, ?)",
            (number, session, cost, wall_ns, body, previous),
        )
