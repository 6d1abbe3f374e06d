"""The rounds of the waiting list find what is open, however much was offered before."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index; closed openings, which are kept for a while, are in none of it."""
    op.execute("CREATE INDEX openings_open ON booking.openings (tenant_id, opening_id) WHERE state = 'OPEN'")
