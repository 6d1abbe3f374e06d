"""Making an agent."""

from geo.domain.agent import Agent
from geo.storage import agents
from geo.usecases.ledger import Ledger
from geo.usecases.set_travel_mode import require_roads
from kit.db.claims import Claim
from kit.failpoints import failpoint


async def create_agent(ledger: Ledger, tenant: str, agent: Agent, claim: Claim) -> Agent:
    """The agent as it is now; the same claim again gives the agent it made. Raises NO_ROADS_FOR_MODE."""
    require_roads(ledger, agent.mode)
    async with ledger.db.uow(tenant, claim) as tx:
        if tx.duplicate and tx.claim_ref is not None:
            return (await agents.read(tx, [tx.claim_ref]))[tx.claim_ref]
        await agents.create(tx, agent)
        tx.refer(agent.agent_id)
        await failpoint("geo.create_agent.before_commit")
    return agent
