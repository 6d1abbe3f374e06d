"""What the limit of a day has put off is known as such, and comes back when the limit is raised."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a column; what is there counts as planned for its day."""
    op.execute("ALTER TABLE reminders.reminders ADD COLUMN put_off boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX reminders_put_off ON reminders.reminders (tenant_id) WHERE put_off")
