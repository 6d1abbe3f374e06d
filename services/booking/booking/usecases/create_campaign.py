"""Makes a campaign with its package and its agents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from booking.domain import errors
from booking.domain.campaign import Campaign, zone
from booking.domain.package import Package
from booking.storage import answers, campaigns
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.db.claims import Claim
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class CreateCampaign:
    """`purchased` appointments bought (R-133)."""

    display_name: str
    purchased: int
    agent_ids: Sequence[str]
    skills: Sequence[str]
    time_zone: str
    buffer: timedelta
    claim: Claim


async def create_campaign(desk: Desk, command: CreateCampaign) -> Campaign:
    """The campaign; the same again for the same claim.

    Raises InvalidInput naming `time_zone`, NotFound naming the first of `agent_ids` that is nobody.
    """
    reach().require_whole()
    tenant = caller().tenant
    zone(command.time_zone)
    await _require_agents(desk, tenant, command.agent_ids)
    async with desk.db.uow(tenant, command.claim) as tx:
        if tx.first_answer is not None:
            return answers.campaign(tx.first_answer)
        campaign = _campaign(command)
        await campaigns.insert(tx, campaign)
        tx.answer(answers.from_campaign(campaign))
    return campaign


async def _require_agents(desk: Desk, tenant: str, agent_ids: Sequence[str]) -> None:
    known = await desk.agents.known(tenant)
    for position, agent_id in enumerate(agent_ids):
        if agent_id not in known:
            raise errors.not_found("agent", f"agent_ids[{position}]")


def _campaign(command: CreateCampaign) -> Campaign:
    return Campaign(
        campaign_id=new_id("cmp"),
        display_name=command.display_name,
        package=Package(command.purchased),
        skills=tuple(command.skills),
        time_zone=command.time_zone,
        buffer=command.buffer,
        agent_ids=tuple(sorted(command.agent_ids)),
    )
