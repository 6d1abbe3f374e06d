"""An appointment with who is visited, for other services of Giro."""

from dataclasses import dataclass

from booking.domain.appointment import LIVE, Appointment
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact
from booking.storage import appointments, campaigns, contacts, history
from booking.usecases.desk import Desk
from kit.db.uow import Tx
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Visit:
    """The appointment as it is now, its campaign and its contact.

    `takes_place`: it is still to come. An outcome by which the visit fell through counts until somebody
    decides anew about its date: another start, a re-fix, another outcome. Confirming it, or giving it to
    another agent at its start, decides nothing of the kind (ADR 0043).
    """

    appointment: Appointment
    campaign: Campaign
    contact: Contact
    takes_place: bool


async def get_visit(desk: Desk, appointment_id: str) -> Visit:
    """Raises NotFound naming `appointment_id`."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        campaign = await campaigns.get(tx, appointment.campaign_id)
        contact = await contacts.get(tx, appointment.contact_id)
        return Visit(appointment, campaign, contact, await _takes_place(tx, appointment))


async def _takes_place(tx: Tx, appointment: Appointment) -> bool:
    if appointment.state not in LIVE:
        return False
    return not appointment.outcome_state_id or not await history.fell_through(tx, appointment)
