"""Agents that stay hidden: nothing of them in any answer, and the slot can be had all the same (GEO-09)."""

from collections.abc import Awaitable, Callable

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import noon, soon
from ledger_double import Lost

from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.domain.outcomes import Recall, Result
from booking.transport import messages
from booking.usecases.book_appointment import (
    BookAppointment,
    ChosenTime,
    HeldSlot,
    TokenSlot,
    book_appointment,
)
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.detour_calendar import DetourCalendar, detour_calendar
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.reassign_appointment import ReassignAppointment, reassign_appointment
from booking.usecases.refix.refix_appointment import Choices, RefixAppointment, Time, refix_appointment
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import Suggestions, SuggestSlots, suggest_slots
from giro.common.v1 import travel_pb2
from kit.errors import AlreadyExists, GiroError, NotAllowed, Reason, RuleViolated, Unavailable
from kit.rpc.context import Grant
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def suggest(house: House, campaign: Campaign, *, reveal: bool) -> Suggestions:
    house.ledger.slots = [(agent, soon(48 + n)) for n, agent in enumerate(house.agents)]
    query = SuggestSlots(
        campaign.campaign_id, "", PLACE, VISIT, "", "", (), (), 0, explain=True, reveal_agent=reveal
    )
    return await suggest_slots(house.desk, query)


def names_an_agent(house: House, message: object) -> bool:
    text = str(message)
    return "agt_" in text or "leg_" in text or "leave_at" in text or "idle" in text


