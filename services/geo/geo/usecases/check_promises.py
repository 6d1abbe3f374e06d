"""Holds what was promised against present travel data: pairs that no longer fit are told (R-089).

Nothing moves. A version of the travel data is the roads' and the tenant's matrix together, of one travel
mode; a new one is checked once, against the agents who travel so. Who is cut short is taken up again by the
next to look.
"""

from dataclasses import dataclass
from typing import Final

from geo import events
from geo.domain.modes import TravelMode
from geo.domain.promise import InfeasiblePair, Promise, at_present, doubtful, judged
from geo.domain.stop import Leg
from geo.storage import at_risk, matrices
from geo.usecases.by_mode import ByMode
from geo.usecases.ports import PresentTravel
from kit.db.engine import Database

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class TravelData:
    """What the use cases about travel data work with."""

    db: Database
    travel: ByMode[PresentTravel]


async def versions_in_force(data: TravelData, tenant: str) -> dict[TravelMode, str]:
    """The versions that drives of the tenant's agents carry now, of each mode that some have.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when an engine cannot tell its own.
    """
    async with data.db.uow(tenant) as tx:
        modes = await at_risk.modes(tx)
    engines = {mode: await data.travel.of(mode).engine_version() for mode in modes}
    async with data.db.uow(tenant) as tx:
        return {mode: await matrices.version_of_drives(tx, engine, mode) for mode, engine in engines.items()}


async def check_promises(data: TravelData, tenant: str, mode: TravelMode, version: str) -> bool:
    """Notes every pair promised by this mode that present data, expected to be of this version, no longer
    allows; once.

    False when that was done before. When other data is found in force meanwhile, the pairs are noted for it
    and it is not marked: whoever finds it unchecked goes through it again, which tells nothing twice.
    Raises Unavailable (TRAVEL_UNAVAILABLE).
    """
    async with data.db.uow(tenant) as tx:
        if await at_risk.is_checked(tx, version):
            return False
        agents = await at_risk.agents_after(tx, mode, "", _BATCH)
    found = {version}
    while agents:
        found.add(await _check(data, tenant, mode, agents))
        async with data.db.uow(tenant) as tx:
            agents = await at_risk.agents_after(tx, mode, agents[-1], _BATCH)
    if found == {version}:
        async with data.db.uow(tenant) as tx:
            await at_risk.mark_checked(tx, version)
    return True


async def _check(data: TravelData, tenant: str, mode: TravelMode, agents: list[str]) -> str:
    """The version of the data that these agents' promises were held against."""
    async with data.db.uow(tenant) as tx:
        promises = await at_risk.promises(tx, agents, await tx.now())
    book = await data.travel.of(mode).present_legs(tenant, {promise.pair for promise in promises})
    judgements = [_judged(book.version, promise, book.leg(promise.pair)) for promise in promises]
    async with data.db.uow(tenant) as tx:
        for pair in judgements:
            if pair is not None and await at_risk.note(tx, book.version, pair):
                events.at_risk(tx, pair, book.version)
    return book.version


def _judged(version: str, promise: Promise, present: Leg | None) -> InfeasiblePair | None:
    if not doubtful(promise, version, present):
        return None
    return judged(promise, at_present(promise, version, present))
