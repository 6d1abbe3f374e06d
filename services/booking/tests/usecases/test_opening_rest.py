"""An acceptance takes a part of an opening: the rest is offered on, until it is too late or taken."""

import pytest
from booking_house import VISIT, House
from house_clock import soon
from sqlalchemy import text
from waiting_queue import Queue

from booking.domain.waitlist import Opening
from booking.storage import openings
from booking.usecases import openings as rounds
from booking.usecases.offers import decline_offer
from booking.usecases.openings import work_openings
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def a_long_opening(house: House, number: int) -> Queue:
    """Three visits' time has become free; geo finds one visit after the other in it."""
    queue = await Queue.of(house, number)
    house.ledger.slots = [(house.agents[0], queue.start + (1 + place) * VISIT) for place in range(3)]
    window = Window(queue.start + VISIT, queue.start + 4 * VISIT)
    opening = Opening(new_id("opn"), queue.campaign.campaign_id, house.agents[0], window)
    async with house.desk.db.uow(house.tenant) as tx:
        await openings.add(tx, opening)
    await work_openings(house.desk)
    return queue


async def the_states(house: House) -> list[str]:
    query = text("SELECT state FROM booking.openings WHERE tenant_id = :t")
    async with house.desk.db.uow(house.tenant) as tx:
        return list((await tx.run(query, {"t": house.tenant})).scalars())


async def test_what_an_acceptance_leaves_of_the_time_goes_on_to_the_next(house: House) -> None:
    queue = await a_long_opening(house, 4)
    for place in range(3):
        ((position, offer),) = await queue.offered()
        assert (position, offer.window.start) == (place, queue.start + (1 + place) * VISIT)
        assert await the_states(house) == ["OPEN"]
        await queue.accept(offer)
        await work_openings(house.desk)
    assert await queue.offered() == []
    assert await the_states(house) == ["CLOSED"]
    await house.settle()
    await house.require_sound()


async def test_a_rest_in_which_nobody_fits_is_searched_with_pauses_until_the_lead_time(house: House) -> None:
    queue = await a_long_opening(house, 2)
    house.ledger.slots = house.ledger.slots[:1]
    await queue.accept(await queue.the_offer())
    asked = house.ledger.searched.count(house.tenant)
    for _ in range(5):
        await work_openings(house.desk)
    assert house.ledger.searched.count(house.tenant) == asked + 1
    assert await queue.offered() == []
    await house.advance(queue.start + VISIT - soon(0))
    await work_openings(house.desk)
    assert await the_states(house) == ["CLOSED"]
    assert house.ledger.searched.count(house.tenant) == asked + 1


async def test_an_event_tries_two_and_a_round_a_bounded_number(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds.work_opening, "__defaults__", (3,))
    queue = await Queue.of(house, 8)
    slots, house.ledger.slots = house.ledger.slots, []
    await queue.free()
    assert house.ledger.searched.count(house.tenant) == 2
    for asked in (5, 8, 8):
        await work_openings(house.desk)
        assert house.ledger.searched.count(house.tenant) == asked
    queue.entries.append(await queue.join())
    house.ledger.slots = slots
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [8]


async def test_declining_tries_two_and_leaves_the_rest_to_the_round(house: House) -> None:
    queue = await Queue.of(house, 5)
    await queue.free()
    slots, house.ledger.slots = house.ledger.slots, []
    asked = house.ledger.searched.count(house.tenant)
    await decline_offer(house.desk, (await queue.the_offer()).offer_id)
    assert house.ledger.searched.count(house.tenant) == asked + 2
    house.ledger.slots = slots
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [3]
