"""Documents of appointments; rows are only ever added."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.document import Document
from kit.db.uow import Tx

_INSERT = text(
    """
    INSERT INTO booking.documents
        (tenant_id, document_id, version, appointment_id, file_name, media_type, size_bytes, sha256,
         stored_as, uploaded_by, uploaded_at)
    VALUES (:tenant, :document, :version, :appointment, :file_name, :media_type, :size, :sha256,
            :stored_as, :by, :at)
    """
)

_OF_APPOINTMENT = text(
    """
    SELECT * FROM booking.documents WHERE tenant_id = :tenant AND appointment_id = :appointment
    ORDER BY document_id, version
    """
)

_GET = text(
    """
    SELECT * FROM booking.documents
    WHERE tenant_id = :tenant AND document_id = :document AND (:version = 0 OR version = :version)
    ORDER BY version DESC LIMIT 1
    """
)


async def insert(tx: Tx, document: Document) -> None:
    """Stores a version."""
    params = {
        "tenant": tx.tenant,
        "document": document.document_id,
        "version": document.version,
        "appointment": document.appointment_id,
        "file_name": document.file_name,
        "media_type": document.media_type,
        "size": document.size_bytes,
        "sha256": document.sha256,
        "stored_as": document.stored_as,
        "by": document.uploaded_by,
        "at": document.uploaded_at,
    }
    await tx.run(_INSERT, params)


async def of_appointment(tx: Tx, appointment_id: str) -> Sequence[Document]:
    """All versions, by document, then version."""
    found = await tx.run(_OF_APPOINTMENT, {"tenant": tx.tenant, "appointment": appointment_id})
    return [_document(row) for row in found]


async def get(tx: Tx, document_id: str, version: int) -> Document:
    """One version, 0 for the newest. Raises NotFound naming `document_id`."""
    params = {"tenant": tx.tenant, "document": document_id, "version": version}
    row = (await tx.run(_GET, params)).one_or_none()
    if row is None:
        raise errors.not_found("document", "document_id")
    return _document(row)


def _document(row: Any) -> Document:
    return Document(
        document_id=row.document_id,
        version=row.version,
        appointment_id=row.appointment_id,
        file_name=row.file_name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        stored_as=row.stored_as,
        uploaded_by=row.uploaded_by,
        uploaded_at=row.uploaded_at,
    )
