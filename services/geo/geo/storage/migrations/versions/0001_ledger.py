"""Agents and the itinerary ledger, whose constraints refuse what no agent could drive.

Revision ID: 0001
"""

from alembic import op

from kit.db.tenancy import create_kit_tables, enable_tenancy, show_to_worker

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

AGENTS = """
CREATE TABLE geo.agents (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    display_name text NOT NULL,
    skills text[] NOT NULL,
    buffer_seconds integer NOT NULL,
    time_zone text NOT NULL,
    calendar jsonb NOT NULL,
    agenda_version bigint NOT NULL DEFAULT 0,
    CONSTRAINT agents_pkey PRIMARY KEY (tenant_id, agent_id),
    CONSTRAINT agents_buffer CHECK (buffer_seconds >= 0)
) WITH (fillfactor = 70)
"""

LEGS = """
CREATE TABLE geo.legs (
    tenant_id text NOT NULL,
    from_place bigint NOT NULL,
    to_place bigint NOT NULL,
    version text NOT NULL,
    via boolean NOT NULL,
    seconds integer NOT NULL,
    metres integer NOT NULL,
    source text NOT NULL,
    CONSTRAINT legs_pkey PRIMARY KEY (tenant_id, from_place, to_place, version, via, seconds),
    CONSTRAINT legs_amounts CHECK (seconds >= 0 AND metres >= 0)
)
"""

# Deferred where a change of the chain passes through what is no chain; checked at commit all the same.
STOPS = """
CREATE TABLE geo.stops (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    stop_id text NOT NULL,
    kind text NOT NULL,
    starts_at timestamptz(0) NOT NULL,
    ends_at timestamptz(0) NOT NULL,
    place bigint NOT NULL,
    buffer_seconds integer NOT NULL,
    owner_id text,
    expires_at timestamptz(0),
    context text NOT NULL DEFAULT '',
    prev_id text,
    prev_ends_at timestamptz(0),
    prev_place bigint,
    leg_seconds integer,
    leg_version text,
    leg_via boolean,
    CONSTRAINT stops_pkey PRIMARY KEY (tenant_id, agent_id, stop_id),
    CONSTRAINT stops_agent FOREIGN KEY (tenant_id, agent_id) REFERENCES geo.agents (tenant_id, agent_id),
    CONSTRAINT stops_linkable UNIQUE (tenant_id, agent_id, stop_id, ends_at, place),
    CONSTRAINT stops_one_successor UNIQUE NULLS NOT DISTINCT (tenant_id, agent_id, prev_id)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT stops_previous FOREIGN KEY (tenant_id, agent_id, prev_id, prev_ends_at, prev_place)
        REFERENCES geo.stops (tenant_id, agent_id, stop_id, ends_at, place) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT stops_leg FOREIGN KEY (tenant_id, prev_place, place, leg_version, leg_via, leg_seconds)
        REFERENCES geo.legs (tenant_id, from_place, to_place, version, via, seconds),
    CONSTRAINT stops_owner UNIQUE (tenant_id, owner_id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT stops_last CHECK (ends_at > starts_at),
    CONSTRAINT stops_link_whole CHECK
        (num_nulls(prev_id, prev_ends_at, prev_place, leg_seconds, leg_version, leg_via) IN (0, 6)),
    CONSTRAINT stops_reachable CHECK (prev_id IS NULL OR
        extract(epoch FROM starts_at - prev_ends_at) >= (leg_seconds + buffer_seconds)::numeric),
    CONSTRAINT stops_buffer CHECK (buffer_seconds >= 0),
    CONSTRAINT stops_visit_place CHECK (kind NOT IN ('APPOINTMENT', 'HOLD') OR place >= 0),
    CONSTRAINT stops_owned CHECK
        ((kind IN ('APPOINTMENT', 'HOLD', 'ABSENCE')) = (owner_id IS NOT NULL)),
    CONSTRAINT stops_expiry CHECK ((kind = 'HOLD') = (expires_at IS NOT NULL))
)
"""

OWNERS = """
CREATE TABLE geo.owners (
    tenant_id text NOT NULL,
    owner_id text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    outcome text,
    agent_id text,
    request jsonb,
    plan jsonb,
    answer jsonb,
    CONSTRAINT owners_pkey PRIMARY KEY (tenant_id, owner_id),
    CONSTRAINT owners_state CHECK (state IN ('ACTIVE', 'SETTLED')),
    CONSTRAINT owners_kind CHECK (kind IN ('APPOINTMENT', 'HOLD', 'ABSENCE')),
    CONSTRAINT owners_agent CHECK (state = 'SETTLED' OR agent_id IS NOT NULL)
)
"""

MOVES = """
CREATE TABLE geo.moves (
    tenant_id text NOT NULL,
    move_id text NOT NULL,
    appointment_id text,
    outcome text NOT NULL,
    request jsonb,
    answer jsonb,
    CONSTRAINT moves_pkey PRIMARY KEY (tenant_id, move_id),
    CONSTRAINT moves_outcome CHECK (outcome IN ('APPLIED', 'ABANDONED'))
)
"""

INDEXES = (
    "CREATE INDEX stops_time ON geo.stops (tenant_id, agent_id, starts_at)",
    "CREATE INDEX stops_due ON geo.stops (expires_at) WHERE expires_at IS NOT NULL",
)


def upgrade() -> None:
    """Makes the tables."""
    create_kit_tables(op, "geo")
    for statement in (AGENTS, LEGS, STOPS, OWNERS, MOVES, *INDEXES):
        op.execute(statement)
    enable_tenancy(op, "geo", "agents")
    enable_tenancy(op, "geo", "stops")
    enable_tenancy(op, "geo", "owners")
    op.execute("REVOKE DELETE ON geo.owners FROM giro_geo")
    enable_tenancy(op, "geo", "legs", append_only=True)
    enable_tenancy(op, "geo", "moves", append_only=True)
    show_to_worker(op, "geo", "agents", ["tenant_id", "agent_id", "agenda_version"])
    show_to_worker(op, "geo", "stops", ["tenant_id", "agent_id", "owner_id", "kind", "expires_at"])


def downgrade() -> None:
    """There is no way back from the first migration."""
    raise NotImplementedError
