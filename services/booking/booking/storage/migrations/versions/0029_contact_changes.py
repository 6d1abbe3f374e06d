"""People to visit have versions, and what was corrected of them is kept."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the version and the table of corrections, one a version."""
    op.execute("ALTER TABLE booking.contacts ADD COLUMN version bigint NOT NULL DEFAULT 1")
    op.execute(
        """
        CREATE TABLE booking.contact_changes (
            tenant_id text NOT NULL,
            contact_id text NOT NULL,
            version bigint NOT NULL,
            changed_at timestamptz NOT NULL,
            actor_id text NOT NULL,
            changes jsonb NOT NULL,
            CONSTRAINT contact_changes_pkey PRIMARY KEY (tenant_id, contact_id, version),
            CONSTRAINT contact_changes_contact
                FOREIGN KEY (tenant_id, contact_id) REFERENCES booking.contacts,
            CONSTRAINT contact_changes_some CHECK (changes <> '[]')
        )
        """
    )
    enable_tenancy(op, "booking", "contact_changes", append_only=True)
