"""Notices new roads, and holds every tenant's promises against them (R-089)."""

from typing import Final

from geo.domain.modes import TravelMode
from geo.storage import matrices, watch
from geo.usecases.check_promises import TravelData, check_promises
from geo.usecases.slices import Slices
from kit import telemetry
from kit.errors import Unavailable

_SHARE: Final = 0.2
"""Of the time, for the check: it runs in the process that answers searches."""

_log: Final = telemetry.logger("geo.watch_travel")


async def watch_travel(data: TravelData) -> int:
    """How many tenants were checked anew, each mode counted. While the roads of a mode cannot be asked
    nothing is, and it is logged."""
    return sum([await _watch(data, mode) for mode, _ in data.travel])


async def _watch(data: TravelData, mode: TravelMode) -> int:
    try:
        engine = await data.travel.of(mode).refreshed_version()
        async with data.db.worker() as tx:
            tenants = await watch.tenants(tx)
        return sum([await _check(data, tenant, mode, engine) for tenant in tenants])
    except Unavailable as failure:
        message = "promises are not checked: no answer about the roads"
        _log.warning(message, travel_mode=mode.value, why=str(failure))
        return 0


async def _check(data: TravelData, tenant: str, mode: TravelMode, engine: str) -> bool:
    async with data.db.uow(tenant) as tx:
        version = await matrices.version_of_drives(tx, engine, mode)
    return await check_promises(data, tenant, mode, version, Slices(_SHARE))
