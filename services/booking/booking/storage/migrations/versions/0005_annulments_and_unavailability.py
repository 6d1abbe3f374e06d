"""Agents' contacts before visits, annulment claims, unavailable days."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.agent_contacts (
        tenant_id text NOT NULL,
        agent_contact_id text NOT NULL,
        appointment_id text NOT NULL,
        channel text NOT NULL,
        contacted_at timestamptz NOT NULL,
        note text NOT NULL,
        recorded_by text NOT NULL,
        recorded_at timestamptz NOT NULL,
        CONSTRAINT agent_contacts_pkey PRIMARY KEY (tenant_id, agent_contact_id),
        CONSTRAINT agent_contacts_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT agent_contacts_channel CHECK (channel IN ('CALL', 'MESSAGE', 'IN_PERSON')),
        CONSTRAINT agent_contacts_past CHECK (contacted_at <= recorded_at)
    )
    """,
    """
    CREATE TABLE booking.annulment_claims (
        tenant_id text NOT NULL,
        claim_id text NOT NULL,
        appointment_id text NOT NULL,
        campaign_id text NOT NULL,
        agent_id text NOT NULL,
        reason text NOT NULL,
        note text NOT NULL,
        channel text NOT NULL,
        received_at timestamptz NOT NULL,
        closes_at timestamptz NOT NULL,
        claimed_by text NOT NULL,
        state text NOT NULL,
        decided_by text NOT NULL DEFAULT '',
        decision_note text NOT NULL DEFAULT '',
        decided_at timestamptz,
        CONSTRAINT annulment_claims_pkey PRIMARY KEY (tenant_id, claim_id),
        CONSTRAINT annulment_claims_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT annulment_claims_in_time CHECK (received_at < closes_at),
        CONSTRAINT annulment_claims_reason
            CHECK (reason IN ('DISOWNED', 'NOT_HELD', 'WRONG_DETAILS', 'OUT_OF_TARGET', 'DUPLICATE')),
        CONSTRAINT annulment_claims_channel CHECK (channel IN ('PORTAL', 'EMAIL')),
        CONSTRAINT annulment_claims_state CHECK (state IN ('OPEN', 'ACCEPTED', 'REJECTED')),
        CONSTRAINT annulment_claims_decided CHECK ((state = 'OPEN') = (decided_at IS NULL))
    )
    """,
    """
    CREATE TABLE booking.unavailabilities (
        tenant_id text NOT NULL,
        unavailability_id text NOT NULL,
        agent_id text NOT NULL,
        contact_id text NOT NULL,
        first_day date NOT NULL,
        last_day date NOT NULL,
        time_zone text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        note text NOT NULL,
        reported_by text NOT NULL,
        reported_at timestamptz NOT NULL,
        overridden_by text NOT NULL,
        override_note text NOT NULL,
        withdrawn_at timestamptz,
        CONSTRAINT unavailabilities_pkey PRIMARY KEY (tenant_id, unavailability_id),
        CONSTRAINT unavailabilities_one CHECK ((agent_id = '') <> (contact_id = '')),
        CONSTRAINT unavailabilities_days CHECK (last_day >= first_day AND ends_at > starts_at),
        CONSTRAINT unavailabilities_override CHECK ((overridden_by = '') = (override_note = ''))
    )
    """,
)

_INDEXES = (
    "agent_contacts_by_appointment ON booking.agent_contacts (tenant_id, appointment_id, contacted_at)",
    "annulment_claims_newest ON booking.annulment_claims (tenant_id, received_at DESC, claim_id DESC)",
    "unavailabilities_of_agent ON booking.unavailabilities (tenant_id, agent_id, ends_at)"
    " WHERE withdrawn_at IS NULL AND agent_id <> ''",
    "unavailabilities_of_contact ON booking.unavailabilities (tenant_id, contact_id, ends_at)"
    " WHERE withdrawn_at IS NULL AND contact_id <> ''",
)


def upgrade() -> None:
    """Makes the tables."""
    for table in _TABLES:
        op.execute(table)
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
    op.execute(
        "CREATE UNIQUE INDEX annulment_claims_one_standing"
        " ON booking.annulment_claims (tenant_id, appointment_id) WHERE state <> 'REJECTED'"
    )
    enable_tenancy(op, "booking", "agent_contacts", append_only=True)
    enable_tenancy(op, "booking", "annulment_claims")
    enable_tenancy(op, "booking", "unavailabilities")
