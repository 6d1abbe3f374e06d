"""The chain alone keeps stops apart: the exclusion constraint goes (ADR 0013).

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drops the constraint with its index where an earlier 0001 made it."""
    op.execute("ALTER TABLE geo.stops DROP CONSTRAINT IF EXISTS stops_apart")
