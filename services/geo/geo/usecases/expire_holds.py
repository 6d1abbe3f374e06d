"""Frees the holds of all tenants whose time is up, and counts those that there are."""

from typing import Final

from prometheus_client import Gauge

from geo.storage import watch
from geo.storage.watch import DueHold
from geo.usecases.ledger import Ledger
from geo.usecases.release_hold import expire_hold
from kit import telemetry
from kit.errors import GiroError

holds: Final = Gauge("giro_geo_holds", "Holds in the ledger, expired ones that were not yet swept included")

_log = telemetry.logger("geo.expire_holds")


async def expire_holds(ledger: Ledger) -> int:
    """How many were freed by this round, which reads those that are due alone. What fails is tried again by
    the next."""
    async with ledger.db.worker() as tx:
        due = await watch.due_holds(tx)
    return sum([await _expire(ledger, hold) for hold in due])


async def count_holds(ledger: Ledger) -> None:
    """Tells the metric how many there are: it reads them all, so it is no part of each second's round."""
    async with ledger.db.worker() as tx:
        holds.set(await watch.count_holds(tx))


async def _expire(ledger: Ledger, hold: DueHold) -> bool:
    work = telemetry.enter(None, None, hold.tenant)
    try:
        return await expire_hold(ledger, hold.tenant, hold.hold_id)
    except GiroError as error:
        _log.warning("hold not freed", hold_id=hold.hold_id, reason=error.reason)
        return False
    finally:
        telemetry.leave(work)
