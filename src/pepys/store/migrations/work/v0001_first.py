"""The first table of jobs."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.execute(
        "CREATE TABLE jobs (id TEXT NOT NULL, session TEXT NOT NULL, stages TEXT NOT NULL, state TEXT NOT NULL,"
        " priority INTEGER NOT NULL, progress TEXT NOT NULL, error TEXT NOT NULL, created_wall_ns BIGINT NOT NULL,"
        " changed_wall_ns BIGINT NOT NULL, claimed_pid INTEGER, claimed_start TEXT, claimed_boot TEXT,"
        " PRIMARY KEY (id))"
    )
    op.execute("CREATE INDEX jobs_state ON jobs (state, priority)")
