"""What postponing, reassigning and re-fixing share: record the move, let geo swap the stop, follow.

The move is pending in the appointment's own row until geo has swapped the stop (then there is only forward)
or has promised, under the move's id, that it never will.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from booking import events
from booking.domain.appointment import Appointment, Card, Move, MoveKind, moved_to
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Certificate, MoveTerms, Reservation, StopPlan
from booking.domain.parameters import LEAD_TIME, POSTPONE_RESPECTS_LEAD_TIME
from booking.domain.refusal import Refusal
from booking.storage import answers, appointments, campaigns, moves, refix_requests, waitlist
from booking.usecases import aftermath, claimed, record
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS
from booking.usecases.record import Begun
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id
from kit.values.window import Window

ASKED: Final = (LEAD_TIME, POSTPONE_RESPECTS_LEAD_TIME)
"""The parameters that a move is judged by."""


@dataclass(frozen=True, slots=True)
class PendingMove:
    """A move under way and the stop that it needs; what it rests on, where that was suggested.

    `promised_anew`: what was promised of the arrival does not stay, because the customer agreed to another.
    """

    move: Move
    plan: StopPlan
    certificate: Certificate | None = None
    promised_anew: bool = False


async def begin(
    tx: Tx, kind: MoveKind, appointment: Appointment, planned: "Planned", claim: Claim
) -> PendingMove:
    """Records the move of a locked appointment, and what it is decided upon."""
    plan = planned.plan
    move = Move(new_id("mov"), appointment.appointment_id, kind, plan.agent_id, plan.window)
    await failpoint("booking.move.before_pending")
    await moves.begin(tx, move, claim.key)
    await record.note(tx, move.move_id, decision(planned.grounds, slot_source=SlotSource.CHOSEN_TIME))
    tx.refer(move.move_id)
    return PendingMove(move, plan, promised_anew=not appointment.keeps_promise(plan.window.start))


def decision(grounds: Grounds, **more: Any) -> Decision:
    """What a move by the caller is decided upon."""
    return record.by_policy(record.who(), grounds.parameters, ASKED, grounds.campaign, **more)


@dataclass(frozen=True, slots=True)
class Planned:
    """The stop that a move needs, and what it was judged by."""

    plan: StopPlan
    grounds: Grounds


async def earlier(desk: Desk, tx: Tx) -> PendingMove | Card:
    """The first answer to this transaction's claim, or else the move that it began."""
    if tx.first_answer is not None:
        return answers.card(tx.first_answer)
    move = await moves.get(tx, tx.claim_ref) if tx.claim_ref else None
    if move is None:
        raise claimed.in_flight()
    appointment = await appointments.get(tx, move.appointment_id)
    grounds = await grounds_of(desk, tx, appointment, move.agent_id)
    start, is_refix = move.window.start, move.kind is MoveKind.REFIX
    anew = is_refix or not appointment.keeps_promise(start)
    visited = at_contact(appointment, grounds) if is_refix else appointment
    plan = plan_of(grounds, visited, move.agent_id, start, anew=anew)
    return PendingMove(move, plan, promised_anew=anew)


async def grounds_of(desk: Desk, tx: Tx, appointment: Appointment, agent_id: str) -> Grounds:
    """What a move of this appointment to this agent is judged by."""
    found = await campaigns.grounds_to_book(
        tx, appointment.campaign_id, agent_id, appointment.contact_id, sandbox=desk.db.sandbox
    )
    if found is None:
        raise RuntimeError(f"{appointment.appointment_id} has no campaign")
    return found


def at_contact(appointment: Appointment, grounds: Grounds) -> Appointment:
    """The appointment where its contact is by now, which is where it is fixed again; while nobody knows that,
    where it was booked."""
    if grounds.contact_point is None:
        return appointment
    return replace(appointment, point=grounds.contact_point, postcode=grounds.contact_postcode)


def plan_of(
    grounds: Grounds, appointment: Appointment, agent_id: str, start: datetime, *, anew: bool = False
) -> StopPlan:
    """The stop of an appointment's visit with this agent from this start on; its length stays.

    What was promised of the arrival stays as well, unless it is promised `anew` (BK-39). A flexible visit has
    its day or week instead, and nothing of the arrival (GEO-27).
    """
    window = Window(start, start + appointment.window.duration)
    campaign, flexible = grounds.campaign, appointment.promise is not None
    promised, where = grounds.promised(start) if anew and not flexible else None, appointment.point
    buffer, skills = campaign.buffer, campaign.skills
    return StopPlan(agent_id, window, where, buffer, skills, appointment.postcode, promised)


