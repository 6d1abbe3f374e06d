"""Visits of a plan are booked together as a series is: of several campaigns, so such a row names none."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lets `campaign_id` be empty. Series of older programs have one."""
    op.execute("ALTER TABLE booking.series ALTER COLUMN campaign_id DROP NOT NULL")
