"""No opening is lost for who waits: whatever dies, whoever meets, whatever is in the way for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from ledger_double import Lost
from sqlalchemy import text
from waiting_queue import TTL, Died, Queue, die_at, refused

from booking.domain.appointment import Card
from booking.domain.itinerary import StopPlan
from booking.domain.waitlist import LEASE, WaitlistState
from booking.storage import openings
from booking.usecases.offers import decline_offer
from booking.usecases.openings import work_openings
from booking.usecases.ports import NewHold
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from booking.usecases.waitlist import leave_waitlist
from kit.errors import Reason, RuleViolated
from kit.testing.databases import DatabaseUrls
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

MAKING = ("opening.after_commit", "offer.after_begin", "offer.after_hold", "offer.before_commit")


async def an_open_one(house: House, number: int = 3) -> Queue:
    """An opening that nobody has worked yet."""
    queue = await Queue.of(house, number)
    die_at("opening.after_commit")
    with pytest.raises(Died):
        await queue.free()
    return queue


def working(house: House) -> Callable[[], Awaitable[None]]:
    return lambda: work_openings(house.desk)


@pytest.mark.parametrize("at", ["offer.after_begin", "offer.after_hold", "offer.before_commit"])
async def test_two_rounds_at_one_opening_make_one_offer_and_nobody_is_left_out(house: House, at: str) -> None:
    queue = await an_open_one(house)
    both = await two_sessions(working(house), working(house), at=f"booking.{at}")
    assert both.held
    assert (both.first, both.second) == (None, None)
    assert await queue.drain() == [0, 1, 2]


@pytest.mark.parametrize("point", [*MAKING, "offer.after_commit"])
async def test_death_while_an_offer_is_made_leaves_nobody_out(house: House, point: str) -> None:
    queue = await Queue.of(house)
    die_at(point)
    with pytest.raises(Died):
        await queue.free()
    await house.advance(LEASE)
    await work_openings(house.desk)
    await queue.hear()  # the event comes again
    assert await queue.drain() == [0, 1, 2]


async def test_until_the_lease_ends_nobody_else_makes_the_offer(house: House) -> None:
    queue = await Queue.of(house)
    die_at("offer.after_hold")
    with pytest.raises(Died):
        await queue.free()
    await house.advance(LEASE - 10 * SECOND)
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert len(house.ledger.holds) == 1
    await house.advance(10 * SECOND)
    await work_openings(house.desk)
    assert (await queue.the_offer()).hold_id in {hold for _, hold in house.ledger.holds}
    assert len(house.ledger.holds) == 1


@pytest.mark.parametrize("at", ["offer.after_begin", "offer.after_hold"])
async def test_whoever_froze_beyond_the_lease_leaves_no_hold(house: House, at: str) -> None:
    queue = await an_open_one(house)

    async def later() -> None:
        await house.advance(LEASE)
        await work_openings(house.desk)

    both = await two_sessions(working(house), later, at=f"booking.{at}", patience=5)
    assert (both.held, both.overtook, both.first, both.second) == (True, True, None, None)
    assert await queue.drain() == [0, 1, 2]


async def test_death_between_the_end_of_an_offer_and_its_release_keeps_the_opening(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    die_at("offer.after_release")
    with pytest.raises(Died):
        await decline_offer(house.desk, (await queue.the_offer()).offer_id)
    await work_openings(house.desk)
    assert await queue.drain() == [1, 2]


async def test_a_ledger_that_is_away_costs_a_round(house: House) -> None:
    queue = await an_open_one(house)
    for fault in (Lost.REQUEST, Lost.ANSWER):
        house.ledger.lose("hold", fault)
        await work_openings(house.desk)
        await house.advance(MINUTE)
    house.ledger.lose("release_hold", Lost.REQUEST)
    await work_openings(house.desk)
    assert await queue.offered() == []
    await work_openings(house.desk)
    assert await queue.drain() == [0, 1, 2]


async def test_declining_while_the_ledger_is_away_is_heard_and_passed_on_later(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    house.ledger.down = True
    await decline_offer(house.desk, (await queue.the_offer()).offer_id)
    house.ledger.down = False
    await work_openings(house.desk)
    assert await queue.drain() == [1, 2]


async def test_rounds_read_what_is_open_and_not_what_was(house: House, urls: DatabaseUrls) -> None:
    queue = await an_open_one(house)
    with psycopg.connect(urls.admin, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO booking.openings SELECT tenant_id, 'opn_closed' || n, campaign_id, agent_id,"
            " starts_at + interval '1 year', ends_at + interval '1 year', 'CLOSED'"
            " FROM booking.openings, generate_series(1, 3000) n WHERE tenant_id = %s",
            [house.tenant],
        )
        connection.execute("ANALYZE booking.openings")
    async with house.desk.db.worker() as tx:
        explained = text(f"EXPLAIN {openings.OPEN_PAGE.text}")
        plan = await tx.run(explained, {"tenant": "", "opening": "", "rows": 200})
        assert "openings_open" in " ".join(row[0] for row in plan)
    await work_openings(house.desk)
    assert await queue.drain() == [0, 1, 2]


async def test_two_openings_go_to_two_people(house: House) -> None:
    queue = await Queue.of(house, number=2)
    other = await house.book(queue.campaign, await house.contact(queue.campaign), soon(96))
    house.ledger.slots.append((house.agents[0], other.appointment.window.start))
    for card in (queue.card, other):
        queue.card = card
        die_at("opening.after_commit")
        with pytest.raises(Died):
            await queue.free()
    both = await two_sessions(working(house), working(house), at="booking.offer.after_begin")
    assert both.held
    await work_openings(house.desk)
    offered = await queue.offered()
    assert [position for position, _ in offered] == [0, 1]
    assert len({offer.window.start for _, offer in offered}) == len(house.ledger.holds) == 2


async def test_two_openings_never_make_two_offers_to_one_person(house: House) -> None:
    queue = await Queue.of(house, number=1)
    other = await house.book(queue.campaign, await house.contact(queue.campaign), soon(96))
    house.ledger.slots.append((house.agents[0], other.appointment.window.start))
    await queue.free()
    first = await queue.the_offer()
    queue.card = other
    await queue.free()
    await asyncio.gather(*(work_openings(house.desk) for _ in range(3)))
    assert await queue.the_offer() == first
    await decline_offer(house.desk, first.offer_id)
    await work_openings(house.desk)
    assert (await queue.the_offer()).window.start == other.appointment.window.start


async def test_a_refused_acceptance_passes_it_on_and_is_forgiven(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    refusal = RuleViolated(Reason.TRAVEL_IN, "a road is closed")
    house.ledger.lose("reserve", refusal)
    key, offer = claim(), await queue.the_offer()
    for _ in range(2):
        assert await refused(queue.accept(offer, key)) is Reason.TRAVEL_IN
    await work_openings(house.desk)
    assert await queue.drain() == [1, 2]
    await house.advance(MINUTE)
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [0]
    await queue.accept(await queue.the_offer())
    await house.settle()
    await house.require_sound()


async def test_a_request_id_that_is_no_booking_takes_no_offer(house: House) -> None:
    """The key is put on the offer in the transaction that claims, so a refused claim leaves it alone."""
    queue = await Queue.of(house)
    await queue.free()
    offer, used = await queue.the_offer(), claim("another body")
    await queue.join(claim=used)
    assert await refused(queue.accept(offer, replace(used, body=b"accept"))) is Reason.REQUEST_ID_REUSED
    assert await queue.the_offer() == offer
    await queue.accept(offer)


async def test_a_used_up_package_refuses_and_takes_no_offer_for_ever(house: House) -> None:
    queue = await Queue.of(house, purchased=2)  # one taken, then cancelled: it counts until the step ends
    await queue.free()
    offer = await queue.the_offer()
    await house.book(queue.campaign, await house.contact(queue.campaign), soon(96), house.agents[1])
    assert await refused(queue.accept(offer)) is Reason.PACKAGE_FULL
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert not house.ledger.holds


async def in_the_way(queue: Queue) -> NewHold:
    """An operator on the phone keeps the time."""
    plan = StopPlan(queue.house.agents[0], Window(queue.start, queue.start + VISIT), PLACE)
    new = NewHold(new_id("hld"), queue.campaign.campaign_id, "usr_1", plan, TTL)
    await queue.house.ledger.hold(queue.house.tenant, new)
    return new


async def test_what_is_in_the_way_for_a_while_is_asked_again(house: House) -> None:
    queue = await an_open_one(house)
    kept = await in_the_way(queue)
    await work_openings(house.desk)
    assert await queue.offered() == []
    await house.ledger.release_hold(house.tenant, kept.hold_id)
    await house.advance(MINUTE - 10 * SECOND)
    await work_openings(house.desk)
    assert await queue.offered() == []
    await house.advance(10 * SECOND)
    await work_openings(house.desk)
    assert await queue.drain() == [0, 1, 2]


async def test_the_pause_doubles_while_it_stays_in_the_way(house: House) -> None:
    queue = await an_open_one(house, 1)
    await in_the_way(queue)
    asked = []
    for _ in range(8):
        await work_openings(house.desk)
        asked.append(house.ledger.searched.count(house.tenant))
        await house.advance(MINUTE)
    assert asked == [1, 2, 2, 3, 3, 3, 3, 4]  # at 0, 1, 3 and 7 minutes


async def test_a_slot_taken_after_the_search_is_searched_again(house: House) -> None:
    queue = await an_open_one(house)
    house.ledger.lose("hold", *[RuleViolated(Reason.SLOT_TAKEN, "somebody has that time")] * 3)
    await work_openings(house.desk)
    assert await queue.offered() == []
    await house.advance(MINUTE)
    await work_openings(house.desk)
    assert await queue.drain() == [0, 1, 2]


async def away(queue: Queue, agent: str = "", contact: str = "") -> None:
    """A day is noted as unavailable."""
    day = queue.start.astimezone(ZoneInfo("Europe/Rome")).date().isoformat()
    note = SetUnavailability(agent, contact, day, "", "", "a supervisor's override", claim())
    await set_unavailability(queue.house.desk, note)


async def test_who_cannot_be_visited_that_day_is_passed_over(house: House) -> None:
    queue = await an_open_one(house)
    await away(queue, contact=queue.entries[0].contact_id)
    await work_openings(house.desk)
    assert await queue.drain() == [1, 2]


async def test_a_day_on_which_the_agent_is_away_is_offered_to_nobody(house: House) -> None:
    queue = await an_open_one(house)
    await away(queue, agent=house.agents[0])
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert not house.ledger.holds


async def test_an_offer_whose_booking_never_began_is_passed_on(house: House) -> None:
    """Before revision 0017 the key was put on the offer first."""
    queue = await Queue.of(house)
    await queue.free()
    async with house.desk.db.uow(house.tenant) as tx:
        await openings.save(tx, replace(await queue.the_offer(), claim_key="req:of-before"))
    await work_openings(house.desk)
    assert await queue.drain() == [1, 2]


ACCEPTING = (
    "offer.after_take",
    "book.after_pending",
    "book.after_reserve",
    "book.before_commit",
    "book.after_commit",
    "offer.after_book",
)


@pytest.mark.parametrize("point", ACCEPTING)
async def test_death_while_accepting_leaves_one_winner_or_the_next_one(house: House, point: str) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    die_at(point)
    with pytest.raises(Died):
        await queue.accept(offer)
    await house.settle()
    await work_openings(house.desk)
    if point in {"book.after_commit", "offer.after_book"}:
        assert await queue.state(0) is WaitlistState.BOOKED
        assert await queue.offered() == []
    else:
        expected = 0 if point == "offer.after_take" else 1
        ((position, following),) = await queue.offered()
        assert position == expected
        await queue.accept(following)
    await house.settle()
    await house.require_sound()
    rows = await house.all_stored()
    assert sum(row.state == "TO_CONFIRM" for row in rows.values()) == 1
    assert not house.ledger.holds


async def only(queue: Queue, winner: Any) -> None:
    """One appointment, and it is sound."""
    assert isinstance(winner, Card)
    await queue.house.settle()
    await queue.house.require_sound()
    rows = await queue.house.all_stored()
    assert sum(row.state == "TO_CONFIRM" for row in rows.values()) == 1


async def test_acceptance_first_then_expiry(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()

    async def expire() -> None:
        await house.advance(TTL)
        await work_openings(house.desk)

    both = await two_sessions(lambda: queue.accept(offer), expire, at="booking.offer.after_take")
    assert (both.held, both.overtook, both.second) == (True, False, None)
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert await queue.state(0) is WaitlistState.BOOKED
    await only(queue, both.first)


async def test_expiry_first_then_acceptance(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    await house.advance(TTL)
    both = await two_sessions(
        working(house), lambda: refused(queue.accept(offer)), at="booking.offer.before_end"
    )
    assert (both.held, both.first, both.second) == (True, None, Reason.HOLD_EXPIRED)
    ((position, following),) = await queue.offered()
    assert position == 1
    await only(queue, await queue.accept(following))


async def test_acceptance_first_then_leaving(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    both = await two_sessions(
        lambda: queue.accept(offer),
        lambda: refused(leave_waitlist(house.desk, offer.entry_id)),
        at="booking.offer.after_take",
    )
    assert (both.held, both.overtook, both.second) == (True, False, Reason.CHANGE_IN_PROGRESS)
    assert (await leave_waitlist(house.desk, offer.entry_id)).state is WaitlistState.BOOKED
    await only(queue, both.first)


async def test_leaving_first_then_acceptance(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    both = await two_sessions(
        lambda: leave_waitlist(house.desk, offer.entry_id),
        lambda: refused(queue.accept(offer)),
        at="booking.waitlist.before_leave",
    )
    assert (both.held, both.overtook, both.second) == (True, False, Reason.HOLD_EXPIRED)
    ((position, following),) = await queue.offered()
    assert position == 1
    await only(queue, await queue.accept(following))


async def test_leaving_while_the_offer_is_made_passes_it_on(house: House) -> None:
    queue = await an_open_one(house)
    both = await two_sessions(
        working(house),
        lambda: leave_waitlist(house.desk, queue.entries[0].entry_id),
        at="booking.offer.after_hold",
        patience=5,
    )
    assert (both.held, both.overtook) == (True, True)
    assert await queue.drain() == [1, 2]
