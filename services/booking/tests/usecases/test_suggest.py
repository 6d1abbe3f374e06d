"""Suggestions: what is asked of the ledger, what policy leaves, tokens (BK-02, R-136, R-189)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon

from booking.domain.campaign import Campaign
from booking.domain.days import days_window
from booking.transport import messages
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import Suggestions, SuggestSlots, suggest_slots
from kit.errors import GiroError, InvalidInput, NotAllowed, NotFound, Reason, RuleViolated, Unavailable
from kit.rpc.context import Grant
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def suggest(house: House, campaign: Campaign, **changes: object) -> Suggestions:
    asked: dict[str, object] = {
        "campaign_id": campaign.campaign_id,
        "contact_id": "",
        "point": PLACE,
        "duration": VISIT,
        "first_day": "",
        "last_day": "",
        "windows": (),
        "agent_ids": (),
        "limit": 0,
        "explain": False,
    }
    return await suggest_slots(house.desk, SuggestSlots(**{**asked, **changes}))  # type: ignore[arg-type]


async def test_what_is_asked_of_the_ledger(house: House) -> None:
    campaign = await house.campaign()
    before = soon(0)
    await suggest(house, campaign, explain=True)
    (query,) = house.ledger.queries
    assert list(query.agent_ids) == house.agents
    assert (query.point, query.duration, query.limit, query.explain) == (PLACE, VISIT, 11, True), (
        "one more than a page holds"
    )
    assert (list(query.skills), query.buffer) == (["pv"], timedelta(minutes=5))
    assert query.granularity == timedelta(minutes=5)
    assert (query.ideal_up_to, query.ok_up_to) == (timedelta(minutes=10), timedelta(minutes=30))
    lead = query.not_before - before
    assert timedelta(hours=36) < lead < timedelta(hours=36, seconds=10)
    assert list(query.windows) == [days_window("", "", before, ZoneInfo("Europe/Rome"))]


async def test_parameters_of_the_campaign_count(house: House) -> None:
    campaign = await house.campaign()
    await set_parameter(house.desk, "lead_time", "", "7200s")
    await set_parameter(house.desk, "lead_time", campaign.campaign_id, "3600s")
    await set_parameter(house.desk, "slot_granularity", "", "900s")
    house.ledger.slots = [(house.agents[0], soon(1.5)), (house.agents[0], soon(0.5))]
    made = await suggest(house, campaign)
    assert len(made.tokens) == 1
    assert house.ledger.queries[0].granularity == timedelta(minutes=15)
    other = await house.campaign()
    assert (await suggest(house, other)).tokens == []


async def test_the_lead_time_moves_with_the_test_clock(house: House) -> None:
    campaign = await house.campaign()
    house.ledger.slots = [(house.agents[0], soon(48))]
    assert len((await suggest(house, campaign)).tokens) == 1
    await house.advance(timedelta(hours=12))
    assert (await suggest(house, campaign)).tokens == []


async def test_a_full_package_leaves_nothing_and_says_why(house: House) -> None:
    campaign = await house.campaign(purchased=1)
    await house.book(campaign, await house.contact(campaign), soon())
    made = await suggest(house, campaign, explain=True)
    assert house.ledger.queries == []
    told = messages.suggestions(made, explain=True)
    assert len(told.slots) == 0
    assert [gap.reason for gap in told.refused] == ["PACKAGE_FULL"]
    assert told.refused[0].gap.start.seconds < told.refused[0].gap.end.seconds
    assert len(messages.suggestions(made, explain=False).refused) == 0


async def test_slots_come_in_the_ledgers_order_each_with_its_token(house: House) -> None:
    campaign = await house.campaign()
    starts = [soon(50), soon(48), soon(49)]
    house.ledger.slots = [(agent, start) for agent, start in zip(house.agents, starts, strict=False)]
    made = await suggest(house, campaign)
    told = messages.suggestions(made, explain=False)
    assert [slot.anatomy.start.seconds for slot in told.slots] == [int(s.timestamp()) for s in starts]
    assert told.estimated_travel
    assert told.travel_version == "estimate-1"
    read = [house.desk.slot_tokens.read(house.tenant, slot.slot_token) for slot in told.slots]
    assert [(slot.agent_id, slot.start) for slot in read] == [
        (slot.anatomy.agent_id, slot.anatomy.start.seconds) for slot in told.slots
    ]
    assert {slot.campaign_id for slot in read} == {campaign.campaign_id}


async def test_windows_and_agents_may_be_narrowed(house: House) -> None:
    campaign = await house.campaign()
    windows = [Window(soon(60), soon(62)), Window(soon(48), soon(50))]
    await suggest(house, campaign, windows=windows, agent_ids=house.agents[:1], limit=3)
    (query,) = house.ledger.queries
    assert list(query.windows) == windows[::-1]
    assert (list(query.agent_ids), query.limit) == (house.agents[:1], 4)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_day": "2027-02-30"}, "first_day"),
        ({"first_day": "2027-02-02", "last_day": "2027-02-01"}, "last_day"),
        ({"first_day": "2027-02-01", "last_day": "2027-04-04"}, "last_day"),
        ({"first_day": "2027-02-01", "windows": [Window(soon(48), soon(50))]}, "windows"),
        ({"windows": [Window(soon(48), soon(48 + 63 * 24))]}, "windows"),
    ],
)
async def test_bad_days_and_windows_are_named(house: House, changes: dict[str, object], field: str) -> None:
    campaign = await house.campaign()
    with pytest.raises(InvalidInput) as refused:
        await suggest(house, campaign, **changes)
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_agents_outside_the_campaign_are_named(house: House) -> None:
    campaign = await house.campaign(agents=house.agents[:2])
    for stranger in (house.agents[3], new_id("agt")):
        with pytest.raises(RuleViolated) as refused:
            await suggest(house, campaign, agent_ids=[house.agents[0], stranger])
        assert refused.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
        assert refused.value.metadata == {"agent_id": stranger}
        assert [violation.field for violation in refused.value.violations] == ["agent_ids[1]"]


async def test_unknown_campaigns_and_contacts_are_not_found(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    contact = await house.contact(other)
    for changes, field in (
        ({"campaign_id": new_id("cmp")}, "campaign_id"),
        ({"contact_id": contact, "point": None}, "contact_id"),
        ({"contact_id": new_id("cnt"), "point": None}, "contact_id"),
    ):
        with pytest.raises(NotFound) as refused:
            await suggest(house, campaign, **changes)
        assert [violation.field for violation in refused.value.violations] == [field]
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    with pytest.raises(NotAllowed):
        await suggest(house, campaign)


async def test_no_answer_of_the_ledger_is_no_answer(house: House) -> None:
    campaign = await house.campaign()
    house.ledger.down = True
    with pytest.raises(Unavailable):
        await suggest(house, campaign)


async def a_token(house: House, campaign: Campaign) -> str:
    house.ledger.slots = [(house.agents[0], soon(60))]
    return (await suggest(house, campaign)).tokens[0]


async def test_a_hold_lasts_as_long_as_asked_or_as_the_parameter_says(house: House) -> None:
    campaign = await house.campaign()
    token = await a_token(house, campaign)
    key = claim()
    held = await hold_slot(house.desk, HoldSlot(token, timedelta(minutes=2), key))
    assert held.campaign_id == campaign.campaign_id
    assert held.leg_before is not None
    assert await hold_slot(house.desk, HoldSlot(token, timedelta(minutes=2), key)) == held
    assert len(house.ledger.holds) == 1
    assert held.expires_at == soon(0) + timedelta(minutes=2)
    with pytest.raises(GiroError) as refused:
        await hold_slot(house.desk, HoldSlot(token, None, claim()))
    assert refused.value.reason is Reason.SLOT_TAKEN


async def test_a_hold_without_an_answer_is_the_same_hold_when_repeated(house: House) -> None:
    from ledger_double import Lost

    campaign = await house.campaign()
    token = await a_token(house, campaign)
    key = claim()
    house.ledger.lose("hold", Lost.ANSWER)
    with pytest.raises(Unavailable):
        await hold_slot(house.desk, HoldSlot(token, None, key))
    held = await hold_slot(house.desk, HoldSlot(token, None, key))
    assert [hold_id for _, hold_id in house.ledger.holds] == [held.hold_id]


async def test_a_token_of_another_tenant_holds_nothing(house: House) -> None:
    token = await a_token(house, await house.campaign())
    stranger = House(house.desk, house.ledger, house.agents)
    stranger.enter()
    for text in (token, "garbage", token[:-1] + ("A" if token[-1] != "A" else "B")):
        with pytest.raises(RuleViolated) as refused:
            await hold_slot(house.desk, HoldSlot(text, None, claim()))
        assert refused.value.reason is Reason.SLOT_TOKEN_INVALID


IDEAL, OK, POOR = 1, 2, 3


def graded(house: House, *grades: int) -> None:
    """As many slots of these grades, an hour apart, each of them farther than the one before."""
    house.ledger.slots = [(house.agents[0], soon(48 + number)) for number in range(len(grades))]
    house.ledger.grades = list(grades)


async def pages(house: House, campaign: Campaign, **asked: object) -> list[list[int]]:
    """The grades of each page, after asserting that no slot comes twice."""
    shown: list[list[int]] = []
    seen: list[int] = []
    token = ""
    while not shown or token:
        made = await suggest(house, campaign, page_token=token, **asked)
        shown.append([slot.grade for slot in made.found.slots])
        seen += [slot.start for slot in made.found.slots]
        token = made.next_page_token
    assert seen == [int(start.timestamp()) for _, start in house.ledger.slots], "all of them, each once"
    return shown


async def test_the_first_page_shows_ideal_slots_alone_and_the_next_ones_relax(house: House) -> None:
    campaign = await house.campaign()
    graded(house, IDEAL, IDEAL, IDEAL, OK, POOR, POOR)
    found = await pages(house, campaign, limit=2, ideal_first=True)
    assert found == [[IDEAL, IDEAL], [IDEAL], [OK], [POOR, POOR]]
    assert await pages(house, campaign, limit=4) == [[IDEAL, IDEAL, IDEAL, OK], [POOR, POOR]]
    assert await pages(house, campaign, limit=6) == [[IDEAL, IDEAL, IDEAL, OK, POOR, POOR]]


async def test_without_an_ideal_slot_the_first_page_is_empty_and_leads_on(house: House) -> None:
    campaign = await house.campaign()
    graded(house, OK, OK, POOR)
    assert await pages(house, campaign, limit=5, ideal_first=True) == [[], [OK, OK], [POOR]]
    graded(house)
    assert await pages(house, campaign, ideal_first=True) == [[]]


async def test_pages_stay_with_the_time_of_the_first_and_end_with_its_tokens(house: House) -> None:
    campaign = await house.campaign()
    graded(house, IDEAL, IDEAL)
    first = await suggest(house, campaign, limit=1)
    await house.advance(timedelta(minutes=29))
    await suggest(house, campaign, limit=1, page_token=first.next_page_token)
    one, two = house.ledger.queries
    assert (two.as_of, two.not_before, list(two.windows)) == (one.as_of, one.not_before, list(one.windows))
    await house.advance(timedelta(minutes=1))
    with pytest.raises(InvalidInput) as refused:
        await suggest(house, campaign, limit=1, page_token=first.next_page_token)
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


@pytest.mark.parametrize(
    "change",
    [{"duration": timedelta(minutes=31)}, {"near": "10:00"}, {"ideal_first": True}, {"starts": (2,)}],
)
async def test_a_page_token_goes_with_its_question(house: House, change: dict[str, object]) -> None:
    campaign = await house.campaign()
    graded(house, IDEAL, IDEAL)
    first = await suggest(house, campaign, limit=1)
    with pytest.raises(InvalidInput) as refused:
        await suggest(house, campaign, page_token=first.next_page_token, **change)
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


async def test_the_hour_asked_for_is_the_campaigns_on_every_day(house: House) -> None:
    campaign = await house.campaign()
    await suggest(house, campaign, near="10:30", first_day="2027-03-27", last_day="2027-03-29", starts=(3,))
    (query,) = house.ledger.queries
    assert [near.isoformat() for near in query.near] == [
        "2027-03-27T09:30:00+00:00",
        "2027-03-28T08:30:00+00:00",
        "2027-03-29T08:30:00+00:00",
        "2027-03-30T08:30:00+00:00",
    ]
    assert list(query.starts) == [3]
