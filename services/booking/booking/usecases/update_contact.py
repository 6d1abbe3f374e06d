"""Corrects where somebody is visited: a postcode that was not known, an address that was wrong."""

from booking.domain.contact import Contact, Correction
from booking.storage import contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


async def update_contact(desk: Desk, contact_id: str, correction: Correction) -> Contact:
    """The person as corrected; what is booked already stays where it was booked.

    Raises NotFound, NotAllowed (OUT_OF_SCOPE).
    """
    async with desk.db.uow(caller().tenant) as tx:
        reach().require_campaign((await contacts.get(tx, contact_id)).campaign_id)
        return await contacts.correct(tx, contact_id, correction)
