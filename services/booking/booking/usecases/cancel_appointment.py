"""Cancels an appointment; its stop follows by the event, or by the reconciler when the bus is down."""

from dataclasses import dataclass

from booking import events
from booking.domain.appointment import Card, cancel
from booking.storage import appointments
from booking.usecases import aftermath, record
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.refix.by_hand import require_mine
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class CancelAppointment:
    """`version` 0: whatever is there; `note` tells people why."""

    appointment_id: str
    version: int
    note: str


async def cancel_appointment(desk: Desk, command: CancelAppointment) -> Card:
    """The cancelled appointment; as it is when it was cancelled already.

    Its unit counts against the package until the step ends (R-136). Raises STALE_VERSION, WRONG_STATE,
    CHANGE_IN_PROGRESS, OUT_OF_SCOPE for another operator's private recall.
    """
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        await failpoint("booking.cancel.before_decide")
        change = cancel(appointment, command.version, command.note, await tx.now())
        if change is None:
            return Card(appointment)
        await require_mine(tx, appointment)
        await appointments.save(tx, change)
        await record.keep(tx, events.cancelled(tx, change.after), record.by_caller())
        await aftermath.close(tx, change.after.appointment_id)
        await failpoint("booking.cancel.before_commit")
    await failpoint("booking.cancel.after_commit")
    return Card(change.after)
