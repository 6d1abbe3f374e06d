"""Moves an appointment to a later start with the same agent (R-011)."""

from dataclasses import dataclass
from datetime import datetime

from booking.domain.appointment import Appointment, Card, MoveKind, require_movable
from booking.domain.policies import require_postponable
from booking.storage import appointments
from booking.usecases import move_stop
from booking.usecases.desk import Desk
from booking.usecases.move_stop import PendingMove, Planned
from booking.usecases.reach import reach
from booking.usecases.refix.by_hand import require_mine, require_new_start_free
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class PostponeAppointment:
    """The new start; the length stays. `version` 0: whatever is there."""

    appointment_id: str
    start: datetime
    version: int
    claim: Claim


async def postpone_appointment(desk: Desk, command: PostponeAppointment) -> Card:
    """The appointment at its new time, TO_CONFIRM again, with its legs.

    Raises NOT_LATER, STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS, LEAD_TIME where the tenant wants it,
    OUT_OF_SCOPE for another operator's private recall, PRESET where the outcome has to be re-fixed instead,
    the ledger's refusals, and Unavailable when the outcome is not known yet.
    """
    begun = await _begin(desk, command)
    return begun if isinstance(begun, Card) else await move_stop.carry_out(desk, begun, command.claim)


async def _begin(desk: Desk, command: PostponeAppointment) -> PendingMove | Card:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await move_stop.earlier(desk, tx)
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        await failpoint("booking.postpone.before_decide")
        require_movable(appointment, command.version)
        plan = await plan_postponement(desk, tx, appointment, command.start)
        return await move_stop.begin(tx, MoveKind.POSTPONE, appointment, plan, command.claim)


async def plan_postponement(desk: Desk, tx: Tx, appointment: Appointment, start: datetime) -> Planned:
    """The stop that it needs, by the appointment's own campaign. Raises OUT_OF_SCOPE for another operator's
    private recall, PRESET where a re-fix has to be made instead, NOT_LATER, LEAD_TIME, ABSENT,
    CONTACT_UNAVAILABLE."""
    await require_mine(tx, appointment)
    await require_new_start_free(tx, appointment)
    grounds = await move_stop.grounds_of(desk, tx, appointment, appointment.agent_id)
    require_postponable(grounds.now, appointment, start, grounds.parameters.lead_time_of_postponement)
    return move_stop.new_plan(grounds, appointment, appointment.agent_id, start)
