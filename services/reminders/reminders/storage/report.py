"""Counts of what became of reminders."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from kit.db.uow import Tx

_REMINDERS = text(
    """
    SELECT r.state || coalesce('/' || r.outcome, '/' || r.reason, '') AS what, count(*) AS many
    FROM reminders.reminders r
    WHERE r.tenant_id = :tenant AND r.due_at >= :begin AND r.due_at < :end GROUP BY what
    """
)

_ATTEMPTS = text(
    """
    SELECT a.channel || '/' || coalesce(a.ending, a.state) AS what, count(*) AS many
    FROM reminders.attempts a
    WHERE a.tenant_id = :tenant AND a.asked_at >= :begin AND a.asked_at < :end GROUP BY what
    """
)

_CHARGED = text(
    """
    SELECT count(*) FROM reminders.charges c
    JOIN reminders.attempts a ON a.tenant_id = c.tenant_id AND a.attempt_id = c.attempt_id
    WHERE c.tenant_id = :tenant AND c.charged AND a.asked_at >= :begin AND a.asked_at < :end
    """
)


async def reminders(tx: Tx, begin: datetime, end: datetime) -> Mapping[str, int]:
    """Reminders due in [begin, end), by state and what it came to."""
    found = await tx.run(_REMINDERS, {"tenant": tx.tenant, "begin": begin, "end": end})
    return {row.what: row.many for row in found}


async def attempts(tx: Tx, begin: datetime, end: datetime) -> Mapping[str, int]:
    """Attempts begun in [begin, end), by channel and ending."""
    found = await tx.run(_ATTEMPTS, {"tenant": tx.tenant, "begin": begin, "end": end})
    return {row.what: row.many for row in found}


async def charged(tx: Tx, begin: datetime, end: datetime) -> int:
    """Charged calls begun in [begin, end)."""
    found = await tx.run(_CHARGED, {"tenant": tx.tenant, "begin": begin, "end": end})
    return int(found.scalar_one())
