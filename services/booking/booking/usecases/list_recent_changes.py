"""Recently changed appointments, the newest first (R-002)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from booking.domain.pages import DEFAULT_SIZE, Position
from booking.domain.recent_change import RecentChange
from booking.storage import recent_changes
from booking.storage.recent_changes import Filter
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes, the newest first; the token is empty on the last page."""

    changes: Sequence[RecentChange]
    next_page_token: str


async def list_recent_changes(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> ChangePage:
    """One page within the caller's reach. Raises InvalidInput naming `page_token`, NotAllowed."""
    who = caller()
    shape = ("recent changes", campaign_id)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    mine = reach()
    mine.require_sight(campaign_id, "")
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        found = await recent_changes.page(tx, Filter(mine, campaign_id), _before(position), size + 1)
    if len(found) <= size:
        return ChangePage(found, "")
    last = found[size - 1]
    here = (last.happened_at.isoformat(), last.event_id)
    return ChangePage(found[:size], desk.page_tokens.write(who.tenant, shape, here))


def _before(position: Position | None) -> tuple[datetime, str] | None:
    if position is None:
        return None
    return datetime.fromisoformat(str(position[0])), str(position[1])
