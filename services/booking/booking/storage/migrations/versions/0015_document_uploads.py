"""Bytes of documents that lie in the store, or will, and that no document names yet."""

from alembic import op

from kit.db.tenancy import enable_tenancy, show_to_worker

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table; bytes of before that no document names stay."""
    op.execute(
        """
        CREATE TABLE booking.document_uploads (
            tenant_id text NOT NULL,
            stored_as text NOT NULL,
            began_at timestamptz NOT NULL,
            given_up boolean NOT NULL DEFAULT false,
            CONSTRAINT document_uploads_pkey PRIMARY KEY (tenant_id, stored_as)
        )
        """
    )
    op.execute("CREATE INDEX document_uploads_oldest ON booking.document_uploads (began_at)")
    enable_tenancy(op, "booking", "document_uploads")
    show_to_worker(op, "booking", "document_uploads", ["tenant_id", "stored_as", "began_at"])
