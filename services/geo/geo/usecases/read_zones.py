"""Zones as they are told, and which of them hold a point."""

from collections.abc import Sequence

from geo.domain import errors
from geo.domain.zones import Zone
from geo.storage import zones
from geo.usecases.ledger import Ledger


async def get_zone(ledger: Ledger, tenant: str, zone_id: str) -> Zone:
    """One zone. Raises NotFound."""
    async with ledger.db.uow(tenant) as tx:
        found = await zones.read(tx, [zone_id])
    if zone_id not in found:
        raise errors.not_found("zone", zone_id, "zone_id")
    return found[zone_id]


async def list_zones(ledger: Ledger, tenant: str, after: str, rows: int) -> Sequence[Zone]:
    """At most `rows` zones whose id is greater than `after`, by id."""
    async with ledger.db.uow(tenant) as tx:
        return await zones.page(tx, after, rows)


async def zones_at(ledger: Ledger, tenant: str, place: int, postcode: str) -> list[str]:
    """Ids of the zones that hold a place by area or postcode, in order."""
    async with ledger.db.uow(tenant) as tx:
        found = await zones.grounds(tx, await zones.ids(tx))
    return [zone_id for zone_id, ground in sorted(found.items()) if ground.holds(place, postcode)]
