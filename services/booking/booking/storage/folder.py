"""Lists of appointments by start, narrowed in any way, at the same cost however many there are.

A page is read along one index from where it begins to where it is full. A list of several campaigns or agents
is as many such reads, merged: one condition over all of them would have the database gather and sort whole
campaigns for the first fifty rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import TextClause, text

from booking.domain.appointment import Appointment, State
from booking.domain.reach import Parts, Reach
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx

START_OF_TIME: Final = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
"""Before every start; where a list begins."""

_LONGEST_VISIT: Final = timedelta(days=1)

_LISTED: Final = "a.state NOT IN ('PENDING', 'FAILED')"
_UPCOMING: Final = (
    "a.state NOT IN ('PENDING', 'FAILED', 'CANCELLED', 'SUPERSEDED') AND a.ends_at > :not_ended_by"
)

_NARROWED: Final = {
    "campaign": "a.campaign_id = :campaign",
    "agent": "a.agent_id = :agent",
    "zone": "a.zone = :zone",
    "state": "a.state = wanted.state",
}

# A page of some states is as many reads along the index of campaign and state, merged: one condition over
# them would read a campaign from its first appointment on for fifty of a rare state.
_STATES: Final = "unnest(CAST(:states AS text[])) AS wanted (state)"

# Of whom rows are read one after the other, and which row is whose.
_EACH: Final = {
    "campaigns": ("unnest(CAST(:campaigns AS text[]))", "a.campaign_id = each.id"),
    "agents": (
        "unnest(CAST(:agents AS text[]))",
        "a.agent_id = each.id AND a.campaign_id <> ALL (CAST(:campaigns AS text[]))",
    ),
    # zones are parts of campaigns, so the index of a zone is one of its campaign
    "tenant": (
        "(SELECT campaign_id FROM booking.campaigns WHERE tenant_id = :tenant)",
        "a.campaign_id = each.id",
    ),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which appointments to list: within this reach; what is None or empty leaves its side open."""

    reach: Reach
    not_ended_by: datetime | None
    campaign_id: str
    agent_id: str
    zone: str = ""
    states: Sequence[State] = ()


async def page(tx: Tx, wanted: Filter, after: tuple[datetime, str], count: int) -> Sequence[Appointment]:
    """All that were booked, whatever became of them, by (start, id) after one."""
    statement, params = _asked(tx, wanted, after, count)
    return [] if statement is None else rows.appointments(await tx.run(statement, params))


def _asked(
    tx: Tx, wanted: Filter, after: tuple[datetime, str], count: int
) -> tuple[TextClause | None, dict[str, Any]]:
    parts = wanted.reach.parts(wanted.campaign_id, wanted.agent_id)
    if wanted.not_ended_by is not None:
        # one bound, not two: the index would be read from the start of time up to the other
        after = max(after, (wanted.not_ended_by - _LONGEST_VISIT, ""))
    statement = _statement(wanted.not_ended_by is not None, _narrowed(parts, wanted), _each(parts, wanted))
    return statement, {
        "tenant": tx.tenant,
        "after_start": after[0],
        "after_id": after[1],
        "rows": count,
        "not_ended_by": wanted.not_ended_by,
        "campaign": parts.campaign_id,
        "agent": parts.agent_id,
        "zone": wanted.zone,
        "campaigns": list(parts.campaigns),
        "agents": list(parts.agents),
        "states": list(wanted.states),
    }


def _narrowed(parts: Parts, wanted: Filter) -> frozenset[str]:
    sides = {
        "campaign": parts.campaign_id,
        "agent": parts.agent_id,
        "zone": wanted.zone,
        "state": wanted.states,
    }
    return frozenset(name for name, value in sides.items() if value)


def _each(parts: Parts, wanted: Filter) -> tuple[str, ...] | None:
    """Of whom rows are read one after the other; None: along one index alone."""
    if parts.split:
        several = {"campaigns": parts.campaigns, "agents": parts.agents}
        return tuple(name for name, ids in several.items() if ids)
    alone = parts.campaign_id or parts.agent_id or not (wanted.zone or wanted.states)
    return None if alone else ("tenant",)


@cache
def _statement(upcoming: bool, narrowed: frozenset[str], each: tuple[str, ...] | None) -> TextClause | None:
    """One for each way to narrow a list, each planned with its own index; None: nothing to list."""
    conditions = [_UPCOMING if upcoming else _LISTED, *(_NARROWED[name] for name in sorted(narrowed))]
    if each is None and "state" not in narrowed:
        return text(_along(conditions))
    by_state = [_STATES] if "state" in narrowed else []
    parts = (
        [(by_state, conditions)]
        if each is None
        else [([*by_state, f"{_EACH[name][0]} AS each (id)"], [*conditions, _EACH[name][1]]) for name in each]
    )
    merged = " UNION ALL ".join(
        f"SELECT part.* FROM {' CROSS JOIN '.join(sources)} CROSS JOIN LATERAL ({_along(met)}) part"  # noqa: S608 - constants
        for sources, met in parts
    )
    if not merged:
        return None
    return text(f"SELECT * FROM ({merged}) listed ORDER BY starts_at, appointment_id LIMIT :rows")  # noqa: S608


def _along(conditions: Sequence[str]) -> str:
    """A page along one index."""
    return f"""
        SELECT {COLUMNS} FROM booking.appointments a
        WHERE a.tenant_id = :tenant AND (a.starts_at, a.appointment_id) > (:after_start, :after_id)
          AND {" AND ".join(conditions)}
        ORDER BY a.starts_at, a.appointment_id LIMIT :rows
    """  # noqa: S608 - constants
