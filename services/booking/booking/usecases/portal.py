"""The counters box, reports and support contacts of the customer's portal."""

from collections.abc import Sequence

from booking.domain import errors
from booking.domain.appointment import State
from booking.domain.campaign import Campaign
from booking.domain.report import Recount, Report, recounted
from booking.domain.support import SupportContact
from booking.storage import campaigns, reports, support_contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


async def get_campaign_box(desk: Desk, campaign_id: str) -> Campaign:
    """The campaign with its counters (R-133 to R-136). Raises NotFound, NotAllowed."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        return await campaigns.get_counters(tx, campaign_id)


async def verify_counters(desk: Desk, campaign_id: str) -> Recount:
    """The counters held against a recount. Raises NotFound, NotAllowed."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        found = await reports.counters(tx, campaign_id)
    if found is None:
        raise errors.not_found("campaign", "campaign_id")
    return recounted(*found)


async def get_report(desk: Desk, campaign_id: str, states: Sequence[State] = ()) -> Report:
    """The counts by agent and by zone (R-005, R-006), with `states` of these. Raises NotFound, NotAllowed."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await campaigns.require(tx, campaign_id)
        return Report.of(await reports.tallies(tx, campaign_id, states))


async def get_support_contact(desk: Desk) -> SupportContact:
    """The tenant's (R-019); empty until it was set."""
    async with desk.db.uow(caller().tenant) as tx:
        return await support_contacts.get(tx)


async def set_support_contact(desk: Desk, contact: SupportContact) -> SupportContact:
    """Stores the tenant's. Raises NotAllowed."""
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx:
        await support_contacts.put(tx, contact)
    return contact
