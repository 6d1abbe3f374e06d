"""The places that a tenant's agents drive between."""

from typing import Final

from geo.storage.sql import fetch
from kit.db.uow import Tx

# by a digest of the place: a sample that is spread evenly, and the same every time
_PLACES: Final = """
    SELECT place FROM (SELECT DISTINCT place FROM geo.stops WHERE tenant_id = %(tenant)s AND place >= 0) AS p
    ORDER BY md5(place::text) LIMIT %(rows)s
"""


async def sample(tx: Tx, rows: int) -> list[int]:
    """At most so many of the places on the tenant's agendas, bases among them, by key."""
    found = await fetch(tx, _PLACES, {"tenant": tx.tenant, "rows": rows})
    return sorted(row.place for row in found)
