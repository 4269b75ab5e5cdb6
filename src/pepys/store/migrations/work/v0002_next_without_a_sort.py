"""The next job, the jobs of a session and all jobs by age are read from an index, in its order."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace the index by three that are whole."""
    op.drop_index("jobs_state", "jobs")
    op.create_index("jobs_next", "jobs", ["state", "priority", "created_wall_ns", "id"])
    op.create_index("jobs_of_session", "jobs", ["session", "created_wall_ns", "id"])
    op.create_index("jobs_made", "jobs", ["created_wall_ns", "id"])
