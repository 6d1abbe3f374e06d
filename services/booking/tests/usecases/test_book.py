"""Booking: what it stores, tells and refuses (BK-01, BK-02, BK-11, R-134 to R-136)."""

from datetime import timedelta

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from ledger_double import Lost

from booking.domain.appointment import State
from booking.domain.campaign import Campaign
from booking.domain.itinerary import Hold
from booking.usecases.book_appointment import BookAppointment, HeldSlot, TokenSlot, book_appointment
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.suggest_slots import Suggestions, SuggestSlots, suggest_slots
from kit.errors import (
    AlreadyExists,
    Conflict,
    GiroError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Reason,
    RuleViolated,
    Unavailable,
)
from kit.rpc.context import Grant
from kit.values.ids import new_id
from kit.values.latlng import LatLng

pytestmark = pytest.mark.asyncio(loop_scope="session")

ELSEWHERE = LatLng(45.07, 7.68)


async def suggest(house: House, campaign: Campaign, contact: str, **changes: object) -> Suggestions:
    asked: dict[str, object] = {
        "campaign_id": campaign.campaign_id,
        "contact_id": contact,
        "point": None,
        "duration": VISIT,
        "first_day": "",
        "last_day": "",
        "windows": (),
        "agent_ids": (),
        "limit": 0,
        "explain": False,
    }
    return await suggest_slots(house.desk, SuggestSlots(**{**asked, **changes}))  # type: ignore[arg-type]


async def a_token(house: House, campaign: Campaign, contact: str, hours: float = 48) -> str:
    house.ledger.slots = [(house.agents[0], soon(hours))]
    return (await suggest(house, campaign, contact)).tokens[0]


async def a_hold(house: House, token: str) -> Hold:
    return await hold_slot(house.desk, HoldSlot(token, None, claim()))


