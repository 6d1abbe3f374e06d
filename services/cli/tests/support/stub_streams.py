"""A stub of what the gateway streams, on a real port."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from giro.booking.v1 import documents_pb2
from giro.booking.v1.documents_pb2_grpc import (
    DocumentsServiceServicer,
    add_DocumentsServiceServicer_to_server,
)
from giro.booking.v1.portal_pb2_grpc import PortalServiceServicer, add_PortalServiceServicer_to_server


class StubStreams(DocumentsServiceServicer, PortalServiceServicer):
    """Keeps what is uploaded; reports what it is given."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.headers: list[Any] = []
        self.tokens: list[str] = []
        self.report: list[Any] = []
        self.refusal = ""
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_DocumentsServiceServicer_to_server(self, self._server)
        add_PortalServiceServicer_to_server(self, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(None).wait()

    def UploadDocument(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        parts = list(request_iterator)
        self._refuse(context)
        header, whole = parts[0].header, b"".join(part.chunk for part in parts[1:])
        self.headers.append(header)
        name = header.document_id or "doc_1"
        self.kept[name] = whole
        return documents_pb2.Document(
            document_id=name,
            version=len(self.headers),
            appointment_id=header.appointment_id,
            file_name=header.file_name,
            media_type="application/pdf",
            size_bytes=len(whole),
            sha256=hashlib.sha256(whole).hexdigest(),
        )

    def DownloadDocument(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        whole = self.kept.get(request.document_id, b"")
        yield documents_pb2.DownloadDocumentResponse(chunk=whole[:5])
        self._refuse(context)
        yield documents_pb2.DownloadDocumentResponse(chunk=whole[5:])

    def StreamReport(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        yield from self.report

    def _refuse(self, context: Any) -> None:
        if not self.refusal:
            return
        detail = AnyMessage()
        detail.Pack(
            error_details_pb2.ErrorInfo(reason=self.refusal, domain="giro", metadata={"cause": "BOMB"})
        )
        code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
        context.abort_with_status(
            rpc_status.to_status(status_pb2.Status(code=code, message="not taken", details=[detail]))
        )
