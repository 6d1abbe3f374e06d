"""The events of appointments, kept; what each change was decided upon."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.appointment_events (
        tenant_id text NOT NULL,
        appointment_id text NOT NULL,
        entry bigint GENERATED ALWAYS AS IDENTITY,
        event_id text NOT NULL,
        event text NOT NULL,
        made_version bigint,
        payload bytea NOT NULL,
        personal jsonb NOT NULL,
        change_id text,
        decision jsonb,
        legs jsonb,
        CONSTRAINT appointment_events_pkey PRIMARY KEY (tenant_id, appointment_id, entry),
        CONSTRAINT appointment_events_once UNIQUE (tenant_id, event_id),
        CONSTRAINT appointment_events_one_a_version UNIQUE (tenant_id, appointment_id, made_version),
        CONSTRAINT appointment_events_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments
    )
    """,
    """
    CREATE TABLE booking.decisions (
        tenant_id text NOT NULL,
        change_id text NOT NULL,
        decision jsonb NOT NULL,
        CONSTRAINT decisions_pkey PRIMARY KEY (tenant_id, change_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the tables. Cards that are there begin with the first event that is told of them from now on."""
    for table in _TABLES:
        op.execute(table)
    for name in ("appointment_events", "decisions"):
        enable_tenancy(op, "booking", name, append_only=True)
