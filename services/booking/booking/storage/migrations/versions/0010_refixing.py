"""Modes and procedures of re-fixing, what agents asked for, recalls, exceptions; parameters of a user."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.refix_modes (
        tenant_id text NOT NULL,
        mode_id text NOT NULL,
        mode jsonb NOT NULL,
        CONSTRAINT refix_modes_pkey PRIMARY KEY (tenant_id, mode_id)
    )
    """,
    """
    CREATE TABLE booking.procedures (
        tenant_id text NOT NULL,
        procedure_id text NOT NULL,
        kind text NOT NULL,
        display_name text NOT NULL,
        description text NOT NULL,
        interval_seconds integer NOT NULL,
        state_id text,
        outcome_state_ids text[] NOT NULL,
        active boolean NOT NULL,
        next_run_at timestamptz NOT NULL,
        CONSTRAINT procedures_pkey PRIMARY KEY (tenant_id, procedure_id),
        CONSTRAINT procedures_kind CHECK (kind IN ('MOVE', 'NEW_CARD', 'RECALL')),
        CONSTRAINT procedures_interval CHECK (interval_seconds BETWEEN 1 AND 2678400),
        CONSTRAINT procedures_state FOREIGN KEY (tenant_id, state_id) REFERENCES booking.outcome_states
    )
    """,
    """
    CREATE TABLE booking.refix_requests (
        tenant_id text NOT NULL,
        refix_id text NOT NULL,
        appointment_id text NOT NULL,
        version bigint NOT NULL,
        outcome_state_id text NOT NULL,
        refix_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'WAITING',
        attempt integer NOT NULL DEFAULT 0,
        retry_at timestamptz,
        change_id text,
        CONSTRAINT refix_requests_pkey PRIMARY KEY (tenant_id, refix_id),
        CONSTRAINT refix_requests_one_a_version UNIQUE (tenant_id, appointment_id, version),
        CONSTRAINT refix_requests_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT refix_requests_state
            CHECK (state IN ('WAITING', 'RUNNING', 'DONE', 'EXCEPTION', 'OBSOLETE')),
        CONSTRAINT refix_requests_change CHECK (state <> 'RUNNING' OR change_id IS NOT NULL)
    )
    """,
    """
    CREATE TABLE booking.recalls (
        tenant_id text NOT NULL,
        recall_id text NOT NULL,
        appointment_id text NOT NULL,
        campaign_id text NOT NULL,
        contact_id text NOT NULL,
        operator_id text NOT NULL,
        private boolean NOT NULL,
        due_at timestamptz NOT NULL,
        release_at timestamptz,
        version bigint NOT NULL,
        open boolean NOT NULL DEFAULT true,
        CONSTRAINT recalls_pkey PRIMARY KEY (tenant_id, recall_id),
        CONSTRAINT recalls_one_a_version UNIQUE (tenant_id, appointment_id, version),
        CONSTRAINT recalls_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT recalls_release CHECK (release_at >= due_at AND (private OR release_at IS NULL))
    )
    """,
    """
    CREATE TABLE booking.refix_exceptions (
        tenant_id text NOT NULL,
        exception_id text NOT NULL,
        refix_id text NOT NULL,
        appointment_id text NOT NULL,
        campaign_id text NOT NULL,
        procedure_id text NOT NULL,
        refix_at timestamptz NOT NULL,
        reason text NOT NULL,
        message text NOT NULL,
        alternatives jsonb NOT NULL,
        raised_at timestamptz NOT NULL,
        open boolean NOT NULL DEFAULT true,
        CONSTRAINT refix_exceptions_pkey PRIMARY KEY (tenant_id, exception_id),
        CONSTRAINT refix_exceptions_one_a_request UNIQUE (tenant_id, refix_id),
        CONSTRAINT refix_exceptions_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments
    )
    """,
)

_INDEXES = (
    "UNIQUE INDEX recalls_one_open ON booking.recalls (tenant_id, appointment_id) WHERE open",
    "INDEX recalls_due ON booking.recalls (tenant_id, due_at, recall_id) WHERE open",
    "INDEX recalls_to_release ON booking.recalls (release_at) WHERE open AND private",
    "INDEX procedures_due ON booking.procedures (next_run_at) WHERE active",
    "INDEX refix_requests_waiting ON booking.refix_requests (tenant_id, refix_id) WHERE state = 'WAITING'",
    "INDEX refix_requests_running ON booking.refix_requests (tenant_id, change_id) WHERE state = 'RUNNING'",
    "INDEX refix_exceptions_open ON booking.refix_exceptions (tenant_id, raised_at, exception_id) WHERE open",
    "INDEX refix_exceptions_of ON booking.refix_exceptions (tenant_id, appointment_id) WHERE open",
)

_CHANGES = (
    "ALTER TABLE booking.moves ADD COLUMN refix jsonb, DROP CONSTRAINT moves_kind,"
    " ADD CONSTRAINT moves_kind CHECK (kind IN ('POSTPONE', 'REASSIGN', 'REFIX')),"
    " ADD CONSTRAINT moves_refix CHECK ((kind = 'REFIX') = (refix IS NOT NULL))",
    "ALTER TABLE booking.appointments ADD COLUMN refix jsonb,"
    " ADD CONSTRAINT appointments_refix CHECK ((supersedes IS NULL) = (refix IS NULL))",
    "ALTER TABLE booking.parameters ADD COLUMN user_id text, DROP CONSTRAINT parameters_one_a_scope,"
    " ADD CONSTRAINT parameters_one_a_scope"
    " UNIQUE NULLS NOT DISTINCT (tenant_id, campaign_id, user_id, name),"
    " ADD CONSTRAINT parameters_one_scope CHECK (campaign_id IS NULL OR user_id IS NULL)",
)


def upgrade() -> None:
    """Makes the tables; parameters that are there are the tenant's or a campaign's, as before."""
    for statement in (*_TABLES, *(f"CREATE {index}" for index in _INDEXES), *_CHANGES):
        op.execute(statement)
    for name in ("refix_modes", "procedures", "refix_requests", "recalls", "refix_exceptions"):
        enable_tenancy(op, "booking", name)
    show_to_worker(op, "booking", "procedures", ["tenant_id", "procedure_id", "active", "next_run_at"])
    show_to_worker(op, "booking", "recalls", ["tenant_id", "recall_id", "open", "private", "release_at"])
