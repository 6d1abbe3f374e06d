"""Drives by time of day: beside the seconds of its hour each leg keeps those at free flow (GEO-16).

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LEGS = """
ALTER TABLE geo.legs
    ALTER COLUMN free_seconds SET NOT NULL,
    DROP CONSTRAINT legs_pkey,
    DROP CONSTRAINT legs_amounts,
    ADD CONSTRAINT legs_pkey
        PRIMARY KEY (tenant_id, from_place, to_place, version, via, seconds, free_seconds),
    ADD CONSTRAINT legs_amounts CHECK (seconds >= 0 AND metres >= 0 AND free_seconds >= 0)
"""

STOPS = """
ALTER TABLE geo.stops
    ADD CONSTRAINT stops_leg FOREIGN KEY
        (tenant_id, prev_place, place, leg_version, leg_via, leg_seconds, leg_free_seconds)
        REFERENCES geo.legs (tenant_id, from_place, to_place, version, via, seconds, free_seconds),
    ADD CONSTRAINT stops_link_whole CHECK
        (num_nulls(prev_id, prev_ends_at, prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via)
         IN (0, 7))
"""


def upgrade() -> None:
    """What was promised so far takes the same time at every hour."""
    op.execute("ALTER TABLE geo.stops DROP CONSTRAINT stops_leg, DROP CONSTRAINT stops_link_whole")
    op.execute("ALTER TABLE geo.legs ADD COLUMN free_seconds integer")
    op.execute("ALTER TABLE geo.stops ADD COLUMN leg_free_seconds integer")
    # an UPDATE would see no rows: there is no tenant here
    op.execute("ALTER TABLE geo.legs ALTER COLUMN free_seconds TYPE integer USING seconds")
    op.execute("ALTER TABLE geo.stops ALTER COLUMN leg_free_seconds TYPE integer USING leg_seconds")
    op.execute(LEGS)
    op.execute(STOPS)


def downgrade() -> None:
    """There is no way back: drives of one hour would be promised for every other."""
    raise NotImplementedError
