"""Who gets a visit in any other way waits no more, whoever else is at it at that moment (BK-43)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from rounds_double import RoundsDouble
from waiting_queue import Died, Queue, die_at, refused

from booking.domain.appointment import Card
from booking.domain.outcomes import Recall, Result
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.openings import work_openings
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from booking.usecases.waitlist import leave_waitlist
from kit.errors import Reason, RuleViolated
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGAIN = 96
"""Hours until the visit that is booked otherwise; the time that is offered is at 72."""


async def book(queue: Queue, agent: int = 1) -> Card:
    """The first of the queue is booked for another time."""
    house = queue.house
    return await house.book(queue.campaign, queue.entries[0].contact_id, soon(AGAIN), house.agents[agent])


async def series(queue: Queue) -> Any:
    house = queue.house
    wanted = (queue.entries[0].contact_id, house.agents[1], soon(AGAIN), VISIT, 7, 2, "", claim())
    return await create_series(house.desk, CreateSeries(queue.campaign.campaign_id, *wanted))


async def require_passed_on(queue: Queue, to: int) -> None:
    """The opening is somebody else's, by one hold alone."""
    await work_openings(queue.house.desk)
    ((position, offer),) = await queue.offered()
    assert position == to
    assert list(queue.house.ledger.holds) == [(queue.house.tenant, offer.hold_id)]


@pytest.mark.parametrize("booked", [book, series], ids=["a visit", "a series"])
async def test_who_is_booked_otherwise_leaves_the_list(
    house: House, booked: Callable[[Queue], Awaitable[Any]]
) -> None:
    queue = await Queue.of(house, number=2)
    elsewhere = Queue(house, await house.campaign(), queue.card, queue.start)
    elsewhere.entries = [await elsewhere.join()]
    await booked(queue)
    assert [await queue.state(n) for n in range(2)] == ["BOOKED", "WAITING"]
    assert await elsewhere.state(0) == "WAITING"
    await queue.free()
    await require_passed_on(queue, to=1)


async def test_an_offer_of_who_is_booked_otherwise_goes_on_to_the_next(house: House) -> None:
    queue = await Queue.of(house, number=2)
    await queue.free()
    offer = await queue.the_offer()
    await book(queue)
    assert await queue.state(0) == "BOOKED"
    assert await refused(queue.accept(offer)) is Reason.HOLD_EXPIRED
    await require_passed_on(queue, to=1)
    assert (await leave_waitlist(house.desk, offer.entry_id)).state == "BOOKED"


@pytest.mark.parametrize("new_card", [False, True])
async def test_who_is_fixed_again_leaves_the_list_and_a_visit_that_is_only_moved_does_not_count(
    house: House, new_card: bool
) -> None:
    await house.parameters(CC0036="SI" if new_card else "NO", CC0037="NO")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state()
    queue = await Queue.of(house, number=1)
    card = await book(queue)
    queue.entries = [await queue.join(queue.entries[0].contact_id)]  # waits for another time still
    other = await house.book(queue.campaign, await house.contact(queue.campaign), soon(AGAIN + 8))
    pair = (card.appointment.appointment_id, 0), (other.appointment.appointment_id, 0)
    await swap_appointments(house.desk, RoundsDouble(house.ledger), SwapAppointments(*pair, claim()))
    card = await house.postpone(card, soon(AGAIN + 4))
    assert await queue.state(0) == "WAITING"
    ko = await house.set_outcome(card)
    await house.refix(ko, soon(AGAIN + 6), choices={"new_card": new_card, "state_id": "refixed"})
    assert await queue.state(0) == "BOOKED"


async def test_who_was_not_booked_waits_on(house: House) -> None:
    queue = await Queue.of(house, number=1)
    house.ledger.lose("reserve", RuleViolated(Reason.TRAVEL_IN, "a road is closed"))
    assert await refused(book(queue)) is Reason.TRAVEL_IN
    assert await queue.state(0) == "WAITING"
    die_at("book.after_reserve")
    with pytest.raises(Died):
        await book(queue)
    assert await queue.state(0) == "WAITING"
    await house.settle()  # given up: the visit is nobody's
    assert await queue.state(0) == "WAITING"


@pytest.mark.parametrize("at", ["offer.after_begin", "offer.after_hold", "offer.before_commit"])
async def test_booked_while_an_offer_is_made(house: House, at: str) -> None:
    queue = await Queue.of(house, number=2)
    die_at("opening.after_commit")
    with pytest.raises(Died):
        await queue.free()
    both = await two_sessions(lambda: work_openings(house.desk), lambda: book(queue), at=f"booking.{at}")
    assert (both.held, both.first) == (True, None)
    assert isinstance(both.second, Card)
    assert await queue.state(0) == "BOOKED"
    await require_passed_on(queue, to=1)


@pytest.mark.parametrize("first_is", ["booking", "acceptance"])
async def test_booked_while_an_offer_is_accepted(house: House, first_is: str) -> None:
    """Whoever comes first: both were asked for, and what was refused is nobody's."""
    queue = await Queue.of(house, number=2)
    await queue.free()
    offer = await queue.the_offer()
    if first_is == "booking":
        both = await two_sessions(
            lambda: book(queue), lambda: queue.accept(offer), at="booking.book.before_commit"
        )
        assert (both.held, both.overtook) == (True, False)
        assert both.second.reason is Reason.HOLD_EXPIRED
        await require_passed_on(queue, to=1)
    else:
        both = await two_sessions(
            lambda: queue.accept(offer), lambda: book(queue), at="booking.offer.after_take"
        )
        assert both.held
        assert {type(both.first), type(both.second)} == {Card}
        await work_openings(house.desk)
        assert await queue.offered() == []
    assert await queue.state(0) == "BOOKED"
    await house.settle()
    await house.require_sound()


async def test_booked_and_leaving_at_once(house: House) -> None:
    queue = await Queue.of(house, number=2)
    await queue.free()
    entry = queue.entries[0].entry_id
    both = await two_sessions(
        lambda: leave_waitlist(house.desk, entry), lambda: book(queue), at="booking.waitlist.before_leave"
    )
    assert (both.held, both.overtook) == (True, False)
    assert isinstance(both.second, Card)
    assert await queue.state(0) == "LEFT"
    await require_passed_on(queue, to=1)


async def test_accepting_and_booking_in_a_storm_never_wait_in_a_circle(house: House) -> None:
    queue = await Queue.of(house, number=3)
    await queue.free()
    offer = await queue.the_offer()
    work = [queue.accept(offer), *(book(queue, agent) for agent in (1, 2, 3)), work_openings(house.desk)]
    made = await asyncio.gather(*work, return_exceptions=True)
    assert sum(isinstance(each, Card) for each in made) >= 3
    assert await queue.state(0) == "BOOKED"
    await house.settle()
    await house.require_sound()
