"""What was spent can be neither changed nor removed, and is added up from an index alone."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace the index and add the triggers."""
    op.drop_index("spends_session", "spends")
    op.create_index("spends_cost", "spends", ["session", "cost_nanos"])
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER spends_no_{action.lower()} BEFORE {action} ON spends BEGIN "
            "SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
