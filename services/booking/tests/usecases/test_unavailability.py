"""Unavailable days: notice, override, what is hit, and that nothing new is put there."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import NINE

from booking.transport import messages
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import SuggestSlots, suggest_slots
from booking.usecases.unavailability import (
    Noted,
    SetUnavailability,
    list_unavailabilities,
    set_unavailability,
    withdraw_unavailability,
)
from booking.usecases.views import get_view_log
from giro.booking.v1 import unavailability_pb2
from kit.errors import GiroError, InvalidInput, NotFound, Reason
from kit.rpc.context import Grant
from kit.rpc.contract import rpcs_of
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROME = ZoneInfo("Europe/Rome")


def day(ahead: int) -> date:
    return NINE.date() + timedelta(days=ahead)


def at(ahead: int, hour: int, minute: int = 0) -> datetime:
    found = day(ahead)
    return datetime(found.year, found.month, found.day, hour, minute, tzinfo=ROME).astimezone(UTC)


async def note(house: House, ahead: int, last: int | None = None, **who: Any) -> Noted:
    given = {"agent_id": "", "contact_id": "", "note": "", "override_note": "", "claim": claim(), **who}
    if not given["contact_id"] and not given["agent_id"]:
        given["agent_id"] = house.agents[0]
    last_day = "" if last is None else day(last).isoformat()
    command = SetUnavailability(first_day=day(ahead).isoformat(), last_day=last_day, **given)
    return await set_unavailability(house.desk, command)


async def refused(work: Any) -> Reason:
    with pytest.raises(GiroError) as error:
        await work
    return error.value.reason


async def test_eight_days_are_in_time_and_seven_are_late(house: House) -> None:
    made = await note(house, 8)
    assert (made.unavailability.overridden_by, made.unavailability.days.time_zone) == ("", "Europe/Rome")
    assert await refused(note(house, 7)) is Reason.TOO_LATE
    await set_parameter(house.desk, "unavailability_notice_days", "", "7")
    await note(house, 7)


async def test_a_supervisor_takes_late_notice_and_that_is_kept(house: House) -> None:
    house.enter(Grant("AGENT", "agent", house.agents[0]))
    assert await refused(note(house, 3)) is Reason.TOO_LATE
    with pytest.raises(InvalidInput) as error:
        await note(house, 3, override_note="my own word")
    assert [violation.field for violation in error.value.violations] == ["override_note"]
    house.enter(Grant("AGENT_SUPERVISOR", "tenant", ""), subject="usr_boss")
    made = (await note(house, 3, override_note="flu")).unavailability
    assert (made.overridden_by, made.override_note) == ("usr_boss", "flu")
    in_time = (await note(house, 20, override_note="not needed")).unavailability
    assert (in_time.overridden_by, in_time.override_note) == ("", "")
    with pytest.raises(InvalidInput) as error:
        await note(house, -1, override_note="yesterday")
    assert [violation.field for violation in error.value.violations] == ["last_day"]


async def test_a_customer_tells_of_the_people_of_its_own_campaigns(house: House) -> None:
    service = unavailability_pb2.DESCRIPTOR.services_by_name["UnavailabilityService"].full_name
    assert all("CUSTOMER" in rpc.roles for rpc in rpcs_of(service).values())  # a part of the portal
    campaign, other = await house.campaign(), await house.campaign()
    mine, theirs = await house.contact(campaign), await house.contact(other)
    house.enter(Grant("CUSTOMER", "campaign", campaign.campaign_id))
    made = (await note(house, 8, contact_id=mine)).unavailability
    assert await refused(note(house, 7, contact_id=mine)) is Reason.TOO_LATE
    assert await refused(note(house, 7, contact_id=mine, override_note="I")) is Reason.INVALID_FIELD
    for who in ({"contact_id": theirs}, {"agent_id": house.agents[0]}):
        assert await refused(note(house, 8, **who)) is Reason.OUT_OF_SCOPE
    assert [each.unavailability_id for each in await list_unavailabilities(house.desk, "", mine)] == [
        made.unavailability_id
    ]
    assert (await withdraw_unavailability(house.desk, made.unavailability_id)).withdrawn_at is not None


async def test_the_days_of_an_agent_are_no_customers_whatever_its_grant(house: House) -> None:
    agent = house.agents[0]
    noted = (await note(house, 9, agent_id=agent)).unavailability
    campaign = (await house.campaign()).campaign_id
    scopes = (("tenant", ""), ("branch", "brn_one"), ("campaign", campaign), ("agent", agent))
    for customer in (Grant("CUSTOMER", *scope) for scope in scopes):
        for other in ((), (Grant("OPERATOR", "campaign", campaign),)):
            house.enter(customer, *other)
            assert await refused(note(house, 10, agent_id=agent)) is Reason.OUT_OF_SCOPE
            assert await refused(list_unavailabilities(house.desk, agent, "")) is Reason.OUT_OF_SCOPE
            withdrawn = withdraw_unavailability(house.desk, noted.unavailability_id)
            assert await refused(withdrawn) is Reason.OUT_OF_SCOPE
    house.enter(Grant("CUSTOMER", "tenant", ""), Grant("PROJECT_MANAGER", "tenant", ""))
    assert await list_unavailabilities(house.desk, agent, "") == [noted]


async def test_what_is_hit_is_listed_and_stays(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    times = [at(9, 23, 30), at(10, 9), at(11, 23, 30), at(12, 0, 30)]
    cards = [await house.book(campaign, contact, start) for start in times]
    await house.book(campaign, contact, at(10, 9), house.agents[1])
    before = await house.all_stored()
    made = await note(house, 10, 11)
    hit = [appointment.appointment_id for appointment in made.hit]
    assert hit == [card.appointment.appointment_id for card in cards[:3]]  # the first one runs past midnight
    assert made.hit_total == 3
    assert await house.all_stored() == before
    await house.require_sound()


async def test_a_customer_that_is_shown_what_is_hit_saw_it(house: House) -> None:
    """R-017, also of what is only asked for again."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, at(10, hour)) for hour in (9, 12)]
    customer, staff = Grant("CUSTOMER", "campaign", campaign.campaign_id), Grant("OPERATOR", "tenant", "")
    once = claim()
    for grant, subject in ((staff, "usr_staff"), (customer, "usr_customer"), (customer, "usr_customer")):
        house.enter(grant, subject=subject)
        made = await note(house, 10, contact_id=contact, claim=claim() if grant is staff else once)
        assert made.hit_total == 2
    house.enter()
    for card in cards:
        log = await get_view_log(house.desk, card.appointment.appointment_id)
        assert [(view.viewer_id, view.role, view.version) for view in log] == [
            ("usr_customer", "CUSTOMER", 1)
        ]


