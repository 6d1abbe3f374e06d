"""A contact's plans are found by the contact, whose number or address somebody told."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds an index."""
    op.execute("CREATE INDEX plans_by_contact ON reminders.plans (tenant_id, contact_id) WHERE live")
