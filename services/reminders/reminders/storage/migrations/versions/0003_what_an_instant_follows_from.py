"""What a reminder's instant follows from; one call a provider's reference; how often codes were sent."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE reminders.reminders ADD COLUMN by_plan boolean NOT NULL DEFAULT true",
    "ALTER TABLE reminders.numbers ADD COLUMN code_sent_at timestamptz, ADD COLUMN codes_from timestamptz,"
    " ADD COLUMN codes_sent integer NOT NULL DEFAULT 0",
    "DROP INDEX reminders.provider_calls_by_provider",
    "CREATE UNIQUE INDEX provider_calls_by_provider ON reminders.provider_calls (tenant_id,"
    " provider_reference) WHERE provider_reference <> ''",
)


def upgrade() -> None:
    """Adds columns: what waits counts as planned, and no code as sent."""
    for statement in _STATEMENTS:
        op.execute(statement)
