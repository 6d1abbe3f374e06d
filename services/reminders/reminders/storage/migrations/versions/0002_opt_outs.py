"""An opt-out has an id, the call it was said in and who noted it; one that is taken back leaves a row."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_REVOKED = """
CREATE TABLE reminders.revoked_opt_outs (
    tenant_id text NOT NULL,
    opt_out_id text NOT NULL,
    phone text NOT NULL,
    since timestamptz NOT NULL,
    attempt_id text NOT NULL,
    provider_reference text NOT NULL,
    noted_by text NOT NULL,
    revoked_at timestamptz NOT NULL,
    revoked_by text NOT NULL,
    CONSTRAINT revoked_opt_outs_pkey PRIMARY KEY (tenant_id, opt_out_id)
)
"""

_NAMED = """
ALTER TABLE reminders.opt_outs
    ADD COLUMN opt_out_id text NOT NULL DEFAULT 'opt_' || replace(gen_random_uuid()::text, '-', ''),
    ADD COLUMN attempt_id text NOT NULL DEFAULT '',
    ADD COLUMN provider_reference text NOT NULL DEFAULT '',
    ADD COLUMN noted_by text NOT NULL DEFAULT '',
    ADD CONSTRAINT opt_outs_one_an_id UNIQUE (tenant_id, opt_out_id)
"""


def upgrade() -> None:
    """Adds columns; of what is there nobody knows the call. `opt_outs` stays one row a tenant and number."""
    op.execute(_NAMED)
    op.execute("ALTER TABLE reminders.opt_outs ALTER COLUMN opt_out_id DROP DEFAULT")
    op.execute("CREATE INDEX plans_of_phone ON reminders.plans (tenant_id, phone) WHERE live AND phone <> ''")
    op.execute(_REVOKED)
    enable_tenancy(op, "reminders", "revoked_opt_outs", append_only=True)
