"""Whom a change took an appointment from, so that the calendar of that agent shows it as cancelled."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; of what was taken away before nobody knows."""
    op.execute(
        "ALTER TABLE booking.appointment_events ADD COLUMN left_agent_id text,"
        " ADD COLUMN left_starts_at timestamptz, ADD COLUMN left_ends_at timestamptz,"
        " ADD CONSTRAINT appointment_events_left"
        " CHECK (num_nulls(left_agent_id, left_starts_at, left_ends_at) IN (0, 3))"
    )
    op.execute(
        "CREATE INDEX appointment_events_left_agent ON booking.appointment_events"
        " (tenant_id, left_agent_id, appointment_id, entry) WHERE left_agent_id IS NOT NULL"
    )
