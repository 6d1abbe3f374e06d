"""Documents of a card: versions, limits, who sees them, what a death leaves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from booking_house import House
from document_desk import CHUNK, HOUR, PDF, PNG, files, read, refused, upload
from house_clock import soon

from booking.clients.document_folder import DocumentFolder
from booking.domain.document import Document
from booking.usecases.documents import (
    Shelf,
    UploadDocument,
    list_documents,
    sweep_documents,
    upload_document,
)
from booking.usecases.set_parameter import set_parameter
from booking.usecases.virus_scanner import NoScanner
from kit.db import failures
from kit.db.uow import Tx, UnitOfWork
from kit.errors import NotAllowed, NotFound, Reason, Unavailable
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
