"""Fixes an appointment again for an operator, by the same rules from every screen (R-030, R-039, R-046)."""

from dataclasses import dataclass, replace
from datetime import datetime

from booking.domain import decision as decisions
from booking.domain import errors, refix, veil
from booking.domain.appointment import Appointment, Card, Move, MoveKind, require_movable
from booking.domain.decision import Shown, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Certificate, StopPlan
from booking.domain.policies import require_refixable
from booking.domain.refix import Decision, Form, Screen
from booking.domain.refix_modes import Policy
from booking.domain.refix_parameters import REFIXING
from booking.domain.refix_writes import Refix
from booking.domain.slot_token import SuggestedSlot
from booking.storage import answers, appointments, moves, policies
from booking.storage.bookings import Booking
from booking.usecases import move_stop, record
from booking.usecases.desk import Desk
from booking.usecases.move_stop import PendingMove, Planned
from booking.usecases.reach import reach
from booking.usecases.refix import new_card
from booking.usecases.refix.by_hand import require_mine
from booking.usecases.refix.new_card import Successor, visited_anew
from booking.usecases.telling import require_agents_shown
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class Time:
    """A chosen start; the agent stays when `agent_id` is empty."""

    agent_id: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody chose on the form: None and empty leave it as it was offered. `screen` is told only."""

    new_card: bool | None = None
    state_id: str = ""
    note: str = ""
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class RefixAppointment:
    """`slot` is a token of a suggested slot, or a chosen time. `version` 0: whatever is there."""

    appointment_id: str
    slot: "str | Time"
    choices: Choices
    version: int
    claim: Claim


async def get_refix_form(desk: Desk, appointment_id: str) -> Form:
    """What the caller may choose. Raises NotFound, OUT_OF_SCOPE, SUPERSEDED."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_campaign(appointment.campaign_id)
        require_movable(appointment, 0)
        policy = await policies.load(tx, appointment.campaign_id, caller().subject)
    return _form(policy, appointment)


async def refix_appointment(desk: Desk, command: RefixAppointment) -> Card:
    """The card with its new time: the same one, or a new one that locks the old; again for the same claim.

    Raises PRESET, NotFound or InvalidInput for a choice that is not the caller's, SUPERSEDED, STALE_VERSION,
    WRONG_STATE, CHANGE_IN_PROGRESS, LEAD_TIME, AGENT_NOT_IN_CAMPAIGN, the ledger's refusals, and Unavailable
    when the outcome is not known yet. A slot whose agent is hidden keeps it so, and OUT_OF_SCOPE is
    raised for a chosen agent where agents are hidden (GEO-09).
    """
    slot = command.slot
    suggested = None if isinstance(slot, Time) else desk.suggested(slot)
    # of a token that cannot be read any more only the first answer is told, by what the caller sees by now
    hidden = isinstance(suggested, SuggestedSlot) and suggested.hidden
    try:
        card = await _refixed(desk, command)
    except GiroError as refusal:
        raise veil.refusal(refusal) if hidden else refusal from None
    return veil.card(card) if hidden else card


async def _refixed(desk: Desk, command: RefixAppointment) -> Card:
    begun = await _begin(desk, command)
    if isinstance(begun, Card):
        return begun
    if isinstance(begun, Booking):
        return await new_card.carry_out(desk, begun, command.claim)
    return await move_stop.carry_out(desk, begun, command.claim)


async def _begin(desk: Desk, command: RefixAppointment) -> PendingMove | Booking | Card:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await _earlier(desk, tx, command)
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        await failpoint("booking.refix.before_decide")
        require_movable(appointment, command.version)
        await require_mine(tx, appointment)
        policy = await policies.load(tx, appointment.campaign_id, caller().subject)
        offered = _form(policy, appointment)
        chosen = command.choices
        decision = refix.decide(offered, chosen.new_card, chosen.state_id, policy.states)
        planned, shown = await _plan(desk, tx, (appointment, decision.new_card), command.slot)
        certificate = _certificate(desk, planned.grounds, command.slot)
        why = _why(policy, appointment, planned, (chosen, shown))
        writes = _writes(appointment, (offered, decision), chosen)
        if decision.new_card:
            now = planned.grounds.now
            wanted = Successor(planned.plan, writes, offered.linked, now, why, certificate)
            booking = await new_card.begin(tx, appointment, wanted, command.claim.key)
            tx.refer(booking.appointment.appointment_id)
            return booking
        pending = await _begin_move(tx, appointment, planned.plan, writes, command.claim)
        await record.note(tx, pending.move.move_id, why)
        return replace(pending, certificate=certificate)


