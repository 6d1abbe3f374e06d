"""The feed of recent changes; a table of its own, that no list or counter of appointments reads (R-002)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text

from booking.domain.recent_change import RecentChange
from kit.db.uow import Tx

_INSERT = text(
    """
    INSERT INTO booking.recent_changes
        (tenant_id, event_id, change, appointment_id, campaign_id, agent_id, starts_at, version, happened_at)
    VALUES (:tenant, :event, :change, :appointment, :campaign, :agent, :starts_at, :version, :happened_at)
    """
)

_LIST = text(
    """
    SELECT event_id, change, appointment_id, campaign_id, agent_id, starts_at, version, happened_at
    FROM booking.recent_changes
    WHERE tenant_id = :tenant
      AND (CAST(:before AS timestamptz) IS NULL OR (happened_at, event_id) < (:before, :before_id))
      AND (CAST(:campaigns AS text[]) IS NULL OR campaign_id = ANY (CAST(:campaigns AS text[])))
    ORDER BY happened_at DESC, event_id DESC LIMIT :rows
    """
)


async def insert(tx: Tx, change: RecentChange) -> None:
    """Stores one change; the caller has claimed its event."""
    params = {
        "tenant": tx.tenant,
        "event": change.event_id,
        "change": change.change,
        "appointment": change.appointment_id,
        "campaign": change.campaign_id,
        "agent": change.agent_id,
        "starts_at": change.start,
        "version": change.version,
        "happened_at": change.happened_at,
    }
    await tx.run(_INSERT, params)


async def page(
    tx: Tx, campaigns: Collection[str] | None, before: tuple[datetime, str] | None, count: int
) -> Sequence[RecentChange]:
    """Changes, the newest first, from before one on."""
    params = {
        "tenant": tx.tenant,
        "campaigns": None if campaigns is None else list(campaigns),
        "before": before[0] if before else None,
        "before_id": before[1] if before else "",
        "rows": count,
    }
    return [
        RecentChange(
            event_id=row.event_id,
            change=row.change,
            appointment_id=row.appointment_id,
            campaign_id=row.campaign_id,
            agent_id=row.agent_id,
            start=row.starts_at,
            version=row.version,
            happened_at=row.happened_at,
        )
        for row in await tx.run(_LIST, params)
    ]
