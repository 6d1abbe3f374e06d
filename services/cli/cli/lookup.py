"""Things by name or id: a person types "Giada", the gateway wants `agt_...`."""

from functools import cached_property

from cli import reading
from cli.errors import Refused
from cli.gateway import Gateway, Json

MOST = 5_000


class Lookup:
    """Names and ids of the caller's tenant, asked for when they are first needed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @cached_property
    def agents(self) -> list[Json]:
        """All agents; none for a role that may not list them."""
        try:
            return list(self._gateway.pages("/v1/agents", "agents", MOST))
        except Refused as refused:
            if refused.status != 403:
                raise
            return []

    @cached_property
    def campaigns(self) -> list[Json]:
        """Campaigns that the caller may see."""
        return list(self._gateway.pages("/v1/campaigns", "campaigns", MOST))

    def agent_name(self, agent_id: str) -> str:
        """The agent's name; the id when it is not known."""
        return next((each["displayName"] for each in self.agents if each["agentId"] == agent_id), agent_id)

    def campaign_name(self, campaign_id: str) -> str:
        """The campaign's name; the id when it is not known."""
        known = (each["displayName"] for each in self.campaigns if each["campaignId"] == campaign_id)
        return next(known, campaign_id)

    def agent_id(self, text: str) -> str:
        """The id for an id, a name or a part of one, or a key of the demo ("a01"). Raises BadArgument."""
        known = self._demo_key("agents", text)
        if known or text.startswith("agt_"):
            return known or text
        return str(_by_name(self.agents, text, "agent")["agentId"])

    def campaign(self, text: str) -> Json:
        """The campaign for an id, a name or a part of one, or a key of the demo. Raises BadArgument."""
        wanted = self._demo_key("campaigns", text) or text
        if wanted.startswith("cmp_"):
            return self._gateway.get(f"/v1/campaigns/{wanted}")
        return _by_name(self.campaigns, text, "campaign")

    def contact_id(self, text: str, campaign_id: str) -> str:
        """The id for an id, or the name of one of the campaign's people. Raises BadArgument."""
        if text.startswith("cnt_"):
            return text
        people = list(self._gateway.pages(f"/v1/campaigns/{campaign_id}/contacts", "contacts", MOST))
        return str(_by_name(people, text, "contact")["contactId"])

    def _demo_key(self, kind: str, text: str) -> str:
        for tenant in self._gateway.settings.demo.get("tenants", {}).values():
            found = tenant.get(kind, {}).get(text)
            if found:
                return str(found)
        return ""


def _by_name(rows: list[Json], text: str, what: str) -> Json:
    wanted = text.casefold()
    exact = [row for row in rows if row["displayName"].casefold() == wanted]
    found = exact or [row for row in rows if wanted in row["displayName"].casefold()]
    return reading.one_of(found, text, what, _label)


def _label(row: Json) -> str:
    """Enough to tell two of the same name apart."""
    name, address = str(row["displayName"]), row.get("address", "")
    return f"{name} ({address}, {row['contactId']})" if address else name
