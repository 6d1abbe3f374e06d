"""A new card that takes the place of an old one, as bookings do: PENDING first, then geo, then one decision.

The old card cannot change meanwhile; in the transaction that decides the new one it is locked for good.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from booking.domain import errors
from booking.domain.appointment import Appointment, Card, NewCard, pending
from booking.domain.decision import Decision
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Certificate, Reservation, StopPlan
from booking.domain.refix_writes import Refix
from booking.domain.refusal import Refusal
from booking.storage import answers, appointments, bookings, successors
from booking.storage.bookings import Booking
from booking.usecases import aftermath, claimed, record
from booking.usecases.aftermath import Replaced
from booking.usecases.desk import Desk
from booking.usecases.fail_booking import fail_booking
from booking.usecases.ports import REFUSALS
from booking.usecases.record import Begun
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class Successor:
    """What the new card is to be: the stop it needs, whether its link to the old one is shown, and what it is
    decided upon.

    `certificate` is what the stop rests on, where it was suggested.
    """

    plan: StopPlan
    refix: Refix
    linked: bool
    now: datetime
    decision: Decision
    certificate: Certificate | None = None


async def begin(tx: Tx, old: Appointment, wanted: Successor, claim_key: str) -> Booking:
    """Stores the new card of a locked old one as PENDING. Raises CHANGE_IN_PROGRESS."""
    booking = card_of(old, wanted, claim_key)
    await failpoint("booking.new_card.before_pending")
    if not await successors.begin(tx, booking, wanted.refix):
        raise errors.change_in_progress()
    await record.note(tx, booking.appointment.appointment_id, wanted.decision)
    return booking


def visited_anew(old: Appointment, grounds: Grounds) -> Appointment:
    """The old card as a new one is planned by: where its contact is by now, as every booking (GEO-18).

    A flexible one's day or week is not promised anew (GEO-27). Raises NEEDS_PIN.
    """
    point, postcode = grounds.required_contact_point(), grounds.contact_postcode
    return replace(old, point=point, postcode=postcode, promise=None)


def card_of(old: Appointment, wanted: Successor, claim_key: str) -> Booking:
    """The new card as it begins."""
    plan, refix = wanted.plan, wanted.refix
    new = NewCard(new_id("apt"), old.campaign_id, old.contact_id, refix.owner_id, old.note)
    appointment = replace(
        pending(new, plan, wanted.now),
        outcome_state_id=refix.state_id,
        supersedes=old.appointment_id,
        linked=wanted.linked,
    )
    return Booking(appointment, plan, None, claim_key, wanted.certificate)


async def carry_out(desk: Desk, booking: Booking, claim: Claim) -> Card:
    """Asks geo and decides. Raises its refusal; Unavailable when the outcome is not known yet."""
    tenant = caller().tenant
    await failpoint("booking.new_card.after_pending")
    try:
        stop = await reserve(desk, tenant, booking)
    except Unavailable as unknown:
        raise claimed.outcome_unknown(unknown) from unknown
    if isinstance(stop, GiroError):
        await _give_up(desk, tenant, booking, stop)
        return await claimed.first_card(desk, claim)
    card = await supersede(desk, tenant, booking, stop)
    return await claimed.first_card(desk, claim) if card is None else card


async def reserve(desk: Desk, tenant: str, booking: Booking) -> Reservation | GiroError:
    """The stop, or the refusal. Raises Unavailable when it is not known whether geo has made it."""
    try:
        return await desk.ledger.reserve(
            tenant, booking.appointment.appointment_id, booking.plan, booking.certificate
        )
    except REFUSALS as refusal:
        return refusal


async def supersede(desk: Desk, tenant: str, booking: Booking, stop: Reservation) -> Card | None:
    """Decides both cards; None when that was done, or given up, already."""
    await failpoint("booking.new_card.after_reserve")
    async with desk.db.uow(tenant) as tx:
        await appointments.lock(tx, str(booking.appointment.supersedes))
        await failpoint("booking.new_card.before_decide")
        new = await successors.decide_new(tx, booking.appointment.appointment_id)
        if new is None:
            return None
        refix = await successors.refix_of(tx, new.appointment_id)
        old = await successors.lock_old(tx, new, refix.old_state_id)
        for told in await aftermath.superseded(tx, [Replaced(old, new, refix)]):
            made = stop if told.after is new else None
            await record.keep(tx, told, Begun(new.appointment_id, made))
        card = Card(new, stop.leg_before, stop.leg_after)
        await tx.answer_claim(booking.claim_key, answers.from_card(card))
        await failpoint("booking.new_card.before_commit")
    await failpoint("booking.new_card.after_commit")
    return card


async def _give_up(desk: Desk, tenant: str, booking: Booking, refusal: GiroError) -> None:
    async with desk.db.uow(tenant) as tx:
        failed = await fail_booking(tx, booking.appointment.appointment_id, Refusal.of(refusal))
    if failed:
        raise refusal


async def begun_by(tx: Tx, claim: Claim) -> Booking:
    """The new card that a request began. Raises REQUEST_IN_FLIGHT when there is none yet."""
    booking = await bookings.of_claim(tx, claim.key)
    if booking is None:
        raise claimed.in_flight()
    return booking
