"""The feed of recent changes; a table of its own, that no list or counter of appointments reads (R-002)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from sqlalchemy import TextClause, text

from booking.domain.reach import Parts, Reach
from booking.domain.recent_change import RecentChange
from kit.db.uow import Tx

_INSERT = text(
    """
    INSERT INTO booking.recent_changes
        (tenant_id, event_id, change, appointment_id, campaign_id, agent_id, starts_at, version, happened_at)
    SELECT :tenant, * FROM unnest(
        CAST(:events AS text[]), CAST(:changes AS text[]), CAST(:appointments AS text[]),
        CAST(:campaigns AS text[]), CAST(:agents AS text[]), CAST(:starts AS timestamptz[]),
        CAST(:versions AS bigint[]), CAST(:moments AS timestamptz[]))
    """
)

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
"""After every change; where the feed begins."""

_ONE = {"campaign": "campaign_id = :campaign", "agent": "agent_id = :agent"}

_EACH = {
    "campaigns": "campaign_id = each.id",
    "agents": "agent_id = each.id AND campaign_id <> ALL (CAST(:campaigns AS text[]))",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which changes to list: within this reach, of this campaign (empty: all)."""

    reach: Reach
    campaign_id: str


async def insert(tx: Tx, changes: Sequence[RecentChange]) -> None:
    """Stores changes; the caller has claimed their events."""
    params = {
        "tenant": tx.tenant,
        "events": [each.event_id for each in changes],
        "changes": [each.change for each in changes],
        "appointments": [each.appointment_id for each in changes],
        "campaigns": [each.campaign_id for each in changes],
        "agents": [each.agent_id for each in changes],
        "starts": [each.start for each in changes],
        "versions": [each.version for each in changes],
        "moments": [each.happened_at for each in changes],
    }
    await tx.run(_INSERT, params)


async def page(
    tx: Tx, wanted: Filter, before: tuple[datetime, str] | None, count: int
) -> Sequence[RecentChange]:
    """Changes, the newest first, from before one on."""
    parts = wanted.reach.parts(wanted.campaign_id, "")
    statement = _list(_narrowed(parts), _each(parts))
    if statement is None:
        return []
    moment, event_id = before or (_END_OF_TIME, "")
    params = {
        "tenant": tx.tenant,
        "campaign": parts.campaign_id,
        "agent": parts.agent_id,
        "campaigns": list(parts.campaigns),
        "agents": list(parts.agents),
        "before": moment,
        "before_id": event_id,
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
        for row in await tx.run(statement, params)
    ]


def _narrowed(parts: Parts) -> tuple[str, ...]:
    sides = {"campaign": parts.campaign_id, "agent": parts.agent_id}
    return tuple(name for name, value in sides.items() if value)


def _each(parts: Parts) -> tuple[str, ...] | None:
    """Of whom changes are read one after the other; None: along one index alone."""
    several = {"campaigns": parts.campaigns, "agents": parts.agents}
    return tuple(name for name, ids in several.items() if ids) if parts.split else None


@cache
def _list(narrowed: tuple[str, ...], each: tuple[str, ...] | None) -> TextClause | None:
    """One statement for each way to narrow the feed, as `folder` has for lists; None: nothing to list."""
    conditions = [_ONE[name] for name in narrowed]
    if each is None:
        return text(_along(conditions))
    merged = " UNION ALL ".join(
        f"SELECT part.* FROM unnest(CAST(:{name} AS text[])) AS each (id)"  # noqa: S608 - constants
        f" CROSS JOIN LATERAL ({_along([*conditions, _EACH[name]])}) part"
        for name in each
    )
    if not merged:
        return None
    return text(
        f"SELECT * FROM ({merged}) listed ORDER BY happened_at DESC, event_id DESC LIMIT :rows"  # noqa: S608
    )


def _along(conditions: Sequence[str]) -> str:
    """A page along one index."""
    return f"""
        SELECT event_id, change, appointment_id, campaign_id, agent_id, starts_at, version, happened_at
        FROM booking.recent_changes
        WHERE {" AND ".join(["tenant_id = :tenant", *conditions])}
          AND (happened_at, event_id) < (:before, :before_id)
        ORDER BY happened_at DESC, event_id DESC LIMIT :rows
    """  # noqa: S608 - constants
