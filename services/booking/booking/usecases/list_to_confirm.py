"""The appointments that the staff confirm on a day (R-007)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from booking.domain.campaign import zone
from booking.domain.confirmation_day import confirmed_on
from booking.domain.pages import DEFAULT_SIZE
from booking.storage import to_confirm
from booking.storage.to_confirm import ConfirmingCampaign
from booking.usecases.desk import Desk
from booking.usecases.list_appointments import AppointmentPage, after_of, page_of
from booking.usecases.reach import reach
from kit.rpc.context import caller
from kit.values.days import parse_day
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class ListToConfirm:
    """`day` is "YYYY-MM-DD", empty for today by each campaign's zone; an empty id: all within reach."""

    day: str
    campaign_id: str
    page_size: int
    page_token: str


async def list_to_confirm(desk: Desk, query: ListToConfirm) -> AppointmentPage:
    """One page of the TO_CONFIRM ones. Raises InvalidInput naming `day` or `page_token`, NotAllowed."""
    who = caller()
    shape = ("to confirm", query.day, query.campaign_id)
    position = desk.page_tokens.read(who.tenant, shape, query.page_token)
    day = parse_day(query.day, "day") if query.day else None
    size = query.page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        campaigns = await to_confirm.campaigns(tx, _only(query.campaign_id))
        due = _due(campaigns, day, await tx.now())
        found = await to_confirm.page(tx, due, after_of(position), size + 1)
    return page_of(desk, shape, found, size)


def _only(campaign_id: str) -> Collection[str] | None:
    mine = reach()
    if campaign_id:
        mine.require_campaign(campaign_id)
        return [campaign_id]
    return None if mine.whole else mine.campaigns


def _due(
    campaigns: Sequence[ConfirmingCampaign], day: date | None, now: datetime
) -> list[tuple[str, Window]]:
    found = []
    for campaign in campaigns:
        local = zone(campaign.time_zone)
        window = confirmed_on(day or now.astimezone(local).date(), local, working_days=campaign.working_days)
        if window is not None:
            found.append((campaign.campaign_id, window))
    return found
