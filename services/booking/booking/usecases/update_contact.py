"""Corrects a person: the pin of one who needs it, a wrong address, how to be reached, the language."""

from booking import events
from booking.domain import errors
from booking.domain.contact import Contact, ContactChange, Correction, Located, PlacedBy, corrected
from booking.storage import contact_changes, contacts
from booking.usecases.desk import Desk
from booking.usecases.locate import locate, require_short
from booking.usecases.ports import Places
from booking.usecases.reach import reach
from kit.failpoints import failpoint
from kit.rpc.context import caller


async def update_contact(
    desk: Desk, places: Places, contact_id: str, correction: Correction, version: int = 0
) -> Contact:
    """The person as corrected; what is booked already stays where it was booked. `version` 0: any.

    A point is a pin: it counts from now on, and no address moves it. Where nobody has told one, a new address
    is looked up, and may need a pin (GEO-18). Calls and letters go to the new number and address, in the new
    language, from the next one on: reminders asks before each. Raises NotFound, NotAllowed (OUT_OF_SCOPE),
    STALE_VERSION, InvalidInput naming `address` for clearing the one that tells the place, Unavailable when
    it cannot be looked up.
    """
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        known = await contacts.get(tx, contact_id)
        reach().require_campaign(known.campaign_id)
    located = await _located(places, known, correction)
    await failpoint("booking.contact.after_located")
    async with desk.db.uow(tenant) as tx:
        contact = await contacts.lock(tx, contact_id)
        await failpoint("booking.contact.before_decide")
        after, changes = corrected(contact, correction, located, version)
        if changes:
            await contacts.save(tx, after)
            made = ContactChange(after.version, await tx.now(), caller().subject, changes)
            await contact_changes.add(tx, contact_id, made)
            events.contact_updated(tx, after, changes)
    return after


async def _located(places: Places, known: Contact, correction: Correction) -> Located | None:
    if correction.address is None or correction.point is not None or known.placed_by is PlacedBy.PINNED:
        return None
    if not correction.address:
        raise errors.invalid("address", "tells where the visit is: tell the point before it is cleared")
    require_short(correction.address, "address")
    (located,) = await locate(places, caller().tenant, [correction.address])
    return located
