"""One appointment with its present legs."""

from booking.domain.appointment import WITH_STOP, Appointment, Card
from booking.storage import appointments
from booking.usecases import views
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit import telemetry
from kit.errors import NotFound, Unavailable
from kit.rpc.context import caller

_log = telemetry.logger(__name__)


async def get_appointment(desk: Desk, appointment_id: str) -> Card:
    """One appointment; who looked is kept (R-017). Raises NotFound; Unavailable without geo's legs."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        await views.record(tx, [appointment])
    return await _with_legs(desk, appointment)


async def with_legs_if_known(desk: Desk, appointment: Appointment) -> Card:
    """The same for a change that is made already: no legs while geo does not answer."""
    try:
        return await _with_legs(desk, appointment)
    except Unavailable as error:
        _log.warning("legs_left_out", appointment_id=appointment.appointment_id, error=str(error))
        return Card(appointment)


async def _with_legs(desk: Desk, appointment: Appointment) -> Card:
    if appointment.state not in WITH_STOP:
        return Card(appointment)
    try:
        stop = await desk.ledger.reservation(caller().tenant, appointment.appointment_id)
    except NotFound:  # cancelled since it was read
        return Card(appointment)
    return Card(appointment, stop.leg_before, stop.leg_after)
