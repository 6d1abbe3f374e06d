"""Campaigns with their counters (R-133 to R-136)."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.campaign import Campaign
from booking.domain.pages import DEFAULT_SIZE
from booking.storage import campaigns
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class CampaignPage:
    """Campaigns by id; the token is empty on the last page."""

    campaigns: Sequence[Campaign]
    next_page_token: str


async def get_campaign(desk: Desk, campaign_id: str) -> Campaign:
    """One campaign. Raises NotFound."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        return await campaigns.get(tx, campaign_id)


async def list_campaigns(desk: Desk, page_size: int, page_token: str) -> CampaignPage:
    """One page of those within the caller's reach. Raises InvalidInput naming `page_token`."""
    who, mine = caller(), reach()
    only = None if mine.whole else mine.campaigns
    shape = ("campaigns",)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        found = await campaigns.page(tx, only, str(position[0]) if position else "", size + 1)
    cut = desk.page_tokens.cut(who.tenant, shape, found, size, lambda last: (last.campaign_id,))
    return CampaignPage(*cut)