async def test_a_hidden_agent_is_in_no_answer_from_the_suggestion_to_the_booking(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    made = await suggest(house, campaign, reveal=False)
    told = messages.suggestions(made, explain=True)
    assert len(told.slots) == len(house.agents)
    assert not names_an_agent(house, told)
    assert told.slots[0].anatomy.start.seconds == made.found.slots[0].start
    token, other = told.slots[0].slot_token, told.slots[1].slot_token
    key = claim()
    held = await hold_slot(house.desk, HoldSlot(token, None, key))
    assert await hold_slot(house.desk, HoldSlot(token, None, key)) == held
    assert not names_an_agent(house, messages.hold(held))
    by_hold = BookAppointment(HeldSlot(held.hold_id), contact, "", claim())
    by_token = BookAppointment(TokenSlot(other), contact, "", claim())
    for command in (by_hold, by_token):
        card = await book_appointment(house.desk, command)
        assert not names_an_agent(house, messages.card(card))
        assert await book_appointment(house.desk, command) == card
        stored = await house.stored(card.appointment.appointment_id)
        assert stored.agent_id in house.agents
    await house.require_sound()


async def test_a_refusal_tells_nothing_of_the_agent_either(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    token = (await suggest(house, campaign, reveal=False)).tokens[0]
    await hold_slot(house.desk, HoldSlot(token, None, claim()))
    for act in (
        hold_slot(house.desk, HoldSlot(token, None, claim())),
        book_appointment(house.desk, BookAppointment(TokenSlot(token), contact, "", claim())),
    ):
        with pytest.raises(AlreadyExists) as refused:
            await act
        assert refused.value.reason is Reason.SLOT_TAKEN
        assert refused.value.metadata == {}


@pytest.mark.parametrize(
    ("role", "sees"),
    [("OPERATOR", False), ("PARTNER", False), ("AGENT_SUPERVISOR", True), ("ADMINISTRATOR", True)],
)
async def test_the_campaign_hides_agents_from_some_roles(house: House, role: str, sees: bool) -> None:
    campaign = await house.campaign()
    await set_parameter(house.desk, "reveal_agent", campaign.campaign_id, "false")
    house.enter(Grant(role, "tenant", house.tenant))
    made = await suggest(house, campaign, reveal=True)
    assert names_an_agent(house, messages.suggestions(made, explain=True)) is sees
    assert not names_an_agent(
        house, messages.suggestions(await suggest(house, campaign, reveal=False), explain=True)
    )


async def test_the_calendar_shows_the_best_of_each_day(house: House) -> None:
    campaign = await house.campaign()
    start = noon(3)
    house.ledger.slots = [(house.agents[1], start), (house.agents[0], start)]
    query = DetourCalendar(campaign.campaign_id, "", PLACE, VISIT, f"{start:%Y-%m}", (), reveal_agent=False)
    (day,) = messages.detour_month(await detour_calendar(house.desk, query)).days
    assert day.agent_id == ""
    held = await hold_slot(house.desk, HoldSlot(day.slot_token, None, claim()))
    assert held.plan.agent_id == ""
    assert held.plan.window.start == start


async def test_reasons_are_told_once_each_without_gaps(house: House) -> None:
    campaign = await house.campaign()
    gap = travel_pb2.TimeWindow()
    house.ledger.refused = [
        travel_pb2.RefusedGap(agent_id=agent, gap=gap, reason="TRAVEL_IN", short_seconds=short)
        for agent, short in ((house.agents[0], 600), (house.agents[1], 300))
    ]
    house.ledger.refused.append(travel_pb2.RefusedGap(agent_id="agt_x", gap=gap, reason="NO_SKILL"))
    told = messages.suggestions(await suggest(house, campaign, reveal=False), explain=True)
    assert [(one.agent_id, one.reason, one.short_seconds) for one in told.refused] == [
        ("", "NO_SKILL", 0),
        ("", "TRAVEL_IN", 300),
    ]
    assert {one.gap.start.seconds for one in told.refused} == {told.refused[0].gap.start.seconds}
    shown = messages.suggestions(await suggest(house, campaign, reveal=True), explain=True)
    assert len(shown.refused) == 3


@pytest.mark.parametrize(("role", "cause"), [("OPERATOR", "NEXT_STOP"), ("PARTNER", None)])
async def test_which_neighbour_changed_is_told_to_those_who_see_agendas(
    house: House, role: str, cause: str | None
) -> None:
    campaign = await house.campaign()
    house.enter(Grant(role, "tenant", house.tenant))
    token = (await suggest(house, campaign, reveal=True)).tokens[0]
    stale = RuleViolated(
        Reason.SLOT_TOKEN_STALE, "changed", metadata={"cause": "NEXT_STOP", "agent_id": "agt_1"}
    )
    house.ledger.lose("hold", stale)
    with pytest.raises(GiroError) as refused:
        await hold_slot(house.desk, HoldSlot(token, None, claim()))
    assert refused.value.metadata.get("cause") == cause


async def test_a_role_for_another_campaign_tells_nothing_of_this_ones_agendas(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    contact = await house.contact(campaign)
    mine = Grant("PARTNER", "campaign", campaign.campaign_id)
    for theirs, cause in ((other, None), (campaign, "NEXT_STOP")):
        house.enter(mine, Grant("OPERATOR", "campaign", theirs.campaign_id))
        token = (await suggest(house, campaign, reveal=True)).tokens[0]
        for method in ("hold", "reserve"):
            told = {"cause": "NEXT_STOP", "agent_id": "agt_1"}
            house.ledger.lose(method, RuleViolated(Reason.SLOT_TOKEN_STALE, "changed", metadata=told))
        with pytest.raises(GiroError) as held:
            await hold_slot(house.desk, HoldSlot(token, None, claim()))
        with pytest.raises(GiroError) as booked:
            await book_appointment(house.desk, BookAppointment(TokenSlot(token), contact, "", claim()))
        found = [each.value.metadata.get("cause") for each in (held, booked)]
        assert found == [cause, cause]


NAMED = ("suggest", "calendar", "book", "series", "reassign", "refix")


def naming(house: House, card: Card, agent: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Whatever lets the caller name the agent, in the campaign of a booked appointment."""
    desk, mine, start = house.desk, card.appointment, soon(90)
    campaign, contact = mine.campaign_id, mine.contact_id
    slots = SuggestSlots(campaign, "", PLACE, VISIT, "", "", (), (agent,), 0, explain=False)
    month = DetourCalendar(campaign, "", PLACE, VISIT, f"{start:%Y-%m}", (agent,))
    time = ChosenTime(campaign, agent, Window(start, start + VISIT))
    series = CreateSeries(campaign, contact, agent, start, VISIT, 7, 2, "", claim())
    refix = RefixAppointment(mine.appointment_id, Time(agent, start), Choices(state_id="refixed"), 0, claim())
    return {
        "suggest": lambda: suggest_slots(desk, slots),
        "calendar": lambda: detour_calendar(desk, month),
        "book": lambda: book_appointment(desk, BookAppointment(time, contact, "", claim())),
        "series": lambda: create_series(desk, series),
        "reassign": lambda: reassign_appointment(
            desk, ReassignAppointment(mine.appointment_id, agent, None, 0, claim())
        ),
        "refix": lambda: refix_appointment(desk, refix),
    }


@pytest.mark.parametrize("how", NAMED)
async def test_who_shall_not_learn_the_agents_cannot_name_one(house: House, how: str) -> None:
    card = await house.booked(soon(50))
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    campaign = card.appointment.campaign_id
    await set_parameter(house.desk, "reveal_agent", campaign, "false")
    own, other = card.appointment.agent_id, next(a for a in house.agents if a != card.appointment.agent_id)
    house.enter(Grant("OPERATOR", "tenant", house.tenant))
    for agent in (own, other, "agt_of_nobody"):
        with pytest.raises(NotAllowed) as refused:
            await naming(house, card, agent)[how]()
        assert refused.value.reason is Reason.OUT_OF_SCOPE
    house.enter(Grant("PROJECT_MANAGER", "campaign", campaign))
    await naming(house, card, other)[how]()


async def test_a_role_for_another_campaign_shows_nothing(house: House) -> None:
    campaign, elsewhere = await house.campaign(), await house.campaign()
    await set_parameter(house.desk, "reveal_agent", campaign.campaign_id, "false")
    here = Grant("OPERATOR", "campaign", campaign.campaign_id)
    for manages, hidden in ((elsewhere, True), (campaign, False)):
        house.enter(here, Grant("PROJECT_MANAGER", "campaign", manages.campaign_id))
        assert (await suggest(house, campaign, reveal=True)).hidden is hidden


async def test_a_slot_that_somebody_else_found_or_kept_is_booked_unseen(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    tokens = (await suggest(house, campaign, reveal=True)).tokens
    held = await hold_slot(house.desk, HoldSlot(tokens[0], None, claim()))
    await set_parameter(house.desk, "reveal_agent", campaign.campaign_id, "false")
    house.enter(Grant("OPERATOR", "tenant", house.tenant))
    for slot in (HeldSlot(held.hold_id), TokenSlot(tokens[1])):
        command = BookAppointment(slot, contact, "", claim())
        house.ledger.lose("reserve", Lost.ANSWER)
        with pytest.raises(Unavailable):
            await book_appointment(house.desk, command)
        card = await book_appointment(house.desk, command)
        assert not names_an_agent(house, messages.card(card))
        assert await book_appointment(house.desk, command) == card
