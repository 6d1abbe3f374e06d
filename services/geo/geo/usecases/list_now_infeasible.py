"""The pairs of stops that present travel data would no longer allow (R-089)."""

from geo.domain.matrix import travel_version
from geo.domain.promise import InfeasiblePair
from geo.storage import at_risk, matrices
from geo.storage.at_risk import PageStart
from geo.usecases.import_matrix import TravelData, check_promises


async def list_now_infeasible(
    data: TravelData, tenant: str, after: PageStart, rows: int
) -> list[InfeasiblePair]:
    """At most `rows` pairs after one, by agent and time; only pairs still on the agenda and still to come.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when an import was cut short and cannot be finished now.
    """
    async with data.db.uow(tenant) as tx:
        number = await matrices.current_version(tx)
        unchecked = await matrices.is_unchecked(tx, number)
    if unchecked:
        await check_promises(data, tenant, number)
    async with data.db.uow(tenant) as tx:
        return await at_risk.page(tx, travel_version(data.engine, number), await tx.now(), after, rows)
