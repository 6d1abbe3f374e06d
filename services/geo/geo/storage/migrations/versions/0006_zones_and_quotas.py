"""Zones, what limits an agent, and the windows in which arrivals were promised.

Revision ID: 0006
"""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ZONES = """
CREATE TABLE geo.zones (
    tenant_id text NOT NULL,
    zone_id text NOT NULL,
    name text NOT NULL,
    revision text NOT NULL,
    area public.geometry(MULTIPOLYGON, 4326),
    postcodes text[],
    band_seconds integer,
    CONSTRAINT zones_pkey PRIMARY KEY (tenant_id, zone_id),
    CONSTRAINT zones_name UNIQUE (tenant_id, name),
    CONSTRAINT zones_one_kind CHECK (num_nonnulls(area, postcodes, band_seconds) = 1),
    CONSTRAINT zones_valid CHECK (
        ST_IsValid(area) AND NOT ST_IsEmpty(area) AND cardinality(postcodes) > 0 AND band_seconds > 0)
)
"""

AGENTS = """
ALTER TABLE geo.agents
    ADD COLUMN zone_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}'
"""

STOPS = """
ALTER TABLE geo.stops
    ADD COLUMN arrives_from timestamptz(0),
    ADD COLUMN arrives_until timestamptz(0),
    ADD CONSTRAINT stops_arrival CHECK (
        (arrives_from IS NULL) = (arrives_until IS NULL)
        AND (arrives_from IS NULL OR starts_at BETWEEN arrives_from AND arrives_until))
"""


def upgrade() -> None:
    """Makes the table and the columns; nobody has zones, limits or windows yet."""
    for statement in (ZONES, AGENTS, STOPS):
        op.execute(statement)
    enable_tenancy(op, "geo", "zones")


def downgrade() -> None:
    """Takes them away."""
    op.execute("ALTER TABLE geo.stops DROP COLUMN arrives_from, DROP COLUMN arrives_until")
    op.execute("ALTER TABLE geo.agents DROP COLUMN zone_ids, DROP COLUMN limits")
    op.execute("DROP TABLE geo.zones")
