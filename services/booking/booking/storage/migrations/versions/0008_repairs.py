"""Repairs: several moves and cancellations that are made together or not at all."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.repairs (
        tenant_id text NOT NULL,
        repair_id text NOT NULL,
        note text NOT NULL,
        state text NOT NULL DEFAULT 'PENDING',
        claim_key text NOT NULL,
        failure jsonb,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT repairs_pkey PRIMARY KEY (tenant_id, repair_id),
        CONSTRAINT repairs_state CHECK (state IN ('PENDING', 'APPLIED', 'DROPPED')),
        CONSTRAINT repairs_failure CHECK ((state = 'DROPPED') = (failure IS NOT NULL))
    )
    """,
    """
    CREATE TABLE booking.repair_changes (
        tenant_id text NOT NULL,
        repair_id text NOT NULL,
        position integer NOT NULL,
        move_id text NOT NULL,
        appointment_id text NOT NULL,
        kind text NOT NULL,
        agent_id text,
        starts_at timestamptz,
        ends_at timestamptz,
        CONSTRAINT repair_changes_pkey PRIMARY KEY (tenant_id, repair_id, position),
        CONSTRAINT repair_changes_move UNIQUE (tenant_id, move_id),
        CONSTRAINT repair_changes_once UNIQUE (tenant_id, repair_id, appointment_id),
        CONSTRAINT repair_changes_repair FOREIGN KEY (tenant_id, repair_id) REFERENCES booking.repairs,
        CONSTRAINT repair_changes_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT repair_changes_kind CHECK (kind IN ('POSTPONE', 'REASSIGN', 'CANCEL')),
        CONSTRAINT repair_changes_place CHECK (CASE WHEN kind = 'CANCEL'
            THEN num_nulls(agent_id, starts_at, ends_at) = 3
            ELSE num_nulls(agent_id, starts_at, ends_at) = 0 AND ends_at > starts_at END)
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for table in _TABLES:
        op.execute(table)
    op.execute("CREATE INDEX repairs_pending ON booking.repairs (began_at) WHERE state = 'PENDING'")
    for name in ("repairs", "repair_changes"):
        enable_tenancy(op, "booking", name)
    show_to_worker(op, "booking", "repairs", ["tenant_id", "repair_id", "state", "began_at"])
