"""Holds the appointments against the ledger's stops: none without the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from booking.domain.appointment import WITH_STOP, Appointment
from booking.domain.itinerary import StopPlan
from booking.domain.repair import is_being_given_up
from booking.storage import appointments
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller

_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Ownership:
    """How many there are of each, and the ids that have no counterpart; empty when all is well."""

    appointments: int
    stops: int
    without_stop: Sequence[str]
    without_appointment: Sequence[str]


async def verify_ownership(desk: Desk) -> Ownership:
    """The check over the caller's tenant.

    Appointments are read before and after the stops; what changed in between is left out, so that nothing
    under way looks like a fault. A stop whose cancellation is still on its way is listed.
    """
    reach().require_whole()
    tenant = caller().tenant
    before = await _owned(desk, tenant)
    stops = {stop.appointment_id: stop.plan for stop in await desk.ledger.reservations(tenant)}
    after = await _owned(desk, tenant)
    settled = [
        seen for seen in before.values() if seen.state in WITH_STOP and after.get(seen.appointment_id) == seen
    ]
    return Ownership(
        appointments=len(settled),
        stops=len(stops),
        without_stop=sorted(a.appointment_id for a in settled if not _has_its_stop(a, stops)),
        without_appointment=sorted(stops.keys() - after.keys() - before.keys()),
    )


async def _owned(desk: Desk, tenant: str) -> dict[str, Appointment]:
    found: dict[str, Appointment] = {}
    last = ""
    while True:
        async with desk.db.uow(tenant) as tx:
            page = await appointments.owned(tx, last, _ROWS)
        found.update((appointment.appointment_id, appointment) for appointment in page)
        if len(page) < _ROWS:
            return found
        last = page[-1].appointment_id


def _has_its_stop(appointment: Appointment, stops: Mapping[str, StopPlan]) -> bool:
    if is_being_given_up(appointment):
        return True
    stop = stops.get(appointment.appointment_id)
    if stop is None or appointment.move_id is not None:
        return stop is not None  # while a move is under way the stop may be in either place
    return stop.is_at(StopPlan(appointment.agent_id, appointment.window, appointment.point))
