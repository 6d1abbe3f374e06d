"""What calendar programs were told of drives: a change has a next number, and what is off is told so."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE booking.calendar_drives (
            tenant_id text NOT NULL,
            agent_id text NOT NULL,
            appointment_id text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            sequence integer NOT NULL,
            changed_at timestamptz NOT NULL,
            is_off boolean NOT NULL,
            CONSTRAINT calendar_drives_pkey PRIMARY KEY (tenant_id, agent_id, appointment_id),
            CONSTRAINT calendar_drives_window CHECK (ends_at > starts_at),
            CONSTRAINT calendar_drives_sequence CHECK (sequence >= 0)
        )
        """
    )
    op.execute(
        "CREATE INDEX calendar_drives_by_end ON booking.calendar_drives (tenant_id, agent_id, ends_at)"
    )
    enable_tenancy(op, "booking", "calendar_drives")
