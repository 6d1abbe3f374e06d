"""The waiting list: joined, left, and offered what becomes free, in order, one at a time (BK-43, RE-17).

An offer is a hold of the ledger: nobody else can take the time until it expires. Whoever accepts first has
the offer's row to itself, and books the hold, once; what a crash leaves is settled by who works the opening.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from booking import events
from booking.domain import errors, parameters
from booking.domain.appointment import WITH_STOP, Card, State
from booking.domain.grounds import Grounds
from booking.domain.policies import refusals
from booking.domain.waitlist import Entry, Offer, OfferState, Opening, WaitlistState
from booking.storage import bookings, campaigns, waitlist
from booking.usecases.book_appointment import BookAppointment, HeldSlot, book_appointment
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS, NewHold, SlotQuery
from booking.usecases.reach import reach
from booking.usecases.search_slots import query_of
from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Conflict, GiroError, Reason, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id
from kit.values.window import Window

WAITLIST: Final = "waitlist"
"""Who holds a slot for an offer."""

_BATCH: Final = 200

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class JoinWaitlist:
    """Bounds are None where any time suits."""

    campaign_id: str
    contact_id: str
    duration: timedelta
    not_before: datetime | None
    not_after: datetime | None
    claim: Claim


@dataclass(frozen=True, slots=True)
class Freed:
    """Time that an appointment no longer takes; `appointment_id` when its stop has to be freed first."""

    campaign_id: str
    agent_id: str
    window: Window
    appointment_id: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Candidate:
    opening: Opening
    entry: Entry
    grounds: Grounds


async def join_waitlist(desk: Desk, command: JoinWaitlist) -> Entry:
    """The entry; the same again for the same claim. Raises NotFound, InvalidInput naming `not_after`."""
    reach().require_campaign(command.campaign_id)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.claim_ref is not None:
            return await waitlist.lock_entry(tx, tx.claim_ref)
        grounds = await campaigns.grounds_to_book(
            tx, command.campaign_id, "", command.contact_id, sandbox=desk.db.sandbox
        )
        if grounds is None:
            raise errors.not_found("campaign", "campaign_id")
        grounds.required_contact_point()
        entry = Entry(
            entry_id=new_id("wai"),
            campaign_id=command.campaign_id,
            contact_id=command.contact_id,
            duration=command.duration,
            not_before=command.not_before,
            not_after=command.not_after,
            joined_at=grounds.now,
        )
        if (
            command.not_before
            and command.not_after
            and not entry.within(
                Window(command.not_before, max(command.not_after, command.not_before + timedelta(seconds=1)))
            )
        ):
            raise errors.invalid("not_after", "leaves no room for the visit")
        await waitlist.join(tx, entry)
        tx.refer(entry.entry_id)
    return entry


async def leave_waitlist(desk: Desk, entry_id: str) -> Entry:
    """The entry, LEFT; as it is when it is at its end already. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        entry = await waitlist.lock_entry(tx, entry_id)
        reach().require_campaign(entry.campaign_id)
        await waitlist.set_entry(tx, entry_id, WaitlistState.LEFT)
        return await waitlist.lock_entry(tx, entry_id)


