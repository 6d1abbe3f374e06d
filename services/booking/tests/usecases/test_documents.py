"""Documents of appointments: versions, limits, what they are, bombs, crashes, other tenants."""

import asyncio
import hashlib
import io
import struct
import zipfile
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from booking_house import House
from house_clock import soon
from prometheus_client import REGISTRY
from sqlalchemy import text

from booking.clients.document_folder import DocumentFolder
from booking.domain.appointment import Card
from booking.domain.document import DOCX, Document, media_type
from booking.storage import document_uploads
from booking.usecases import documents as documents_use
from booking.usecases.document_store import unavailable
from booking.usecases.documents import (
    Shelf,
    Sweep,
    UploadDocument,
    list_documents,
    read_document,
    sweep_documents,
    upload_document,
)
from booking.usecases.set_parameter import set_parameter
from booking.usecases.virus_scanner import NoScanner
from kit import failpoints
from kit.db import failures
from kit.db.uow import Tx, UnitOfWork
from kit.errors import GiroError, NotAllowed, NotFound, Reason, Unavailable
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

PDF = b"%PDF-1.7\n" + b"signed " * 100
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (800).to_bytes(4, "big") + (600).to_bytes(4, "big") + b"\x08" * 20
CHUNK = 256 * 1024


@pytest.fixture
def store(tmp_path: Path) -> DocumentFolder:
    """A store of its own."""
    return DocumentFolder(tmp_path / "documents")


