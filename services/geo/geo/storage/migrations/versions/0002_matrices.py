"""The tenants' own travel matrices, and the promised pairs that present travel data would no longer allow.

Revision ID: 0002
"""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VERSIONS = """
CREATE TABLE geo.matrix_versions (
    tenant_id text NOT NULL,
    version integer NOT NULL,
    entries integer NOT NULL,
    checked boolean NOT NULL DEFAULT false,
    CONSTRAINT matrix_versions_pkey PRIMARY KEY (tenant_id, version)
)
"""

ENTRIES = """
CREATE TABLE geo.matrix_entries (
    tenant_id text NOT NULL,
    version integer NOT NULL,
    from_place bigint NOT NULL,
    to_place bigint NOT NULL,
    seconds integer,
    metres integer NOT NULL,
    CONSTRAINT matrix_entries_pkey PRIMARY KEY (tenant_id, version, from_place, to_place),
    CONSTRAINT matrix_entries_version FOREIGN KEY (tenant_id, version)
        REFERENCES geo.matrix_versions (tenant_id, version),
    CONSTRAINT matrix_entries_amounts CHECK (seconds >= 0 AND metres >= 0)
)
"""

AT_RISK = """
CREATE TABLE geo.at_risk (
    tenant_id text NOT NULL,
    travel_version text NOT NULL,
    agent_id text NOT NULL,
    earlier_stop_id text NOT NULL,
    later_stop_id text NOT NULL,
    seconds integer,
    metres integer,
    source text,
    short_seconds integer NOT NULL,
    CONSTRAINT at_risk_pkey PRIMARY KEY
        (tenant_id, travel_version, agent_id, earlier_stop_id, later_stop_id),
    CONSTRAINT at_risk_leg CHECK (num_nulls(seconds, metres, source) IN (0, 3))
)
"""


def upgrade() -> None:
    """Makes the tables."""
    for statement in (VERSIONS, ENTRIES, AT_RISK):
        op.execute(statement)
    for table in ("matrix_versions", "matrix_entries", "at_risk"):
        enable_tenancy(op, "geo", table)


def downgrade() -> None:
    """Takes them away; legs that were promised on a matrix stay as they are."""
    for table in ("at_risk", "matrix_entries", "matrix_versions"):
        op.execute(f"DROP TABLE geo.{table}")
