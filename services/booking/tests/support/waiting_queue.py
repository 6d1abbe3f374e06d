"""A campaign with one booked visit, and some who wait for its time; and how a process dies."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import VISIT, House, claim
from house_clock import soon
from sqlalchemy import text

from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.domain.waitlist import Entry, Offer, WaitlistState
from booking.transport.consumers import FREEING, FreedTimes
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.offers import accept_offer, decline_offer
from booking.usecases.openings import work_openings
from booking.usecases.waitlist import JoinWaitlist, join_waitlist, list_waitlist
from kit import failpoints
from kit.bus.events import Event
from kit.db.claims import Claim
from kit.errors import GiroError, Reason

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

    async def join(self, contact: str = "", **bounds: Any) -> Entry:
        contact = contact or await self.house.contact(self.campaign)
        given = {"not_before": None, "not_after": None, "claim": claim(), **bounds}
        command = JoinWaitlist(self.campaign.campaign_id, contact, VISIT, **given)
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
            if row.subject.rpartition(".")[2] in FREEING:
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
        found = (await list_waitlist(self.house.desk, self.campaign.campaign_id, 0, "")).entries
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

    async def drain(self) -> list[int]:
        """Who is offered the time, one after the other, as each declines it; one hold is kept at a time."""
        asked = []
        while offered := await self.offered():
            ((position, offer),) = offered
            assert list(self.house.ledger.holds) == [(self.house.tenant, offer.hold_id)]
            asked.append(position)
            await decline_offer(self.house.desk, offer.offer_id)
        assert not self.house.ledger.holds
        return asked

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
