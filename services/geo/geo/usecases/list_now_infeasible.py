"""The pairs of stops that present travel data would no longer allow (R-089)."""

from geo.domain.promise import InfeasiblePair
from geo.storage import at_risk
from geo.storage.at_risk import PageStart
from geo.usecases.check_promises import TravelData, check_promises, versions_in_force


async def list_now_infeasible(
    data: TravelData, tenant: str, after: PageStart, rows: int
) -> list[InfeasiblePair]:
    """At most `rows` pairs after one, by agent and time; only pairs still on the agenda and still to come.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when the data in force was not checked yet and cannot be now.
    """
    versions = await versions_in_force(data, tenant)
    for mode, version in versions.items():
        await check_promises(data, tenant, mode, version)
    async with data.db.uow(tenant) as tx:
        return await at_risk.page(tx, versions, await tx.now(), after, rows)