async def test_nothing_new_is_put_there_and_what_is_there_may_leave(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    hit = await house.book(campaign, contact, at(10, 9))
    elsewhere = await house.book(campaign, contact, at(9, 9))
    other = await house.book(campaign, contact, at(10, 12), house.agents[1])
    made = (await note(house, 10)).unavailability
    assert await refused(house.book(campaign, contact, at(10, 15))) is Reason.ABSENT
    assert await refused(house.postpone(elsewhere, at(10, 15))) is Reason.ABSENT
    assert await refused(house.reassign(other, house.agents[0])) is Reason.ABSENT
    await house.book(campaign, contact, at(9, 23, 15))  # ends as the day begins
    await house.book(campaign, contact, at(11, 0))
    assert (await house.reassign(hit, house.agents[2])).appointment.agent_id == house.agents[2]
    await withdraw_unavailability(house.desk, made.unavailability_id)
    again = await withdraw_unavailability(house.desk, made.unavailability_id)
    assert again.withdrawn_at is not None
    await house.book(campaign, contact, at(10, 15))
    assert [
        each.withdrawn_at is None for each in await list_unavailabilities(house.desk, house.agents[0], "")
    ] == [False]
    await house.require_sound()


async def test_a_person_to_visit_may_be_away_too(house: House) -> None:
    campaign = await house.campaign()
    contact, neighbour = await house.contact(campaign), await house.contact(campaign)
    made = await note(house, 10, contact_id=contact)
    assert made.unavailability.contact_id == contact
    assert await refused(house.book(campaign, contact, at(10, 9))) is Reason.CONTACT_UNAVAILABLE
    await house.book(campaign, neighbour, at(10, 9))
    with pytest.raises(NotFound):
        await note(house, 10, contact_id=new_id("cnt"))
    with pytest.raises(NotFound):
        await note(house, 10, agent_id=new_id("agt"))


async def test_suggestions_leave_the_days_out_and_say_so(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    a, b = house.agents[:2]
    house.ledger.slots = [(a, at(9, 10)), (a, at(10, 10)), (b, at(10, 10)), (b, at(11, 10))]
    await note(house, 10, agent_id=a)
    await note(house, 11, contact_id=contact)
    query = SuggestSlots(
        campaign_id=campaign.campaign_id,
        contact_id=contact,
        point=PLACE,
        duration=VISIT,
        first_day=day(9).isoformat(),
        last_day=day(12).isoformat(),
        windows=(),
        agent_ids=(a, b),
        limit=10,
        explain=True,
    )
    made = await suggest_slots(house.desk, query)
    # the double gives what it was told whatever the windows are: these are what the ledger is held to
    asked = {
        tuple(query.agent_ids): [(w.start, w.end) for w in query.windows] for query in house.ledger.queries
    }
    assert asked == {
        (b,): [(at(9, 0), at(11, 0)), (at(12, 0), at(13, 0))],
        (a,): [(at(9, 0), at(10, 0)), (at(12, 0), at(13, 0))],
    } or asked == {
        (b,): [(at(9, 0), at(11, 0)), (at(12, 0), at(13, 0))],
        (a,): [(at(9, 0), at(10, 0)), (at(11, 0), at(11, 0)), (at(12, 0), at(13, 0))],
    }
    told = messages.suggestions(made, explain=True)
    assert [(gap.agent_id, gap.reason) for gap in told.refused] == [(a, "ABSENT")]


async def test_a_repeated_request_notes_once(house: House) -> None:
    key = claim()
    made = await asyncio.gather(*(note(house, 10, claim=key) for _ in range(5)), return_exceptions=True)
    good = [each for each in made if isinstance(each, Noted)]
    assert len({each.unavailability.unavailability_id for each in good}) == 1
    (known,) = await list_unavailabilities(house.desk, house.agents[0], "")
    for _ in range(2):
        await withdraw_unavailability(house.desk, known.unavailability_id)
    told = [("unavailability_set", house.agents[0]), ("unavailability_withdrawn", house.agents[0])]
    assert await house.events() == told, "each once"
