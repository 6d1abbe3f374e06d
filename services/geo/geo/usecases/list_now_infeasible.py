"""The pairs of stops that present travel data would no longer allow (R-089)."""

from geo.domain.promise import InfeasiblePair
from geo.storage import at_risk, matrices
from geo.storage.at_risk import PageStart
from geo.usecases.check_promises import TravelData, check_promises


async def list_now_infeasible(
    data: TravelData, tenant: str, after: PageStart, rows: int
) -> list[InfeasiblePair]:
    """At most `rows` pairs after one, by agent and time; only pairs still on the agenda and still to come.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when the data in force was not checked yet and cannot be now.
    """
    engine = await data.travel.engine_version()
    async with data.db.uow(tenant) as tx:
        version = await matrices.version_of_drives(tx, engine)
    await check_promises(data, tenant, version)
    async with data.db.uow(tenant) as tx:
        return await at_risk.page(tx, version, await tx.now(), after, rows)
