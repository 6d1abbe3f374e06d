"""What goes over gRPC alone: bytes and long reports, through the same gateway and with the same token."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cli.errors import CommandFailed, Refused
from cli.gateway import Gateway, request_id
from giro.booking.v1 import documents_pb2, portal_pb2
from giro.booking.v1.booking_pb2 import AppointmentState
from giro.booking.v1.documents_pb2_grpc import DocumentsServiceStub
from giro.booking.v1.portal_pb2_grpc import PortalServiceStub

Json = dict[str, Any]
CHUNK = 256 * 1024
SECONDS = 3600.0
"""A long upload over a slow line; the server has its own limits of size."""

_HTTP: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}


class Streams:
    """The streaming calls of one signed-in caller."""

    def __init__(self, gateway: Gateway) -> None:
        self._metadata = (("authorization", f"Bearer {gateway.token()}"),)
        self._channel = _channel(gateway.settings.gateway_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def upload(self, file: Path, appointment: str, document: str, sent: Callable[[int], None]) -> Json:
        """A document, or a new version of `document`; `sent` hears of the bytes that went. Raises Refused."""
        header = documents_pb2.UploadDocumentHeader(
            appointment_id=appointment, document_id=document, file_name=file.name, request_id=request_id()
        )

        def parts() -> Iterator[documents_pb2.UploadDocumentRequest]:
            yield documents_pb2.UploadDocumentRequest(header=header)
            for chunk in _chunks(file):
                yield documents_pb2.UploadDocumentRequest(chunk=chunk)
                sent(len(chunk))

        stub = DocumentsServiceStub(self._channel)
        try:
            made = stub.UploadDocument(parts(), metadata=self._metadata, timeout=SECONDS)
        except grpc.RpcError as failed:
            raise _refused(failed) from failed
        return _json(made)

    def download(self, document: str, version: int) -> Iterator[bytes]:
        """The bytes of a version, 0 for the newest, part by part. Raises Refused."""
        asked = documents_pb2.DownloadDocumentRequest(document_id=document, version=version)
        stub = DocumentsServiceStub(self._channel)
        for part in _answers(stub.DownloadDocument(asked, metadata=self._metadata, timeout=SECONDS)):
            yield part.chunk

    def report(
        self, campaign: str, agent: str, zone: str, states: Sequence[str]
    ) -> Iterator[tuple[Sequence[Json], Json | None]]:
        """A campaign's appointments, part by part, with what they count up to on the last. Raises Refused."""
        asked = portal_pb2.StreamReportRequest(
            campaign_id=campaign,
            agent_id=agent,
            zone=zone,
            states=[AppointmentState.Value(name) for name in states],
        )
        stub = PortalServiceStub(self._channel)
        for part in _answers(stub.StreamReport(asked, metadata=self._metadata, timeout=SECONDS)):
            summary = _json(part.summary) if part.HasField("summary") else None
            yield [_json(row) for row in part.rows], summary


def _channel(gateway_url: str) -> grpc.Channel:
    url = urlsplit(gateway_url)
    options = [("grpc.enable_http_proxy", 0)]
    if url.scheme == "https":
        target = f"{url.hostname}:{url.port or 443}"
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.insecure_channel(f"{url.hostname}:{url.port or 80}", options)


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            yield chunk


def _answers(answers: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from answers
    except grpc.RpcError as failed:
        raise _refused(failed) from failed


def _json(message: Any) -> Json:
    made: Json = MessageToDict(message, always_print_fields_with_no_presence=True)
    return made


def _refused(failed: Any) -> CommandFailed:
    """The same refusal that the gateway's JSON would bring."""
    status = rpc_status.from_call(failed)
    if status is None and failed.code() is grpc.StatusCode.UNAVAILABLE:
        advice = "start it with make run, set GIRO_GATEWAY_URL, or look with giro doctor"
        return CommandFailed("no answer from the gateway", advice)
    info, violations = error_details_pb2.ErrorInfo(), []
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        detail.Unpack(info)
        if detail.Unpack(bad):
            violations += [(each.field, each.description) for each in bad.field_violations]
    return Refused(
        status=_HTTP.get(failed.code(), 500),
        reason=info.reason,
        message=failed.details() or failed.code().name,
        metadata=dict(info.metadata),
        violations=tuple(violations),
        body=_json(status) if status else {"message": failed.details()},
    )
