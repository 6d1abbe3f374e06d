"""Series of appointments."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.execute(
        """
        CREATE TABLE booking.series (
            tenant_id text NOT NULL,
            series_id text NOT NULL,
            campaign_id text NOT NULL,
            state text NOT NULL DEFAULT 'PENDING',
            conflicts jsonb NOT NULL,
            CONSTRAINT series_pkey PRIMARY KEY (tenant_id, series_id),
            CONSTRAINT series_campaign FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns,
            CONSTRAINT series_state CHECK (state IN ('PENDING', 'CREATED', 'REFUSED'))
        )
        """
    )
    op.execute(
        """
        CREATE TABLE booking.series_appointments (
            tenant_id text NOT NULL,
            series_id text NOT NULL,
            number integer NOT NULL,
            appointment_id text NOT NULL,
            CONSTRAINT series_appointments_pkey PRIMARY KEY (tenant_id, series_id, number),
            CONSTRAINT series_appointments_series
                FOREIGN KEY (tenant_id, series_id) REFERENCES booking.series,
            CONSTRAINT series_appointments_appointment
                FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments
        )
        """
    )
    enable_tenancy(op, "booking", "series")
    enable_tenancy(op, "booking", "series_appointments", append_only=True)
