"""How far the caller's grants reach among the tenant's agents."""

from typing import Final

from kit.errors import NotAllowed, Reason
from kit.rpc.context import caller

_AGENT: Final = "agent"


def require_agent(agent_id: str) -> None:
    """Raises NotAllowed (OUT_OF_SCOPE) for a person whose grants are limited to other agents (R-181).

    Any other grant reads all agents of the tenant: campaigns share them. Services ask for everybody.
    """
    who = caller()
    own = {grant.scope_id for grant in who.grants if grant.scope_kind == _AGENT}
    if who.service is None and len(own) == len(who.grants) and agent_id not in own:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach this agent")