def docx(**more: bytes) -> bytes:
    """A small DOCX, with more entries where asked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {
            "[Content_Types].xml": b"<Types/>",
            "word/document.xml": b"<w/>",
            **more,
        }.items():
            archive.writestr(name, content)
    return file.getvalue()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(content), CHUNK):
        yield content[first : first + CHUNK]


async def upload(
    house: House, store: DocumentFolder, card: Card, content: bytes = PDF, document_id: str = "", **more: str
) -> Document:
    what = {"file_name": "form.pdf", "request_id": new_id("req"), **more}
    command = UploadDocument(card.appointment.appointment_id, document_id, **what)
    return await upload_document(house.desk, Shelf(store, NoScanner()), command, pieces(content))


async def read(house: House, store: DocumentFolder, document: Document, version: int = 0) -> bytes:
    found = read_document(house.desk, store, document.document_id, version)
    return b"".join([piece async for piece in found])


def files(store: DocumentFolder) -> list[Path]:
    return [path for path in store._folder.rglob("*") if path.is_file()]


async def refused(work: Any) -> GiroError:
    with pytest.raises(GiroError) as error:
        await work
    return error.value


async def test_versions_are_kept_and_read_back(house: House, store: DocumentFolder) -> None:
    card = await house.booked()
    house.enter(Grant("AGENT", "agent", house.agents[0]), subject="usr_agent")
    first = await upload(house, store, card)
    big = PDF + bytes(range(256)) * 8000
    second = await upload(house, store, card, big, first.document_id, file_name="again.pdf")
    other = await upload(house, store, card, PNG, file_name="photo.png")
    assert [(d.version, d.media_type, d.uploaded_by) for d in (first, second, other)] == [
        (1, "application/pdf", "usr_agent"),
        (2, "application/pdf", "usr_agent"),
        (1, "image/png", "usr_agent"),
    ]
    assert second.sha256 == hashlib.sha256(big).hexdigest()
    listed = await list_documents(house.desk, card.appointment.appointment_id)
    assert list(listed) == sorted([first, second, other], key=lambda d: (d.document_id, d.version))
    assert await read(house, store, first) == big
    assert await read(house, store, first, 1) == PDF
    house.enter()
    assert [event for event, _ in await house.events()][1:] == ["document_added"] * 3


async def test_a_repeated_request_keeps_one_and_other_bytes_are_refused(
    house: House, store: DocumentFolder
) -> None:
    card, key = await house.booked(), new_id("req")
    first = await upload(house, store, card, request_id=key)
    assert await upload(house, store, card, request_id=key) == first
    assert len(files(store)) == 1
    again = await refused(upload(house, store, card, PNG, request_id=key))
    assert again.reason is Reason.REQUEST_ID_REUSED
    assert len(files(store)) == 1


async def test_the_number_is_limited_also_at_once(house: House, store: DocumentFolder) -> None:
    card = await house.booked()
    await set_parameter(house.desk, "document_limit", "", "3")
    made = await asyncio.gather(*(upload(house, store, card) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, Document) for each in made) == 3
    assert {getattr(each, "reason", "") for each in made} - {""} == {Reason.TOO_MANY}
    assert len(files(store)) == 3


async def test_two_hundred_megabytes_are_refused_long_before_their_end(
    house: House, store: DocumentFolder
) -> None:
    card, sent = await house.booked(), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200 * 1024 * 1024:
            sent += CHUNK
            yield (PDF + bytes(CHUNK))[:CHUNK]

    command = UploadDocument(card.appointment.appointment_id, "", "big.pdf", new_id("req"))
    error = await refused(upload_document(house.desk, Shelf(store, NoScanner()), command, endless()))
    assert (error.reason, error.metadata) == (Reason.TOO_LARGE, {"limit_bytes": str(20 * 1024 * 1024)})
    assert sent == 20 * 1024 * 1024 + CHUNK
    assert files(store) == []


@pytest.mark.parametrize(("size", "good"), [(2048, True), (2049, False)])
async def test_the_size_on_both_sides(house: House, store: DocumentFolder, size: int, good: bool) -> None:
    card = await house.booked()
    await set_parameter(house.desk, "document_most_bytes", "", "2048")
    content = PDF.ljust(size, b" ")
    if good:
        assert (await upload(house, store, card, content)).size_bytes == size
    else:
        assert (await refused(upload(house, store, card, content))).reason is Reason.TOO_LARGE


def many(number: int) -> bytes:
    return docx(**{f"word/{n}.xml": b"" for n in range(number)})


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"MZ\x90\0 a program", "TYPE"),
        (b"<html></html>", "TYPE"),
        (b"PK\x03\x04 no archive", "TYPE"),
        (docx()[:-30], "TYPE"),
        (docx(**{"word/media.xml": b"\0" * 30_000_000}), "BOMB"),
        (docx(**{"word/inner.zip": b"x"}), "BOMB"),
        (many(1000), "BOMB"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\0" * 8, "BOMB"),
        (b"\x89PNG\r\n\x1a\n", "BOMB"),
    ],
)
async def test_what_it_is_decides_not_its_name(
    house: House, store: DocumentFolder, content: bytes, cause: str
) -> None:
    error = await refused(upload(house, store, await house.booked(), content))
    assert (error.reason, error.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": cause})
    assert files(store) == []


async def test_an_archive_that_lies_about_its_size_is_a_bomb_all_the_same() -> None:
    honest = docx(**{"word/media.xml": b"\0" * 30_000_000})
    lie = honest.replace((30_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lie != honest
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(lie))
    assert error.value.reason is Reason.DOCUMENT_REFUSED
    assert media_type(io.BytesIO(many(900))) == DOCX
    assert media_type(io.BytesIO(b"\xff\xd8\xff\xe0 photo")) == "image/jpeg"


def packed(packing: int, flipped: range = range(0)) -> bytes:
    """A DOCX packed in one way; these bytes of its text's content are flipped."""
    file, name = io.BytesIO(), b"word/document.xml"
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr(name.decode(), bytes(range(256)) * 40)
    content = bytearray(file.getvalue())
    first = content.index(name) + len(name)
    for offset in flipped:
        content[first + offset] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        packed(zipfile.ZIP_LZMA),
        packed(zipfile.ZIP_BZIP2),
        packed(zipfile.ZIP_LZMA, range(4, 9)),
        packed(zipfile.ZIP_BZIP2, range(4, 9)),
        packed(zipfile.ZIP_DEFLATED, range(10, 60)),
        packed(zipfile.ZIP_STORED, range(10, 60)),
    ],
)
async def test_a_broken_archive_or_one_packed_oddly_is_refused(content: bytes) -> None:
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(content))
    assert (error.value.reason, error.value.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": "TYPE"})


def end(entries: int, size: int) -> bytes:
    """The record that ends an archive."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, size, 30, 0)


def end64(size: int) -> bytes:
    """A ZIP64 record, which overrules the other one, and where it lies."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 30)
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, 30 + size, 1)


