"""Gives an appointment to another agent of the campaign (R-083); the target agent's day is checked alike."""

from dataclasses import dataclass
from datetime import datetime

from booking.domain import errors
from booking.domain.appointment import Appointment, Card, MoveKind, require_movable
from booking.domain.policies import require_reassignable
from booking.storage import appointments
from booking.usecases import move_stop
from booking.usecases.desk import Desk
from booking.usecases.move_stop import PendingMove, Planned
from booking.usecases.reach import reach
from booking.usecases.refix.by_hand import require_mine, require_new_start_free
from booking.usecases.telling import require_agents_shown
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ReassignAppointment:
    """The new agent; `start` None keeps the present start. `version` 0: whatever is there."""

    appointment_id: str
    agent_id: str
    start: datetime | None
    version: int
    claim: Claim


async def reassign_appointment(desk: Desk, command: ReassignAppointment) -> Card:
    """The appointment with its new agent, in the state it was in, with its legs.

    Raises OUT_OF_SCOPE where agents are hidden, AGENT_NOT_IN_CAMPAIGN, InvalidInput naming `agent_id` for the
    present agent, STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS, LEAD_TIME for a new start that is too near,
    OUT_OF_SCOPE for another operator's private recall, PRESET for a new start where the outcome has to be
    re-fixed instead, the ledger's refusals, and Unavailable when the outcome is not known yet.
    """
    begun = await _begin(desk, command)
    return begun if isinstance(begun, Card) else await move_stop.carry_out(desk, begun, command.claim)


async def _begin(desk: Desk, command: ReassignAppointment) -> PendingMove | Card:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await move_stop.earlier(desk, tx)
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        await failpoint("booking.reassign.before_decide")
        require_movable(appointment, command.version)
        await require_mine(tx, appointment)
        if command.start not in {None, appointment.window.start}:
            await require_new_start_free(tx, appointment)
        plan = await _plan(desk, tx, appointment, command)
        return await move_stop.begin(tx, MoveKind.REASSIGN, appointment, plan, command.claim)


async def _plan(desk: Desk, tx: Tx, appointment: Appointment, command: ReassignAppointment) -> Planned:
    grounds = await move_stop.grounds_of(desk, tx, appointment, command.agent_id)
    require_agents_shown(grounds)
    if command.agent_id == appointment.agent_id:
        raise errors.invalid("agent_id", "is the appointment's agent already; postpone it instead")
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(command.agent_id, "agent_id")
    start = command.start or appointment.window.start
    leads = grounds.terms.lead_time, grounds.parameters.lead_time_of_postponement
    require_reassignable(grounds.now, appointment, start, leads)
    return move_stop.new_plan(grounds, appointment, command.agent_id, start)
