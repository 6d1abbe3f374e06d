"""Contacts whose address nobody knows well enough have no place until somebody pins it (GEO-18)."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds how each place is known. What is there was told by people."""
    op.execute(
        """
        ALTER TABLE booking.contacts
            ALTER COLUMN place DROP NOT NULL,
            ADD COLUMN placed_by text NOT NULL DEFAULT 'PINNED',
            ADD CONSTRAINT contacts_placed_by CHECK (placed_by IN ('PINNED', 'GEOCODED', 'NEEDS_PIN')),
            ADD CONSTRAINT contacts_place CHECK ((place IS NULL) = (placed_by = 'NEEDS_PIN'))
        """
    )
