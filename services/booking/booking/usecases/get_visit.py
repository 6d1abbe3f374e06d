"""An appointment with who is visited, for other services of Giro."""

from dataclasses import dataclass

from booking.domain.appointment import Appointment
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact
from booking.storage import appointments, campaigns, contacts
from booking.usecases.desk import Desk
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Visit:
    """The appointment as it is now, its campaign and its contact."""

    appointment: Appointment
    campaign: Campaign
    contact: Contact


async def get_visit(desk: Desk, appointment_id: str) -> Visit:
    """Raises NotFound naming `appointment_id`."""
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        campaign = await campaigns.get(tx, appointment.campaign_id)
        return Visit(appointment, campaign, await contacts.get(tx, appointment.contact_id))
