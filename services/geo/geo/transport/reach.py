"""How far the caller's grants reach within the tenant."""

from typing import Final

from kit.errors import NotAllowed, Reason
from kit.rpc.context import AGENT, caller

_SEE_AGENTS: Final = ("ADMINISTRATOR", "PROJECT_MANAGER", "AGENT_SUPERVISOR", "AGENT")


def require_agent(agent_id: str) -> None:
    """Raises NotAllowed (OUT_OF_SCOPE) for a person whose grants are limited to other agents (R-181).

    Any other grant reads all agents of the tenant: campaigns share them. Services ask for everybody.
    """
    who = caller()
    own = {grant.scope_id for grant in who.grants if grant.scope_kind == AGENT}
    if who.service is None and len(own) == len(who.grants) and agent_id not in own:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach this agent")


def require_whole() -> None:
    """Raises NotAllowed (OUT_OF_SCOPE) unless some grant reaches the whole tenant, or a branch (R-181).

    Agents, zones, parameters and travel data count for every campaign: no role of one campaign or agent sets
    them.
    """
    if not caller().is_whole:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your roles do not reach what is the whole tenant's")


def sees_owners(agent_id: str) -> bool:
    """Whether an itinerary tells the caller whose each stop is, where it is and how one gets there (GEO-09).

    Whether a campaign hides its agents is booking's to know, so whoever it may hide them from, as operators
    and partners, reads here when an agent is busy and no more: an owner would tell who comes to whom.
    """
    who = caller()
    seeing = [grant for grant in who.grants if grant.role in _SEE_AGENTS]
    return who.service is not None or any(
        grant.scope_kind != AGENT or grant.scope_id == agent_id for grant in seeing
    )