async def test_a_booking_is_to_confirm_with_its_stop_its_unit_and_its_event(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    start = soon()
    card = await house.book(campaign, contact, start)
    made = card.appointment
    assert (made.state, made.version, made.agent_id) == (State.TO_CONFIRM, 1, house.agents[0])
    assert (made.window.start, made.window.end) == (start, start + VISIT)
    assert (made.operator_id, made.note) == ("usr_operator", "ring twice")
    assert card.leg_before is not None
    plan = house.ledger.stops[house.tenant, made.appointment_id].plan
    assert plan.skills == ("pv",)
    assert plan.buffer == timedelta(minutes=5)
    package = await house.package(campaign)
    assert (package.taken, package.to_confirm, package.cancelled_in_step) == (1, 1, 0)
    assert await house.events() == [("appointment_booked", made.appointment_id)]
    await house.require_sound()


async def test_a_suggested_slot_can_be_booked_by_its_token(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact)
    card = await book_appointment(house.desk, BookAppointment(TokenSlot(token), contact, "", claim()))
    assert card.appointment.state is State.TO_CONFIRM
    await house.require_sound()


async def test_a_held_slot_becomes_the_appointment(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    held = await a_hold(house, await a_token(house, campaign, contact))
    command = BookAppointment(HeldSlot(held.hold_id), contact, "", claim())
    card = await book_appointment(house.desk, command)
    assert house.ledger.holds == {}
    assert card.appointment.window == held.plan.window
    again = await book_appointment(house.desk, command)  # the hold is gone, the answer is not
    assert again == card
    with pytest.raises(NotFound):
        await book_appointment(house.desk, BookAppointment(HeldSlot(held.hold_id), contact, "", claim()))
    await house.require_sound()


async def test_a_repeated_hold_gets_the_first_answer_also_when_its_time_is_up(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    command = HoldSlot(await a_token(house, campaign, contact), None, claim())
    held = await hold_slot(house.desk, command)
    assert await hold_slot(house.desk, command) == held
    house.ledger.holds.clear()
    await house.advance(timedelta(days=1))  # hold and token are over
    assert await hold_slot(house.desk, command) == held
    assert house.ledger.holds == {}


async def test_a_repeated_hold_that_was_refused_is_refused_alike(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact)
    other, command = await a_hold(house, token), HoldSlot(token, None, claim())
    for _ in range(2):
        with pytest.raises(AlreadyExists) as refused:
            await hold_slot(house.desk, command)
        assert refused.value.reason is Reason.SLOT_TAKEN
        await house.ledger.release_hold(house.tenant, other.hold_id)  # by now it is free
    assert house.ledger.holds == {}
    await a_hold(house, token)


async def test_a_hold_that_nobody_heard_of_is_refused_for_good_once_it_is_over(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    command = HoldSlot(await a_token(house, campaign, contact), None, claim())
    house.ledger.lose("hold", Lost.ANSWER, RuleViolated(Reason.HOLD_EXPIRED, "the hold has expired"))
    with pytest.raises(Unavailable):
        await hold_slot(house.desk, command)
    for _ in range(2):
        with pytest.raises(RuleViolated) as refused:
            await hold_slot(house.desk, command)
        assert refused.value.reason is Reason.HOLD_EXPIRED


async def test_lead_time_is_judged_again_at_commit(house: House) -> None:
    """BK-02: suggested in time, booked too late."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact, hours=36.4)
    held = await a_hold(house, token)
    await house.advance(timedelta(minutes=25))  # less than a token lives, more than the lead time has left
    for slot in (TokenSlot(token), HeldSlot(held.hold_id)):
        with pytest.raises(RuleViolated) as refused:
            await book_appointment(house.desk, BookAppointment(slot, contact, "", claim()))
        assert refused.value.reason is Reason.LEAD_TIME
        assert refused.value.metadata["lead_seconds"] == "129600"
    with pytest.raises(RuleViolated) as refused:
        await a_hold(house, token)
    assert refused.value.reason is Reason.LEAD_TIME
    assert (await house.package(campaign)).taken == 0


async def test_an_old_token_is_refused(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact, hours=100)
    await house.advance(timedelta(minutes=31))
    with pytest.raises(RuleViolated) as refused:
        await book_appointment(house.desk, BookAppointment(TokenSlot(token), contact, "", claim()))
    assert refused.value.reason is Reason.SLOT_TOKEN_EXPIRED
    with pytest.raises(RuleViolated) as refused:
        await a_hold(house, token)
    assert refused.value.reason is Reason.SLOT_TOKEN_EXPIRED


async def test_the_contact_must_be_of_the_campaign_and_at_the_place(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact)
    away = await house.contact(campaign, ELSEWHERE)
    with pytest.raises(InvalidInput) as refused:
        await book_appointment(house.desk, BookAppointment(TokenSlot(token), away, "", claim()))
    assert [violation.field for violation in refused.value.violations] == ["contact_id"]
    stranger = await house.contact(other)
    for contact_id in (stranger, new_id("cnt")):
        with pytest.raises(NotFound) as missing:
            await book_appointment(house.desk, BookAppointment(TokenSlot(token), contact_id, "", claim()))
        assert missing.value.metadata == {"resource": "contact"}
        assert [violation.field for violation in missing.value.violations] == ["contact_id"]


async def test_a_same_place_of_another_contact_will_do(house: House) -> None:
    campaign = await house.campaign()
    token = await a_token(house, campaign, await house.contact(campaign, PLACE))
    neighbour = await house.contact(campaign, PLACE)
    card = await book_appointment(house.desk, BookAppointment(TokenSlot(token), neighbour, "", claim()))
    assert card.appointment.contact_id == neighbour


async def test_an_agent_of_no_campaign_is_refused(house: House) -> None:
    campaign = await house.campaign(agents=house.agents[:1])
    contact = await house.contact(campaign)
    for agent in (house.agents[1], new_id("agt")):
        with pytest.raises(RuleViolated) as refused:
            await house.book(campaign, contact, soon(), agent)
        assert refused.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
        assert refused.value.metadata == {"agent_id": agent}


async def test_the_last_unit_and_not_one_more(house: House) -> None:
    campaign = await house.campaign(purchased=1)
    contact = await house.contact(campaign)
    await house.book(campaign, contact, soon())
    with pytest.raises(RuleViolated) as refused:
        await house.book(campaign, contact, soon(72))
    assert refused.value.reason is Reason.PACKAGE_FULL
    assert refused.value.metadata == {"purchased": "1", "taken": "1", "cancelled_in_step": "0"}


async def test_what_the_ledger_refuses_gives_the_unit_back_and_stays_refused(house: House) -> None:
    campaign = await house.campaign(purchased=2)
    contact = await house.contact(campaign)
    start = soon()
    await house.book(campaign, contact, start)
    key = claim()
    with pytest.raises(AlreadyExists) as refused:
        await house.book(campaign, contact, start, key=key)
    assert refused.value.reason is Reason.SLOT_TAKEN
    package = await house.package(campaign)
    assert (package.taken, package.to_confirm, package.cancelled_in_step) == (1, 1, 0)
    house.ledger.stops.clear()  # even once the time is free again the answer to this request stays
    with pytest.raises(AlreadyExists) as again:
        await house.book(campaign, contact, start, key=key)
    assert (again.value.reason, again.value.message, again.value.metadata) == (
        refused.value.reason,
        refused.value.message,
        refused.value.metadata,
    )


async def test_the_refused_id_is_fenced_at_the_ledger(house: House) -> None:
    """A late copy of a refused reservation must not take the time."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    start, key = soon(), claim()
    first = await house.book(campaign, contact, start)
    house.ledger.lose("reserve", Lost.LATE)
    with pytest.raises(GiroError):
        await house.book(campaign, contact, start, key=key)
    with pytest.raises(AlreadyExists):  # the repetition is refused while its first copy is on its way
        await house.book(campaign, contact, start, key=key)
    del house.ledger.stops[house.tenant, first.appointment.appointment_id]
    await house.settle()
    (late,) = await house.ledger.deliver_late()
    assert isinstance(late, RuleViolated)
    assert late.reason is Reason.SETTLED


async def test_contention_leaves_the_request_open(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", Conflict(Reason.CONTENTION, "others write the same agenda"))
    key, start = claim(), soon()
    with pytest.raises(Conflict):
        await house.book(campaign, contact, start, key=key)
    card = await house.book(campaign, contact, start, key=key)
    assert card.appointment.state is State.TO_CONFIRM
    await house.require_sound()


async def test_an_unknown_campaign_is_not_found(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    stranger = House(house.desk, house.ledger, house.agents)
    stranger.enter()
    with pytest.raises(NotFound) as refused:
        await stranger.book(campaign, contact, soon())
    assert [violation.field for violation in refused.value.violations] == ["time.campaign_id"]


async def test_a_role_for_another_campaign_books_nothing(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    contact = await house.contact(campaign)
    token = await a_token(house, campaign, contact)
    held = await a_hold(house, token)
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    with pytest.raises(NotAllowed) as refused:
        await house.book(campaign, contact, soon())
    assert refused.value.reason is Reason.OUT_OF_SCOPE
    for slot in (TokenSlot(token), HeldSlot(held.hold_id)):
        with pytest.raises(NotAllowed):
            await book_appointment(house.desk, BookAppointment(slot, contact, "", claim()))
    house.enter(Grant("OPERATOR", "campaign", campaign.campaign_id))
    await house.book(campaign, contact, soon(60))
