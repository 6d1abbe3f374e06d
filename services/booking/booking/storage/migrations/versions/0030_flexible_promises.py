"""Flexible promises: a visit somewhere in a local day, or in an ISO week (GEO-27)."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; what is there was promised its start or its arrival window. No start leaves them."""
    op.execute(
        """
        ALTER TABLE booking.appointments
            ADD COLUMN promise text,
            ADD COLUMN promise_zone text,
            ADD COLUMN promise_from timestamptz,
            ADD COLUMN promise_until timestamptz,
            ADD CONSTRAINT appointments_promise_kind CHECK (promise IN ('DAY', 'WEEK')),
            ADD CONSTRAINT appointments_promise
                CHECK (num_nonnulls(promise, promise_zone, promise_from, promise_until) = 0
                       OR (num_nonnulls(promise, promise_zone, promise_from, promise_until) = 4
                           AND arrives_from IS NULL
                           AND starts_at >= promise_from AND starts_at < promise_until))
        """
    )
    op.execute(
        "CREATE INDEX appointments_flexible ON booking.appointments (tenant_id, agent_id, starts_at)"
        " WHERE promise IS NOT NULL AND state IN ('TO_CONFIRM', 'CONFIRMED')"
    )
