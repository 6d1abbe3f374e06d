"""ClamAV's protocol, spoken to a server of ours: what it says decides, and what it does not say is no."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from booking_house import House

from booking.clients.clamd import Clamd
from booking.clients.document_folder import DocumentFolder
from booking.settings import Settings
from booking.usecases.documents import Shelf, UploadDocument, list_documents, upload_document
from kit.errors import GiroError, Reason, Unavailable
from kit.settings import SettingsError
from kit.testing.ports import free_ports
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

PDF = b"%PDF-1.7\n" + b"signed " * 100
TEST_VIRUS = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

Say = Callable[[bytes], bytes | None]
"""What a daemon answers to a file; None: nothing, until the asker has gone."""


def as_clamd(content: bytes) -> bytes:
    return b"stream: Eicar-Test-Signature FOUND\0" if TEST_VIRUS in content else b"stream: OK\0"


def silent(_: bytes) -> None:
    """Says nothing."""


@asynccontextmanager
async def daemon(say: Say = as_clamd) -> AsyncIterator[str]:
    """A server that takes INSTREAM; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            content = b""
            while size := int.from_bytes(await reader.readexactly(4), "big"):
                content += await reader.readexactly(size)
            answer = say(content)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the asker has gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.close()


@pytest.mark.parametrize("padding", [0, 256 * 1024 - 1, 600 * 1024])
async def test_a_virus_is_named_and_a_clean_file_is_not(padding: int) -> None:
    async with daemon() as address:
        scanner = Clamd(address, within=30)
        assert await scanner.virus_in(io.BytesIO(b"a" * padding)) == ""
        assert await scanner.virus_in(io.BytesIO(b"a" * padding + TEST_VIRUS)) == "Eicar-Test-Signature"


@pytest.mark.parametrize(
    "say",
    [
        lambda _: b"INSTREAM size limit exceeded. ERROR\0",
        lambda _: b"",
        lambda _: b"HTTP/1.1 200 OK\r\n",
        silent,
    ],
)
async def test_any_other_answer_is_none(say: Say) -> None:
    async with daemon(say) as address:
        with pytest.raises(Unavailable):
            await Clamd(address, within=30 if say is not silent else 0.2).virus_in(io.BytesIO(PDF))


async def test_a_daemon_that_is_away_is_unavailable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable, match="virus scanner"):
        await Clamd(f"127.0.0.1:{port}", within=30).virus_in(io.BytesIO(PDF))


async def test_nothing_is_kept_of_what_carries_a_virus_or_was_not_looked_at(
    house: House, tmp_path: Path
) -> None:
    card, folder = await house.booked(), tmp_path / "documents"
    appointment_id = card.appointment.appointment_id

    async def one(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async def upload(scanner: Clamd, content: bytes) -> None:
        command = UploadDocument(appointment_id, "", "form.pdf", new_id("req"))
        await upload_document(house.desk, Shelf(DocumentFolder(folder), scanner), command, one(content))

    async with daemon() as address:
        with pytest.raises(GiroError) as refused:
            await upload(Clamd(address, within=30), PDF + TEST_VIRUS)
        assert (refused.value.reason, refused.value.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": "VIRUS"})
        with pytest.raises(Unavailable):
            await upload(Clamd(f"127.0.0.1:{free_ports(1)[0]}", within=30), PDF)
        assert await list_documents(house.desk, appointment_id) == []
        assert not [each for each in folder.rglob("*") if each.is_file()]
        await upload(Clamd(address, within=30), PDF)
    assert len(await list_documents(house.desk, appointment_id)) == 1


async def test_an_address_that_is_none_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIRO_BOOKING_CLAMD", "clamav")
    with pytest.raises(SettingsError, match="GIRO_BOOKING_CLAMD"):
        Settings()
