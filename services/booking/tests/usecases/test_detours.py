"""The month's calendar of detours: what is asked of the ledger, tokens, what policy leaves (GEO-11)."""

from datetime import timedelta

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import noon, soon

from booking.domain.campaign import Campaign, zone
from booking.transport import messages
from booking.usecases.detour_calendar import MOST_AGENTS, DetourCalendar, Month, detour_calendar
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from kit.errors import InvalidInput, NotAllowed, NotFound, Reason, RuleViolated
from kit.rpc.context import Grant
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def month(house: House, campaign: Campaign, **changes: object) -> Month:
    asked: dict[str, object] = {
        "campaign_id": campaign.campaign_id,
        "contact_id": "",
        "point": PLACE,
        "duration": VISIT,
        "month": f"{soon(60).astimezone(zone(campaign.time_zone)):%Y-%m}",
        "agent_ids": (),
    }
    return await detour_calendar(house.desk, DetourCalendar(**{**asked, **changes}))  # type: ignore[arg-type]


async def test_each_day_has_the_best_start_and_its_token_holds_it(house: House) -> None:
    campaign = await house.campaign()
    start = noon(3)
    house.ledger.slots = [(house.agents[0], start), (house.agents[0], soon(1))]
    made = await month(house, campaign, month=f"{start:%Y-%m}")
    (query,) = house.ledger.queries
    assert list(query.agent_ids) == house.agents
    assert len(query.windows) == len(made.days) >= 28
    (day,) = messages.detour_month(made).days
    local = start.astimezone(zone(campaign.time_zone))
    assert (day.day, day.agent_id) == (local.date().isoformat(), house.agents[0])
    assert (day.start.seconds, day.added_travel.seconds) == (int(start.timestamp()), 600)
    held = await hold_slot(house.desk, HoldSlot(day.slot_token, None, claim()))
    assert (held.plan.agent_id, held.plan.window.start) == (house.agents[0], start)
    assert held.plan.window.duration == VISIT


async def test_an_absence_in_the_morning_leaves_the_evening(house: House) -> None:
    """Agents are away by days of their own zone, which end in the middle of the campaign's."""
    campaign = await house.campaign(zone="America/New_York")
    local = zone(campaign.time_zone)
    day = (soon(24 * 20)).astimezone(local).replace(hour=10, minute=0, second=0)
    agent, other = house.agents[:2]
    house.ledger.slots = [(agent, day), (agent, day.replace(hour=20)), (other, day)]
    await set_unavailability(
        house.desk, SetUnavailability(agent, "", *[day.date().isoformat()] * 2, "", "", claim())
    )
    found = await month(house, campaign, month=f"{day:%Y-%m}")
    starts = {(each.agent_id, each.start) for each in found.found.detours}
    assert starts == {(agent, int(day.replace(hour=20).timestamp())), (other, int(day.timestamp()))}
    assert {found.days[each.window] for each in found.found.detours} == {day.date()}
    away, everybody = sorted(house.ledger.queries[-2:], key=lambda query: len(query.agent_ids))
    assert list(away.agent_ids) == [agent]
    assert set(everybody.agent_ids) == {*house.agents} - {agent}
    assert len(away.windows) == len(everybody.windows)  # the days of its zone cut two of the campaign's
    contact = await house.contact(campaign)
    days = [day.date().isoformat(), (day.date() + timedelta(days=1)).isoformat()]
    await set_unavailability(house.desk, SetUnavailability("", contact, *days, "", "", claim()))
    found = await month(house, campaign, month=f"{day:%Y-%m}", contact_id=contact, point=None)
    assert found.found.detours == []


async def test_a_full_package_leaves_no_day_and_says_why(house: House) -> None:
    campaign = await house.campaign(purchased=1)
    await house.book(campaign, await house.contact(campaign), soon())
    told = messages.detour_month(await month(house, campaign))
    assert (list(told.days), told.closed_reason) == ([], Reason.PACKAGE_FULL)
    assert house.ledger.queries == []


async def test_a_campaign_with_too_many_agents_asks_for_some_of_them(house: House) -> None:
    agents = [new_id("agt") for _ in range(MOST_AGENTS + 1)]
    house.ledger.agents.update(agents)
    campaign = await house.campaign(agents=agents)
    with pytest.raises(InvalidInput) as refused:
        await month(house, campaign)
    assert refused.value.violations[0].field == "agent_ids"
    await month(house, campaign, agent_ids=agents[:MOST_AGENTS])
    assert len(house.ledger.queries[-1].agent_ids) == MOST_AGENTS


async def test_what_cannot_be_looked_at_is_refused_by_name(house: House) -> None:
    campaign = await house.campaign()
    with pytest.raises(InvalidInput) as no_month:
        await month(house, campaign, month="2027-13")
    assert no_month.value.violations[0].field == "month"
    with pytest.raises(RuleViolated) as stranger:
        await month(house, campaign, agent_ids=(new_id("agt"),))
    assert stranger.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
    with pytest.raises(NotFound):
        await month(house, campaign, contact_id=new_id("cnt"), point=None)
    with pytest.raises(NotFound):
        await month(house, campaign, campaign_id=new_id("cmp"))


async def test_who_works_for_another_campaign_sees_none_of_it(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    with pytest.raises(NotAllowed):
        await month(house, campaign)
    assert (await month(house, other)).closed is None