async def _earlier(desk: Desk, tx: Tx, command: RefixAppointment) -> PendingMove | Booking | Card:
    if tx.first_answer is not None:
        return answers.card(tx.first_answer)
    begun: PendingMove | Booking | Card
    if tx.claim_ref and tx.claim_ref.startswith("apt_"):
        begun = await new_card.begun_by(tx, command.claim)
    else:
        begun = await move_stop.earlier(desk, tx)
    if isinstance(begun, Card):
        return begun
    appointment = await appointments.get(tx, command.appointment_id)
    grounds = await move_stop.grounds_of(desk, tx, appointment, begun.plan.agent_id)
    return replace(begun, certificate=_certificate(desk, grounds, command.slot))


def _certificate(desk: Desk, grounds: Grounds, slot: "str | Time") -> Certificate | None:
    """What a suggested start rests on; it comes with the request each time."""
    if isinstance(slot, Time):
        return None
    suggested = desk.slot_tokens.read(caller().tenant, slot)
    return suggested.certified(grounds.parameters.slot_token_ttl)


async def _begin_move(
    tx: Tx, appointment: Appointment, plan: StopPlan, writes: Refix, claim: Claim
) -> PendingMove:
    kept, kind = replace(writes, postcode=plan.postcode), MoveKind.REFIX
    move = Move(new_id("mov"), appointment.appointment_id, kind, plan.agent_id, plan.window, kept)
    await failpoint("booking.refix.before_pending")
    await moves.begin(tx, move, claim.key)
    tx.refer(move.move_id)
    return PendingMove(move, plan, promised_anew=True)


def _why(
    policy: Policy, appointment: Appointment, planned: Planned, chosen: tuple[Choices, Shown | None]
) -> decisions.Decision:
    """What the re-fix is decided upon: the present outcome, its mode, and the parameters of both."""
    choices, shown = chosen
    source = SlotSource.CHOSEN_TIME if shown is None else SlotSource.SUGGESTION
    return record.by_policy(
        record.who(choices.screen.value if choices.screen else ""),
        policy.parameters,
        (*move_stop.ASKED, *REFIXING),
        planned.grounds.campaign,
        rules=record.refix_rules(policy, appointment.outcome_state_id),
        slot_source=source,
        shown=shown,
    )


def _form(policy: Policy, appointment: Appointment) -> Form:
    mode = policy.mode_of(policy.states.get(appointment.outcome_state_id))
    return refix.form(mode, policy.parameters, policy.states)


def _writes(appointment: Appointment, chosen: tuple[Form, Decision], choices: Choices) -> Refix:
    offered, decision = chosen
    actor = caller().subject
    return Refix(
        actor_id=actor,
        owner_id=refix.new_owner(offered.moves_owner, appointment.operator_id, actor),
        mode_id=offered.mode_id,
        state_id=decision.state_id,
        note=choices.note,
        screen=choices.screen.value if choices.screen else "",
    )


async def _plan(
    desk: Desk, tx: Tx, card: tuple[Appointment, bool], slot: "str | Time"
) -> tuple[Planned, Shown | None]:
    """The stop of the same card, or of a new one (`card` tells which): where the contact is by now."""
    appointment, on_new = card
    placed = visited_anew if on_new else move_stop.at_contact
    if isinstance(slot, Time):
        agent_id, start = slot.agent_id or appointment.agent_id, slot.start
        grounds = await move_stop.grounds_of(desk, tx, appointment, agent_id)
        if slot.agent_id:
            require_agents_shown(grounds)
        return _checked(grounds, placed(appointment, grounds), agent_id, start), None
    suggested = desk.slot_tokens.read(caller().tenant, slot)
    agent_id, start = suggested.agent_id, suggested.window.start
    grounds = await move_stop.grounds_of(desk, tx, appointment, agent_id)
    suggested.require_fresh(grounds.now, grounds.parameters.slot_token_ttl)
    visited = placed(appointment, grounds)
    _require_found_for(visited, suggested)
    return _checked(grounds, visited, agent_id, start), suggested.shown


def _require_found_for(visited: Appointment, suggested: SuggestedSlot) -> None:
    if suggested.campaign_id != visited.campaign_id or suggested.point != visited.point:
        raise errors.invalid("slot_token", "was found for another visit")
    if suggested.window.duration != visited.window.duration:
        raise errors.invalid("slot_token", "is not as long as the appointment")


def _checked(grounds: Grounds, appointment: Appointment, agent_id: str, start: datetime) -> Planned:
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(agent_id, "time.agent_id")
    require_refixable(grounds.now, start, grounds.parameters.lead_time_of_postponement)
    return move_stop.new_plan(grounds, appointment, agent_id, start, anew=True)
