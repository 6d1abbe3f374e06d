"""Agendas in memory, for slot search: every version of an agenda is read once.

An agenda is re-read when something says that it changed: this process right after its own commit
(`mark_dirty`), or the database's notification of another's (see `geo.storage.agenda_feed`). A stale agenda
can cost a caller a retry and never a wrong booking, since the commit checks again under the lock.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from geo.domain.agenda import Agenda
from geo.domain.agent import Agent
from geo.domain.packed_stops import PackedStops
from geo.domain.zones import Ground
from geo.storage import agents, zones
from geo.storage.packed_stops import packed_stops
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import NotFound, Reason

LOOK_BACK: Final = timedelta(days=2)
"""How far before the present instant an agenda begins: the visits of the whole present day count (a day may
have 25 hours), and test clocks and other processes' clocks differ."""

END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""After every stop."""

_AT_ONCE: Final = 50
"""Agents whose agendas are read with one statement."""


@dataclass(slots=True)
class _Shelf:
    """A tenant's agendas, and which of them are known to be out of date."""

    agendas: dict[str, Agenda] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def lacks(self, agent_ids: Collection[str], since: datetime) -> list[str]:
        """Those that have to be read before they can be answered from."""
        return [
            agent_id
            for agent_id in agent_ids
            if agent_id in self.dirty or (found := self.agendas.get(agent_id)) is None or found.since > since
        ]


class Agendas:
    """The agendas of the tenants that searched last; at most `capacity` agents in all."""

    def __init__(self, db: Database, *, capacity: int = 20_000) -> None:
        self._db = db
        self._capacity = capacity
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()

    async def of(self, tenant: str, agent_ids: Sequence[str], as_of: datetime) -> list[Agenda]:
        """The agendas of these agents, in the order asked, as of the last change that is known here.

        Raises NotFound for an agent that the tenant does not have.
        """
        shelf = self._shelf(tenant)
        if shelf.lacks(agent_ids, as_of):
            await self._refresh(tenant, shelf, agent_ids, as_of)
        try:
            return [shelf.agendas[agent_id] for agent_id in agent_ids]
        except KeyError as unknown:
            raise _no_agent(str(unknown.args[0])) from None

    def mark_dirty(self, tenant: str, agent_id: str) -> None:
        """This agent's agenda has changed: it is read again before the next answer."""
        shelf = self._shelves.get(tenant)
        if shelf is not None:
            shelf.dirty.add(agent_id)

    def mark_all_dirty(self) -> None:
        """Nothing that is known here can be relied on: notifications may have been missed."""
        for shelf in self._shelves.values():
            shelf.dirty.update(shelf.agendas)

    def tenants(self) -> list[str]:
        """The tenants that have agendas here."""
        return list(self._shelves)

    def compare(self, tenant: str, versions: Mapping[str, int]) -> None:
        """Marks the agendas whose version is another than the present one in `versions`."""
        shelf = self._shelves.get(tenant)
        for agent_id, agenda in (shelf.agendas if shelf else {}).items():
            if versions.get(agent_id) != agenda.version:
                self.mark_dirty(tenant, agent_id)

    def _shelf(self, tenant: str) -> _Shelf:
        shelf = self._shelves.get(tenant)
        if shelf is None:
            shelf = self._shelves[tenant] = _Shelf()
        self._shelves.move_to_end(tenant)
        return shelf

    async def _refresh(self, tenant: str, shelf: _Shelf, agent_ids: Sequence[str], as_of: datetime) -> None:
        """Reads what is lacking, some agents at a time, so that no statement and no answer grows too large.

        What was read stays when the caller leaves, and others of the tenant get their turn in between.
        """
        wanted = shelf.lacks(agent_ids, as_of)
        for at in range(0, len(wanted), _AT_ONCE):
            async with shelf.reading:
                some = shelf.lacks(wanted[at : at + _AT_ONCE], as_of)
                if some:
                    await self._read(tenant, shelf, some, as_of - LOOK_BACK)
        self._make_room(tenant)

    async def _read(self, tenant: str, shelf: _Shelf, agent_ids: Sequence[str], since: datetime) -> None:
        # unmarked before the reading begins: a change in between marks it again
        shelf.dirty.difference_update(agent_ids)
        try:
            async with self._db.uow(tenant) as tx:
                read = await _read(tx, agent_ids, since, END_OF_TIME)
        except BaseException:
            shelf.dirty.update(agent_ids)
            raise
        shelf.agendas.update(read)
        for agent_id in set(agent_ids) - read.keys():
            shelf.agendas.pop(agent_id, None)

    def _make_room(self, keep: str) -> None:
        held = sum(len(shelf.agendas) for shelf in self._shelves.values())
        for tenant in list(self._shelves):
            if held <= self._capacity or tenant == keep:
                return
            held -= len(self._shelves.pop(tenant).agendas)


async def read_agendas(
    tx: Tx, agent_ids: Collection[str], since: datetime, until: datetime = END_OF_TIME
) -> dict[str, Agenda]:
    """The agendas of the agents that there are, from `since` on, and up to the first stop with a place and no
    expiry that starts at `until` or later. Two statements for all of them, and those about zones
    where there are any."""
    found = await _read(tx, agent_ids, since, until)
    return {agent_id: replace(agenda, stops=tuple(agenda.stops)) for agent_id, agenda in found.items()}


async def _read(tx: Tx, agent_ids: Collection[str], since: datetime, until: datetime) -> dict[str, Agenda]:
    """As `read_agendas`, the stops as columns."""
    # versions first: a change between the two statements shows as a version that is behind, never ahead
    found = await agents.read(tx, agent_ids)
    stops = await packed_stops(tx, sorted(found), since, until)
    grounds = await zones.grounds(tx, {zone for agent in found.values() for zone in agent.zone_ids})
    return {agent_id: _agenda(agent, stops[agent_id], since, grounds) for agent_id, agent in found.items()}


def _agenda(agent: Agent, stops: PackedStops, since: datetime, grounds: Mapping[str, Ground]) -> Agenda:
    return Agenda(
        agent_id=agent.agent_id,
        version=agent.agenda_version,
        skills=frozenset(agent.skills),
        buffer=agent.buffer,
        calendar=agent.calendar,
        stops=stops,
        since=since,
        zones=tuple(grounds[zone_id] for zone_id in agent.zone_ids),
        quota=agent.quota,
        mode=agent.mode,
    )


def _no_agent(agent_id: str) -> NotFound:
    message = f"there is no agent {agent_id}"
    return NotFound(Reason.NOT_FOUND, message, metadata={"resource": "agent"}, field="agent_ids")
