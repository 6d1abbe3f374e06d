"""Making or replacing a zone."""

from dataclasses import replace
from functools import partial

from geo.domain import errors
from geo.domain.zones import Zone
from geo.storage import limits, zones
from geo.usecases.ledger import Ledger
from kit.db.claims import Claim
from kit.failpoints import failpoint
from kit.values.ids import new_id


async def upsert_zone(ledger: Ledger, tenant: str, zone: Zone, claim: Claim) -> Zone:
    """The zone as it is now; the same claim again gives the zone that it made.

    Writers of the agents in it are waited for, and their next decision is by the new zone. What is booked
    stays. Raises NotFound for an id that the tenant does not have, AlreadyExists for another zone's name,
    InvalidInput naming the polygon whose rings cross.
    """
    async with ledger.db.uow(tenant, claim) as tx:
        if tx.duplicate and tx.claim_ref is not None:
            return _present(tx.claim_ref, await zones.read(tx, [tx.claim_ref]))
        if zone.zone_id and not await zones.lock(tx, [zone.zone_id]):
            raise errors.not_found("zone", zone.zone_id, "zone_id")
        made = zone if zone.zone_id else replace(zone, zone_id=new_id("zon"))
        await zones.put(tx, made)
        for agent_id in await limits.touch(tx, made.zone_id) if zone.zone_id else ():
            tx.on_commit(partial(ledger.changed, tenant, agent_id))
        tx.refer(made.zone_id)
        await failpoint("geo.upsert_zone.before_commit")
        return made


def _present(zone_id: str, found: dict[str, Zone]) -> Zone:
    if zone_id not in found:
        raise errors.not_found("zone", zone_id, "zone_id")
    return found[zone_id]
