"""What tenants set of identity's parameters."""

import sqlalchemy as sa
from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "identity"


def upgrade() -> None:
    op.create_table(
        "parameters",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name="parameters_pkey"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"], name="parameters_tenant_fkey"
        ),
        schema=SCHEMA,
    )
    enable_tenancy(op, SCHEMA, "parameters")
