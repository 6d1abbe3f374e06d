"""Documents of appointments; their bytes lie in the document store."""

from alembic import op

from kit.db.tenancy import enable_tenancy

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE booking.documents (
            tenant_id text NOT NULL,
            document_id text NOT NULL,
            version integer NOT NULL,
            appointment_id text NOT NULL,
            file_name text NOT NULL,
            media_type text NOT NULL,
            size_bytes bigint NOT NULL,
            sha256 text NOT NULL,
            stored_as text NOT NULL,
            uploaded_by text NOT NULL,
            uploaded_at timestamptz NOT NULL,
            CONSTRAINT documents_pkey PRIMARY KEY (tenant_id, document_id, version),
            CONSTRAINT documents_appointment
                FOREIGN KEY (tenant_id, appointment_id) REFERENCES booking.appointments,
            CONSTRAINT documents_size CHECK (size_bytes > 0 AND version > 0)
        )
        """
    )
    op.execute("CREATE INDEX documents_of_appointment ON booking.documents (tenant_id, appointment_id)")
    enable_tenancy(op, "booking", "documents", append_only=True)
