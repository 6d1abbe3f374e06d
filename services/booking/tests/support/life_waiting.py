"""The waiting list in a life: each verb on the product and on the model of the queue."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from booking_house import VISIT, House, claim
from life_model import CardModel, LifeModel
from life_queue import QueueModel, Waiter
from sqlalchemy import text

from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.usecases.offers import accept_offer, decline_offer
from booking.usecases.openings import Freed, time_is_free, work_opening
from booking.usecases.waitlist import JoinWaitlist, join_waitlist, leave_waitlist
from kit.errors import GiroError
from kit.values.window import Window

VERBS = ("join", "free", "take", "decline", "leave")

Found = tuple[Any, str]


async def attempt(act: Callable[[], Awaitable[Any]]) -> Found:
    """What it gave, or the name of the reason why it was refused."""
    try:
        return await act(), ""
    except GiroError as refusal:
        return None, refusal.reason.value


class Waiting:
    """People who wait in the campaign of a life."""

    def __init__(self, house: House, model: LifeModel, at: Callable[[int], datetime]) -> None:
        self.house, self.queue, self.at = house, QueueModel(model), at
        self.contacts: list[str] = []
        self.campaign: Campaign | None = None

    def enter(self, campaign: Campaign, contacts: list[str]) -> None:
        """These may wait for a visit of this campaign."""
        self.campaign, self.contacts = campaign, contacts

    async def step(self, verb: str, number: int, hour: int) -> str:
        """Does it on both sides; the reason why it was refused."""
        queue = self.queue
        if verb == "free" and queue.anybody_waits:
            return await self._free(hour)
        if verb in {"free", "join"}:
            return await self._join(number % len(self.contacts))
        known = list(queue.waiters if verb == "leave" else queue.offers)
        if not known:
            return f"nothing to {verb}"
        return await self._of_known(verb, known[-1 - number % len(known)])

    async def _of_known(self, verb: str, known: Any) -> str:
        if verb == "leave":
            self.queue.leave(known)
            await leave_waitlist(self.house.desk, known)
            return ""
        return await self._take(*known) if verb == "take" else await self._decline(*known)

    async def _join(self, contact: int) -> str:
        if any(each.contact == contact and each.state == "BOOKED" for each in self.queue.waiters.values()):
            return "has a visit"
        assert self.campaign is not None
        wanted = self.queue.refuses_join(contact)
        ident = self.campaign.campaign_id, self.contacts[contact]
        command = JoinWaitlist(*ident, VISIT, None, None, claim())
        made, refused = await attempt(lambda: join_waitlist(self.house.desk, command))
        assert refused == wanted
        if made is not None:
            self.queue.waiters[made.entry_id] = Waiter(contact)
        return refused

    async def _free(self, hour: int) -> str:
        assert self.campaign is not None
        house, start = self.house, self.at(hour)
        house.ledger.slots.append((house.agents[0], start))
        freed = (self.campaign.campaign_id, house.agents[0], Window(start, start + VISIT), "", claim())
        self.queue.free(hour)
        await time_is_free(house.desk, house.tenant, Freed(*freed))
        return ""

    async def _take(self, number: int, entry: str) -> str:
        offer = await self._offer(number, entry)
        hour, life = self.queue.openings[number].hour, self.queue.life
        wanted = self.queue.accept(number, entry)
        made, refused = await attempt(lambda: accept_offer(self.house.desk, offer, claim()))
        assert refused == wanted, f"taking an offer of {hour}"
        if isinstance(made, Card):
            life.cards[made.appointment.appointment_id] = CardModel(hour, 0)
        return refused

    async def _decline(self, number: int, entry: str) -> str:
        offer = await self._offer(number, entry)
        wanted = self.queue.decline(number, entry)
        _, refused = await attempt(lambda: decline_offer(self.house.desk, offer))
        assert refused == wanted
        return refused

    async def _offer(self, number: int, entry: str) -> str:
        """The id of the last that was made of it."""
        query = text(
            "SELECT offer_id FROM booking.offers WHERE tenant_id = :t AND entry_id = :e AND starts_at = :s"
            " AND state <> 'UNFIT' ORDER BY offer_id DESC LIMIT 1"
        )
        params = {"t": self.house.tenant, "e": entry, "s": self.at(self.queue.openings[number].hour)}
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            return str((await tx.run(query, params)).scalar_one())

    async def day(self) -> None:
        """A round over this tenant's openings; what stood has expired."""
        query = text(
            "SELECT opening_id FROM booking.openings WHERE tenant_id = :t AND state = 'OPEN' ORDER BY 1"
        )
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            found = [row.opening_id for row in await tx.run(query, {"t": self.house.tenant})]
        for opening_id in found:
            await work_opening(self.house.desk, self.house.tenant, opening_id)
        self.queue.day()

    def wanted(self) -> dict[str, list[Any]]:
        """How every entry has to stand, and the time that it is offered, by id."""
        offered = {each.offered: each.hour for each in self.queue.openings if each.offered}
        return {
            entry: [each.state, int(self.at(offered[entry]).timestamp()) if entry in offered else None]
            for entry, each in self.queue.waiters.items()
        }
