"""Rows can be ahead of their text, what moved is seen without opening each folder, and no list reads every row.

Tags get a table of their own, which a list by tag walks from its newest session on. What was indexed stays: the text of
each row is as new as the row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, the indexes and the table of tags."""
    op.add_column("sessions", sa.Column("glance", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("sessions", sa.Column("text_stamp", sa.Text, nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE sessions SET text_stamp = stamp")
    op.drop_index("sessions_started", "sessions")
    listed, untold = sa.text("state != 'deleted'"), sa.text("text_stamp != stamp")
    op.create_index("sessions_listed", "sessions", ["started_wall_ns", "id"], sqlite_where=listed)
    op.create_index("sessions_by_state", "sessions", ["state", "started_wall_ns", "id"])
    op.create_index("sessions_glanced", "sessions", ["id", "glance"])
    op.create_index("sessions_untold", "sessions", ["id"], sqlite_where=untold)
    op.create_table(
        "session_tags",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("started_wall_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("session", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("session_tags_session", "session_tags", ["session"])
    op.execute(
        "INSERT INTO session_tags (tag, started_wall_ns, session) SELECT DISTINCT t.value, s.started_wall_ns, s.id"
        " FROM sessions s, json_each(s.tags) t"
    )
