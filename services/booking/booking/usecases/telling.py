"""What a caller is told of agents (GEO-09), and of a refusal that has to do with an agent's agenda."""

from booking.domain import parameters, veil
from booking.domain.grounds import Grounds
from kit.errors import GiroError, NotAllowed, Reason
from kit.rpc.context import CAMPAIGN, caller

_SEES_AGENDAS = (*veil.SEES_AGENTS, "OPERATOR")


def agent_hidden(grounds: Grounds, *, asked_for: bool) -> bool:
    """Whether the caller shall not learn the agents: unasked for, or hidden by the campaign (GEO-09)."""
    if not asked_for:
        return True
    return not grounds.parameters[parameters.REVEAL_AGENT] and not sees_agents(grounds.campaign.campaign_id)


def require_agents_shown(grounds: Grounds) -> None:
    """Raises NotAllowed (OUT_OF_SCOPE) where the campaign hides agents from the caller.

    For everything that lets the caller choose the agent: an answer to that tells whose each start is.
    """
    if agent_hidden(grounds, asked_for=True):
        raise NotAllowed(Reason.OUT_OF_SCOPE, "agents of this campaign are hidden from your role")


def sees_agents(campaign_id: str) -> bool:
    """Whether a role that reaches this campaign sees its agents whatever the campaign hides."""
    return any(
        grant.role in veil.SEES_AGENTS and (grant.scope_kind != CAMPAIGN or grant.scope_id == campaign_id)
        for grant in caller().grants
    )


def told(refusal: GiroError, *, hidden: bool) -> GiroError:
    """The refusal, without what the caller may not learn: the agent, or which neighbour of a slot changed."""
    stale = refusal.reason is Reason.SLOT_TOKEN_STALE
    if hidden or (stale and not caller().has_role(*_SEES_AGENDAS)):
        return veil.refusal(refusal)
    return refusal
