"""Offers are found by an index however many there are, and those of long ago are not kept."""

from collections.abc import Sequence
from datetime import timedelta

import psycopg
import pytest
from booking_house import VISIT, House
from house_clock import soon
from sqlalchemy import text
from waiting_queue import Queue

from booking.domain.waitlist import Opening
from booking.storage import openings, waitlist
from booking.usecases.openings import KEPT, forget_openings, work_openings
from kit.testing.databases import DatabaseUrls
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = text(
    """
    INSERT INTO booking.offers (tenant_id, offer_id, opening_id, entry_id, agent_id, starts_at, ends_at,
                                hold_id, expires_at, state)
    SELECT tenant_id, 'off_' || n, opening_id, :entry, agent_id, starts_at, ends_at, '', ends_at, 'REFUSED'
    FROM booking.openings, generate_series(1, 5000) n WHERE tenant_id = :tenant AND opening_id = :opening
    """
)


async def an_opening(house: House, queue: Queue, state: str = "OPEN") -> Opening:
    window = Window(queue.start, queue.start + VISIT)
    opening = Opening(new_id("opn"), queue.campaign.campaign_id, house.agents[0], window)
    async with house.desk.db.uow(house.tenant) as tx:
        await openings.add(tx, opening)
        if state == "CLOSED":
            await openings.close(tx, opening.opening_id)
    return opening


async def left(house: House) -> tuple[int, int]:
    """How many openings and offers the tenant has."""
    query = "SELECT (SELECT count(*) FROM booking.openings WHERE tenant_id = :t),"
    query += " (SELECT count(*) FROM booking.offers WHERE tenant_id = :t)"
    async with house.desk.db.uow(house.tenant) as tx:
        found: Sequence[int] = (await tx.run(text(query), {"t": house.tenant})).one()
    return found[0], found[1]


async def test_who_is_next_is_found_without_reading_the_offers(house: House, urls: DatabaseUrls) -> None:
    queue = await Queue.of(house, number=2)
    busy, opening = await an_opening(house, queue), await an_opening(house, queue)
    asked = {"tenant": house.tenant, "entry": queue.entries[0].entry_id, "opening": busy.opening_id}
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(MANY, asked)
    with psycopg.connect(urls.admin, autocommit=True) as connection:
        connection.execute("ANALYZE booking.offers")
    params = {
        "tenant": house.tenant,
        "campaign": queue.campaign.campaign_id,
        "opening": opening.opening_id,
        "starts_at": opening.window.start,
        "ends_at": opening.window.end,
    }
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(text("SET LOCAL enable_seqscan = off"), {})  # whatever the statistics are by now
        explain = text(f"EXPLAIN {waitlist._NEXT.text}")
        plan = "\n".join((await tx.run(explain, {**params, "now": await tx.now()})).scalars())
    assert "offers_of_opening" in plan, plan
    assert "offers_pkey" not in plan, plan


async def test_what_closed_is_forgotten_thirty_days_after_its_time(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    await house.advance(queue.start - soon(0))
    for _ in range(2):  # the offer expires, its hold is freed; then the lead time closes the opening
        await work_openings(house.desk)
    assert await left(house) == (1, 1)
    second = timedelta(seconds=10)
    await house.advance(VISIT + KEPT - second)
    await forget_openings(house.desk)
    assert await left(house) == (1, 1)
    await house.advance(2 * second)
    await forget_openings(house.desk)
    assert await left(house) == (0, 0)


async def test_a_round_forgets_no_more_than_it_may_and_nothing_open(house: House) -> None:
    queue = await Queue.of(house, number=0)
    await an_opening(house, queue, "OPEN")
    for _ in range(3):
        await an_opening(house, queue, "CLOSED")
    await house.advance(timedelta(hours=73) + KEPT)
    assert await forget_openings(house.desk, 1) == 1
    assert (await left(house))[0] >= 3
    while await forget_openings(house.desk, 2):
        pass
    assert (await left(house))[0] == 1
