"""Things."""

from alembic import op

from kit.db.tenancy import create_kit_tables, enable_tenancy, show_to_worker

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_kit_tables(op, "probe")
    op.execute(
        "CREATE TABLE probe.things (tenant_id text NOT NULL, id text NOT NULL, n integer NOT NULL DEFAULT 0,"
        " CONSTRAINT things_pkey PRIMARY KEY (tenant_id, id),"
        " CONSTRAINT things_n_not_negative CHECK (n >= 0))"
    )
    enable_tenancy(op, "probe", "things")
    show_to_worker(op, "probe", "things", ["tenant_id", "id"])
