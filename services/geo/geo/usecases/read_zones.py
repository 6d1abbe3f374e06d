"""Zones as they are told, and which of them hold a point."""

from collections.abc import Sequence
from typing import Final

from geo.domain import errors
from geo.domain.zones import Zone, fitting
from geo.storage import zones
from geo.usecases.ledger import Ledger

_PAGE_WEIGHT: Final = 40_000
"""Corners and postcodes of a page: each takes about 22 bytes."""
_JUDGED_WEIGHT: Final = 200_000


async def get_zone(ledger: Ledger, tenant: str, zone_id: str) -> Zone:
    """One zone. Raises NotFound."""
    async with ledger.db.uow(tenant) as tx:
        found = await zones.read(tx, [zone_id])
    if zone_id not in found:
        raise errors.not_found("zone", zone_id, "zone_id")
    return found[zone_id]


async def list_zones(ledger: Ledger, tenant: str, after: str, rows: int) -> tuple[Sequence[Zone], bool]:
    """Zones whose id is greater than `after`, by id, and whether there are more.

    At most `rows`, and no more than are told together in about a megabyte; one at least, if there is one.
    """
    async with ledger.db.uow(tenant) as tx:
        sizes = await zones.sizes(tx, after, rows + 1)
        chosen = list(sizes)[: min(rows, fitting(list(sizes.values()), _PAGE_WEIGHT))]
        found = await zones.read(tx, chosen)
    return [found[zone_id] for zone_id in chosen if zone_id in found], len(sizes) > len(chosen)


async def zones_at(ledger: Ledger, tenant: str, place: int, postcode: str) -> list[str]:
    """Ids of the zones that hold a place by area or postcode, in order.

    The database tells those that may; they are judged some at a time, so that as many as there are, they
    never lie in memory together.
    """
    holding: list[str] = []
    async with ledger.db.uow(tenant) as tx:
        left = await zones.sizes_near(tx, place, postcode)
        while left:
            some = list(left)[: fitting(list(left.values()), _JUDGED_WEIGHT)]
            found = await zones.grounds(tx, some)
            holding += [zone_id for zone_id in some if found[zone_id].holds(place, postcode)]
            for zone_id in some:
                del left[zone_id]
    return holding
