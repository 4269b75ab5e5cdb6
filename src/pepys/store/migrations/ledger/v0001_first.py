"""The first ledger."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.execute(
        'CREATE TABLE spends (id INTEGER NOT NULL, session TEXT NOT NULL, stage TEXT NOT NULL, "key" TEXT NOT NULL,'
        " cost_nanos BIGINT NOT NULL, wall_ns BIGINT NOT NULL, PRIMARY KEY (id))"
    )
    op.execute("CREATE INDEX spends_session ON spends (session)")
