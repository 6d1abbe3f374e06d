"""The worker finds who waits for a time that has passed."""

from alembic import op

from kit.db.tenancy import show_to_worker

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index, and shows the worker what it needs."""
    op.execute(
        "CREATE INDEX waitlist_entries_bounded ON booking.waitlist_entries (not_after)"
        " WHERE state = 'WAITING' AND not_after IS NOT NULL"
    )
    columns = ["tenant_id", "entry_id", "state", "not_after", "seconds"]
    show_to_worker(op, "booking", "waitlist_entries", columns)
