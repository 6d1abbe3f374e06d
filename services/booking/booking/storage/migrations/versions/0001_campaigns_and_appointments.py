"""Campaigns with their packages, contacts, appointments with their moves, parameters, recent changes."""

from alembic import op

from kit.db.tenancy import create_kit_tables, enable_tenancy, show_to_worker

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.campaigns (
        tenant_id text NOT NULL,
        campaign_id text NOT NULL,
        display_name text NOT NULL,
        purchased integer NOT NULL,
        taken integer NOT NULL DEFAULT 0,
        to_confirm integer NOT NULL DEFAULT 0,
        cancelled_in_step integer NOT NULL DEFAULT 0,
        skills text[] NOT NULL,
        time_zone text NOT NULL,
        buffer_seconds integer NOT NULL,
        CONSTRAINT campaigns_pkey PRIMARY KEY (tenant_id, campaign_id),
        CONSTRAINT campaigns_package CHECK (taken + cancelled_in_step <= purchased),
        CONSTRAINT campaigns_counters
            CHECK (to_confirm >= 0 AND to_confirm <= taken AND cancelled_in_step >= 0),
        CONSTRAINT campaigns_buffer CHECK (buffer_seconds BETWEEN 0 AND 14400)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE booking.campaign_agents (
        tenant_id text NOT NULL,
        campaign_id text NOT NULL,
        agent_id text NOT NULL,
        CONSTRAINT campaign_agents_pkey PRIMARY KEY (tenant_id, campaign_id, agent_id),
        CONSTRAINT campaign_agents_campaign FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns
    )
    """,
    """
    CREATE TABLE booking.contacts (
        tenant_id text NOT NULL,
        contact_id text NOT NULL,
        campaign_id text NOT NULL,
        display_name text NOT NULL,
        phone text NOT NULL,
        address text NOT NULL,
        place bigint NOT NULL,
        CONSTRAINT contacts_pkey PRIMARY KEY (tenant_id, contact_id),
        CONSTRAINT contacts_in_campaign UNIQUE (tenant_id, campaign_id, contact_id),
        CONSTRAINT contacts_campaign FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns
    )
    """,
    """
    CREATE TABLE booking.appointments (
        tenant_id text NOT NULL,
        appointment_id text NOT NULL,
        campaign_id text NOT NULL,
        contact_id text NOT NULL,
        agent_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        place bigint NOT NULL,
        state text NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        operator_id text NOT NULL,
        note text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        hold_id text,
        move_id text,
        claim_key text NOT NULL,
        failure jsonb,
        cancel_note text NOT NULL DEFAULT '',
        settled boolean NOT NULL DEFAULT false,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT appointments_pkey PRIMARY KEY (tenant_id, appointment_id),
        CONSTRAINT appointments_one_a_request UNIQUE (tenant_id, claim_key),
        CONSTRAINT appointments_contact FOREIGN KEY (tenant_id, campaign_id, contact_id)
            REFERENCES booking.contacts (tenant_id, campaign_id, contact_id),
        CONSTRAINT appointments_end_after_start CHECK (ends_at > starts_at),
        CONSTRAINT appointments_state
            CHECK (state IN ('PENDING', 'TO_CONFIRM', 'CONFIRMED', 'CANCELLED', 'FAILED')),
        CONSTRAINT appointments_failure CHECK ((state = 'FAILED') = (failure IS NOT NULL)),
        CONSTRAINT appointments_move CHECK (move_id IS NULL OR state IN ('TO_CONFIRM', 'CONFIRMED'))
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE booking.moves (
        tenant_id text NOT NULL,
        move_id text NOT NULL,
        appointment_id text NOT NULL,
        kind text NOT NULL,
        agent_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'PENDING',
        claim_key text NOT NULL,
        failure jsonb,
        began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT moves_pkey PRIMARY KEY (tenant_id, move_id),
        CONSTRAINT moves_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT moves_kind CHECK (kind IN ('POSTPONE', 'REASSIGN')),
        CONSTRAINT moves_state CHECK (state IN ('PENDING', 'APPLIED', 'DROPPED')),
        CONSTRAINT moves_failure CHECK ((state = 'DROPPED') = (failure IS NOT NULL)),
        CONSTRAINT moves_end_after_start CHECK (ends_at > starts_at)
    )
    """,
    """
    CREATE TABLE booking.parameters (
        tenant_id text NOT NULL,
        campaign_id text,
        name text NOT NULL,
        value text NOT NULL,
        CONSTRAINT parameters_one_a_scope UNIQUE NULLS NOT DISTINCT (tenant_id, campaign_id, name),
        CONSTRAINT parameters_campaign FOREIGN KEY (tenant_id, campaign_id) REFERENCES booking.campaigns
    )
    """,
    """
    CREATE TABLE booking.recent_changes (
        tenant_id text NOT NULL,
        event_id text NOT NULL,
        change text NOT NULL,
        appointment_id text NOT NULL,
        campaign_id text NOT NULL,
        agent_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        version bigint NOT NULL,
        happened_at timestamptz NOT NULL,
        CONSTRAINT recent_changes_pkey PRIMARY KEY (tenant_id, event_id)
    )
    """,
)

_INDEXES = (
    "appointments_by_start ON booking.appointments (tenant_id, starts_at, appointment_id)",
    "appointments_by_campaign ON booking.appointments (tenant_id, campaign_id, starts_at, appointment_id)",
    "appointments_by_agent ON booking.appointments (tenant_id, agent_id, starts_at, appointment_id)",
    "appointments_pending ON booking.appointments (began_at) WHERE state = 'PENDING'",
    "appointments_unsettled ON booking.appointments (decided_at)"
    " WHERE state IN ('FAILED', 'CANCELLED') AND NOT settled",
    "moves_pending ON booking.moves (began_at) WHERE state = 'PENDING'",
    "recent_changes_newest ON booking.recent_changes (tenant_id, happened_at DESC, event_id DESC)",
)


def upgrade() -> None:
    """Makes all tables."""
    create_kit_tables(op, "booking")
    for table in _TABLES:
        op.execute(table)
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
    op.execute(
        "CREATE UNIQUE INDEX moves_one_pending ON booking.moves (tenant_id, appointment_id)"
        " WHERE state = 'PENDING'"
    )
    for name in ("campaigns", "campaign_agents", "contacts", "appointments", "moves", "parameters"):
        enable_tenancy(op, "booking", name)
    enable_tenancy(op, "booking", "recent_changes", append_only=True)
    show_to_worker(
        op,
        "booking",
        "appointments",
        ["tenant_id", "appointment_id", "state", "settled", "began_at", "decided_at"],
    )
    show_to_worker(op, "booking", "moves", ["tenant_id", "move_id", "state", "began_at"])
