"""The feed of recent changes, written from booking's own events (R-002)."""

from booking.domain.recent_change import RecentChange
from booking.storage import recent_changes
from kit.db.claims import Claim
from kit.db.engine import Database


async def feed_recent_changes(db: Database, tenant: str, change: RecentChange, claim: Claim) -> None:
    """Stores one change, once however often its event comes, in whatever order."""
    async with db.uow(tenant, claim) as tx:
        if not tx.duplicate:
            await recent_changes.insert(tx, change)
