"""Calls placed per calendar day (R-128)."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kit.db.uow import Tx

TAKE = """
    INSERT INTO reminders.daily_calls AS d (tenant_id, day, placed)
    SELECT :tenant, CAST(:day AS date), 1 WHERE CAST(:limit AS integer) > 0 AND :rings > 0
    ON CONFLICT ON CONSTRAINT daily_calls_pkey DO UPDATE SET placed = d.placed + 1 WHERE d.placed < :limit
    RETURNING d.placed
"""
"""Counts one call of the day, and no message; no row, and nothing counted, when the limit is reached.

The day's row is locked from here to the end of the transaction, so that no two calls are both the last: it
belongs into the last statement, or a tenant's calls queue up for it.
"""

_TELL = text(
    """
    INSERT INTO reminders.daily_calls AS d (tenant_id, day, mailed) VALUES (:tenant, :day, true)
    ON CONFLICT ON CONSTRAINT daily_calls_pkey DO UPDATE SET mailed = true WHERE NOT d.mailed
    RETURNING d.day
    """
)

_GIVE_BACK = text(
    "UPDATE reminders.daily_calls SET placed = placed - 1"
    " WHERE tenant_id = :tenant AND day = :day AND placed > 0"
)

_PLACED = text("SELECT placed FROM reminders.daily_calls WHERE tenant_id = :tenant AND day = :day")


def day_of(moment: datetime, zone: str) -> date:
    """The calendar day that a call of this moment counts for."""
    return moment.astimezone(ZoneInfo(zone)).date()


async def give_back(tx: Tx, day: date) -> None:
    """A counted call was never placed."""
    await tx.run(_GIVE_BACK, {"tenant": tx.tenant, "day": day})


async def first_at_limit(tx: Tx, day: date) -> bool:
    """Whether this is the first that the limit stops on this day: the one to tell of it (R-130)."""
    return (await tx.run(_TELL, {"tenant": tx.tenant, "day": day})).first() is not None


async def placed(tx: Tx, day: date) -> int:
    """Calls placed on a day."""
    return int((await tx.run(_PLACED, {"tenant": tx.tenant, "day": day})).scalar_one_or_none() or 0)
