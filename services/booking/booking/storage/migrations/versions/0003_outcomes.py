"""Outcome states, list states and characteristics as data; what became of a visit; an append-only history."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE booking.list_states (
        tenant_id text NOT NULL,
        code text NOT NULL,
        display_name text NOT NULL,
        default_delay_seconds integer NOT NULL,
        CONSTRAINT list_states_pkey PRIMARY KEY (tenant_id, code),
        CONSTRAINT list_states_delay CHECK (default_delay_seconds BETWEEN 0 AND 31536000)
    )
    """,
    """
    CREATE TABLE booking.characteristics (
        tenant_id text NOT NULL,
        characteristic_id text NOT NULL,
        display_name text NOT NULL,
        kind text NOT NULL,
        choices text[] NOT NULL,
        CONSTRAINT characteristics_pkey PRIMARY KEY (tenant_id, characteristic_id),
        CONSTRAINT characteristics_kind CHECK (kind IN ('TEXT', 'NUMBER', 'DATE', 'CHOICE', 'YES_NO')),
        CONSTRAINT characteristics_choices CHECK ((kind = 'CHOICE') = (cardinality(choices) > 0))
    )
    """,
    """
    CREATE TABLE booking.outcome_states (
        tenant_id text NOT NULL,
        state_id text NOT NULL,
        display_name text NOT NULL,
        result text NOT NULL,
        list_state text NOT NULL,
        recall text NOT NULL,
        mandatory text[] NOT NULL,
        visible text[] NOT NULL,
        refix boolean NOT NULL,
        note_required boolean NOT NULL,
        CONSTRAINT outcome_states_pkey PRIMARY KEY (tenant_id, state_id),
        CONSTRAINT outcome_states_free CHECK (state_id <> '0'),
        CONSTRAINT outcome_states_result CHECK (result IN ('OPEN', 'HELD', 'KO')),
        CONSTRAINT outcome_states_recall CHECK (recall IN ('NONE', 'PRIVATE', 'PUBLIC')),
        CONSTRAINT outcome_states_list CHECK ((list_state = 'W') = (recall <> 'NONE')),
        CONSTRAINT outcome_states_mandatory_is_visible CHECK (mandatory <@ visible),
        CONSTRAINT outcome_states_held CHECK (result <> 'HELD' OR (recall = 'NONE' AND NOT refix))
    )
    """,
    """
    CREATE TABLE booking.history (
        tenant_id text NOT NULL,
        appointment_id text NOT NULL,
        entry bigint GENERATED ALWAYS AS IDENTITY,
        kind text NOT NULL,
        at timestamptz NOT NULL,
        actor_id text NOT NULL,
        version bigint NOT NULL,
        state_id text NOT NULL,
        note text NOT NULL,
        facts jsonb NOT NULL,
        CONSTRAINT history_pkey PRIMARY KEY (tenant_id, appointment_id, entry),
        CONSTRAINT history_appointment
            FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
        CONSTRAINT history_kind CHECK (kind IN
            ('OUTCOME', 'NOTE', 'REFIXED', 'SUPERSEDED', 'SUPERSEDES', 'OWNER', 'EXCEPTION'))
    )
    """,
)

_STATES = "'PENDING', 'TO_CONFIRM', 'CONFIRMED', 'CANCELLED', 'FAILED', 'HELD', 'SUPERSEDED'"

_APPOINTMENTS = (
    "ADD COLUMN outcome_state_id text",
    "ADD COLUMN characteristics jsonb NOT NULL DEFAULT '{}'",
    "ADD COLUMN refix_at timestamptz",
    "ADD COLUMN supersedes text",
    "ADD COLUMN superseded_by text",
    "ADD COLUMN linked boolean NOT NULL DEFAULT false",
    "DROP CONSTRAINT appointments_state",
    f"ADD CONSTRAINT appointments_state CHECK (state IN ({_STATES}))",
    "ADD CONSTRAINT appointments_outcome_state FOREIGN KEY (tenant_id, outcome_state_id)"
    " REFERENCES booking.outcome_states (tenant_id, state_id)",
    "ADD CONSTRAINT appointments_supersedes FOREIGN KEY (tenant_id, supersedes)"
    " REFERENCES booking.appointments (tenant_id, appointment_id)",
    "ADD CONSTRAINT appointments_superseded_by FOREIGN KEY (tenant_id, superseded_by)"
    " REFERENCES booking.appointments (tenant_id, appointment_id)",
    "ADD CONSTRAINT appointments_superseded CHECK ((state = 'SUPERSEDED') = (superseded_by IS NOT NULL))",
    "ADD CONSTRAINT appointments_of_another"
    " CHECK (supersedes <> appointment_id AND superseded_by <> appointment_id)",
)


def upgrade() -> None:
    """Makes the tables; what is there has no outcome and supersedes nothing."""
    for table in _TABLES:
        op.execute(table)
    op.execute(f"ALTER TABLE booking.appointments {', '.join(_APPOINTMENTS)}")
    op.execute(
        "CREATE UNIQUE INDEX appointments_one_successor ON booking.appointments (tenant_id, supersedes)"
        " WHERE supersedes IS NOT NULL AND state <> 'FAILED'"
    )
    # what was superseded has a stop to be freed, as what was cancelled has
    op.execute("DROP INDEX booking.appointments_unsettled")
    op.execute(
        "CREATE INDEX appointments_unsettled ON booking.appointments (decided_at)"
        " WHERE state IN ('FAILED', 'CANCELLED', 'SUPERSEDED') AND NOT settled"
    )
    for name in ("list_states", "characteristics", "outcome_states"):
        enable_tenancy(op, "booking", name)
    enable_tenancy(op, "booking", "history", append_only=True)
