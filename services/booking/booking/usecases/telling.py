"""What a caller is told of agents (GEO-09), and of a refusal that has to do with an agent's agenda."""

from booking.domain import parameters, veil
from booking.domain.grounds import Grounds
from booking.domain.reach import Reach
from booking.domain.veil import ALL_SEEN, Sight
from booking.storage import sights
from booking.storage.sights import Shown
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from kit.errors import GiroError, NotAllowed, Reason
from kit.rpc.context import AGENT, CAMPAIGN, caller

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
        raise agents_hidden()


def agents_hidden() -> NotAllowed:
    """The refusal of whoever names an agent without seeing agents."""
    return NotAllowed(Reason.OUT_OF_SCOPE, "agents of this campaign are hidden from your role")


def sees_agents(campaign_id: str) -> bool:
    """Whether a role that reaches this campaign sees its agents whatever the campaign hides.

    Without a campaign: whether one sees those of all.
    """
    return any(
        grant.role in veil.SEES_AGENTS
        and grant.scope_kind != AGENT
        and (grant.scope_kind != CAMPAIGN or grant.scope_id == campaign_id)
        for grant in caller().grants
    )


def sees_all_agents() -> bool:
    """Whether nothing is ever hidden from the caller: a role of the whole tenant, or a service by itself."""
    return sees_agents("") or (caller().service is not None and not caller().grants)


async def sight(desk: Desk, appointment_id: str = "") -> tuple[Sight, str]:
    """What the caller sees of agents by now, and the campaign of an appointment (empty for none)."""
    if sees_all_agents():
        return ALL_SEEN, ""
    async with desk.db.uow(caller().tenant) as tx:
        shown = await sights.read(tx, parameters.REVEAL_AGENT.name, appointment_id)
    return _sight(shown, reach()), shown.campaign_id


def _sight(shown: Shown, within: Reach) -> Sight:
    of_tenant = parameters.REVEAL_AGENT.default if shown.of_tenant is None else shown.of_tenant
    hidden = {
        campaign: not shown.of_campaigns.get(campaign, of_tenant) and not sees_agents(campaign)
        for campaign in shown.of_campaigns.keys() | within.campaigns
    }
    if within.whole or not within.campaigns:  # an agent's own visits are of any campaign
        unsaid = not of_tenant or any(hidden.values())
    else:
        unsaid = any(hidden[campaign] for campaign in within.campaigns)
    return Sight(hidden, elsewhere=not of_tenant, unsaid=unsaid, own=within.agents)


def told(refusal: GiroError, campaign_id: str, *, hidden: bool) -> GiroError:
    """The refusal, without what the caller may not learn: the agent, or which neighbour of a slot changed.

    A role counts where it reaches the slot's campaign; for an empty id, where it reaches all (R-181).
    """
    stale = refusal.reason is Reason.SLOT_TOKEN_STALE
    if hidden or (stale and not reach_as(*_SEES_AGENDAS).covers(campaign_id)):
        return veil.refusal(refusal)
    return refusal
