"""DocumentsService over the wire: what is refused, by which reason, and that nothing is kept of it."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import pytest_asyncio
from booking_house import House

from booking.clients.document_folder import DocumentFolder
from booking.settings import Settings
from booking.transport.documents_rpc import DocumentsServicer
from booking.usecases.documents import Shelf
from booking.usecases.virus_scanner import NoScanner
from giro.booking.v1 import documents_pb2 as pb
from giro.booking.v1.documents_pb2_grpc import DocumentsServiceStub, add_DocumentsServiceServicer_to_server
from kit.errors import GiroError, InvalidInput, NotFound, Reason
from kit.rpc import context, status
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "s" * 32
MIB = 1024 * 1024
CHUNK = 512 * 1024
PDF = b"%PDF-1.7\n" + b"signed " * 100


@dataclass
class Wire:
    """Uploads and downloads as one tenant."""

    stub: Any
    house: House
    folder: Path
    target: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        token = ServiceTokens("test", SECRET).mint(self.house.tenant, context.caller())
        return (("authorization", f"Bearer {token}"),)

    async def upload(self, *parts: pb.UploadDocumentRequest) -> pb.Document:
        """Raises GiroError."""
        try:
            return await self.stub.UploadDocument(iter(parts), metadata=self.metadata(), timeout=60)
        except grpc.aio.AioRpcError as failed:
            raise status.error_of(failed) or failed from None

    async def send(self, content: bytes, **header: str) -> pb.Document:
        """A whole document. Raises GiroError."""
        return await self.upload(self.header(**header), *chunks(content))

    def header(self, **given: str) -> pb.UploadDocumentRequest:
        request = {"appointment_id": "", "file_name": "form.pdf", "request_id": new_id("req"), **given}
        return pb.UploadDocumentRequest(header=pb.UploadDocumentHeader(**request))

    async def download(self, document_id: str) -> bytes:
        request = pb.DownloadDocumentRequest(document_id=document_id)
        call = self.stub.DownloadDocument(request, metadata=self.metadata(), timeout=60)
        try:
            return b"".join([each.chunk async for each in call])
        except grpc.aio.AioRpcError as failed:
            raise status.error_of(failed) or failed from None

    @property
    def kept(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest_asyncio.fixture
async def wire(house: House, tmp_path: Path) -> AsyncIterator[Wire]:
    folder = tmp_path / "documents"
    settings = Settings(service_key=SECRET, database_url="postgresql://unused")
    servicer = DocumentsServicer(house.desk, Shelf(DocumentFolder(folder), NoScanner()))
    server = Server(settings, [(add_DocumentsServiceServicer_to_server, servicer)], Authenticator("", SECRET))
    await server.start()
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(target) as channel:
        yield Wire(DocumentsServiceStub(channel), house, folder, target)
    await server.stop(0)


def chunks(content: bytes) -> Iterable[pb.UploadDocumentRequest]:
    for first in range(0, len(content), CHUNK):
        yield pb.UploadDocumentRequest(chunk=content[first : first + CHUNK])


async def refused(work: Any) -> GiroError:
    with pytest.raises(GiroError) as error:
        await work
    return error.value


def fields(error: GiroError) -> list[str]:
    return [violation.field for violation in error.violations]


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr("word/document.xml", bytes(30_000_000))
    return file.getvalue()


async def test_a_document_goes_up_and_comes_down(wire: Wire) -> None:
    appointment = (await wire.house.booked()).appointment.appointment_id
    content = PDF + bytes(range(256)) * 5000
    made = await wire.send(content, appointment_id=appointment, file_name="Über uns – Vertrag.pdf")
    assert (made.version, made.file_name, made.size_bytes) == (1, "Über uns – Vertrag.pdf", len(content))
    assert await wire.download(made.document_id) == content


@pytest.mark.parametrize(
    ("content", "reason", "cause"),
    [
        (bomb(), Reason.DOCUMENT_REFUSED, "BOMB"),
        (b"MZ\x90\0 a program", Reason.DOCUMENT_REFUSED, "TYPE"),
        (b"", Reason.INVALID_FIELD, None),
    ],
    ids=["bomb", "program", "empty"],
)
async def test_bad_content_names_the_chunk(
    wire: Wire, content: bytes, reason: Reason, cause: str | None
) -> None:
    appointment = (await wire.house.booked()).appointment.appointment_id
    error = await refused(wire.send(content, appointment_id=appointment))
    assert isinstance(error, InvalidInput)
    assert (error.reason, fields(error), error.metadata.get("cause")) == (reason, ["chunk"], cause)
    assert wire.kept == []


async def test_two_hundred_megabytes_are_refused_on_the_way(wire: Wire) -> None:
    header = wire.header(appointment_id=(await wire.house.booked()).appointment.appointment_id)
    sent, metadata = 0, wire.metadata()

    def parts() -> Iterator[pb.UploadDocumentRequest]:
        nonlocal sent
        yield header
        while sent < 200 * MIB:
            sent += CHUNK
            yield pb.UploadDocumentRequest(chunk=PDF.ljust(CHUNK))

    def send() -> None:
        # grpc.aio's own client tells INTERNAL where a call ends while it writes, whatever the server said
        with grpc.insecure_channel(wire.target) as channel:
            DocumentsServiceStub(channel).UploadDocument(parts(), metadata=metadata, timeout=60)

    with pytest.raises(grpc.RpcError) as failed:
        await asyncio.to_thread(send)
    error = status.error_of(cast(grpc.aio.AioRpcError, failed.value))
    assert isinstance(error, InvalidInput)
    assert (error.reason, fields(error)) == (Reason.TOO_LARGE, ["chunk"])
    assert error.metadata == {"limit_bytes": str(20 * MIB)}
    assert sent < 100 * MIB
    assert wire.kept == []


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/b.pdf", "..\\b.pdf", "C:\\b.pdf", "a\0b", "a\nb", "..", ".", "", "x" * 201],
)
async def test_a_name_is_no_path(wire: Wire, name: str) -> None:
    appointment = (await wire.house.booked()).appointment.appointment_id
    error = await refused(wire.send(PDF, appointment_id=appointment, file_name=name))
    assert isinstance(error, InvalidInput)
    assert set(fields(error)) == {"header.file_name"}
    assert wire.kept == []


async def test_the_parts_come_in_their_order(wire: Wire) -> None:
    header = wire.header(appointment_id=(await wire.house.booked()).appointment.appointment_id)
    chunk = pb.UploadDocumentRequest(chunk=PDF)
    for parts in ((), (chunk,), (chunk, header), (header, header), (header, chunk, header)):
        error = await refused(wire.upload(*parts))
        assert (error.reason, fields(error)) == (Reason.INVALID_FIELD, ["header"])
    too_long = pb.UploadDocumentRequest(chunk=PDF.ljust(CHUNK + 1))
    assert fields(await refused(wire.upload(header, too_long))) == ["chunk"]
    assert fields(await refused(wire.upload(header, pb.UploadDocumentRequest()))) == ["part"]
    assert wire.kept == []


async def test_a_client_that_goes_half_way_leaves_nothing_and_may_come_back(wire: Wire) -> None:
    header = wire.header(appointment_id=(await wire.house.booked()).appointment.appointment_id)
    call = wire.stub.UploadDocument(metadata=wire.metadata(), timeout=60)
    await call.write(header)
    await call.write(pb.UploadDocumentRequest(chunk=PDF.ljust(CHUNK)))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert wire.kept == []
    made = await wire.upload(header, pb.UploadDocumentRequest(chunk=PDF))
    assert await wire.download(made.document_id) == PDF
    assert len(wire.kept) == 1


async def test_what_is_another_tenants_is_not_there(wire: Wire) -> None:
    appointment = (await wire.house.booked()).appointment.appointment_id
    made = await wire.send(PDF, appointment_id=appointment)
    wire.house = House(wire.house.desk, wire.house.ledger, wire.house.agents)
    wire.house.enter()
    own = (await wire.house.booked()).appointment.appointment_id
    for work, name in (
        (wire.send(PDF, appointment_id=appointment), "appointment_id"),
        (wire.send(PDF, appointment_id=own, document_id=made.document_id), "document_id"),
        (wire.download(made.document_id), "document_id"),
    ):
        error = await refused(work)
        assert isinstance(error, NotFound)
        assert fields(error) == [name]
    assert len(wire.kept) == 1
