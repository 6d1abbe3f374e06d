"""The feed of recent changes; a table of its own, that no list or counter of appointments reads (R-002)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from booking.domain.reach import Reach
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
      AND (:campaign = '' OR campaign_id = :campaign)
      AND (:whole OR campaign_id = ANY (CAST(:campaigns AS text[]))
           OR agent_id = ANY (CAST(:agents AS text[])))
    ORDER BY happened_at DESC, event_id DESC LIMIT :rows
    """
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which changes to list: within this reach, of this campaign (empty: all)."""

    reach: Reach
    campaign_id: str


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
    tx: Tx, wanted: Filter, before: tuple[datetime, str] | None, count: int
) -> Sequence[RecentChange]:
    """Changes, the newest first, from before one on."""
    params = {
        "tenant": tx.tenant,
        "campaign": wanted.campaign_id,
        "whole": wanted.reach.whole,
        "campaigns": list(wanted.reach.campaigns),
        "agents": list(wanted.reach.agents),
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
