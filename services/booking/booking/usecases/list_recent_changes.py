"""Recently changed appointments, the newest first (R-002)."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.pages import DEFAULT_SIZE, Position, instant_and_id
from booking.domain.recent_change import RecentChange
from booking.storage import recent_changes
from booking.storage.recent_changes import Filter
from booking.usecases import views
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes, the newest first; the token is empty on the last page."""

    changes: Sequence[RecentChange]
    next_page_token: str


async def list_recent_changes(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> ChangePage:
    """One page within the caller's reach; what a customer or an agent is shown is kept (R-017).

    Raises InvalidInput naming `page_token`, NotAllowed.
    """
    who = caller()
    shape = ("recent changes", campaign_id)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    mine = reach()
    mine.require_sight(campaign_id, "")
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        found = await recent_changes.page(tx, Filter(mine, campaign_id), instant_and_id(position), size + 1)
        await views.record_for_clients(tx, found[:size])
    return ChangePage(*desk.page_tokens.cut(who.tenant, shape, found, size, _position))


def _position(change: RecentChange) -> Position:
    return change.happened_at.isoformat(), change.event_id
