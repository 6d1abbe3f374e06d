"""How far somebody's roles reach within a tenant."""

from dataclasses import dataclass

from kit.errors import NotAllowed, Reason


@dataclass(frozen=True, slots=True)
class Parts:
    """What a list holds, as parts that share no row and of which each is one stretch of an index.

    Rows of `campaign_id` and `agent_id`, where an empty id leaves its side open. Where `split`, of those only
    the ones of `campaigns`, and the ones of `agents` in any other campaign.
    """

    campaign_id: str
    agent_id: str
    split: bool = False
    campaigns: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """The whole tenant, or else these campaigns and, for reading, the appointments of these agents."""

    whole: bool
    campaigns: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    def require_whole(self) -> None:
        """Raises NotAllowed (OUT_OF_SCOPE) for a reach that is limited in any way."""
        if not self.whole:
            raise _out_of_scope()

    def covers(self, campaign_id: str) -> bool:
        """Whether the campaign is within reach; for an empty id, all of them."""
        return self.whole or campaign_id in self.campaigns

    def shows(self, campaign_id: str, agent_id: str) -> bool:
        """Whether an agent's appointment of a campaign may be read."""
        return self.covers(campaign_id) or agent_id in self.agents

    def require_campaign(self, campaign_id: str) -> None:
        """Raises NotAllowed (OUT_OF_SCOPE) unless the campaign is within reach."""
        if not self.covers(campaign_id):
            raise _out_of_scope()

    def require_sight(self, campaign_id: str, agent_id: str) -> None:
        """Raises NotAllowed (OUT_OF_SCOPE) unless an agent's appointment of a campaign may be read.

        An empty id asks about the others alone: whether a list limited like that shows anything at all.
        """
        if not self.shows(campaign_id, agent_id) and not self._some(campaign_id, agent_id):
            raise _out_of_scope()

    def parts(self, campaign_id: str, agent_id: str) -> Parts:
        """What is within reach of a list that is limited to these; empty ids leave their side open."""
        if self.shows(campaign_id, agent_id):
            return Parts(campaign_id, agent_id)
        campaigns = () if campaign_id else tuple(sorted(self.campaigns))
        agents = () if agent_id else tuple(sorted(self.agents))
        if len(campaigns) + len(agents) == 1:
            return Parts("".join(campaigns) or campaign_id, "".join(agents) or agent_id)
        return Parts(campaign_id, agent_id, split=True, campaigns=campaigns, agents=agents)

    def _some(self, campaign_id: str, agent_id: str) -> bool:
        by_campaign = not campaign_id and bool(self.campaigns)
        by_agent = not agent_id and bool(self.agents)
        return by_campaign or by_agent


def _out_of_scope() -> NotAllowed:
    return NotAllowed(Reason.OUT_OF_SCOPE, "your roles do not reach this part of the tenant")
