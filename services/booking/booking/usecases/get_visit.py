"""Appointments with who is visited, for other services of Giro."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain import errors
from booking.domain.appointment import LIVE, Appointment
from booking.domain.contact import Contact
from booking.storage import appointments, campaigns, contacts, history
from booking.usecases.desk import Desk
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Visit:
    """The appointment as it is now, its contact, and the IANA zone of its campaign's calendar days.

    `takes_place`: it is still to come. An outcome by which the visit fell through counts until somebody
    decides anew about its date: another start, a re-fix, another outcome. Confirming it, or giving it to
    another agent at its start, decides nothing of the kind (ADR 0043).
    """

    appointment: Appointment
    time_zone: str
    contact: Contact
    takes_place: bool


async def get_visit(desk: Desk, appointment_id: str) -> Visit:
    """Raises NotFound naming `appointment_id`."""
    for visit in await get_visits(desk, [appointment_id]):
        return visit
    raise errors.not_found("appointment", "appointment_id")


async def get_visits(desk: Desk, appointment_ids: Sequence[str]) -> Sequence[Visit]:
    """Those of them that there are."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await appointments.get_all(tx, appointment_ids)
        zones = await campaigns.zones(tx, {each.campaign_id for each in found})
        people = await contacts.get_all(tx, {each.contact_id for each in found})
        live = [each for each in found if each.state in LIVE]
        judged = [each for each in live if each.outcome_state_id]
        fell_through = await history.fell_through(tx, judged) if judged else frozenset[str]()
    coming = {each.appointment_id for each in live} - fell_through
    return [
        Visit(each, zones[each.campaign_id], people[each.contact_id], each.appointment_id in coming)
        for each in found
    ]
