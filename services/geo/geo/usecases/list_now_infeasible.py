"""The pairs of stops that present travel data would no longer allow (R-089)."""

from collections.abc import Sequence
from dataclasses import dataclass

from geo.domain.modes import TravelMode
from geo.domain.promise import InfeasiblePair
from geo.storage import at_risk
from geo.storage.at_risk import PageStart
from geo.usecases.check_promises import TravelData, check_promises, modes_of, version_in_force
from kit.errors import Reason, Unavailable


@dataclass(frozen=True, slots=True)
class NowInfeasible:
    """Pairs by agent and time, and the modes whose agents were left out: their roads do not answer, while
    those of others do."""

    pairs: Sequence[InfeasiblePair]
    left_out: Sequence[TravelMode] = ()


async def list_now_infeasible(data: TravelData, tenant: str, after: PageStart, rows: int) -> NowInfeasible:
    """At most `rows` pairs after one, by agent and time; only pairs still on the agenda and still to come.

    Raises Unavailable (TRAVEL_UNAVAILABLE) when the data in force was not checked yet and cannot be now, of
    any mode.
    """
    versions, failures = dict[TravelMode, str](), dict[TravelMode, Unavailable]()
    for mode in await modes_of(data, tenant):
        try:
            version = await version_in_force(data, tenant, mode)
            await check_promises(data, tenant, mode, version)
        except Unavailable as failure:
            if failure.reason is not Reason.TRAVEL_UNAVAILABLE:
                raise
            failures[mode] = failure
        else:
            versions[mode] = version
    if failures and not versions:
        raise next(iter(failures.values()))
    async with data.db.uow(tenant) as tx:
        pairs = await at_risk.page(tx, versions, await tx.now(), after, rows)
    return NowInfeasible(pairs, sorted(failures))
