"""Bytes that no document names are dropped, and none that one may name."""

import asyncio
from contextvars import Context
from datetime import timedelta
from pathlib import Path

import pytest
from booking_house import House
from document_desk import HOUR, PDF, files, read, refused, upload
from prometheus_client import REGISTRY
from sqlalchemy import text

from booking.clients.document_folder import DocumentFolder
from booking.domain.appointment import Card
from booking.domain.document import Document
from booking.storage import document_uploads
from booking.usecases import documents as documents_use
from booking.usecases.document_store import unavailable
from booking.usecases.documents import (
    Sweep,
    list_documents,
    sweep_documents,
)
from kit import failpoints
from kit.errors import Reason, Unavailable
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
