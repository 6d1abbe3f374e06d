"""Puts a tenant's own travel matrix in force. Nothing moves: pairs that no longer fit are told (GEO-17)."""

from collections.abc import Mapping
from dataclasses import dataclass

from geo.domain.legs import Pair
from geo.domain.matrix import Entry, travel_version
from geo.storage import at_risk, matrices
from geo.storage.rewrite import CHANNEL
from geo.usecases.check_promises import TravelData, check_promises
from kit.db.claims import Claim


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
    version = travel_version(await data.travel.engine_version(), number)
    await check_promises(data, tenant, version)
    async with data.db.uow(tenant) as tx:
        return Imported(version, await at_risk.count(tx, version))
