"""Notices new roads, and holds every tenant's promises against them (R-089)."""

from typing import Final

from geo.storage import matrices, watch
from geo.usecases.check_promises import TravelData, check_promises
from kit import telemetry
from kit.errors import Unavailable

_log: Final = telemetry.logger("geo.watch_travel")


async def watch_travel(data: TravelData) -> int:
    """How many tenants were checked anew. While the roads cannot be asked nothing is, and it is logged."""
    try:
        engine = await data.travel.refreshed_version()
        async with data.db.worker() as tx:
            tenants = await watch.tenants(tx)
        return sum([await _check(data, tenant, engine) for tenant in tenants])
    except Unavailable as failure:
        _log.warning("promises are not checked: no answer about the roads", why=str(failure))
        return 0


async def _check(data: TravelData, tenant: str, engine: str) -> bool:
    async with data.db.uow(tenant) as tx:
        version = await matrices.version_of_drives(tx, engine)
    return await check_promises(data, tenant, version)
