"""Plans of appointments, their reminders, attempts, answers, charges; numbers, parameters, daily counts."""

from alembic import op

from kit.db.tenancy import create_kit_tables, enable_tenancy, show_to_worker

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE reminders.parameters (
        tenant_id text NOT NULL,
        scope text NOT NULL,
        scope_id text NOT NULL,
        name text NOT NULL,
        value text NOT NULL,
        CONSTRAINT parameters_pkey PRIMARY KEY (tenant_id, name, scope, scope_id),
        CONSTRAINT parameters_scope CHECK (scope IN ('TENANT', 'BRANCH', 'CAMPAIGN')),
        CONSTRAINT parameters_scope_id CHECK ((scope = 'TENANT') = (scope_id = ''))
    )
    """,
    """
    CREATE TABLE reminders.numbers (
        tenant_id text NOT NULL,
        number_id text NOT NULL,
        branch_id text NOT NULL,
        phone text NOT NULL,
        state text NOT NULL DEFAULT 'PENDING',
        code_hash text NOT NULL DEFAULT '',
        code_until timestamptz,
        tries integer NOT NULL DEFAULT 0,
        CONSTRAINT numbers_pkey PRIMARY KEY (tenant_id, number_id),
        CONSTRAINT numbers_one_a_phone UNIQUE (tenant_id, phone),
        CONSTRAINT numbers_state CHECK (state IN ('PENDING', 'VERIFIED', 'ACTIVE')),
        CONSTRAINT numbers_e164 CHECK (phone ~ '^\\+[1-9][0-9]{6,14}$')
    )
    """,
    """
    CREATE TABLE reminders.plans (
        tenant_id text NOT NULL,
        appointment_id text NOT NULL,
        version bigint NOT NULL,
        live boolean NOT NULL,
        campaign_id text NOT NULL,
        contact_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        zone text NOT NULL,
        name text NOT NULL,
        phone text NOT NULL,
        email text NOT NULL,
        language text NOT NULL,
        own_offsets integer[],
        colour text,
        revision bigint NOT NULL DEFAULT 0,
        CONSTRAINT plans_pkey PRIMARY KEY (tenant_id, appointment_id),
        CONSTRAINT plans_colour CHECK (colour IN ('GREY', 'GREEN', 'RED', 'ORANGE'))
    )
    """,
    """
    CREATE TABLE reminders.reminders (
        tenant_id text NOT NULL,
        reminder_id text NOT NULL,
        appointment_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        offset_seconds integer NOT NULL,
        zone text NOT NULL,
        wall timestamp NOT NULL,
        due_at timestamptz NOT NULL,
        run_at timestamptz NOT NULL,
        tz_version text NOT NULL,
        state text NOT NULL DEFAULT 'WAITING',
        channel text NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        rings integer NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0,
        lease_until timestamptz,
        outcome text,
        reason text,
        CONSTRAINT reminders_pkey PRIMARY KEY (tenant_id, reminder_id),
        CONSTRAINT reminders_plan FOREIGN KEY (tenant_id, appointment_id) REFERENCES reminders.plans,
        CONSTRAINT reminders_state
            CHECK (state IN ('WAITING', 'CLAIMED', 'CALLING', 'DONE', 'DROPPED', 'CANCELLED')),
        CONSTRAINT reminders_channel CHECK (channel IN ('VOICE', 'EMAIL', 'SMS')),
        CONSTRAINT reminders_before_the_visit
            CHECK (run_at < starts_at OR state IN ('DONE', 'DROPPED', 'CANCELLED')),
        CONSTRAINT reminders_lease CHECK ((state = 'CLAIMED') = (lease_until IS NOT NULL)),
        CONSTRAINT reminders_reason CHECK ((state = 'DROPPED') = (reason IS NOT NULL)),
        CONSTRAINT reminders_outcome CHECK ((state = 'DONE') = (outcome IS NOT NULL))
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE reminders.attempts (
        tenant_id text NOT NULL,
        attempt_id text NOT NULL,
        reminder_id text NOT NULL,
        number integer NOT NULL,
        channel text NOT NULL,
        state text NOT NULL DEFAULT 'ASKED',
        fence bigint NOT NULL,
        recipient text NOT NULL,
        caller text NOT NULL,
        asked_at timestamptz NOT NULL,
        give_up_at timestamptz NOT NULL,
        look_up_at timestamptz,
        looks integer NOT NULL DEFAULT 0,
        provider_reference text NOT NULL DEFAULT '',
        ending text,
        digit text,
        answered_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT attempts_pkey PRIMARY KEY (tenant_id, attempt_id),
        CONSTRAINT attempts_one_a_number UNIQUE (tenant_id, reminder_id, number),
        CONSTRAINT attempts_reminder FOREIGN KEY (tenant_id, reminder_id) REFERENCES reminders.reminders,
        CONSTRAINT attempts_state
            CHECK (state IN ('ASKED', 'UNDER_WAY', 'ENDED', 'NEVER_PLACED', 'UNSETTLED')),
        CONSTRAINT attempts_ending CHECK ((state = 'ENDED') = (ending IS NOT NULL)),
        CONSTRAINT attempts_looked_up CHECK ((state IN ('ASKED', 'UNDER_WAY')) = (look_up_at IS NOT NULL))
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE reminders.answers (
        tenant_id text NOT NULL,
        attempt_id text NOT NULL,
        digit text NOT NULL,
        told_at timestamptz NOT NULL,
        counted boolean NOT NULL,
        CONSTRAINT answers_pkey PRIMARY KEY (tenant_id, attempt_id, digit),
        CONSTRAINT answers_attempt FOREIGN KEY (tenant_id, attempt_id) REFERENCES reminders.attempts
    )
    """,
    """
    CREATE TABLE reminders.charges (
        tenant_id text NOT NULL,
        attempt_id text NOT NULL,
        reminder_id text NOT NULL,
        kind text NOT NULL,
        charged boolean NOT NULL,
        CONSTRAINT charges_pkey PRIMARY KEY (tenant_id, attempt_id),
        CONSTRAINT charges_attempt FOREIGN KEY (tenant_id, attempt_id) REFERENCES reminders.attempts
    )
    """,
    """
    CREATE TABLE reminders.decisions (
        tenant_id text NOT NULL,
        reminder_id text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        decided_at timestamptz NOT NULL,
        what text NOT NULL,
        path text[] NOT NULL,
        CONSTRAINT decisions_pkey PRIMARY KEY (tenant_id, reminder_id, number),
        CONSTRAINT decisions_reminder FOREIGN KEY (tenant_id, reminder_id) REFERENCES reminders.reminders
    )
    """,
    """
    CREATE TABLE reminders.daily_calls (
        tenant_id text NOT NULL,
        day date NOT NULL,
        placed integer NOT NULL DEFAULT 0,
        mailed boolean NOT NULL DEFAULT false,
        CONSTRAINT daily_calls_pkey PRIMARY KEY (tenant_id, day)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE reminders.opt_outs (
        tenant_id text NOT NULL,
        phone text NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT opt_outs_pkey PRIMARY KEY (tenant_id, phone)
    )
    """,
    """
    CREATE TABLE reminders.provider_calls (
        tenant_id text NOT NULL,
        reference text NOT NULL,
        provider_reference text NOT NULL DEFAULT '',
        call jsonb,
        report jsonb NOT NULL,
        asked_at timestamptz,
        CONSTRAINT provider_calls_pkey PRIMARY KEY (tenant_id, reference)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE reminders.scripted_answers (
        tenant_id text NOT NULL,
        phone text NOT NULL,
        position integer NOT NULL,
        answer jsonb NOT NULL,
        CONSTRAINT scripted_answers_pkey PRIMARY KEY (tenant_id, phone, position)
    )
    """,
    """
    CREATE TABLE reminders.sandbox_messages (
        tenant_id text NOT NULL,
        reference text NOT NULL,
        recipient text NOT NULL,
        language text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL,
        sent_at timestamptz NOT NULL,
        CONSTRAINT sandbox_messages_pkey PRIMARY KEY (tenant_id, reference)
    )
    """,
)

_INDEXES = (
    "INDEX reminders_due ON reminders.reminders (run_at) WHERE state = 'WAITING'",
    "INDEX reminders_due_by_tenant ON reminders.reminders (tenant_id, run_at) WHERE state = 'WAITING'",
    "INDEX reminders_leased ON reminders.reminders (lease_until) WHERE state = 'CLAIMED'",
    "INDEX reminders_of_appointment ON reminders.reminders (tenant_id, appointment_id, run_at)",
    "INDEX reminders_by_tz_version ON reminders.reminders (tz_version) WHERE state = 'WAITING'",
    "INDEX attempts_to_look_up ON reminders.attempts (look_up_at) WHERE look_up_at IS NOT NULL",
    "INDEX attempts_under_way ON reminders.attempts (tenant_id, look_up_at) WHERE look_up_at IS NOT NULL",
    "INDEX charges_of_reminder ON reminders.charges (tenant_id, reminder_id)",
    "INDEX provider_calls_by_provider ON reminders.provider_calls (tenant_id, provider_reference)"
    " WHERE provider_reference <> ''",
    "UNIQUE INDEX reminders_one_an_offset ON reminders.reminders (tenant_id, appointment_id, offset_seconds,"
    " starts_at) WHERE state IN ('WAITING', 'CLAIMED', 'CALLING')",
    "UNIQUE INDEX numbers_one_active ON reminders.numbers (tenant_id, branch_id) WHERE state = 'ACTIVE'",
)

_CHANGING = (
    "parameters",
    "numbers",
    "plans",
    "reminders",
    "attempts",
    "answers",
    "daily_calls",
    "opt_outs",
    "provider_calls",
    "scripted_answers",
    "sandbox_messages",
)


def upgrade() -> None:
    """Makes all tables."""
    create_kit_tables(op, "reminders")
    for table in _TABLES:
        op.execute(table)
    for index in _INDEXES:
        op.execute(f"CREATE {index}")
    for name in _CHANGING:
        enable_tenancy(op, "reminders", name)
    for name in ("charges", "decisions"):
        enable_tenancy(op, "reminders", name, append_only=True)
    show_to_worker(
        op,
        "reminders",
        "reminders",
        ["tenant_id", "reminder_id", "state", "run_at", "lease_until", "tz_version"],
    )
    show_to_worker(op, "reminders", "attempts", ["tenant_id", "attempt_id", "state", "look_up_at"])
