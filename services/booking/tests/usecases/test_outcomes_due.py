"""Agents whose outcomes are due get no suggestions, where the tenant wants it (BK-42)."""

from datetime import timedelta

import pytest
from booking_house import PLACE, VISIT, House
from house_clock import soon

from booking.domain.campaign import Campaign
from booking.domain.outcomes import Recall, Result
from booking.transport import messages
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import SuggestSlots, suggest_slots

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def suggested(house: House, campaign: Campaign) -> tuple[set[str], set[tuple[str, str]]]:
    """Agents who are suggested, and who is left out why."""
    async with house.desk.db.uow(house.tenant) as tx:
        now = (await tx.now()).replace(microsecond=0)
    house.ledger.slots = [(agent, now + timedelta(hours=60 + n)) for n, agent in enumerate(house.agents)]
    query = SuggestSlots(
        campaign_id=campaign.campaign_id,
        contact_id="",
        point=PLACE,
        duration=VISIT,
        first_day="",
        last_day="",
        windows=(),
        agent_ids=(),
        limit=10,
        explain=True,
    )
    made = await suggest_slots(house.desk, query)
    told = messages.suggestions(made, explain=True)
    return (
        {slot.anatomy.agent_id for slot in told.slots},
        {(gap.agent_id, gap.reason) for gap in told.refused},
    )


async def test_from_so_many_days_after_the_visit_on_and_until_its_outcome(house: House) -> None:
    campaign = await house.campaign()
    card = await house.book(campaign, await house.contact(campaign), soon(48))
    late, others = house.agents[0], set(house.agents[1:])
    await house.advance(timedelta(hours=48, days=3) + VISIT - timedelta(seconds=30))
    assert await suggested(house, campaign) == (set(house.agents), set())  # nobody asks for it
    await set_parameter(house.desk, "outcomes_due_days", campaign.campaign_id, "3")
    assert await suggested(house, campaign) == (set(house.agents), set())
    await house.advance(timedelta(seconds=31))
    assert await suggested(house, campaign) == (others, {(late, "OUTCOMES_DUE")})
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    await house.set_outcome(card, "done")
    assert await suggested(house, campaign) == (set(house.agents), set())


async def test_when_all_are_late_nothing_is_asked_of_the_ledger(house: House) -> None:
    campaign = await house.campaign(agents=house.agents[:1])
    await house.book(campaign, await house.contact(campaign), soon(48))
    await set_parameter(house.desk, "outcomes_due_days", "", "1")
    await house.advance(timedelta(days=4))
    house.ledger.queries.clear()
    assert await suggested(house, campaign) == (set(), {(house.agents[0], "OUTCOMES_DUE")})
    assert house.ledger.queries == []
