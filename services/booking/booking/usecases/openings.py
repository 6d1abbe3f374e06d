"""What becomes free is offered to who waits: in order, one at a time, each until an expiry (BK-43, RE-17).

An offer is a hold of the ledger: nobody else can take the time until it expires. Its row, with the hold's id,
is committed under the opening's lock before the ledger is asked. So one worker at a time makes offers of an
opening, and whatever dies, the row tells which hold has to be freed before the opening is offered again.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from booking import events
from booking.domain import parameters
from booking.domain.appointment import State
from booking.domain.grounds import Grounds
from booking.domain.policies import refusals
from booking.domain.waitlist import LEASE, Entry, Offer, OfferState, Opening, WaitlistState, pause
from booking.storage import bookings, campaigns, openings, waitlist
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS, NewHold, SlotQuery
from booking.usecases.search_slots import query_of, search_slots
from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, NotFound, Reason, RuleViolated, Unavailable
from kit.failpoints import failpoint
from kit.values.ids import new_id
from kit.values.window import Window

WAITLIST: Final = "waitlist"
"""Who holds a slot for an offer."""

_BATCH: Final = 200

_AWAY: Final = 3
"""After so many openings in turn that geo or the database was away for, a round ends."""

_INLINE: Final = 2
"""How many are tried for an opening while somebody waits for an answer; the rest is the rounds'."""

_IN_A_ROUND: Final = 20
"""How many are tried for one opening in a round, so that a long list keeps no other opening waiting."""

_FIRST: Final = ("", "")

KEPT: Final = timedelta(days=30)
"""How long a closed opening, and the offers made of it, are kept after its time."""

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Freed:
    """Time that an appointment no longer takes; `appointment_id` when its stop has to be freed first."""

    campaign_id: str
    agent_id: str
    window: Window
    appointment_id: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Begun:
    """An offer whose row is committed, and what its hold is judged by."""

    offer: Offer
    opening: Opening
    entry: Entry
    grounds: Grounds

    @property
    def ttl(self) -> timedelta:
        """How long the time is kept."""
        found: timedelta = self.grounds.parameters[parameters.OFFER_TTL]
        return found


async def anybody_waits(desk: Desk, tenant: str, campaign_ids: Collection[str]) -> frozenset[str]:
    """Those of the campaigns in which what becomes free is to be offered to somebody."""
    async with desk.db.uow(tenant) as tx:
        return await waitlist.waited_for(tx, campaign_ids)


async def time_is_free(desk: Desk, tenant: str, freed: Freed) -> None:
    """Notes an opening, once for each event, and offers it; nothing where nobody waits."""
    if not await anybody_waits(desk, tenant, {freed.campaign_id}):
        return
    if freed.appointment_id:  # its owner has decided, so the stop may go before geo hears of it
        await desk.ledger.settle_stop(tenant, freed.appointment_id)
    opening = Opening(new_id("opn"), freed.campaign_id, freed.agent_id, freed.window)
    async with desk.db.uow(tenant, freed.claim) as tx:
        if tx.duplicate:
            return
        await openings.add(tx, opening)
    await failpoint("booking.opening.after_commit")
    await carry_on(desk, tenant, opening.opening_id)


@dataclass(slots=True)
class Place:
    """Where the rounds are: (tenant, opening) after which the next one begins."""

    after: tuple[str, str] = _FIRST


async def work_openings(desk: Desk, place: Place | None = None) -> None:
    """One round over all tenants, from `place` on: passes on what has expired, offers what is open.

    A defect of one opening is logged and keeps no other waiting. Raises Unavailable when the database is
    away, or geo was for several openings in turn; the next round goes on behind them.
    """
    place, away = place or Place(), 0
    while True:
        async with desk.db.worker() as tx:
            found = await openings.page(tx, place.after, _BATCH)
        for tenant, opening_id in found:
            place.after = tenant, opening_id
            unavailable = await _attempt(desk, tenant, opening_id)
            away = away + 1 if unavailable is not None else 0
            if unavailable is not None and away == _AWAY:
                raise unavailable
        if len(found) < _BATCH:
            place.after = _FIRST
            return


async def _attempt(desk: Desk, tenant: str, opening_id: str) -> Unavailable | None:
    """Works one opening of a round, whatever becomes of it; what was away, where something was."""
    try:
        await work_opening(desk, tenant, opening_id)
    except Unavailable as error:
        _log.warning("opening_waits", opening_id=opening_id, error=str(error))
        return error
    except Exception as error:
        _log.exception("opening_failed", opening_id=opening_id, error=str(error))
    return None