def new_plan(
    grounds: Grounds, appointment: Appointment, agent_id: str, start: datetime, *, anew: bool = False
) -> Planned:
    """The same for a move that begins: a start outside of what was promised is one that the customer asked
    for, and is promised anew (R-011). Raises ABSENT, CONTACT_UNAVAILABLE."""
    outside = not appointment.keeps_promise(start)
    plan = plan_of(grounds, appointment, agent_id, start, anew=anew or outside)
    grounds.absences.require_none(agent_id, plan.window)
    return Planned(plan, grounds)


async def carry_out(desk: Desk, pending: PendingMove, claim: Claim) -> Card:
    """Asks geo and follows. Raises its refusal; Unavailable when the outcome is not known yet."""
    verb = pending.move.kind.lower()
    await failpoint(f"booking.{verb}.after_pending")
    try:
        stop = await swap(desk, caller().tenant, pending)
    except Unavailable as unknown:
        raise claimed.outcome_unknown(unknown) from unknown
    if isinstance(stop, GiroError):
        return await _drop(desk, pending.move, stop, claim)
    await failpoint(f"booking.{verb}.after_move")
    card = await follow(desk, caller().tenant, pending.move, stop)
    if card is None:
        return await claimed.first_card(desk, claim)
    await failpoint(f"booking.{verb}.after_commit")
    return card


async def swap(desk: Desk, tenant: str, pending: PendingMove) -> Reservation | GiroError:
    """The swapped stop, or the refusal, which then holds for good.

    An equal request of ours may still be on its way to geo, so a refusal counts only once geo has promised
    that this move will never be made.
    """
    move = pending.move
    try:
        terms = MoveTerms(pending.certificate, promised_anew=pending.promised_anew)
        return await desk.ledger.move(tenant, move.move_id, move.appointment_id, pending.plan, terms)
    except REFUSALS as refusal:
        made = await desk.ledger.settle_move(tenant, move.move_id)
        return refusal if made is None else made


async def follow(desk: Desk, tenant: str, move: Move, stop: Reservation) -> Card | None:
    """Applies a move that geo has made; None when that was done already."""
    async with desk.db.uow(tenant) as tx:
        appointment = await appointments.lock(tx, move.appointment_id)
        claim_key = await moves.apply(tx, move.move_id)
        if claim_key is None:
            return None
        change = moved_to(appointment, move, await tx.now(), stop.plan)
        if move.refix is not None:  # any other move is of a visit that was agreed while its person waited
            await waitlist.serve(tx, appointment.campaign_id, appointment.contact_id)
        if not await appointments.save(tx, change):
            raise RuntimeError(f"{move.appointment_id} changed while {move.move_id} was pending")
        card = Card(change.after, stop.leg_before, stop.leg_after)
        if move.refix is None:
            await aftermath.moved(tx, change)
            told = events.moved(tx, move.kind, change)
        else:
            (told,) = await aftermath.refixed(tx, [(change, move)])
        await record.keep(tx, told, Begun(move.move_id, stop))
        if claim_key:
            await tx.answer_claim(claim_key, answers.from_card(card))
        await failpoint(f"booking.{move.kind.lower()}.before_commit")
    return card


async def _drop(desk: Desk, move: Move, refusal: GiroError, claim: Claim) -> Card:
    if not await drop(desk, caller().tenant, move.move_id, Refusal.of(refusal)):
        return await claimed.first_card(desk, claim)
    raise refusal


async def drop(desk: Desk, tenant: str, move_id: str, refusal: Refusal) -> bool:
    """Forgets a move that geo will never make; False when it is decided already.

    What a procedure made it for is tried again.
    """
    async with desk.db.uow(tenant) as tx:
        claim_key = await moves.drop(tx, move_id, refusal)
        if claim_key is None:
            return False
        if claim_key:
            await tx.answer_claim(claim_key, answers.from_refusal(refusal))
        await refix_requests.again(tx, [move_id])
    return True
