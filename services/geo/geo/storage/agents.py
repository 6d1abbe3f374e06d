"""Agents, and the lock that serialises the writers of an agenda."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from psycopg.errors import QueryCanceled
from sqlalchemy import bindparam, insert, text, update

from geo.domain.agent import Agent
from geo.domain.calendar import Calendar
from geo.domain.errors import contention
from geo.domain.modes import TravelMode
from geo.storage.documents import calendar_document, calendar_of, quota_of_texts
from geo.storage.sql import fetch, fetch_one
from geo.storage.tables import agents
from kit.db.uow import Tx
from kit.errors import Unavailable

_COLUMNS: Final = (
    "agent_id, display_name, skills, buffer_seconds, time_zone, calendar::text, agenda_version, zone_ids,"
    " limits::text, travel_mode, "
)
_TENANT_LIMITS: Final = (
    "(SELECT json_object_agg(p.name, p.value) FROM geo.parameters p WHERE p.tenant_id = %(tenant)s"
    " AND p.name IN ('max_visits_per_day', 'stop_booking_at_percent'))::text AS tenant_limits"
)

_READ: Final = (
    f"SELECT {_COLUMNS} {_TENANT_LIMITS} FROM geo.agents"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND agent_id = ANY(%(ids)s)"
)
_LOCK: Final = (
    "UPDATE geo.agents SET agenda_version = agenda_version + 1"  # noqa: S608 - put together from constants
    f" WHERE tenant_id = %(tenant)s AND agent_id = %(agent)s RETURNING {_COLUMNS}"
    " geo.limits_of_tenant(%(tenant)s) AS tenant_limits"
)
"""What the tenant limits is read by a volatile function, which sees what was committed when it is called: the
statement itself sees what was there before it waited for the lock."""
_PAGE: Final = (
    f"SELECT {_COLUMNS} {_TENANT_LIMITS} FROM geo.agents"  # noqa: S608 - put together from constants
    " WHERE tenant_id = %(tenant)s AND agent_id > %(after)s ORDER BY agent_id LIMIT %(rows)s"
)
_INSERT: Final = insert(agents)
_JOIN: Final = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:everyone, 0))")
_EVERYONE: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:everyone, 0))")
_SET_CALENDAR: Final = (
    update(agents)
    .where(agents.c.tenant_id == bindparam("tenant"), agents.c.agent_id == bindparam("agent"))
    .values(time_zone=bindparam("zone"), calendar=bindparam("weekly"))
)

_SET_MODE: Final = (
    update(agents)
    .where(agents.c.tenant_id == bindparam("tenant"), agents.c.agent_id == bindparam("agent"))
    .values(travel_mode=bindparam("mode"))
)


async def lock(tx: Tx, agent_ids: Collection[str]) -> dict[str, Agent]:
    """Locks the agendas of these agents, in id order, and counts up their versions.

    Whoever writes an agent's stops calls this first and reads the neighbours in a later statement: a
    statement that waits for the lock has an old snapshot. Gives the agents found, as they are now.
    """
    locked = {}
    for agent_id in sorted(set(agent_ids)):
        row = await _lock(tx, agent_id)
        if row is not None:
            locked[agent_id] = _agent(row)
    return locked


async def _lock(tx: Tx, agent_id: str) -> Any | None:
    try:
        return await fetch_one(tx, _LOCK, {"tenant": tx.tenant, "agent": agent_id})
    except Unavailable as slow:
        if isinstance(slow.__cause__, QueryCanceled):  # each wait was short, and the queue long
            raise contention() from slow
        raise


async def read(tx: Tx, agent_ids: Collection[str]) -> dict[str, Agent]:
    """The agents of these ids that there are, without a lock."""
    rows = await fetch(tx, _READ, {"tenant": tx.tenant, "ids": sorted(set(agent_ids))})
    return {row.agent_id: _agent(row) for row in rows}


async def page(tx: Tx, after: str, rows: int) -> Sequence[Agent]:
    """At most `rows` agents whose id is greater than `after`, by id."""
    params = {"tenant": tx.tenant, "after": after, "rows": rows}
    return [_agent(row) for row in await fetch(tx, _PAGE, params)]


async def create(tx: Tx, agent: Agent) -> None:
    """A new agent, once nobody has everyone: an agent that came meanwhile would be overlooked."""
    await tx.run(_JOIN, {"everyone": _everyone(tx)})
    await tx.run(
        _INSERT,
        {
            "tenant_id": tx.tenant,
            "agent_id": agent.agent_id,
            "display_name": agent.display_name,
            "skills": list(agent.skills),
            "buffer_seconds": agent.buffer,
            "time_zone": agent.calendar.time_zone,
            "calendar": calendar_document(agent.calendar),
            "travel_mode": agent.mode,
        },
    )


async def have_everyone(tx: Tx) -> None:
    """Until the commit no agent joins the tenant; who has joined is seen by the statements that follow."""
    await tx.run(_EVERYONE, {"everyone": _everyone(tx)})


def _everyone(tx: Tx) -> str:
    return f"geo agents {tx.tenant}"


async def set_mode(tx: Tx, agent_id: str, mode: TravelMode) -> None:
    """Another way to travel; the agent is locked."""
    await tx.run(_SET_MODE, {"tenant": tx.tenant, "agent": agent_id, "mode": mode})


async def set_calendar(tx: Tx, agent_id: str, calendar: Calendar) -> None:
    """Another calendar; the agent is locked."""
    await tx.run(
        _SET_CALENDAR,
        {
            "tenant": tx.tenant,
            "agent": agent_id,
            "zone": calendar.time_zone,
            "weekly": calendar_document(calendar),
        },
    )


def _agent(row: Any) -> Agent:
    return Agent(
        agent_id=row.agent_id,
        display_name=row.display_name,
        skills=tuple(row.skills),
        buffer=row.buffer_seconds,
        calendar=calendar_of(row.time_zone, row.calendar),
        agenda_version=row.agenda_version,
        zone_ids=tuple(row.zone_ids),
        quota=quota_of_texts(row.tenant_limits, row.limits),
        mode=TravelMode(row.travel_mode),
    )