async def forget_openings(desk: Desk, most: int = _BATCH) -> int:
    """Deletes, of all tenants, at most so many openings that are past being asked about; how many."""
    async with desk.db.worker() as tx:
        found = await openings.closed(tx, KEPT, most, sandbox=desk.db.sandbox)
    for tenant, opening_id in found:
        async with desk.db.uow(tenant) as tx:
            await openings.forget(tx, opening_id)
    return len(found)


async def carry_on(desk: Desk, tenant: str, opening_id: str) -> None:
    """Begins to work one opening at once; what is left, or fails, is the next round's."""
    try:
        await work_opening(desk, tenant, opening_id, _INLINE)
    except GiroError as error:
        _log.warning("opening_waits", opening_id=opening_id, error=str(error))


async def work_opening(desk: Desk, tenant: str, opening_id: str, most: int = _IN_A_ROUND) -> None:
    """Brings one opening as far as it goes with at most so many people tried: to a standing offer, to its
    end, or to nobody who fits now. Who was tried has a pause, so the next round goes on behind him."""
    more = True
    while more:
        async with desk.db.uow(tenant) as tx:
            found = await _next(desk, tx, opening_id)
        if isinstance(found, Offer):
            await _free(desk, tenant, found)
            continue
        more = found is not None and await _make(desk, tenant, found)
        most -= 1
        more = more and most > 0


async def _next(desk: Desk, tx: Tx, opening_id: str) -> _Begun | Offer | None:
    """The next offer to make, or one at its end whose hold has to be freed before; None: nothing to do."""
    opening = await openings.lock(tx, opening_id)
    if opening is None:
        return None
    offer = await openings.held(tx, opening_id)
    return await _begin(desk, tx, opening) if offer is None else await _at_its_end(tx, offer)


async def _at_its_end(tx: Tx, offer: Offer) -> Offer | None:
    """The offer once it is at its end, be it by now, or by the death of whoever made it or booked it."""
    if offer.state.ended:
        return offer
    if offer.claim_key is not None:
        return await end_of_booking(tx, offer)
    entry = await waitlist.get_entry(tx, offer.entry_id, lock=True)
    now = await tx.now()
    if now < offer.expires_at and not entry.state.ended:
        return None
    if offer.state is OfferState.HOLDING and not entry.state.ended:
        return await end_offer(tx, offer, OfferState.UNFIT, now + pause(offer.tries - 1))
    return await end_offer(tx, offer, OfferState.PASSED, now)


async def end_of_booking(tx: Tx, offer: Offer) -> Offer | None:
    """What became of the booking that took this offer, stored; the offer when its hold has to be freed."""
    booking = await bookings.of_claim(tx, offer.claim_key or "")
    # no booking: the claim's key is of before revision 0017
    state = State.FAILED if booking is None else booking.appointment.state
    if state is State.PENDING:
        return None  # under way, or the reconciler's
    if state is State.FAILED:
        return await end_offer(tx, offer, OfferState.REFUSED, await tx.now() + pause(offer.tries))
    await openings.save(tx, replace(offer, state=OfferState.ACCEPTED, held=False))
    await waitlist.set_entry(tx, offer.entry_id, WaitlistState.BOOKED)
    await openings.close_full(tx, offer.opening_id)
    return None


async def end_offer(tx: Tx, offer: Offer, state: OfferState, until: datetime) -> Offer:
    """The locked offer, ended; its hold is still to be freed. Who had it waits again, unless he left or
    was booked."""
    ended = replace(offer, state=state, expires_at=until)
    await openings.save(tx, ended)
    entry = await waitlist.get_entry(tx, offer.entry_id, lock=True)
    if entry.state is WaitlistState.OFFERED:
        await waitlist.set_entry(tx, offer.entry_id, WaitlistState.WAITING)
    await failpoint("booking.offer.before_end")
    return ended


async def _free(desk: Desk, tenant: str, ended: Offer) -> None:
    """Frees the hold of an ended offer, and so the opening; one that never was, or is gone, is free."""
    with suppress(NotFound, RuleViolated):
        await desk.ledger.release_hold(tenant, ended.hold_id)
    await failpoint("booking.offer.after_release")
    async with desk.db.uow(tenant) as tx:
        await openings.freed(tx, ended.offer_id)


