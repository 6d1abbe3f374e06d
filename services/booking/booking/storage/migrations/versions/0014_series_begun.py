"""When a series was begun, so that one that nobody finishes is found."""

from alembic import op

from kit.db.tenancy import show_to_worker

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Those that hang already count from now on."""
    op.execute(
        "ALTER TABLE booking.series ADD COLUMN began_at timestamptz NOT NULL DEFAULT clock_timestamp()"
    )
    op.execute("CREATE INDEX series_pending ON booking.series (began_at) WHERE state = 'PENDING'")
    show_to_worker(op, "booking", "series", ["tenant_id", "series_id", "state", "began_at"])
