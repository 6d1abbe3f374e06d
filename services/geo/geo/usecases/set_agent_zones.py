"""Saying in which zones an agent works."""

from collections.abc import Sequence
from functools import partial

from geo.domain import errors
from geo.storage import agents, limits, zones
from geo.usecases.ledger import Ledger


async def set_agent_zones(ledger: Ledger, tenant: str, agent_id: str, zone_ids: Sequence[str]) -> list[str]:
    """The zones, in order; none: everywhere. What is booked stays. Raises NotFound for the agent and for a
    zone, naming the field."""
    wanted = sorted(set(zone_ids))
    async with ledger.db.uow(tenant) as tx:
        found = await zones.lock(tx, wanted)
        for index, zone_id in enumerate(zone_ids):
            if zone_id not in found:
                raise errors.not_found("zone", zone_id, f"zone_ids[{index}]")
        if not await agents.lock(tx, [agent_id]):
            raise errors.not_found("agent", agent_id, "agent_id")
        await limits.set_zones(tx, agent_id, wanted)
        tx.on_commit(partial(ledger.changed, tenant, agent_id))
    return wanted
