"""Postcodes of places, and the windows in which arrivals were promised (BK-39, R-090)."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns. What is there has no postcode, and its exact start was promised."""
    op.execute("ALTER TABLE booking.contacts ADD COLUMN postcode text NOT NULL DEFAULT ''")
    op.execute(
        """
        ALTER TABLE booking.appointments
            ADD COLUMN postcode text NOT NULL DEFAULT '',
            ADD COLUMN arrives_from timestamptz,
            ADD COLUMN arrives_until timestamptz,
            ADD CONSTRAINT appointments_arrival
                CHECK (num_nonnulls(arrives_from, arrives_until) = 0
                       OR (num_nonnulls(arrives_from, arrives_until) = 2
                           AND starts_at BETWEEN arrives_from AND arrives_until))
        """
    )
