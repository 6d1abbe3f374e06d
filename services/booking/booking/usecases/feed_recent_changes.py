"""The feed of recent changes, written from booking's own events (R-002)."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking.domain.recent_change import RecentChange
from booking.storage import recent_changes
from kit.db.claims import Claim
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class ToldOnce:
    """A change, and the claim of the event that tells it."""

    change: RecentChange
    claim: Claim


async def feed_recent_changes(db: Database, tenant: str, told: Sequence[ToldOnce]) -> None:
    """Stores changes, each once however often its event comes, in whatever order."""
    async with db.uow(tenant) as tx:
        fresh = await tx.claim_all([each.claim for each in told])
        changes = [each.change for each in told if each.claim.key in fresh]
        if changes:
            await recent_changes.insert(tx, changes)
