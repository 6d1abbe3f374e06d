"""Lists of a campaign or an agent are read along one index: of changes, and of an agent's visits in it."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the feed's indexes. An agent's visits are told apart by campaign and zone within their index."""
    for column in ("campaign_id", "agent_id"):
        op.execute(
            f"CREATE INDEX recent_changes_of_{column.removesuffix('_id')} ON booking.recent_changes"
            f" (tenant_id, {column}, happened_at DESC, event_id DESC)"
        )
    op.execute(
        "CREATE INDEX appointments_of_agent ON booking.appointments"
        " (tenant_id, agent_id, starts_at, appointment_id, campaign_id, zone)"
    )
    op.execute("DROP INDEX booking.appointments_by_agent")
