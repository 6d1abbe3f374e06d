"""The waiting list: in order, one offer at a time until it expires, one winner, whatever dies (BK-43)."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import VISIT, House, claim, soon
from sqlalchemy import text

from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.domain.waitlist import Entry, Offer, WaitlistState
from booking.transport.consumers import FreedTimes
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.waitlist import (
    JoinWaitlist,
    accept_offer,
    decline_offer,
    join_waitlist,
    leave_waitlist,
    list_waitlist,
    work_openings,
)
from kit import failpoints
from kit.bus.events import Event
from kit.db.claims import Claim
from kit.errors import GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

TTL = timedelta(minutes=10)


class Died(BaseException):
    """A process that is gone."""


def die_at(name: str) -> None:
    async def die() -> None:
        failpoints.disarm(f"booking.{name}")
        raise Died

    failpoints.arm(f"booking.{name}", die)


class Queue:
    """A campaign with one booked visit, and some who wait for its time."""

    def __init__(self, house: House, campaign: Campaign, card: Card, start: datetime) -> None:
        self.house, self.campaign, self.card, self.start = house, campaign, card, start
        self.entries: list[Entry] = []

    @classmethod
    async def of(cls, house: House, number: int = 3, purchased: int = 20) -> "Queue":
        campaign = await house.campaign(purchased=purchased)
        start = soon(72)
        card = await house.book(campaign, await house.contact(campaign), start)
        house.ledger.slots = [(house.agents[0], start)]
        queue = cls(house, campaign, card, start)
        for _ in range(number):
            queue.entries.append(await queue.join())
        return queue

    async def join(self, **bounds: Any) -> Entry:
        contact = await self.house.contact(self.campaign)
        given = {"not_before": None, "not_after": None, **bounds}
        command = JoinWaitlist(self.campaign.campaign_id, contact, VISIT, claim=claim(), **given)
        return await join_waitlist(self.house.desk, command)

    async def free(self, times: int = 1) -> None:
        """Cancels the visit; booking hears of it so often."""
        cancel = CancelAppointment(self.card.appointment.appointment_id, 0, "")
        await cancel_appointment(self.house.desk, cancel)
        await self.hear(times)

    async def hear(self, times: int = 1) -> None:
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            query = text("SELECT * FROM booking.outbox WHERE tenant_id = :t ORDER BY id")
            rows = list(await tx.run(query, {"t": self.house.tenant}))
        for row in rows * times:
            if row.subject.endswith(("cancelled", "postponed")):
                event = Event(
                    row.event_id,
                    row.tenant_id,
                    row.subject,
                    row.entity_id,
                    bytes(row.payload),
                    "",
                    "",
                    "freed",
                )
                await FreedTimes(self.house.desk)(event)

    async def offered(self) -> list[tuple[int, Offer]]:
        """(position of the entry, its offer) of all that stand."""
        found = await list_waitlist(self.house.desk, self.campaign.campaign_id)
        ids = [entry.entry_id for entry in self.entries]
        return [(ids.index(entry.entry_id), entry.offer) for entry in found if entry.offer is not None]

    async def the_offer(self) -> Offer:
        ((_, offer),) = await self.offered()
        return offer

    async def expire(self) -> None:
        """Time passes over the offer; holds of the double end with it."""
        self.house.ledger.holds.clear()
        await self.house.advance(TTL)
        await work_openings(self.house.desk)

    async def accept(self, offer: Offer, key: Claim | None = None) -> Card:
        return await accept_offer(self.house.desk, offer.offer_id, key or claim())

    async def state(self, position: int) -> WaitlistState:
        query = text("SELECT state FROM booking.waitlist_entries WHERE entry_id = :e")
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            found = await tx.run(query, {"e": self.entries[position].entry_id})
            return WaitlistState(found.scalar_one())


async def refused(work: Any) -> Reason:
    with pytest.raises(GiroError) as error:
        await work
    return error.value.reason


async def test_what_is_cancelled_is_offered_in_order_until_it_expires(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free(times=3)
    for position in range(3):
        ((found, offer),) = await queue.offered()
        assert (found, offer.agent_id, offer.window.start) == (position, house.agents[0], queue.start)
        await house.advance(TTL - timedelta(seconds=20))
        await work_openings(house.desk)
        assert (await queue.offered())[0][0] == position
        house.ledger.holds.clear()
        await house.advance(timedelta(seconds=21))
        await work_openings(house.desk)
    assert await queue.offered() == []
    told = [name for name, _ in await house.events() if name == "waitlist_offered"]
    assert len(told) == 3


async def test_an_accepted_offer_is_an_appointment_and_nobody_else_is_asked(house: House) -> None:
    queue, key = await Queue.of(house), claim()
    await queue.free()
    offer = await queue.the_offer()
    card = await queue.accept(offer, key)
    assert card.appointment.window.start == queue.start
    assert await queue.accept(offer, key) == card
    assert await refused(queue.accept(offer)) is Reason.ALREADY_EXISTS
    assert await refused(decline_offer(house.desk, offer.offer_id)) is Reason.ALREADY_EXISTS
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert [await queue.state(n) for n in range(3)] == ["BOOKED", "WAITING", "WAITING"]
    await house.settle()
    await house.require_sound()


async def test_a_hundred_accept_at_once_and_one_wins(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    made = await asyncio.gather(*(queue.accept(offer) for _ in range(100)), return_exceptions=True)
    winners = [each for each in made if isinstance(each, Card)]
    assert len({card.appointment.appointment_id for card in winners}) == len(winners) == 1
    reasons = {each.reason for each in made if isinstance(each, GiroError)}
    assert reasons <= {Reason.ALREADY_EXISTS, Reason.CONTENTION, Reason.DATABASE_UNAVAILABLE}
    await house.settle()
    await house.require_sound()


async def test_late_and_next_never_both_win(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    late = await queue.the_offer()
    await queue.expire()
    following = await queue.the_offer()
    assert following.offer_id != late.offer_id
    assert await refused(queue.accept(late)) is Reason.HOLD_EXPIRED
    await queue.accept(following)
    await house.settle()
    await house.require_sound()


async def test_declining_and_leaving_pass_it_on(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    first = await queue.the_offer()
    await decline_offer(house.desk, first.offer_id)
    await decline_offer(house.desk, first.offer_id)
    ((position, second),) = await queue.offered()
    assert position == 1
    assert (await leave_waitlist(house.desk, second.entry_id)).state is WaitlistState.LEFT
    assert await refused(queue.accept(second)) is Reason.HOLD_EXPIRED
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [2]
    assert len(house.ledger.holds) == 1
    assert [await queue.state(n) for n in range(3)] == ["WAITING", "LEFT", "OFFERED"]


async def test_only_who_fits_is_asked(house: House) -> None:
    queue = await Queue.of(house, number=0)
    hour = timedelta(hours=1)
    queue.entries = [
        await queue.join(not_before=queue.start + hour),
        await queue.join(not_after=queue.start),
        await queue.join(not_before=queue.start, not_after=queue.start + VISIT),
    ]
    await queue.free()
    assert [position for position, _ in await queue.offered()] == [2]
    with pytest.raises(InvalidInput) as error:
        await queue.join(not_before=queue.start, not_after=queue.start + VISIT - timedelta(seconds=1))
    assert [violation.field for violation in error.value.violations] == ["not_after"]


async def test_who_cannot_be_reached_in_time_is_passed_over(house: House) -> None:
    queue = await Queue.of(house, number=2)
    house.ledger.slots = []
    await queue.free()
    assert await queue.offered() == []
    house.ledger.slots = [(house.agents[0], queue.start)]
    queue.entries.append(await queue.join())
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [2]


async def test_a_used_up_package_and_the_lead_time_offer_nothing(house: House) -> None:
    full = await Queue.of(house, purchased=1)
    await full.free()  # its unit counts until the step ends
    assert await full.offered() == []
    near = await Queue.of(house)
    await house.advance(timedelta(hours=72 - 36) + VISIT)
    await near.free()
    assert await near.offered() == []


@pytest.mark.parametrize(
    "point",
    [
        "opening.after_commit",
        "offer.after_hold",
        "offer.before_commit",
        "offer.after_claim",
        "offer.after_book",
    ],
)
async def test_death_at_any_point_leaves_one_winner_or_the_next_one(house: House, point: str) -> None:
    queue = await Queue.of(house)
    accepting = point in {"offer.after_claim", "offer.after_book"}
    if accepting:
        await queue.free()
        offer = await queue.the_offer()
    die_at(point)
    with pytest.raises(Died):
        await (queue.accept(offer) if accepting else queue.free())
    await house.settle()
    await queue.expire()
    await queue.hear()
    await queue.expire()
    if point == "offer.after_book":
        assert await queue.state(0) is WaitlistState.BOOKED
        assert await queue.offered() == []
    else:
        offer = await queue.the_offer()
        await queue.accept(offer)
    await house.settle()
    await house.require_sound()
    rows = await house.all_stored()
    assert sum(row.state == "TO_CONFIRM" for row in rows.values()) == 1


async def test_rounds_at_once_make_one_offer(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    house.ledger.holds.clear()
    await house.advance(TTL)
    await asyncio.gather(*(work_openings(house.desk) for _ in range(6)), return_exceptions=True)
    await work_openings(house.desk)
    assert len(await queue.offered()) == 1


async def test_only_within_reach(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    other = await house.campaign()
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    for work in (queue.accept(offer), decline_offer(house.desk, offer.offer_id), queue.offered()):
        with pytest.raises(NotAllowed):
            await work
    House(house.desk, house.ledger, house.agents).enter()
    for missing in (
        accept_offer(house.desk, offer.offer_id, claim()),
        leave_waitlist(house.desk, offer.entry_id),
        decline_offer(house.desk, new_id("off")),
    ):
        with pytest.raises(NotFound):
            await missing
