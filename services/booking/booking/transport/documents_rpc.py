"""DocumentsService: documents come and go in streams."""

from collections.abc import AsyncIterator
from typing import Any

from booking.domain import errors
from booking.domain.document import Document
from booking.transport.messages import timestamp
from booking.usecases import documents
from booking.usecases.desk import Desk
from booking.usecases.documents import Shelf, UploadDocument
from giro.booking.v1 import documents_pb2 as pb
from giro.booking.v1.documents_pb2_grpc import DocumentsServiceServicer


class DocumentsServicer(DocumentsServiceServicer):
    """Documents of appointments; each message arrives checked against the contract."""

    def __init__(self, desk: Desk, shelf: Shelf) -> None:
        self._desk, self._shelf = desk, shelf

    async def UploadDocument(self, requests: AsyncIterator[pb.UploadDocumentRequest], _: Any) -> pb.Document:
        """Keeps a document."""
        first = await anext(requests, None)
        if first is None or not first.HasField("header"):
            raise errors.invalid("header", "must come first")
        upload = UploadDocument(
            appointment_id=first.header.appointment_id,
            document_id=first.header.document_id,
            file_name=first.header.file_name,
            request_id=first.header.request_id,
        )
        return _message(await documents.upload_document(self._desk, self._shelf, upload, _chunks(requests)))

    async def ListDocuments(self, request: pb.ListDocumentsRequest, _: Any) -> pb.ListDocumentsResponse:
        """All versions."""
        found = await documents.list_documents(self._desk, request.appointment_id)
        return pb.ListDocumentsResponse(documents=map(_message, found))

    async def DownloadDocument(
        self, request: pb.DownloadDocumentRequest, _: Any
    ) -> AsyncIterator[pb.DownloadDocumentResponse]:
        """The bytes."""
        wanted = request.document_id, request.version
        async for piece in documents.read_document(self._desk, self._shelf.store, *wanted):
            yield pb.DownloadDocumentResponse(chunk=piece)


async def _chunks(requests: AsyncIterator[pb.UploadDocumentRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.HasField("header"):
            raise errors.invalid("header", "must come once")
        yield request.chunk


def _message(found: Document) -> pb.Document:
    return pb.Document(
        document_id=found.document_id,
        version=found.version,
        appointment_id=found.appointment_id,
        file_name=found.file_name,
        media_type=found.media_type,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        uploaded_by=found.uploaded_by,
        uploaded_at=timestamp(found.uploaded_at),
    )
