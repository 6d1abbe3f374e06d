"""Which revision of the tenant's defaults a plan was made by: a change of them reaches what is planned."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE reminders.defaults (
        tenant_id text NOT NULL,
        revision bigint NOT NULL,
        CONSTRAINT defaults_pkey PRIMARY KEY (tenant_id)
    )
    """,
    "ALTER TABLE reminders.plans ADD COLUMN defaults bigint NOT NULL DEFAULT 0",
    "CREATE INDEX plans_by_defaults ON reminders.plans (tenant_id, defaults)"
    " WHERE live AND own_offsets IS NULL",
)


def upgrade() -> None:
    """What is there was made by the defaults as they are."""
    for statement in _STATEMENTS:
        op.execute(statement)
    enable_tenancy(op, "reminders", "defaults")
    show_to_worker(op, "reminders", "defaults", ["tenant_id", "revision"])
    show_to_worker(
        op, "reminders", "plans", ["tenant_id", "appointment_id", "live", "own_offsets", "defaults"]
    )
