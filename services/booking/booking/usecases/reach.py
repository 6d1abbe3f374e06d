"""How far the caller's roles reach within its tenant.

A grant is for the whole tenant, a branch or a campaign. An AGENT's grant whose scope is an agent (`agt_…`)
reaches that agent's appointments only; without one, an agent sees the tenant's.
"""

from kit.errors import NotAllowed, Reason
from kit.rpc.context import Caller, caller

_AGENT_ROLE = "AGENT"
_AGENT_ID = "agt_"


def agents_of(who: Caller) -> frozenset[str] | None:
    """The only agents whose appointments this caller may see; None: no such limit."""
    own = {grant.scope_id for grant in who.grants if grant.role == _AGENT_ROLE}
    if not own or any(grant.role != _AGENT_ROLE for grant in who.grants):
        return None
    return frozenset(own) if all(scope.startswith(_AGENT_ID) for scope in own) else None


def require_agent(agent_id: str) -> None:
    """Raises OUT_OF_SCOPE when the caller is limited to other agents."""
    own = agents_of(caller())
    if own is not None and agent_id not in own:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach this agent's appointments")


def require_whole_tenant() -> None:
    """Raises OUT_OF_SCOPE when the caller is limited to campaigns or agents."""
    who = caller()
    if who.campaigns() is not None or agents_of(who) is not None:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach the whole tenant")


def narrowed(own: frozenset[str] | None, asked: str) -> frozenset[str] | None:
    """What a list is limited to: the one asked for, which must be within reach, or else all within reach."""
    if not asked:
        return own
    if own is not None and asked not in own:
        raise NotAllowed(Reason.OUT_OF_SCOPE, "your role does not reach what this list is limited to")
    return frozenset({asked})
