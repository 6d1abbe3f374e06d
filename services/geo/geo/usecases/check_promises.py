"""Holds what was promised against present travel data: pairs that no longer fit are told (R-089).

Nothing moves. A version of the travel data is the roads' and the tenant's matrix together; a new one of
either is checked once. Who is cut short is taken up again by the next to look.
"""

from dataclasses import dataclass
from typing import Final

from geo import events
from geo.domain.promise import InfeasiblePair, Promise, at_present, doubtful, judged
from geo.domain.stop import Leg
from geo.storage import at_risk
from geo.usecases.ports import PresentTravel
from kit.db.engine import Database

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class TravelData:
    """What the use cases about travel data work with."""

    db: Database
    travel: PresentTravel


async def check_promises(data: TravelData, tenant: str, version: str) -> bool:
    """Notes every promised pair that present data, expected to be of this version, no longer allows; once.

    False when that was done before. When other data is found in force meanwhile, the pairs are noted for it
    and it is not marked: whoever finds it unchecked goes through it again, which tells nothing twice.
    Raises Unavailable (TRAVEL_UNAVAILABLE).
    """
    async with data.db.uow(tenant) as tx:
        if await at_risk.is_checked(tx, version):
            return False
        agents = await at_risk.agents_after(tx, "", _BATCH)
    found = {version}
    while agents:
        found.add(await _check(data, tenant, agents))
        async with data.db.uow(tenant) as tx:
            agents = await at_risk.agents_after(tx, agents[-1], _BATCH)
    if found == {version}:
        async with data.db.uow(tenant) as tx:
            await at_risk.mark_checked(tx, version)
    return True


async def _check(data: TravelData, tenant: str, agents: list[str]) -> str:
    """The version of the data that these agents' promises were held against."""
    async with data.db.uow(tenant) as tx:
        promises = await at_risk.promises(tx, agents, await tx.now())
    book = await data.travel.present_legs(tenant, {promise.pair for promise in promises})
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
