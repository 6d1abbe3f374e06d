"""Books an appointment: take before deciding, free after deciding, decide in one row, fence the late.

First the appointment is committed as PENDING, with its unit of the package. Then the ledger is asked for the
stop, outside any transaction. Then one conditional update decides TO_CONFIRM or FAILED. When the ledger's
answer is not known, the appointment stays PENDING: repeating the request goes on where it stopped, and the
reconciler (`settle_changes`) settles what nobody repeats.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from booking import events
from booking.domain import errors, veil
from booking.domain.appointment import Card, NewCard, pending
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Certificate, StopPlan
from booking.domain.parameters import LEAD_TIME, REVEAL_AGENT, SLOT_TOKEN_TTL
from booking.domain.policies import require_allowed
from booking.domain.promise import PromiseKind, of_visit
from booking.domain.refusal import Refusal
from booking.domain.slot_token import SuggestedSlot
from booking.storage import answers, bookings, campaigns
from booking.storage.bookings import Booking
from booking.usecases import claimed, record
from booking.usecases.desk import Desk
from booking.usecases.fail_booking import fail_booking
from booking.usecases.ports import REFUSALS
from booking.usecases.reach import reach
from booking.usecases.record import Begun
from booking.usecases.telling import agent_hidden, require_agents_shown, told
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Conflict, GiroError, Reason, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window

ASKED = (LEAD_TIME, SLOT_TOKEN_TTL, REVEAL_AGENT)
"""The parameters that a booking is judged by."""


@dataclass(frozen=True, slots=True)
class ChosenTime:
    """A time that somebody chose without a suggestion; the place is the contact's."""

    campaign_id: str
    agent_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class BookAppointment:
    """What to book: exactly one of a hold's id, a slot token and a chosen time.

    `condition` refuses, or takes what has to be taken, in the transaction that claims the request and begins
    the booking: either all of that is done or nothing. `promise` None: the start, or the campaign's arrival
    window; else the day or week of the start (GEO-27).
    """

    slot: "HeldSlot | TokenSlot | ChosenTime"
    contact_id: str
    note: str
    claim: Claim
    condition: Callable[[Tx], Awaitable[None]] | None = None
    promise: PromiseKind | None = None


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A kept slot."""

    hold_id: str


@dataclass(frozen=True, slots=True)
class TokenSlot:
    """A suggested slot."""

    token: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The slot behind any of the three; `point` None: wherever the contact is."""

    campaign_id: str
    agent_id: str
    window: Window
    point: LatLng | None = None
    hold_id: str | None = None
    suggested: SuggestedSlot | None = None
    campaign_field: str = "campaign_id"
    hidden: bool = False
    held: StopPlan | None = None

    @property
    def chosen(self) -> bool:
        """Whether the caller named agent and time, and nothing was suggested."""
        return self.suggested is None and self.hold_id is None

    def certified(self, grounds: Grounds) -> Certificate | None:
        """What a suggested start rests on."""
        if self.suggested is None:
            return None
        return self.suggested.certified(grounds.parameters.slot_token_ttl)


async def book_appointment(desk: Desk, command: BookAppointment) -> Card:
    """The booked appointment, TO_CONFIRM, with its legs; the same again for the same claim.

    Raises the policies' and the ledger's refusals by name (LEAD_TIME, PACKAGE_FULL, SLOT_TAKEN, TRAVEL_IN,
    …); OUT_OF_SCOPE for a chosen time where agents are hidden; Unavailable when the outcome is not known yet:
    the same request may be repeated.
    """
    wanted = await _wanted(desk, command)
    try:
        begun = await _begin(desk, command, wanted)
    except GiroError as refusal:
        known = wanted if isinstance(wanted, _Wanted) else None
        campaign_id = "" if known is None else known.campaign_id
        raise told(refusal, campaign_id, hidden=known is not None and known.hidden) from None
    if isinstance(begun, Card):
        return begun
    await failpoint("booking.book.after_pending")
    return await _finish(desk, begun, command.claim)


async def _wanted(desk: Desk, command: BookAppointment) -> _Wanted | GiroError:
    """The slot, or why it is none: a repeated request is answered before that counts."""
    try:
        return await _find(desk, command.slot)
    except GiroError as refusal:
        return refusal


async def _find(desk: Desk, slot: HeldSlot | TokenSlot | ChosenTime) -> _Wanted:
    tenant = caller().tenant
    if isinstance(slot, ChosenTime):
        return _Wanted(slot.campaign_id, slot.agent_id, slot.window, campaign_field="time.campaign_id")
    if isinstance(slot, TokenSlot):
        suggested = desk.slot_tokens.read(tenant, slot.token)
        return _Wanted(
            suggested.campaign_id,
            suggested.agent_id,
            suggested.window,
            suggested.point,
            suggested=suggested,
            hidden=suggested.hidden,
        )
    held = await desk.ledger.get_hold(tenant, slot.hold_id)
    plan = held.plan
    return _Wanted(
        held.campaign_id,
        plan.agent_id,
        plan.window,
        plan.point,
        held.hold_id,
        hidden=held.hidden,
        held=plan,
    )


async def _begin(desk: Desk, command: BookAppointment, wanted: _Wanted | GiroError) -> Booking | Card:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await _earlier(tx, desk, command, wanted)
        if command.condition is not None:
            await command.condition(tx)
        if isinstance(wanted, GiroError):
            raise wanted
        reach().require_campaign(wanted.campaign_id)
        grounds = await campaigns.grounds_to_book(
            tx, wanted.campaign_id, wanted.agent_id, command.contact_id, sandbox=desk.db.sandbox
        )
        if grounds is None:
            raise errors.not_found("campaign", wanted.campaign_field)
        await failpoint("booking.book.before_decide")
        wanted = _shown(wanted, grounds)
        try:
            booking = _decide(command, wanted, grounds)
        except GiroError as refusal:
            raise told(refusal, wanted.campaign_id, hidden=wanted.hidden) from None
        if not await bookings.begin(tx, booking):
            raise await _last_unit_gone(tx, wanted)
        await record.note(tx, booking.appointment.appointment_id, _decision(wanted, grounds))
    return booking