async def _begin(desk: Desk, tx: Tx, opening: Opening) -> _Begun | None:
    """A new offer for who is next, HOLDING, of an opening whose lock is held and which has no other."""
    entry = await waitlist.lock_next(tx, opening)
    contact_id = "" if entry is None else entry.contact_id
    grounds = await campaigns.grounds_to_book(
        tx, opening.campaign_id, opening.agent_id, contact_id, sandbox=desk.db.sandbox
    )
    if grounds is None:
        raise RuntimeError(f"{opening.opening_id} has no campaign")
    closed = next(iter(refusals(grounds.now, opening.window.end, grounds.terms)), None)
    if not grounds.agent_works or (closed is not None and closed.reason is Reason.LEAD_TIME):
        await openings.close(tx, opening.opening_id)
        return None
    if entry is None or closed is not None:
        return None
    offer = Offer(
        offer_id=new_id("off"),
        opening_id=opening.opening_id,
        entry_id=entry.entry_id,
        agent_id=opening.agent_id,
        window=opening.window,
        hold_id=new_id("hld"),
        expires_at=grounds.now + LEASE,
    )
    tries = await openings.begin(tx, offer)
    return _Begun(replace(offer, tries=tries), opening, entry, grounds)


async def _make(desk: Desk, tenant: str, begun: _Begun) -> bool:
    """Has the hold placed and the offer told; True: look what is next."""
    await failpoint("booking.offer.after_begin")
    try:
        window = await _hold(desk, tenant, begun)
    except GiroError:  # it is not known whether the ledger keeps it
        await _end_begun(desk, tenant, begun, held=True, wait=pause(begun.offer.tries - 1))
        raise
    await failpoint("booking.offer.after_hold")
    if window is None:
        await _end_begun(desk, tenant, begun, held=False, wait=pause(begun.offer.tries))
        return True
    if await _tell(desk, tenant, begun, window):
        await failpoint("booking.offer.after_commit")
        return False
    await _free(desk, tenant, begun.offer)
    return True


async def _hold(desk: Desk, tenant: str, begun: _Begun) -> Window | None:
    """The time that the ledger keeps for the offer; None when the visit does not fit in now."""
    entry, grounds, opening = begun.entry, begun.grounds, begun.opening
    part = entry.within(opening.window)
    if part is None:
        return None
    try:
        found, _ = await search_slots(desk, tenant, _query(begun, part), grounds)
        if not found.slots:
            return None
        start = datetime.fromtimestamp(found.slots[0].start, UTC)
        window = Window(start, start + entry.duration)
        plan = grounds.plan(opening.agent_id, window, grounds.required_contact_point())
        new = NewHold(begun.offer.hold_id, opening.campaign_id, WAITLIST, plan, begun.ttl)
        await desk.ledger.hold(tenant, new)
    except REFUSALS:
        return None
    return window


def _query(begun: _Begun, part: Window) -> SlotQuery:
    """The first start in that part, on any second."""
    grounds = begun.grounds
    query = query_of(grounds, grounds.required_contact_point(), begun.entry.duration, [part], limit=1)
    return replace(query, agent_ids=[begun.opening.agent_id], granularity=timedelta(0))


async def _end_begun(desk: Desk, tenant: str, begun: _Begun, *, held: bool, wait: timedelta) -> None:
    """The person is tried again after `wait`; nothing when somebody else has ended the offer meanwhile."""
    async with desk.db.uow(tenant) as tx:
        offer = await _still_mine(tx, begun)
        if offer is not None:
            await end_offer(tx, replace(offer, held=held), OfferState.UNFIT, await tx.now() + wait)


async def _tell(desk: Desk, tenant: str, begun: _Begun, window: Window) -> bool:
    """Makes the offer stand; False when it was ended, or its person has left, meanwhile."""
    async with desk.db.uow(tenant) as tx:
        offer = await _still_mine(tx, begun)
        entry = await waitlist.get_entry(tx, begun.entry.entry_id, lock=True)
        if offer is None or entry.state is not WaitlistState.WAITING:
            return False
        expires_at = begun.grounds.now.replace(microsecond=0) + begun.ttl
        told = replace(offer, state=OfferState.OFFERED, window=window, expires_at=expires_at)
        await openings.save(tx, told)
        await waitlist.set_entry(tx, entry.entry_id, WaitlistState.OFFERED)
        events.waitlist_offered(tx, told, entry)
        await failpoint("booking.offer.before_commit")
    return True


async def _still_mine(tx: Tx, begun: _Begun) -> Offer | None:
    """The offer, locked with its opening, while it is still being made."""
    await openings.lock(tx, begun.opening.opening_id)
    offer = await openings.held(tx, begun.opening.opening_id)
    mine = offer is not None and offer.offer_id == begun.offer.offer_id
    return offer if mine and offer is not None and offer.state is OfferState.HOLDING else None
