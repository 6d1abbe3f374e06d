"""How each agent travels; matrices of each mode; the tenant's limits as they are after a lock was waited for.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AGENTS = """
ALTER TABLE geo.agents
    ADD COLUMN travel_mode text NOT NULL DEFAULT 'car',
    ADD CONSTRAINT agents_travel_mode CHECK (travel_mode IN ('car', 'bicycle', 'foot'))
"""

# A deployment had roads of one mode: who was promised a bicycle's drives goes by bicycle.
AS_PROMISED = """
UPDATE geo.agents a SET travel_mode = told.mode
FROM (SELECT tenant_id, CASE WHEN bool_and(version ~ '-bicycle') THEN 'bicycle' ELSE 'foot' END AS mode
      FROM geo.legs WHERE source = 'ROAD' GROUP BY tenant_id
      HAVING bool_and(version ~ '-bicycle') OR bool_and(version ~ '-(foot|pedestrian)')) AS told
WHERE told.tenant_id = a.tenant_id
"""

ENTRIES = """
ALTER TABLE geo.matrix_entries
    ADD COLUMN travel_mode text NOT NULL DEFAULT 'car',
    DROP CONSTRAINT matrix_entries_pkey,
    ADD CONSTRAINT matrix_entries_pkey PRIMARY KEY (tenant_id, version, travel_mode, from_place, to_place),
    ADD CONSTRAINT matrix_entries_travel_mode CHECK (travel_mode IN ('car', 'bicycle', 'foot'))
"""

# Volatile, so that it sees what was committed when it is called, and in a language that is never inlined.
LIMITS = """
CREATE FUNCTION geo.limits_of_tenant(tenant text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT json_object_agg(p.name, p.value) FROM geo.parameters p
            WHERE p.tenant_id = tenant AND p.name IN ('max_visits_per_day', 'stop_booking_at_percent'));
END
$$
"""


def upgrade() -> None:
    """Everybody has a car, unless all that was promised says otherwise."""
    op.execute(AGENTS)
    for table in ("agents", "legs"):
        op.execute(f"ALTER TABLE geo.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute(AS_PROMISED)
    for table in ("agents", "legs"):
        op.execute(f"ALTER TABLE geo.{table} FORCE ROW LEVEL SECURITY")
    op.execute(ENTRIES)
    op.execute(LIMITS)


def downgrade() -> None:
    """There is no way back: a bicycle's drives would be taken for a car's."""
    raise NotImplementedError
