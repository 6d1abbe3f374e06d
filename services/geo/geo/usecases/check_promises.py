"""Holds what was promised against present travel data: pairs that no longer fit are told (R-089).

Nothing moves. A version of the travel data is the roads' and the tenant's matrix together, of one travel
mode; a new one is checked once, against the agents who travel so, and after that those alone whose agendas
were written by other data since (ADR 0040). Who is cut short is taken up again by the next to look.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from geo import events
from geo.domain.modes import TravelMode
from geo.domain.promise import InfeasiblePair, Promise, at_present, doubtful, judged
from geo.domain.stop import Leg
from geo.storage import at_risk, matrices
from geo.storage.at_risk import PageStart
from geo.usecases.by_mode import ByMode
from geo.usecases.ports import PresentTravel
from geo.usecases.slices import Slices
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import Conflict
from kit.failpoints import failpoint

_BATCH: Final = 10
_PAGE: Final = 100
"""Promises held against present data at a time: two or three milliseconds."""
_ROUNDS: Final = 5
"""How often those are read again whose agendas changed meanwhile."""


@dataclass(frozen=True, slots=True)
class TravelData:
    """What the use cases about travel data work with."""

    db: Database
    travel: ByMode[PresentTravel]


async def modes_of(data: TravelData, tenant: str) -> list[TravelMode]:
    """How the tenant's agents travel."""
    async with data.db.uow(tenant) as tx:
        return await at_risk.modes(tx)


async def version_in_force(data: TravelData, tenant: str, mode: TravelMode) -> str:
    """The version that drives of a mode carry now. Raises Unavailable (TRAVEL_UNAVAILABLE) when the engine
    cannot tell its own."""
    engine = await data.travel.of(mode).engine_version()
    async with data.db.uow(tenant) as tx:
        return await matrices.version_of_drives(tx, engine, mode)


async def check_promises(
    data: TravelData, tenant: str, mode: TravelMode, version: str, slices: Slices | None = None
) -> bool:
    """Notes every pair promised by this mode that present data, expected to be of this version, no longer
    allows; once.

    False when there was nothing left to hold. When other data is found in force meanwhile, the pairs are
    noted for it and it is not marked, nor where agendas keep changing: whoever finds it unchecked goes
    through it again, which tells nothing twice. Raises Unavailable (TRAVEL_UNAVAILABLE).
    """
    slices = slices or Slices()
    async with data.db.uow(tenant) as tx:
        some = await at_risk.is_checked(tx, mode, version)
        left: Mapping[str, int] = await at_risk.unheld(tx, mode, version)
    if not left:
        return False
    unseen = _unseen_of_some if some else _unseen
    seen, found = dict[str, int](), {version}
    for _ in range(_ROUNDS):
        for agents in _batches(list(left)):
            found |= await _check(data, (tenant, mode), agents, slices)
        seen.update(left)
        if found != {version}:
            break
        await failpoint("geo.check_promises.before_mark")
        try:
            async with data.db.uow(tenant) as tx:
                left = await unseen(tx, (mode, version), seen)
        except Conflict:  # too busy to be held up: it stays as it is
            break
        if not left:
            break
    return True


async def _unseen(tx: Tx, what: tuple[TravelMode, str], seen: Mapping[str, int]) -> Mapping[str, int]:
    """Agents whose agenda changed since it was read, or who travel so since; where there are none the version
    is marked.

    Nobody writes an agenda meanwhile. So whoever wrote one with other data before is seen, and whoever writes
    one after finds the mark, and queues it.
    """
    await at_risk.lock_all_agents(tx)
    unseen = _changed(await at_risk.unheld(tx, *what), seen)
    if not unseen:
        await at_risk.mark_checked(tx, *what)
        await at_risk.mark_held(tx, what[0], seen)
        await failpoint("geo.check_promises.before_commit")
    return unseen


async def _unseen_of_some(tx: Tx, what: tuple[TravelMode, str], seen: Mapping[str, int]) -> Mapping[str, int]:
    """Agents of the queue whose agenda changed since it was read; where there are none those seen leave it,
    unless they were queued for another version that is marked by now."""
    await at_risk.lock_agents(tx, seen)
    if not await at_risk.is_checked(tx, *what):
        return {}
    unseen = _changed(await at_risk.unheld(tx, *what), seen)
    if not unseen:
        await at_risk.mark_held(tx, what[0], seen)
    return unseen


def _changed(now: Mapping[str, int], seen: Mapping[str, int]) -> Mapping[str, int]:
    return {agent: number for agent, number in now.items() if seen.get(agent) != number}


def _batches(agents: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(agents), _BATCH):
        yield agents[first : first + _BATCH]


async def _check(
    data: TravelData, of: tuple[str, TravelMode], agents: Sequence[str], slices: Slices
) -> set[str]:
    """The versions of the data that these agents' promises were held against."""
    found, page = set[str](), PageStart()
    while True:
        async with data.db.uow(of[0]) as tx:
            promises = await at_risk.promises(tx, agents, await tx.now(), page, _PAGE)
        found.add(await _hold_against(data, of, promises))
        await slices.rest()
        if len(promises) < _PAGE:
            return found
        page = PageStart.after(promises[-1])


async def _hold_against(data: TravelData, of: tuple[str, TravelMode], promises: Sequence[Promise]) -> str:
    """Notes what present data do not allow; gives their version."""
    tenant, mode = of
    book = await data.travel.of(mode).present_legs(tenant, {promise.pair for promise in promises})
    judgements = [_judged(book.version, promise, book.leg(promise.pair)) for promise in promises]
    broken = [pair for pair in judgements if pair is not None]
    if broken:
        async with data.db.uow(tenant) as tx:
            for pair in broken:
                if await at_risk.note(tx, book.version, pair):
                    events.at_risk(tx, pair, book.version)
    return book.version


def _judged(version: str, promise: Promise, present: Leg | None) -> InfeasiblePair | None:
    if not doubtful(promise, version, present):
        return None
    return judged(promise, at_present(promise, version, present))
