"""Agents and their itineraries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.stop import LinkedStop
from geo.storage import agents, stops
from geo.usecases.ledger import Ledger
from kit.errors import InvalidInput, Reason

DEFAULT_SPAN: Final = timedelta(days=7)
LONGEST_SPAN: Final = timedelta(days=62)


@dataclass(frozen=True, slots=True)
class Itinerary:
    """An agent's stops in order."""

    agent: Agent
    stops: Sequence[LinkedStop]


async def get_agent(ledger: Ledger, tenant: str, agent_id: str) -> Agent:
    """One agent. Raises NotFound."""
    async with ledger.db.uow(tenant) as tx:
        found = await agents.read(tx, [agent_id])
    if agent_id not in found:
        raise errors.not_found("agent", agent_id, "agent_id")
    return found[agent_id]


async def list_agents(ledger: Ledger, tenant: str, after: str, rows: int) -> Sequence[Agent]:
    """At most `rows` agents whose id is greater than `after`, by id."""
    async with ledger.db.uow(tenant) as tx:
        return await agents.page(tx, after, rows)


async def get_itinerary(
    ledger: Ledger, tenant: str, agent_id: str, start: datetime | None, end: datetime | None
) -> Itinerary:
    """The stops that touch `[start, end)`; from now and for 7 days unless told.

    Raises NotFound for the agent, InvalidInput naming `to` for an end that is not after the start or more
    than 62 days after it.
    """
    async with ledger.db.uow(tenant) as tx:
        now = await tx.now()
        since = start or now.replace(microsecond=0)
        until = end or since + DEFAULT_SPAN
        if not since < until <= since + LONGEST_SPAN:
            raise InvalidInput(Reason.INVALID_FIELD, "must be after from, at most 62 days", field="to")
        found = await agents.read(tx, [agent_id])
        if agent_id not in found:
            raise errors.not_found("agent", agent_id, "agent_id")
        return Itinerary(found[agent_id], await stops.between(tx, agent_id, since, until, now))
