"""What was corrected of a person to visit, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.contact import ContactChange
from booking.domain.pages import DEFAULT_SIZE
from booking.storage import contact_changes, contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ContactChangePage:
    """Corrections by version; the token is empty on the last page."""

    changes: Sequence[ContactChange]
    next_page_token: str


async def list_contact_changes(
    desk: Desk, contact_id: str, page_size: int, page_token: str
) -> ContactChangePage:
    """One page. Raises NotFound, NotAllowed (OUT_OF_SCOPE), InvalidInput naming `page_token`."""
    tenant = caller().tenant
    shape = ("contact_changes", contact_id)
    position = desk.page_tokens.read(tenant, shape, page_token)
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(tenant) as tx:
        reach().require_campaign((await contacts.get(tx, contact_id)).campaign_id)
        after = int(position[0]) if position else 0
        found = await contact_changes.page(tx, contact_id, after, size + 1)
    return ContactChangePage(*desk.page_tokens.cut(tenant, shape, found, size, lambda last: (last.version,)))
