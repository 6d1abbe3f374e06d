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

# A deployment had roads of one mode at a time: who is promised a bicycle's drives goes by bicycle, and the
# tenant's matrix is of bicycles too. What counts are the drives to stops to come, without any the last one.
# A map may have any name ("foot-zone"): the last mode in the version of the roads is theirs.
TOLD = r"""
WITH promised AS (
    SELECT s.tenant_id, s.starts_at, s.starts_at > now() AS to_come, s.leg_version AS version,
           max(s.starts_at) OVER (PARTITION BY s.tenant_id) AS latest
    FROM geo.stops s
    JOIN geo.legs l ON l.tenant_id = s.tenant_id AND l.from_place = s.prev_place AND l.to_place = s.place
        AND l.version = s.leg_version AND l.via = s.leg_via AND l.seconds = s.leg_seconds
        AND l.free_seconds = s.leg_free_seconds
    WHERE l.source = 'ROAD'
), named AS (
    SELECT p.tenant_id, substring(road FROM '.*-(car|auto|bicycle|foot|pedestrian)\M') AS mode
    FROM promised p CROSS JOIN regexp_split_to_table(p.version, '\+') AS road
    WHERE (p.to_come OR p.starts_at = p.latest) AND road !~ '^m[0-9]+p?$'
), told AS (
    SELECT tenant_id, CASE WHEN bool_and(mode = 'bicycle') THEN 'bicycle' ELSE 'foot' END AS mode
    FROM named GROUP BY tenant_id
    HAVING bool_and(coalesce(mode, '') = 'bicycle')
        OR bool_and(coalesce(mode, '') IN ('foot', 'pedestrian'))
)
"""

_SAME = "told.tenant_id = t.tenant_id"

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
    """Everybody has a car, unless all that is promised says otherwise."""
    op.execute(AGENTS)
    op.execute(ENTRIES)
    read = ("agents", "matrix_entries", "stops", "legs")
    for table in read:
        op.execute(f"ALTER TABLE geo.{table} NO FORCE ROW LEVEL SECURITY")
    for table in ("agents", "matrix_entries"):
        op.execute(f"{TOLD} UPDATE geo.{table} t SET travel_mode = told.mode FROM told WHERE {_SAME}")
    for table in read:
        op.execute(f"ALTER TABLE geo.{table} FORCE ROW LEVEL SECURITY")
    op.execute(LIMITS)


def downgrade() -> None:
    """There is no way back: a bicycle's drives would be taken for a car's."""
    raise NotImplementedError
