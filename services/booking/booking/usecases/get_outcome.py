"""The present outcome of an appointment; agents see what its state shows (R-076)."""

from booking.domain.appointment import Appointment
from booking.storage import appointments, outcomes
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.sight import as_seen
from kit.rpc.context import caller


async def get_outcome(desk: Desk, appointment_id: str) -> Appointment:
    """The appointment with the characteristics that the caller may see. Raises NotFound, OUT_OF_SCOPE."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        state = await outcomes.state_or_none(tx, appointment.outcome_state_id)
    reach().require_sight(appointment.campaign_id, appointment.agent_id)
    return as_seen(appointment, state)
