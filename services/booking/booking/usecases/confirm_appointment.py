"""Confirms an appointment, at any moment (R-011)."""

from dataclasses import dataclass

from booking import events
from booking.domain.appointment import Appointment, Card, confirm
from booking.storage import appointments
from booking.usecases import aftermath, record
from booking.usecases.desk import Desk
from booking.usecases.get_appointment import with_legs_if_known
from booking.usecases.reach import reach
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ConfirmAppointment:
    """`version` 0: whatever is there."""

    appointment_id: str
    version: int


async def confirm_appointment(desk: Desk, command: ConfirmAppointment) -> Card:
    """The confirmed appointment; as it is when it was confirmed already.

    Confirming needs nothing of geo: while geo does not answer, the legs are left out.
    Raises STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS.
    """
    appointment = await _confirm(desk, command)
    await failpoint("booking.confirm.after_commit")
    return await with_legs_if_known(desk, appointment)


async def _confirm(desk: Desk, command: ConfirmAppointment) -> Appointment:
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        await failpoint("booking.confirm.before_decide")
        change = confirm(appointment, command.version, await tx.now())
        if change is None:
            return appointment
        await appointments.save(tx, change)
        await aftermath.keep(tx, change)
        await record.keep(tx, events.confirmed(tx, change.after), record.by_caller())
        await failpoint("booking.confirm.before_commit")
        return change.after
