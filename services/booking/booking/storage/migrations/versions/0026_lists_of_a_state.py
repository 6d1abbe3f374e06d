"""Lists and reports of some states read a campaign's appointments in these states alone."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index of campaign and state, with what reports count by."""
    op.execute(
        "CREATE INDEX appointments_of_state ON booking.appointments"
        " (tenant_id, campaign_id, state, starts_at, appointment_id) INCLUDE (agent_id, zone)"
    )
