"""Agents, and the lock that serialises the writers of an agenda."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Row, Text, any_, bindparam, insert, select, update

from geo.domain.agent import Agent
from geo.domain.calendar import Calendar
from geo.storage.documents import calendar_document, calendar_of
from geo.storage.tables import agents
from kit.db.uow import Tx

_COLUMNS: Final = (
    agents.c.agent_id,
    agents.c.display_name,
    agents.c.skills,
    agents.c.buffer_seconds,
    agents.c.time_zone,
    agents.c.calendar,
    agents.c.agenda_version,
)

_READ: Final = select(*_COLUMNS).where(agents.c.agent_id == any_(bindparam("ids", type_=ARRAY(Text))))
_LOCK: Final = (
    update(agents)
    .where(agents.c.tenant_id == bindparam("tenant"), agents.c.agent_id == bindparam("agent"))
    .values(agenda_version=agents.c.agenda_version + 1)
    .returning(*_COLUMNS)
)
_PAGE: Final = (
    select(*_COLUMNS)
    .where(agents.c.agent_id > bindparam("after"))
    .order_by(agents.c.agent_id)
    .limit(bindparam("rows"))
)
_INSERT: Final = insert(agents)
_SET_CALENDAR: Final = (
    update(agents)
    .where(agents.c.tenant_id == bindparam("tenant"), agents.c.agent_id == bindparam("agent"))
    .values(time_zone=bindparam("zone"), calendar=bindparam("weekly"))
)


async def lock(tx: Tx, agent_ids: Collection[str]) -> dict[str, Agent]:
    """Locks the agendas of these agents, in id order, and counts up their versions.

    Whoever writes an agent's stops calls this first and reads the neighbours in a later statement: a
    statement that waits for the lock has an old snapshot. Gives the agents found, as they are now.
    """
    locked = {}
    for agent_id in sorted(set(agent_ids)):
        row = (await tx.run(_LOCK, {"tenant": tx.tenant, "agent": agent_id})).one_or_none()
        if row is not None:
            locked[agent_id] = _agent(row)
    return locked


async def read(tx: Tx, agent_ids: Collection[str]) -> dict[str, Agent]:
    """The agents of these ids that there are, without a lock."""
    rows = await tx.run(_READ, {"ids": sorted(set(agent_ids))})
    return {row.agent_id: _agent(row) for row in rows}


async def page(tx: Tx, after: str, rows: int) -> Sequence[Agent]:
    """At most `rows` agents whose id is greater than `after`, by id."""
    return [_agent(row) for row in await tx.run(_PAGE, {"after": after, "rows": rows})]


async def create(tx: Tx, agent: Agent) -> None:
    """A new agent."""
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
        },
    )


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


def _agent(row: Row[Any]) -> Agent:
    return Agent(
        agent_id=row.agent_id,
        display_name=row.display_name,
        skills=tuple(row.skills),
        buffer=row.buffer_seconds,
        calendar=calendar_of(row.time_zone, row.calendar),
        agenda_version=row.agenda_version,
    )
