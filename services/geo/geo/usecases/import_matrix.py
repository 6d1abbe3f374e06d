"""Puts a tenant's own travel matrix in force. Nothing moves: pairs that no longer fit are told (GEO-17)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from geo import events
from geo.domain.legs import Pair
from geo.domain.matrix import Entry, travel_version
from geo.domain.promise import InfeasiblePair, Promise, doubtful, judged
from geo.domain.stop import Leg
from geo.storage import at_risk, matrices
from geo.storage.rewrite import CHANNEL
from geo.usecases.ports import TravelTimes
from kit.db.claims import Claim
from kit.db.engine import Database

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class TravelData:
    """What these use cases work with; `engine` is the version of the engine in use."""

    db: Database
    travel: TravelTimes
    engine: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The version of the travel data now in force, and how many pairs of stops no longer fit."""

    version: str
    now_infeasible: int


async def import_matrix(
    data: TravelData, tenant: str, entries: Mapping[Pair, Entry], claim: Claim
) -> Imported:
    """Replaces the tenant's matrix; no entries remove it. The same claim again imports nothing anew.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when the pairs cannot be checked; the matrix is in force then, and
    the same call again, or `list_now_infeasible`, checks them.
    """
    async with data.db.uow(tenant, claim) as tx:
        if tx.duplicate and tx.claim_ref is not None:
            number = int(tx.claim_ref)
        else:
            # whoever books meanwhile finds the new version after our commit, and measures again
            await at_risk.lock_all_agents(tx)
            number = await matrices.put_in_force(tx, entries, CHANNEL)
            tx.refer(str(number))
    await check_promises(data, tenant, number)
    version = travel_version(data.engine, number)
    async with data.db.uow(tenant) as tx:
        return Imported(version, await at_risk.count(tx, version))


async def check_promises(data: TravelData, tenant: str, number: int) -> None:
    """Notes every promised pair that the matrix in force no longer allows, once; nothing if that is done."""
    async with data.db.uow(tenant) as tx:
        if not await matrices.is_unchecked(tx, number):
            return
        agents = await at_risk.agents_after(tx, "", _BATCH)
    while agents:
        await _check(data, tenant, agents)
        async with data.db.uow(tenant) as tx:
            agents = await at_risk.agents_after(tx, agents[-1], _BATCH)
    async with data.db.uow(tenant) as tx:
        await matrices.mark_checked(tx, number)


async def _check(data: TravelData, tenant: str, agents: list[str]) -> None:
    async with data.db.uow(tenant) as tx:
        promises = await at_risk.promises(tx, agents, await tx.now())
    book = await data.travel.legs(tenant, {promise.pair for promise in promises})
    judgements = [_judged(data, promise, book.leg(promise.pair)) for promise in promises]
    async with data.db.uow(tenant) as tx:
        for pair in judgements:
            if pair is not None and await at_risk.note(tx, book.version, pair):
                events.at_risk(tx, pair, book.version)


def _judged(data: TravelData, promise: Promise, present: Leg | None) -> InfeasiblePair | None:
    return judged(promise, present) if doubtful(promise, data.engine, present) else None
