"""The answer to a reminder: shown in the calendar at once, and acted on (R-111, R-112, R-114, RE-17)."""

from dataclasses import dataclass
from datetime import datetime

from booking import events
from booking.domain.appointment import LIVE, UNTOLD, Appointment, Colour, cancel, confirm
from booking.domain.decision import Decision
from booking.domain.parameters import DECLINE_CANCELS
from booking.domain.replay import Paint
from booking.storage import appointments, parameters
from booking.storage.appointments import Painted
from booking.usecases import aftermath, record
from booking.usecases.desk import Desk
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import NotFound
from kit.failpoints import failpoint

DECLINED = "declined in answer to a reminder"
"""The cancellation's note."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A colour, with the answer that made it, for one start of an appointment.

    `coming` is None when no answer was given; `revision` grows with each change.
    """

    appointment_id: str
    start: datetime
    colour: Colour | None
    coming: bool | None
    revision: int
    claim: Claim


async def hear_answer(desk: Desk, tenant: str, heard: Heard) -> None:
    """Stores the colour; confirms, or cancels so that the time is free for others.

    What is older than what was heard before, or speaks of another start, decides nothing. Raises Conflict
    (CHANGE_IN_PROGRESS) while the appointment is being moved: it is told again.
    """
    async with desk.db.uow(tenant, heard.claim) as tx:
        if tx.duplicate:
            return
        try:
            appointment = await appointments.lock(tx, heard.appointment_id)
        except NotFound:
            return
        newer = await _paint(tx, appointment, heard)
        if newer and heard.coming is not None and _is_meant(appointment, heard):
            await _act(tx, appointment, coming=heard.coming)
        await failpoint("booking.answer.before_commit")


def _is_meant(appointment: Appointment, heard: Heard) -> bool:
    return appointment.state in LIVE and appointment.window.start == heard.start


async def _paint(tx: Tx, appointment: Appointment, heard: Heard) -> bool:
    painted = Painted(heard.colour, heard.start, heard.revision)
    if not await appointments.paint(tx, appointment.appointment_id, painted):
        return False
    if appointment.state not in UNTOLD:
        told = events.colour_changed(tx, appointment, Paint(heard.colour, heard.start))
        await record.keep(tx, told, _decided(appointment))
    return True


def _decided(appointment: Appointment) -> Decision:
    return Decision(record.customer(appointment, record.ANSWER))


async def _act(tx: Tx, appointment: Appointment, *, coming: bool) -> None:
    now = await tx.now()
    if coming:
        change = confirm(appointment, 0, now)
        if change is not None:
            await appointments.save(tx, change)
            await aftermath.keep(tx, change)
            await record.keep(tx, events.confirmed(tx, change.after), _decided(appointment))
        return
    counts = await parameters.effective(tx, appointment.campaign_id)
    if not counts[DECLINE_CANCELS]:
        return
    change = cancel(appointment, 0, DECLINED, now)
    if change is not None:
        await appointments.save(tx, change)
        answered = record.customer(appointment, record.ANSWER)
        decision = record.by_policy(answered, counts, [DECLINE_CANCELS])
        await record.keep(tx, events.cancelled(tx, change.after), decision)
        await aftermath.close(tx, change.after.appointment_id)