@pytest.mark.parametrize(
    ("size", "entries", "tail", "cause"),
    [
        (47 * 20_000, 20_000, b"", "BOMB"),
        (47 * 20_000, 1, b"", "BOMB"),  # the record lies about the number
        (47 * 1001, 1001, b"", "BOMB"),
        (47 * 20_000, 1, end64(47 * 20_000), "TYPE"),
    ],
)
async def test_a_huge_directory_is_refused_unparsed(
    monkeypatch: pytest.MonkeyPatch, size: int, entries: int, tail: bytes, cause: str
) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, *(0,) * 8, 1, *(0,) * 6) + b"a"
    named = 47 if tail else size
    content = b"PK\x03\x04" + bytes(26) + entry * (size // 47) + tail + end(entries, named)
    monkeypatch.delattr(zipfile, "ZipFile")
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(content))
    assert (error.value.reason, error.value.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": cause})


async def test_an_archive_with_a_comment_is_taken() -> None:
    file = io.BytesIO(docx())
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"c" * 65_535
    assert media_type(io.BytesIO(file.getvalue())) == DOCX


async def test_an_empty_one_and_one_of_another_appointment(house: House, store: DocumentFolder) -> None:
    card, other = await house.booked(), await house.booked(agent=1)
    assert (await refused(upload(house, store, card, b""))).reason is Reason.INVALID_FIELD
    made = await upload(house, store, card)
    error = await refused(upload(house, store, other, PDF, made.document_id))
    assert [violation.field for violation in error.violations] == ["document_id"]


async def test_others_see_nothing(house: House, store: DocumentFolder) -> None:
    card = await house.booked()
    made = await upload(house, store, card)
    house.enter(Grant("AGENT", "agent", house.agents[1]))
    with pytest.raises(NotAllowed):
        await read(house, store, made)
    with pytest.raises(NotAllowed):
        await upload(house, store, card)
    stranger = House(house.desk, house.ledger, house.agents)
    stranger.enter()
    for work in (
        upload(stranger, store, card),
        list_documents(house.desk, card.appointment.appointment_id),
        read(stranger, store, made),
    ):
        with pytest.raises(NotFound):
            await work
    assert len(files(store)) == 1


@pytest.mark.parametrize("point", ["after_put", "before_commit"])
async def test_death_leaves_no_document_and_the_repetition_makes_it(
    house: House, store: DocumentFolder, point: str
) -> None:
    card, key = await house.booked(soon()), new_id("req")
    die_at(f"booking.document.{point}")
    with pytest.raises(Died):
        await upload(house, store, card, request_id=key)
    assert await list_documents(house.desk, card.appointment.appointment_id) == []
    made = await upload(house, store, card, request_id=key)
    assert await read(house, store, made) == PDF


async def test_bytes_stay_where_nobody_knows_whether_they_were_committed(
    house: House, store: DocumentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, key, send = await house.booked(), new_id("req"), UnitOfWork._send_commit

    async def unheard(self: UnitOfWork, tx: Tx) -> None:
        await send(self, tx)
        if tx.events:
            raise failures.outcome_unknown()

    with monkeypatch.context() as broken:
        broken.setattr(UnitOfWork, "_send_commit", unheard)
        assert (
            await refused(upload(house, store, card, request_id=key))
        ).reason is Reason.DATABASE_UNAVAILABLE
    (kept,) = files(store)
    await house.advance(HOUR)
    await sweep_documents(house.desk, store, HOUR)  # the row was committed all the same
    assert files(store) == [kept]
    made = await upload(house, store, card, request_id=key)
    assert files(store) == [kept]
    assert await read(house, store, made) == PDF


HOUR = timedelta(hours=1)


async def noted(house: House) -> list[str]:
    """Keys of bytes that no document names."""
    async with house.desk.db.uow(house.tenant) as tx:
        found = await tx.run(text("SELECT stored_as FROM booking.document_uploads ORDER BY stored_as"))
        return [row.stored_as for row in found]


async def abandoned(house: House, store: DocumentFolder, card: Card) -> None:
    """Uploads a document and dies before its commit."""

    async def die() -> None:
        raise Died

    failpoints.arm("booking.document.after_put", die)
    with pytest.raises(Died):
        await upload(house, store, card)
    failpoints.disarm("booking.document.after_put")


async def test_bytes_of_nobody_are_dropped_after_the_grace(house: House, store: DocumentFolder) -> None:
    card = await house.booked()
    made = await upload(house, store, card)
    await abandoned(house, store, card)
    assert (len(files(store)), len(await noted(house))) == (2, 1)
    await house.advance(HOUR - timedelta(minutes=1))
    await sweep_documents(house.desk, store, HOUR)
    assert (len(files(store)), len(await noted(house))) == (2, 1)
    await house.advance(timedelta(minutes=1))
    await sweep_documents(house.desk, store, HOUR)
    assert (len(files(store)), await noted(house)) == (1, [])
    assert await read(house, store, made) == PDF


def failed_sweeps() -> float:
    """How often bytes of nobody could not be dropped."""
    return REGISTRY.get_sample_value("giro_booking_documents_swept_total", {"outcome": "error"}) or 0.0


async def test_bytes_that_cannot_be_dropped_keep_no_others_waiting(
    house: House, store: DocumentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await house.booked()
    for _ in range(3):
        await abandoned(house, store, card)
    drop = store.drop

    async def drop_most(key: str) -> None:
        if key == oldest:
            raise unavailable("Permission denied")
        await drop(key)

    async with house.desk.db.uow(house.tenant) as tx:
        query = text("SELECT stored_as FROM booking.document_uploads WHERE tenant_id = :t ORDER BY began_at")
        oldest = (await tx.run(query, {"t": house.tenant})).scalars().first()
    monkeypatch.setattr(store, "drop", drop_most)
    await house.advance(HOUR)
    before = failed_sweeps()
    assert await sweep_documents(house.desk, store, HOUR) == 2
    assert (await noted(house), failed_sweeps() - before) == ([oldest], 1)
    monkeypatch.undo()
    assert await sweep_documents(house.desk, store, HOUR) == 1
    assert (files(store), await noted(house)) == ([], [])


async def test_the_grace_ends_on_the_instant(house: House) -> None:
    async with house.desk.db.uow(house.tenant) as tx:
        await document_uploads.begin(tx, "ten/fil")
        query = text("SELECT began_at FROM booking.document_uploads WHERE tenant_id = :t")
        began = (await tx.run(query, {"t": house.tenant})).scalar_one()
        assert not await document_uploads.give_up(tx, "ten/fil", began - timedelta(microseconds=1))
        assert await document_uploads.give_up(tx, "ten/fil", began)
        assert not await document_uploads.finish(tx, "ten/fil")


async def test_an_upload_under_way_is_left_alone_until_it_is_too_slow(
    house: House, store: DocumentFolder
) -> None:
    card, key = await house.booked(), new_id("req")
    goes_on, stored = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        stored.set()
        await goes_on.wait()

    async def under_way() -> asyncio.Task[Document]:
        stored.clear()
        goes_on.clear()
        failpoints.arm("booking.document.after_put", slowly)
        task = asyncio.create_task(upload(house, store, card, request_id=key))
        await stored.wait()
        return task

    late = await under_way()
    await house.advance(HOUR)
    await sweep_documents(house.desk, store, HOUR)
    assert (files(store), await noted(house)) == ([], [])
    goes_on.set()
    assert (await refused(late)).reason is Reason.CONTENTION
    assert (files(store), await noted(house)) == ([], [])
    assert await list_documents(house.desk, card.appointment.appointment_id) == []

    in_time = await under_way()
    await sweep_documents(house.desk, store, HOUR)
    goes_on.set()
    assert await read(house, store, await in_time) == PDF
    assert await noted(house) == []


async def test_a_document_that_is_being_committed_is_not_swept(house: House, store: DocumentFolder) -> None:
    card = await house.booked()

    async def meet() -> None:
        failpoints.disarm("booking.document.before_commit")
        elsewhere = Context()  # where no transaction is open
        sweeping = asyncio.create_task(sweep_documents(house.desk, store, timedelta(0)), context=elsewhere)
        await asyncio.wait([sweeping])  # it waits for our lock in vain
        assert sweeping.exception() is None

    failpoints.arm("booking.document.before_commit", meet)
    made = await upload(house, store, card)
    await sweep_documents(house.desk, store, timedelta(0))
    assert await read(house, store, made) == PDF


@pytest.mark.parametrize("point", ["sweep.given_up", "document.after_drop"])
async def test_a_sweeper_that_dies_is_made_up_for(house: House, store: DocumentFolder, point: str) -> None:
    card = await house.booked()
    await abandoned(house, store, card)
    await house.advance(HOUR)
    die_at(f"booking.{point}")
    with pytest.raises(Died):
        await sweep_documents(house.desk, store, HOUR)
    assert len(await noted(house)) == 1
    await sweep_documents(house.desk, store, HOUR)
    assert (files(store), await noted(house)) == ([], [])


async def test_rounds_go_on_behind_what_is_stuck(
    house: House, store: DocumentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many cannot be dropped: the round that meets nothing else raises, the next is behind them."""
    monkeypatch.setattr(documents_use, "_BATCH", 2)
    card, sweep, drop = await house.booked(), Sweep(), store.drop
    for _ in range(5):
        await abandoned(house, store, card)
    async with house.desk.db.uow(house.tenant) as tx:
        query = text("SELECT stored_as FROM booking.document_uploads WHERE tenant_id = :t ORDER BY began_at")
        stuck = (await tx.run(query, {"t": house.tenant})).scalars().all()[:4]

    async def drop_some(key: str) -> None:
        if key in stuck:
            raise unavailable("Permission denied")
        await drop(key)

    monkeypatch.setattr(store, "drop", drop_some)
    await house.advance(HOUR)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await sweep_documents(house.desk, store, HOUR, sweep)
    assert await sweep_documents(house.desk, store, HOUR, sweep) == 1
    assert sorted(await noted(house)) == sorted(stuck)
    monkeypatch.setattr(store, "drop", drop)
    assert [await sweep_documents(house.desk, store, HOUR, sweep) for _ in range(3)] == [2, 2, 0]
    assert (files(store), await noted(house)) == ([], [])


async def test_a_store_that_is_away_is_swept_later(
    house: House, store: DocumentFolder, tmp_path: Path
) -> None:
    await abandoned(house, store, await house.booked())
    await house.advance(HOUR)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        await sweep_documents(house.desk, DocumentFolder(tmp_path / "file"), HOUR)
    assert (len(files(store)), len(await noted(house))) == (1, 1)
    await sweep_documents(house.desk, store, HOUR)
    assert (files(store), await noted(house)) == ([], [])


async def test_a_superseded_card_takes_no_document(house: House, store: DocumentFolder) -> None:
    card = await house.superseded()
    assert (await refused(upload(house, store, card))).reason is Reason.SUPERSEDED
    assert files(store) == []


async def test_a_store_that_fails_keeps_nothing_and_says_so(house: House, tmp_path: Path) -> None:
    card = await house.booked()
    (tmp_path / "file").write_text("in the way")
    broken = DocumentFolder(tmp_path / "file")
    with pytest.raises(Unavailable):
        await upload(house, broken, card)
    assert await list_documents(house.desk, card.appointment.appointment_id) == []
    good = DocumentFolder(tmp_path / "good")
    made = await upload(house, good, card)
    for path in files(good):
        path.unlink()
    with pytest.raises(Unavailable):
        await read(house, good, made)
    with pytest.raises(ValueError, match="no key"):
        await good.drop("../outside")
