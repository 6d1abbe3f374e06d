"""Sends events once more that NATS lost before they were consumed (ADR 0029)."""

from datetime import datetime, timedelta
from typing import Final

from booking.storage import appointment_events
from kit.db.claims import RETENTION_DAYS
from kit.db.engine import Database

LONGEST: Final = timedelta(days=RETENTION_DAYS - 1)
"""How far back: consumers know for so long what they handled, and handle it once."""


async def send_again(db: Database, tenant: str, since: datetime, now: datetime) -> int:
    """Puts a tenant's events of appointments from then on into the outbox again; how many they are.

    Consumers that handled one already know it by its id. `since` and `now` are by the world's clock, as the
    ids of events are and what consumers remember. Raises ValueError for what they may know no more.
    """
    if since < now - LONGEST:
        days = LONGEST.days
        raise ValueError(f"--since is more than {days} days ago: who handled what may be forgotten")
    async with db.uow(tenant) as tx:
        return await appointment_events.send_again(tx, since)