def _shown(wanted: _Wanted, grounds: Grounds) -> _Wanted:
    """With what the campaign hides from this caller by now: somebody else may have found or kept the slot."""
    return replace(wanted, hidden=wanted.hidden or agent_hidden(grounds, asked_for=True))


def _decide(command: BookAppointment, wanted: _Wanted, grounds: Grounds) -> Booking:
    now = grounds.now
    if wanted.chosen:
        require_agents_shown(grounds)
    if wanted.suggested is not None:
        wanted.suggested.require_fresh(now, grounds.parameters.slot_token_ttl)
    if wanted.point is not None:
        grounds.require_contact_at(wanted.point)
    point = grounds.required_contact_point()
    require_allowed(now, wanted.window.start, grounds.terms)
    plan = grounds.plan(wanted.agent_id, wanted.window, point)
    if wanted.held is not None:  # what was kept is what is booked
        plan = replace(plan, postcode=wanted.held.postcode, arrival=wanted.held.arrival)
    promise = None
    if command.promise is not None:
        if wanted.held is not None and wanted.held.arrival is not None:
            raise errors.invalid("promise", "the hold keeps an arrival window: book without the hold")
        promise = of_visit(command.promise, wanted.window, grounds.campaign.time_zone)
        plan = replace(plan, arrival=None)
    new = NewCard(new_id("apt"), wanted.campaign_id, command.contact_id, caller().subject, command.note)
    appointment = pending(new, plan, now, promise)
    return Booking(
        appointment, plan, wanted.hold_id, command.claim.key, wanted.certified(grounds), wanted.hidden
    )


def _decision(wanted: _Wanted, grounds: Grounds) -> Decision:
    """What the booking is decided upon, as it is told later."""
    source, shown = SlotSource.HOLD, None
    if wanted.suggested is not None:
        source, shown = SlotSource.SUGGESTION, wanted.suggested.shown
    elif wanted.chosen:
        source = SlotSource.CHOSEN_TIME
    return record.by_policy(
        record.who(),
        grounds.parameters,
        ASKED,
        grounds.campaign,
        slot_source=source,
        hold_id=wanted.hold_id or "",
        shown=shown,
    )


async def _last_unit_gone(tx: Tx, wanted: _Wanted) -> GiroError:
    """Somebody took the last unit after it was read: the policy's refusal, with the counters as they are."""
    campaign = await campaigns.get(tx, wanted.campaign_id)
    package = campaign.package
    if not package.full:
        return Conflict(Reason.CONTENTION, "others are booking for the same campaign; try again")
    return errors.package_full(package.purchased, package.taken, package.waiting)


async def _earlier(
    tx: Tx, desk: Desk, command: BookAppointment, wanted: _Wanted | GiroError
) -> Booking | Card:
    """The first answer, or else the booking that the request began and nobody has finished."""
    if tx.first_answer is not None:
        return answers.card(tx.first_answer)
    booking = await bookings.of_claim(tx, command.claim.key)
    if booking is None:
        raise claimed.in_flight()
    if isinstance(wanted, GiroError):
        if isinstance(command.slot, TokenSlot):  # what the start rests on cannot be checked
            raise wanted
        return replace(booking, hidden=True)  # the hold is gone, and with it whether the agent may be told
    grounds = await _grounds_again(tx, desk, wanted)
    hidden = _shown(wanted, grounds).hidden
    return replace(booking, certificate=wanted.certified(grounds), hidden=hidden)


async def _grounds_again(tx: Tx, desk: Desk, wanted: _Wanted) -> Grounds:
    grounds = await campaigns.grounds_to_book(
        tx, wanted.campaign_id, wanted.agent_id, "", sandbox=desk.db.sandbox
    )
    if grounds is None:
        raise errors.not_found("campaign", wanted.campaign_field)
    return grounds


async def _finish(desk: Desk, booking: Booking, claim: Claim) -> Card:
    tenant, appointment_id = caller().tenant, booking.appointment.appointment_id
    try:
        stop = await desk.ledger.reserve(
            tenant, appointment_id, booking.plan, booking.hold_id or booking.certificate
        )
    except REFUSALS as refusal:
        shown = told(refusal, booking.appointment.campaign_id, hidden=booking.hidden)
        return await _decide_failed(desk, appointment_id, shown, claim)
    except Unavailable as unknown:
        raise claimed.outcome_unknown(unknown) from unknown
    await failpoint("booking.book.after_reserve")
    async with desk.db.uow(tenant) as tx:
        appointment = await bookings.decide_booked(tx, appointment_id)
        if appointment is not None:
            card = Card(appointment, stop.leg_before, stop.leg_after)
            card = veil.card(card) if booking.hidden else card
            await record.keep(tx, events.booked(tx, appointment), Begun(appointment_id, stop))
            await tx.answer_claim(claim.key, answers.from_card(card))
            await failpoint("booking.book.before_commit")
    if appointment is None:
        return await claimed.first_card(desk, claim)
    await failpoint("booking.book.after_commit")
    return card


async def _decide_failed(desk: Desk, appointment_id: str, refusal: GiroError, claim: Claim) -> Card:
    async with desk.db.uow(caller().tenant) as tx:
        failed = await fail_booking(tx, appointment_id, Refusal.of(refusal))
    if not failed:
        return await claimed.first_card(desk, claim)
    raise refusal
