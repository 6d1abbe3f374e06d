"""Addresses under which calendar programs read agents' appointments; only a digest of each is kept."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE booking.calendar_feeds (
            tenant_id text NOT NULL,
            agent_id text NOT NULL,
            digest bytea NOT NULL,
            time_zone text NOT NULL,
            created_by text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT calendar_feeds_pkey PRIMARY KEY (tenant_id, agent_id),
            CONSTRAINT calendar_feeds_digest UNIQUE (tenant_id, digest)
        )
        """
    )
    enable_tenancy(op, "booking", "calendar_feeds")
