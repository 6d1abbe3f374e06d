"""The customer's portal: zones, views, support contacts."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.appointment_views (
        tenant_id text NOT NULL,
        appointment_id text NOT NULL,
        viewer_id text NOT NULL,
        version bigint NOT NULL,
        role text NOT NULL,
        viewed_at timestamptz NOT NULL,
        CONSTRAINT appointment_views_pkey PRIMARY KEY (tenant_id, appointment_id, viewer_id, version),
        CONSTRAINT appointment_views_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments
    )
    """,
    """
    CREATE TABLE booking.support_contacts (
        tenant_id text NOT NULL,
        phone text NOT NULL,
        fax text NOT NULL,
        email text NOT NULL,
        vat_id text NOT NULL,
        CONSTRAINT support_contacts_pkey PRIMARY KEY (tenant_id)
    )
    """,
)


def upgrade() -> None:
    """Adds them; what is there lies in no zone."""
    op.execute("ALTER TABLE booking.contacts ADD COLUMN zone text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE booking.appointments ADD COLUMN zone text NOT NULL DEFAULT ''")
    op.execute(
        "CREATE INDEX appointments_by_zone"
        " ON booking.appointments (tenant_id, campaign_id, zone, starts_at, appointment_id)"
    )
    for table in _TABLES:
        op.execute(table)
    enable_tenancy(op, "booking", "appointment_views", append_only=True)
    enable_tenancy(op, "booking", "support_contacts")
