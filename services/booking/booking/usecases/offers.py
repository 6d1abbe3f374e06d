"""An offer of the waiting list is accepted or declined (BK-43).

The offer is taken in the transaction that claims the request and begins the booking. So of all who accept
one wins, nobody who is late wins, and what a crash leaves is read from that booking.
"""

from dataclasses import dataclass, replace

from booking.domain import errors
from booking.domain.appointment import Card
from booking.domain.waitlist import Entry, Offer, OfferState, require_acceptable
from booking.storage import openings, waitlist
from booking.usecases.book_appointment import BookAppointment, HeldSlot, book_appointment
from booking.usecases.desk import Desk
from booking.usecases.openings import carry_on, end_of_booking, end_offer
from booking.usecases.ports import REFUSALS
from booking.usecases.reach import reach
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(slots=True)
class _Acceptance:
    """Takes the offer for the booking that is about to begin; `met` once it could be taken."""

    offer_id: str
    claim_key: str
    met: bool = False

    async def __call__(self, tx: Tx) -> None:
        offer = await openings.get_offer(tx, self.offer_id, lock=True)
        entry = await waitlist.get_entry(tx, offer.entry_id, lock=True)
        require_acceptable(offer, entry, await tx.now())
        await openings.save(tx, replace(offer, claim_key=self.claim_key))
        await failpoint("booking.offer.after_take")
        self.met = True


async def accept_offer(desk: Desk, offer_id: str, claim: Claim) -> Card:
    """The appointment; the same again for the same claim. Of all who accept, one wins.

    Raises HOLD_EXPIRED, ALREADY_EXISTS when somebody else accepted, the refusals of a booking, Unavailable.
    When the booking is refused, the time goes on to the next.
    """
    offer, entry = await _within_reach(desk, offer_id)
    acceptance = _Acceptance(offer_id, claim.key)
    booking = BookAppointment(HeldSlot(offer.hold_id), entry.contact_id, "", claim, acceptance)
    try:
        card = await book_appointment(desk, booking)
    except REFUSALS:
        await _settle(desk, offer_id, refused=acceptance.met)
        raise
    await failpoint("booking.offer.after_book")
    await _settle(desk, offer_id)
    return card


async def decline_offer(desk: Desk, offer_id: str) -> None:
    """The next one gets it; declining again is no error. Raises NotFound, ALREADY_EXISTS once accepted."""
    offer, _ = await _within_reach(desk, offer_id)
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        offer = await openings.get_offer(tx, offer_id, lock=True)
        if offer.state is OfferState.ACCEPTED or (not offer.state.ended and offer.claim_key is not None):
            raise errors.offer_taken()
        if not offer.state.ended:
            await end_offer(tx, offer, OfferState.PASSED, offer.expires_at)
    await carry_on(desk, tenant, offer.opening_id)


async def _within_reach(desk: Desk, offer_id: str) -> tuple[Offer, Entry]:
    async with desk.db.uow(caller().tenant) as tx:
        offer = await openings.get_offer(tx, offer_id)
        entry = await waitlist.get_entry(tx, offer.entry_id)
    reach().require_campaign(entry.campaign_id)
    return offer, entry


async def _settle(desk: Desk, offer_id: str, *, refused: bool = False) -> None:
    """Stores what the booking brought; `refused`: it never began, and its offer is free for the next."""
    async with desk.db.uow(caller().tenant) as tx:
        await openings.lock(tx, (await openings.get_offer(tx, offer_id)).opening_id)
        offer = await openings.get_offer(tx, offer_id, lock=True)
        if offer.state is not OfferState.OFFERED:
            return
        if offer.claim_key is not None:
            await end_of_booking(tx, offer)
        elif refused:
            await end_offer(tx, offer, OfferState.REFUSED, await tx.now())
