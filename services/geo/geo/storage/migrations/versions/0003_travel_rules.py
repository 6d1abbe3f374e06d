"""Versions held against the promises, a tenant's travel parameters, and its profile of the week.

Revision ID: 0003
"""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHECKED = """
CREATE TABLE geo.checked_versions (
    tenant_id text NOT NULL,
    travel_version text NOT NULL,
    CONSTRAINT checked_versions_pkey PRIMARY KEY (tenant_id, travel_version)
)
"""

PARAMETERS = """
CREATE TABLE geo.parameters (
    tenant_id text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    CONSTRAINT parameters_pkey PRIMARY KEY (tenant_id, name)
)
"""

PROFILE = """
ALTER TABLE geo.matrix_versions
    DROP COLUMN checked,
    ADD COLUMN profile jsonb
"""

CHECKED_FLAG = """
ALTER TABLE geo.matrix_versions
    DROP COLUMN profile,
    ADD COLUMN checked boolean NOT NULL DEFAULT false
"""


def upgrade() -> None:
    """Makes the tables. Promises are held against the version in force once more."""
    for statement in (CHECKED, PARAMETERS, PROFILE):
        op.execute(statement)
    for table in ("checked_versions", "parameters"):
        enable_tenancy(op, "geo", table)


def downgrade() -> None:
    """Takes them away; every version of a matrix counts as unchecked then."""
    op.execute(CHECKED_FLAG)
    for table in ("parameters", "checked_versions"):
        op.execute(f"DROP TABLE geo.{table}")
