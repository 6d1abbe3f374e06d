"""Several appointments' stops freed for ever in one transaction: as if they were settled one by one."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from geo import events
from geo.domain.chain import splice
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Owner, OwnerKind
from geo.domain.rework import Rework
from geo.domain.stop import Stop
from geo.storage import owners, stops
from geo.storage.rewrite import Changes
from geo.usecases import agendas, visits
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.visits import Span
from kit import telemetry
from kit.db.uow import Tx

STRETCH: Final = timedelta(days=31)
"""How far apart the stops of one agent may be that are freed together: all that is between them is read under
the agent's lock."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An appointment that its owner has given up; `traceparent` and `request_id` are of whoever told it, to
    which the release belongs."""

    appointment_id: str
    traceparent: str = ""
    request_id: str = ""


async def settle_each(ledger: Ledger, tenant: str, given_up: Sequence[GivenUp]) -> frozenset[str]:
    """Frees their stops and leaves a tombstone for each, as `settle_stop` does; the same ones again, to no
    effect.

    Gives the ids that are left to `settle_stop`: those of no appointment, and those too far from the others
    of their agent. Raises Unavailable and Conflict, for all of them, as `ledger.write` does.
    """
    told = {each.appointment_id: each for each in given_up}

    async def find(tx: Tx) -> Collection[str]:
        found = await owners.find_all(tx, list(told))
        return {owner.agent_id for owner in found.values() if owner.ending is None and owner.agent_id}

    async def decide(desk: Desk) -> Draft[frozenset[str]]:
        return await _decided(desk, told)

    return await write(ledger, tenant, "settle_each", find, decide)


async def _decided(desk: Desk, told: Mapping[str, GivenUp]) -> Draft[frozenset[str]]:
    known = await owners.find_all(desk.tx, list(told))
    strange = {name for name, owner in known.items() if owner.kind is not OwnerKind.APPOINTMENT}
    owning = {name for name, owner in known.items() if owner.ending is None} - strange
    present = await _present(desk, {name: known[name] for name in told if name in owning})
    near = _near(present)
    changes = await _freed(desk, near)
    released = [_released(told[name], agent_id) for name, (agent_id, _) in near.items()]
    # in one order for all, since two who bury the same ids wait for each other
    unheard = [_never(name) for name in sorted(told) if name not in known]
    left = frozenset(strange | (present.keys() - near.keys()))
    if not near and not unheard:
        return Draft(left)
    ended = {**changes.ended, **dict.fromkeys(near, Ending.RELEASED)}
    return Draft(left, replace(changes, ended=ended, taken=unheard, tell=(*changes.tell, *released)))


async def _present(desk: Desk, known: Mapping[str, Owner]) -> dict[str, tuple[str, Stop]]:
    """By appointment the agent and the stop, in the order given. Raises StartAgain where one is elsewhere by
    now."""
    found = await stops.of_owners(desk.tx, list(known))
    for name, owner in known.items():
        agent_id, _ = found.get(name, ("", None))
        if agent_id != owner.agent_id or agent_id not in desk.asked:
            raise StartAgain
    return {name: found[name] for name in known}


def _near(present: Mapping[str, tuple[str, Stop]]) -> dict[str, tuple[str, Stop]]:
    """Of each agent those that are not far from the first, in the order given."""
    first: dict[str, datetime] = {}
    for agent_id, stop in present.values():
        first[agent_id] = min(stop.starts_at, first.get(agent_id, stop.starts_at))
    return {
        name: (agent_id, stop)
        for name, (agent_id, stop) in present.items()
        if stop.starts_at - first[agent_id] <= STRETCH
    }


async def _freed(desk: Desk, present: Mapping[str, tuple[str, Stop]]) -> Changes:
    """The agendas without these stops, taken out one after the other, so that each drive is the one that
    would be left if they had come one by one."""
    touched: dict[str, list[Span]] = defaultdict(list)
    for agent_id, stop in present.values():
        touched[agent_id].append(Span(stop.starts_at, stop.ends_at))
    works = await agendas.opened(desk, touched)
    for agent_id, stop in present.values():
        works[agent_id] = _without(desk, (agent_id, works[agent_id]), stop)
    return visits.changes(desk, {agent_id: agenda.whole() for agent_id, agenda in works.items()})


def _without(desk: Desk, where: tuple[str, Rework], stop: Stop) -> Rework:
    agent_id, agenda = where
    part = agenda.part(stop.starts_at, stop.ends_at, desk.now)
    return agenda.after(part, splice(part.segment, desk.book(agent_id), remove={stop.stop_id}))


def _never(appointment_id: str) -> Owner:
    """The tombstone of one that has taken nothing."""
    return Owner(appointment_id, OwnerKind.APPOINTMENT, None, Ending.NEVER)


def _released(told: GivenUp, agent_id: str) -> Callable[[Tx], object]:
    return partial(_tell, told=told, agent_id=agent_id)


def _tell(tx: Tx, told: GivenUp, agent_id: str) -> None:
    with telemetry.work(told.traceparent, told.request_id or None, tx.tenant):
        events.stop_released(tx, told.appointment_id, agent_id)
