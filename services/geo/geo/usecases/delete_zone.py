"""Deleting a zone that nobody works in."""

from geo.domain import errors
from geo.storage import limits, zones
from geo.usecases.ledger import Ledger


async def delete_zone(ledger: Ledger, tenant: str, zone_id: str) -> None:
    """Takes the zone away. Raises NotFound, and ZONE_IN_USE while agents work in it."""
    async with ledger.db.uow(tenant) as tx:
        # whoever assigns the zone holds this lock too
        if not await zones.lock(tx, [zone_id]):
            raise errors.not_found("zone", zone_id, "zone_id")
        agents = await limits.in_zone(tx, zone_id, errors.MOST_NAMED)
        if agents:
            raise errors.zone_in_use(agents)
        await zones.remove(tx, zone_id)
