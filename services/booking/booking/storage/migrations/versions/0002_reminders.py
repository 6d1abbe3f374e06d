"""How a contact is reached, and what reminders brought: colour and answer of an appointment."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns; what is there has no e-mail, no language and no colour."""
    op.execute(
        "ALTER TABLE booking.contacts ADD COLUMN email text NOT NULL DEFAULT '',"
        " ADD COLUMN language text NOT NULL DEFAULT ''"
    )
    op.execute(
        "ALTER TABLE booking.appointments ADD COLUMN colour text, ADD COLUMN coloured_start timestamptz,"
        " ADD COLUMN colour_revision bigint NOT NULL DEFAULT 0,"
        " ADD CONSTRAINT appointments_colour CHECK (colour IN ('GREY', 'GREEN', 'RED', 'ORANGE')),"
        " ADD CONSTRAINT appointments_coloured CHECK ((colour IS NULL) = (coloured_start IS NULL))"
    )