async def list_waitlist(desk: Desk, campaign_id: str) -> Sequence[Entry]:
    """At most 200 who wait, in order. Raises NotFound, NotAllowed."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await campaigns.require(tx, campaign_id)
        return await waitlist.waiting(tx, campaign_id)


async def accept_offer(desk: Desk, offer_id: str, claim: Claim) -> Card:
    """The appointment; the same again for the same claim. Of all who accept, one wins.

    Raises HOLD_EXPIRED, ALREADY_EXISTS when somebody else accepted, the refusals of a booking, Unavailable.
    """
    offer, entry = await _claim_offer(desk, offer_id, claim)
    await failpoint("booking.offer.after_claim")
    try:
        booking = BookAppointment(HeldSlot(offer.hold_id), entry.contact_id, "", claim)
        card = await book_appointment(desk, booking)
    except REFUSALS:
        await _finish(desk, caller().tenant, offer, OfferState.PASSED)
        raise
    await failpoint("booking.offer.after_book")
    await _finish(desk, caller().tenant, offer, OfferState.ACCEPTED)
    return card


async def decline_offer(desk: Desk, offer_id: str) -> None:
    """The next one gets it; declining again is no error. Raises NotFound, ALREADY_EXISTS once accepted."""
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        offer = await waitlist.get_offer(tx, offer_id, lock=True)
        entry = await waitlist.lock_entry(tx, offer.entry_id)
        reach().require_campaign(entry.campaign_id)
        if offer.state is OfferState.PASSED:
            return
        if offer.claim_key is not None:
            raise errors.offer_taken()
        await _pass_on(tx, offer)
    await desk.ledger.release_hold(tenant, offer.hold_id)
    await work_opening(desk, tenant, offer.opening_id)


async def _claim_offer(desk: Desk, offer_id: str, claim: Claim) -> tuple[Offer, Entry]:
    async with desk.db.uow(caller().tenant) as tx:
        offer = await waitlist.get_offer(tx, offer_id, lock=True)
        entry = await waitlist.lock_entry(tx, offer.entry_id)
        reach().require_campaign(entry.campaign_id)
        if offer.claim_key == claim.key:
            return offer, entry
        if offer.claim_key is not None:
            raise errors.offer_taken()
        gone = offer.state is not OfferState.OFFERED or entry.state is not WaitlistState.OFFERED
        if gone or await tx.now() >= offer.expires_at:
            raise errors.offer_expired()
        await waitlist.set_offer(tx, offer_id, OfferState.OFFERED, claim.key)
    return offer, entry


async def _finish(desk: Desk, tenant: str, offer: Offer, state: OfferState) -> None:
    async with desk.db.uow(tenant) as tx:
        await waitlist.lock_opening(tx, offer.opening_id)
        known = await waitlist.get_offer(tx, offer.offer_id, lock=True)
        if known.state is OfferState.OFFERED:
            await _settle(tx, known, state)


async def _settle(tx: Tx, offer: Offer, state: OfferState) -> None:
    if state is OfferState.PASSED:
        await _pass_on(tx, offer)
        return
    await waitlist.set_offer(tx, offer.offer_id, state, offer.claim_key)
    await waitlist.set_entry(tx, offer.entry_id, WaitlistState.BOOKED)
    await waitlist.close(tx, offer.opening_id)


async def _pass_on(tx: Tx, offer: Offer) -> None:
    await waitlist.set_offer(tx, offer.offer_id, OfferState.PASSED, offer.claim_key)
    if (await waitlist.lock_entry(tx, offer.entry_id)).state is WaitlistState.OFFERED:
        await waitlist.set_entry(tx, offer.entry_id, WaitlistState.WAITING)


async def time_is_free(desk: Desk, tenant: str, freed: Freed) -> None:
    """Notes an opening, once for each event, and offers it; nothing where nobody waits."""
    async with desk.db.uow(tenant) as tx:
        if not await waitlist.anybody_waits(tx, freed.campaign_id):
            return
    if freed.appointment_id:  # its owner has decided, so the stop may go before geo hears of it
        await desk.ledger.settle_stop(tenant, freed.appointment_id)
    opening = Opening(new_id("opn"), freed.campaign_id, freed.agent_id, freed.window)
    async with desk.db.uow(tenant, freed.claim) as tx:
        if tx.duplicate:
            return
        await waitlist.add_opening(tx, opening)
    await failpoint("booking.opening.after_commit")
    await work_opening(desk, tenant, opening.opening_id)


async def work_openings(desk: Desk) -> None:
    """One round over all tenants: passes on what has expired, offers what is open. A defect of one opening
    is logged and keeps no other waiting."""
    after = ("", "")
    while True:
        async with desk.db.worker() as tx:
            found = await waitlist.openings(tx, after, _BATCH)
        for tenant, opening_id in found:
            try:
                await work_opening(desk, tenant, opening_id)
            except Unavailable:
                raise
            except GiroError as error:
                _log.exception("opening_failed", opening_id=opening_id, error=str(error))
        if len(found) < _BATCH:
            return
        after = found[-1]


async def work_opening(desk: Desk, tenant: str, opening_id: str) -> None:
    """Brings one opening as far as it goes: to a standing offer, to its end, or to nobody who fits."""
    while True:
        async with desk.db.uow(tenant) as tx:
            opening = await waitlist.lock_opening(tx, opening_id)
            passed = None if opening is None else await _passed(tx, opening)
        if opening is None:
            return
        if passed is not None:
            await desk.ledger.release_hold(tenant, passed.hold_id)
        async with desk.db.uow(tenant) as tx:
            candidate = await _candidate(desk, tx, opening_id)
        if candidate is None:
            return
        offer = await _kept(desk, tenant, candidate)
        await failpoint("booking.offer.after_hold")
        if await _record(desk, tenant, candidate, offer):
            return


async def _passed(tx: Tx, opening: Opening) -> Offer | None:
    """The standing offer when it has come to its end without being taken; it is passed on."""
    offer = await waitlist.standing(tx, opening.opening_id)
    if offer is None:
        return None
    left = (await waitlist.lock_entry(tx, offer.entry_id)).state is WaitlistState.LEFT
    expired = await tx.now() >= offer.expires_at
    if offer.claim_key is not None:
        return await _of_a_crash(tx, offer) if expired else None
    if not (expired or left):
        return None
    await _pass_on(tx, offer)
    return offer


async def _of_a_crash(tx: Tx, offer: Offer) -> Offer | None:
    """What became of the booking that somebody began with this offer."""
    booking = await bookings.of_claim(tx, offer.claim_key or "")
    if booking is not None and booking.appointment.state is State.PENDING:
        return None  # under way, or the reconciler's
    taken = booking is not None and booking.appointment.state in WITH_STOP
    await _settle(tx, offer, OfferState.ACCEPTED if taken else OfferState.PASSED)
    return None if taken else offer


async def _candidate(desk: Desk, tx: Tx, opening_id: str) -> _Candidate | None:
    opening = await waitlist.lock_opening(tx, opening_id)
    if opening is None or await waitlist.standing(tx, opening_id) is not None:
        return None
    entry = await waitlist.next_for(tx, opening)
    contact_id = "" if entry is None else entry.contact_id
    grounds = await campaigns.grounds_to_book(
        tx, opening.campaign_id, opening.agent_id, contact_id, sandbox=desk.db.sandbox
    )
    if grounds is None:
        raise RuntimeError(f"{opening_id} has no campaign")
    closed = next(iter(refusals(grounds.now, opening.window.end, grounds.terms)), None)
    if not grounds.agent_works or (closed is not None and closed.reason is Reason.LEAD_TIME):
        await waitlist.close(tx, opening_id)
        return None
    if entry is None or closed is not None:
        return None
    return _Candidate(opening, entry, grounds)


async def _kept(desk: Desk, tenant: str, candidate: _Candidate) -> Offer | None:
    """The offer that the ledger keeps for the candidate; None when the visit does not fit in."""
    entry, grounds, opening = candidate.entry, candidate.grounds, candidate.opening
    part = entry.within(opening.window)
    if part is None:
        return None
    ttl: timedelta = grounds.parameters[parameters.OFFER_TTL]
    try:
        found = await desk.ledger.search(tenant, _query(candidate, part))
        if not found.slots:
            return None
        start = datetime.fromtimestamp(found.slots[0].start, UTC)
        plan = grounds.plan(
            opening.agent_id, Window(start, start + entry.duration), grounds.required_contact_point()
        )
        new = NewHold(new_id("hld"), opening.campaign_id, WAITLIST, plan, ttl)
        await desk.ledger.hold(tenant, new)
    except REFUSALS:
        return None
    expires_at = grounds.now.replace(microsecond=0) + ttl
    return Offer(
        new_id("off"),
        opening.opening_id,
        entry.entry_id,
        opening.agent_id,
        plan.window,
        new.hold_id,
        expires_at,
    )


def _query(candidate: _Candidate, part: Window) -> SlotQuery:
    """The first start in that part, on any second."""
    grounds = candidate.grounds
    query = query_of(grounds, grounds.required_contact_point(), candidate.entry.duration, [part], limit=1)
    return replace(query, agent_ids=[candidate.opening.agent_id], granularity=timedelta(0))


async def _record(desk: Desk, tenant: str, candidate: _Candidate, offer: Offer | None) -> bool:
    """Stores the offer, or that it does not fit; False: look for the next one."""
    opening, entry = candidate.opening, candidate.entry
    try:
        async with desk.db.uow(tenant) as tx:
            if await waitlist.lock_opening(tx, opening.opening_id) is None:
                return True
            if (await waitlist.lock_entry(tx, entry.entry_id)).state is not WaitlistState.WAITING:
                return True  # the worker's next round looks again; a hold ends by itself
            if offer is None:
                unfit = Offer(
                    new_id("off"), opening.opening_id, entry.entry_id, opening.agent_id, opening.window, "",
                    candidate.grounds.now, OfferState.PASSED,
                )  # fmt: skip
                await waitlist.add_offer(tx, unfit)
                return False
            await waitlist.add_offer(tx, offer)
            await waitlist.set_entry(tx, entry.entry_id, WaitlistState.OFFERED)
            events.waitlist_offered(tx, offer, entry)
            await failpoint("booking.offer.before_commit")
    except Conflict:  # somebody else works the same opening
        return True
    return True
