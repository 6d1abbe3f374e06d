"""People to visit."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.contact import Contact
from booking.domain.pages import DEFAULT_SIZE
from booking.storage import campaigns, contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ContactPage:
    """People by id; the token is empty on the last page."""

    contacts: Sequence[Contact]
    next_page_token: str


async def get_contact(desk: Desk, contact_id: str) -> Contact:
    """One person. Raises NotFound."""
    async with desk.db.uow(caller().tenant) as tx:
        contact = await contacts.get(tx, contact_id)
    reach().require_campaign(contact.campaign_id)
    return contact


async def list_contacts(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> ContactPage:
    """One page of a campaign's people. Raises NotFound, InvalidInput naming `page_token`."""
    tenant = caller().tenant
    reach().require_campaign(campaign_id)
    shape = ("contacts", campaign_id)
    position = desk.page_tokens.read(tenant, shape, page_token)
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(tenant) as tx:
        await campaigns.require(tx, campaign_id)
        found = await contacts.page(tx, campaign_id, str(position[0]) if position else "", size + 1)
    return ContactPage(*desk.page_tokens.cut(tenant, shape, found, size, lambda last: (last.contact_id,)))
