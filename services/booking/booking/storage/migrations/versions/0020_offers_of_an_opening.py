"""Offers are found by their opening again, and what closed long ago is found by the worker."""

from alembic import op

from kit.db.roles import roles_of

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Revision 0017 left only a partial index, which the search for who is next cannot use."""
    op.execute("CREATE INDEX offers_of_opening ON booking.offers (tenant_id, opening_id, entry_id)")
    op.execute("CREATE INDEX openings_closed ON booking.openings (ends_at) WHERE state = 'CLOSED'")
    op.execute(f"GRANT SELECT (ends_at) ON booking.openings TO {roles_of('booking').worker}")
