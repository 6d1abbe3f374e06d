"""The check of the guarantee, independent of the code that writes the ledger."""

from geo.domain import errors
from geo.domain.verification import Report, unrecorded, verify
from geo.storage import agents
from geo.storage.verification import stored_legs, stored_stops
from geo.usecases.ledger import Ledger
from kit.db.uow import Timeouts


async def verify_invariants(ledger: Ledger, tenant: str, agent_id: str = "") -> Report:
    """What is broken on one agent's timeline, or on all of the tenant. Raises NotFound for the agent.

    An engine is asked only when a stop does not name the leg from the stop before it, which is broken anyway.
    """
    async with ledger.db.uow(tenant, timeouts=Timeouts(statement=30.0, idle=30.0)) as tx:
        if agent_id and agent_id not in await agents.read(tx, [agent_id]):
            raise errors.not_found("agent", agent_id, "agent_id")
        stops = await stored_stops(tx, agent_id)
        legs = await stored_legs(tx, stops)
    unknown = unrecorded(stops)
    engine = {}
    if unknown:
        book = await ledger.travel.legs(tenant, unknown)
        engine = {pair: leg.seconds if (leg := book.leg(pair)) else None for pair in unknown}
    return verify(stops, legs, engine)
