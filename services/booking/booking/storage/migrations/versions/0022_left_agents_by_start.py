"""What was taken from an agent is found by its start, so that a calendar reads its window alone."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index; the one by appointment tells which change was the last."""
    op.execute(
        "CREATE INDEX appointment_events_left_starts ON booking.appointment_events"
        " (tenant_id, left_agent_id, left_starts_at) WHERE left_agent_id IS NOT NULL"
    )
