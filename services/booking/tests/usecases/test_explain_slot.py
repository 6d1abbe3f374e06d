"""What booking adds to the ledger's reasons against a start, and leaves out of its changes (GEO-29)."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import noon, soon

from booking.domain.campaign import Campaign
from booking.usecases.explain_slot import TO_ACT, ExplainSlot, explain_slot
from booking.usecases.ports import Explanation, FoundChange, StartGround
from booking.usecases.set_parameter import set_parameter
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from giro.common.v1 import travel_pb2
from kit.errors import NotAllowed, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROME = ZoneInfo("Europe/Rome")
POSTPONE = travel_pb2.START_CHANGE_KIND_POSTPONE
LATER = travel_pb2.START_CHANGE_KIND_LATER


async def explain(house: House, campaign: Campaign, hours: float = 48, agent: str = "") -> Explanation:
    return await explain_at(house, campaign, soon(hours), agent)


async def explain_at(house: House, campaign: Campaign, start: datetime, agent: str = "") -> Explanation:
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
    assert TO_ACT <= lead < TO_ACT + timedelta(seconds=10), "no other start before the lead time"
    assert window.end - asked.plan.window.start == timedelta(days=14)


async def test_the_lead_time_comes_first_and_only_other_starts_help(house: House) -> None:
    campaign = await house.campaign()
    house.ledger.explanation = Explanation([StartGround("TRAVEL_IN", 60)], [change(LATER, house.agents[0])])
    found = await explain(house, campaign, hours=10)
    assert [one.reason for one in found.grounds] == ["LEAD_TIME", "TRAVEL_IN"]
    assert [one.kind for one in found.changes] == [LATER]
    (asked,) = house.ledger.questions
    (window,) = asked.windows
    missing = timedelta(seconds=found.grounds[0].short_seconds or 0)
    assert window.start == asked.plan.window.start + missing + TO_ACT, (
        "the first start that would do, in a minute"
    )
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


async def away(house: House, start: datetime, agent: str = "", contact: str = "") -> None:
    day = start.astimezone(ROME).date().isoformat()
    await set_unavailability(house.desk, SetUnavailability(agent, contact, day, "", "", "ill", claim()))


async def test_who_is_away_is_a_ground_and_other_starts_are_looked_for(house: House) -> None:
    campaign = await house.campaign()
    await away(house, noon(10), house.agents[0])
    house.ledger.explanation = Explanation([], [change(LATER, house.agents[0])])
    found = await explain_at(house, campaign, noon(10))
    assert [one.reason for one in found.grounds] == ["ABSENT"]
    assert [one.kind for one in found.changes] == [LATER]
    (asked,) = house.ledger.questions
    assert (list(asked.agent_ids), asked.refused) == (house.agents[1:], True)
    assert not any(window.overlaps(asked.plan.window) for window in asked.windows)


async def test_a_person_who_is_away_is_visited_by_nobody_then(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    await away(house, noon(10), contact=contact)
    start = noon(10)
    asked = ExplainSlot(campaign.campaign_id, contact, None, house.agents[0], Window(start, start + VISIT))
    found = await explain_slot(house.desk, asked)
    assert [one.reason for one in found.grounds] == ["CONTACT_UNAVAILABLE"]
    (question,) = house.ledger.questions
    assert list(question.agent_ids) == []
    assert not any(window.overlaps(asked.window) for window in question.windows)


async def test_a_neighbour_is_moved_only_where_its_own_campaign_lets_it_be(house: House) -> None:
    theirs, campaign = await house.campaign(), await house.campaign()
    person = await house.contact(theirs)
    card = await house.book(theirs, person, soon(238), key=claim())
    there = soon(240)
    moved = replace(change(POSTPONE, house.agents[0], card.appointment.appointment_id), start=there)
    house.ledger.explanation = Explanation([StartGround("SLOT_TAKEN", None)], [moved])
    assert list((await explain(house, campaign, hours=238)).changes) == [moved]
    await set_parameter(house.desk, "postpone_respects_lead_time", theirs.campaign_id, "true")
    await set_parameter(house.desk, "lead_time", theirs.campaign_id, f"{30 * 86_400}s")
    assert list((await explain(house, campaign, hours=238)).changes) == []
    await set_parameter(house.desk, "lead_time", theirs.campaign_id, "")
    assert list((await explain(house, campaign, hours=238)).changes) == [moved]
    await away(house, there, contact=person)
    assert list((await explain(house, campaign, hours=238)).changes) == []


async def test_who_owes_outcomes_is_not_proposed(house: House) -> None:
    campaign = await house.campaign()
    await house.book(campaign, await house.contact(campaign), soon(48), house.agents[1])
    await house.advance(timedelta(hours=48, days=3) + VISIT)
    await set_parameter(house.desk, "outcomes_due_days", campaign.campaign_id, "3")
    await explain(house, campaign, hours=48 + 24 * 6)
    (asked,) = house.ledger.questions
    assert list(asked.agent_ids) == house.agents[2:]
