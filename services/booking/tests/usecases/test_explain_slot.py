"""What booking adds to the ledger's reasons against a start, and leaves out of its changes (GEO-29)."""

from datetime import timedelta

import pytest
from booking_house import PLACE, VISIT, House, soon

from booking.domain.campaign import Campaign
from booking.usecases.explain_slot import ExplainSlot, explain_slot
from booking.usecases.ports import Explanation, FoundChange, StartGround
from booking.usecases.set_parameter import set_parameter
from giro.common.v1 import travel_pb2
from kit.errors import NotAllowed, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

POSTPONE = travel_pb2.START_CHANGE_KIND_POSTPONE
LATER = travel_pb2.START_CHANGE_KIND_LATER


async def explain(house: House, campaign: Campaign, hours: float = 48, agent: str = "") -> Explanation:
    start = soon(hours)
    asked = ExplainSlot(
        campaign.campaign_id, "", PLACE, agent or house.agents[0], Window(start, start + VISIT)
    )
    return await explain_slot(house.desk, asked)


def change(kind: int, agent: str, appointment: str = "") -> FoundChange:
    return FoundChange(kind, timedelta(minutes=20), soon(60), agent, appointment)


async def test_what_is_asked_of_the_ledger(house: House) -> None:
    campaign = await house.campaign()
    assert await explain(house, campaign) == Explanation([], [])
    (asked,) = house.ledger.questions
    assert asked.plan.agent_id == house.agents[0]
    assert list(asked.agent_ids) == house.agents[1:]
    assert (asked.granularity, asked.postpone_up_to) == (timedelta(minutes=5), timedelta(hours=2))
    assert not asked.refused
    (window,) = asked.windows
    lead = window.start - soon(36)
    assert timedelta(0) <= lead < timedelta(seconds=10), "no other start before the lead time"
    assert window.end - asked.plan.window.start == timedelta(days=14)


async def test_the_lead_time_comes_first_and_only_other_starts_help(house: House) -> None:
    campaign = await house.campaign()
    house.ledger.explanation = Explanation([StartGround("TRAVEL_IN", 60)], [change(LATER, house.agents[0])])
    found = await explain(house, campaign, hours=10)
    assert [one.reason for one in found.grounds] == ["LEAD_TIME", "TRAVEL_IN"]
    assert [one.kind for one in found.changes] == [LATER]
    (asked,) = house.ledger.questions
    assert (list(asked.agent_ids), asked.refused) == ([], True)


async def test_nothing_opens_a_full_package(house: House) -> None:
    campaign = await house.campaign(purchased=1)
    await house.book(campaign, await house.contact(campaign), soon())
    house.ledger.explanation = Explanation([], [change(LATER, house.agents[0])])
    found = await explain(house, campaign, hours=60)
    assert [one.reason for one in found.grounds] == ["PACKAGE_FULL"]
    assert list(found.changes) == []


async def test_a_neighbour_is_told_to_those_who_may_postpone_it(house: House) -> None:
    card = await house.booked(soon(50))
    mine = card.appointment
    campaign = await house.campaign()
    moved = change(POSTPONE, house.agents[0], mine.appointment_id)
    unknown = change(POSTPONE, house.agents[0], "apt_gone")
    house.ledger.explanation = Explanation([StartGround("SLOT_TAKEN", None)], [moved, unknown])
    assert list((await explain(house, campaign)).changes) == [moved]
    house.enter(Grant("OPERATOR", "campaign", campaign.campaign_id))
    assert list((await explain(house, campaign)).changes) == [], "another campaign's"


async def test_agents_out_of_the_campaign_or_hidden(house: House) -> None:
    campaign = await house.campaign(agents=house.agents[:1])
    with pytest.raises(RuleViolated) as refused:
        await explain(house, campaign, agent=house.agents[1])
    assert refused.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
    await set_parameter(house.desk, "reveal_agent", campaign.campaign_id, "false")
    house.enter(Grant("OPERATOR", "tenant", house.tenant))
    with pytest.raises(NotAllowed):
        await explain(house, campaign)
