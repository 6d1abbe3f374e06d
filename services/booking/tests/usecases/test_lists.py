"""Folders, pages, campaigns, contacts, parameters, ownership (R-001 to R-005, BK-12)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon

from booking.domain.appointment import Card, State
from booking.domain.contact import Contact, Correction
from booking.domain.outcomes import Recall, Result
from booking.domain.reach import Reach
from booking.storage.folder import START_OF_TIME, Filter
from booking.storage.folder import page as list_page
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.create_campaign import CreateCampaign, create_campaign
from booking.usecases.import_contacts import ImportContacts, import_contacts
from booking.usecases.list_appointments import ListAppointments, list_appointments
from booking.usecases.list_campaigns import get_campaign, list_campaigns
from booking.usecases.list_contacts import get_contact, list_contacts
from booking.usecases.list_recent_changes import list_recent_changes
from booking.usecases.release_hold import release_hold
from booking.usecases.set_parameter import get_effective_parameter, set_parameter
from booking.usecases.update_contact import update_contact
from booking.usecases.verify_ownership import verify_ownership
from kit.errors import GiroError, InvalidInput, NotAllowed, NotFound, Reason, Unavailable
from kit.parameters import Scope
from kit.rpc.context import Grant
from kit.values.ids import new_id
from kit.values.latlng import LatLng

pytestmark = pytest.mark.asyncio(loop_scope="session")


def folder(**changes: Any) -> ListAppointments:
    asked = {"upcoming": True, "page_size": 0}
    texts = dict.fromkeys(("campaign_id", "agent_id", "zone", "page_token"), "")
    return ListAppointments(**{**asked, **texts, **changes})


async def ids(house: House, **changes: Any) -> list[str]:
    page = await list_appointments(house.desk, folder(**changes))
    return [appointment.appointment_id for appointment in page.appointments]


async def cancel(house: House, card: Card) -> None:
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))


async def test_upcoming_and_all(house: House) -> None:
    campaign, other = await house.campaign(), await house.campaign()
    contact, else_contact = await house.contact(campaign), await house.contact(other)
    third = await house.book(campaign, contact, soon(70), house.agents[0])
    first = await house.book(campaign, contact, soon(48), house.agents[0])
    second = await house.book(campaign, contact, soon(50), house.agents[1])
    elsewhere = await house.book(other, else_contact, soon(60), house.agents[2])
    await cancel(house, second)
    a, b, c, d = (card.appointment.appointment_id for card in (first, second, elsewhere, third))
    assert await ids(house) == [a, c, d]
    assert await ids(house, upcoming=False) == [a, b, c, d]
    assert await ids(house, campaign_id=campaign.campaign_id) == [a, d]
    assert await ids(house, campaign_id=campaign.campaign_id, upcoming=False) == [a, b, d]
    assert await ids(house, agent_id=house.agents[0]) == [a, d]
    await house.advance(timedelta(hours=48) + VISIT - timedelta(minutes=5))
    assert await ids(house) == [a, c, d]  # begun, not ended
    await house.advance(timedelta(minutes=10))
    assert await ids(house) == [c, d]
    assert await ids(house, upcoming=False) == [a, b, c, d]


async def test_the_folder_of_some_states(house: House) -> None:
    """R-003: of every appointment those in a state; of the upcoming ones none that is cancelled."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(48 + 2 * n)) for n in range(4)]
    a, b, c, d = (card.appointment.appointment_id for card in cards)
    await cancel(house, cards[1])
    await confirm_appointment(house.desk, ConfirmAppointment(c, 0))
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    await house.set_outcome(cards[3], "done")
    for upcoming, states, expected in (
        (False, [State.CANCELLED], [b]),
        (True, [State.CANCELLED], []),
        (False, [State.HELD], [d]),
        (False, [State.HELD, State.CANCELLED, State.CONFIRMED], [b, c, d]),
        (True, [State.TO_CONFIRM], [a]),
        (False, [], [a, b, c, d]),
    ):
        assert await ids(house, upcoming=upcoming, states=states) == expected
        of_campaign = await ids(
            house, upcoming=upcoming, states=states, campaign_id=campaign.campaign_id, page_size=1
        )
        assert of_campaign == expected[:1]


async def test_bookings_under_way_and_failed_ones_are_never_listed(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.down = True
    with pytest.raises(GiroError):
        await house.book(campaign, contact, soon())
    assert await ids(house, upcoming=False) == []
    house.ledger.down = False
    await house.settle()
    assert await ids(house, upcoming=False) == []


async def test_pages_show_each_appointment_once_in_order(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    start = soon()
    for number in range(7):  # several at the same start: the id decides
        await house.book(campaign, contact, start + timedelta(hours=number // 4), house.agents[number % 4])
    whole = await ids(house, page_size=200)
    found: list[str] = []
    token = ""
    while True:
        page = await list_appointments(house.desk, folder(page_size=3, page_token=token))
        found += [appointment.appointment_id for appointment in page.appointments]
        token = page.next_page_token
        if not token:
            break
        assert len(page.appointments) == 3
    assert found == whole
    assert len(set(found)) == 7


async def test_a_page_token_is_bound_to_its_list_and_tenant(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    for hours in (48, 50):
        await house.book(campaign, contact, soon(hours))
    token = (await list_appointments(house.desk, folder(page_size=1))).next_page_token
    stranger = House(house.desk, house.ledger, house.agents)
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: list_appointments(house.desk, folder(page_token=token[:-1])),
        lambda: list_appointments(house.desk, folder(page_token="x")),
        lambda: list_appointments(house.desk, folder(page_token=token, upcoming=False)),
        lambda: list_appointments(house.desk, folder(page_token=token, agent_id=house.agents[0])),
        lambda: list_appointments(house.desk, folder(page_token=token, states=[State.HELD])),
        lambda: list_campaigns(house.desk, 0, token),
        lambda: list_contacts(house.desk, campaign.campaign_id, 0, token),
        lambda: list_recent_changes(house.desk, "", 0, token),
    ]
    for attempt in attempts:
        await refused_page(attempt)
    stranger.enter()
    await refused_page(lambda: list_appointments(stranger.desk, folder(page_token=token)))


async def refused_page(attempt: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(InvalidInput) as refused:
        await attempt()
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


async def test_lists_are_limited_to_the_callers_reach(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    card = await house.book(mine, await house.contact(mine), soon())
    strange = await house.book(other, await house.contact(other), soon(), house.agents[1])
    house.enter(Grant("CUSTOMER", "campaign", mine.campaign_id))
    assert await ids(house) == [card.appointment.appointment_id]
    assert [c.campaign_id for c in (await list_campaigns(house.desk, 0, "")).campaigns] == [mine.campaign_id]
    for attempt in (
        lambda: ids(house, campaign_id=other.campaign_id),
        lambda: get_campaign(house.desk, other.campaign_id),
        lambda: list_recent_changes(house.desk, other.campaign_id, 0, ""),
        lambda: verify_ownership(house.desk),
        lambda: set_parameter(house.desk, "lead_time", "", "0s"),
        lambda: set_parameter(house.desk, "lead_time", other.campaign_id, "0s"),
    ):
        with pytest.raises(NotAllowed) as refused:
            await attempt()
        assert refused.value.reason is Reason.OUT_OF_SCOPE
    house.enter(Grant("AGENT", "agent", house.agents[1]))
    assert await ids(house) == [strange.appointment.appointment_id]
    with pytest.raises(NotAllowed):
        await ids(house, agent_id=house.agents[0])


async def test_every_way_to_narrow_a_list_shows_what_it_should_once_in_order(house: House) -> None:
    """All reaches by all filters, two rows a page, held against the same said of each appointment."""
    campaigns = [await house.campaign(), await house.campaign()]
    (one, two), (a, b) = (each.campaign_id for each in campaigns), house.agents[:2]
    cards = []
    for number, (campaign, agent) in enumerate(product(campaigns, (a, b))):
        for zone in ("north", "south"):
            contact = await house.contact(campaign, zone=zone)
            hours = 48 + 3 * number + (1.5 if zone == "south" else 0)
            cards.append((await house.book(campaign, contact, soon(hours), agent)).appointment)
    for number in (1, 2, 5):
        confirm = ConfirmAppointment(cards[number].appointment_id, 0)
        cards[number] = (await confirm_appointment(house.desk, confirm)).appointment
    async with house.desk.db.uow(house.tenant) as tx:
        for reach, campaign_id, agent_id, zone, not_ended_by, states in product(
            (
                Reach(whole=True),
                Reach(whole=False, campaigns=frozenset({one})),
                Reach(whole=False, campaigns=frozenset({one, two})),
                Reach(whole=False, agents=frozenset({a})),
                Reach(whole=False, campaigns=frozenset({one}), agents=frozenset({a})),
                Reach(whole=False, campaigns=frozenset({one, new_id("cmp")}), agents=frozenset({a, b})),
                Reach(whole=False, campaigns=frozenset({new_id("cmp")})),
                Reach(whole=False),
            ),
            ("", one),
            ("", a),
            ("", "north"),
            (None, cards[2].window.start),
            ((), (State.CONFIRMED,), (State.CONFIRMED, State.TO_CONFIRM)),
        ):
            wanted = Filter(reach, not_ended_by, campaign_id, agent_id, zone, states)
            expected = [
                each.appointment_id
                for each in sorted(cards, key=lambda card: card.window)
                if reach.shows(each.campaign_id, each.agent_id)
                and campaign_id in ("", each.campaign_id)
                and agent_id in ("", each.agent_id)
                and zone in ("", each.zone)
                and (not_ended_by is None or each.window.end > not_ended_by)
                and (not states or each.state in states)
            ]
            found, after = [], (START_OF_TIME, "")
            while page := await list_page(tx, wanted, after, 2):
                found += [each.appointment_id for each in page]
                after = page[-1].window.start, page[-1].appointment_id
            assert found == expected, wanted


async def test_campaigns_come_in_pages_with_their_agents(house: House) -> None:
    made = sorted([(await house.campaign()).campaign_id for _ in range(3)])
    first = await list_campaigns(house.desk, 2, "")
    second = await list_campaigns(house.desk, 2, first.next_page_token)
    assert [c.campaign_id for c in [*first.campaigns, *second.campaigns]] == made
    assert list(first.campaigns[0].agent_ids) == house.agents
    assert second.next_page_token == ""


async def test_a_campaign_needs_agents_that_exist_and_a_zone(house: House) -> None:
    stranger = new_id("agt")

    def command(agents: list[str], zone: str = "Europe/Rome") -> CreateCampaign:
        return CreateCampaign("Roofs", 5, agents, (), zone, timedelta(0), claim())

    with pytest.raises(NotFound) as missing:
        await create_campaign(house.desk, command([house.agents[0], stranger]))
    assert [violation.field for violation in missing.value.violations] == ["agent_ids[1]"]
    with pytest.raises(InvalidInput) as bad:
        await create_campaign(house.desk, command(house.agents, "Mars/Olympus"))
    assert [violation.field for violation in bad.value.violations] == ["time_zone"]
    house.ledger.down = True
    with pytest.raises(Unavailable):
        await create_campaign(house.desk, command(house.agents))
    house.ledger.down = False
    once = command(house.agents)
    assert await create_campaign(house.desk, once) == await create_campaign(house.desk, once)
    assert len((await list_campaigns(house.desk, 0, "")).campaigns) == 1


async def test_contacts_are_imported_once_all_or_none(house: House) -> None:
    campaign = await house.campaign()
    people = [Contact("", campaign.campaign_id, f"Person {n}", "", "", PLACE) for n in range(5)]
    command = ImportContacts(campaign.campaign_id, people, claim())
    made = await import_contacts(house.desk, house.places, command)
    assert await import_contacts(house.desk, house.places, command) == made
    page = await list_contacts(house.desk, campaign.campaign_id, 3, "")
    rest = await list_contacts(house.desk, campaign.campaign_id, 3, page.next_page_token)
    assert sorted(c.contact_id for c in [*page.contacts, *rest.contacts]) == sorted(made)
    assert (await get_contact(house.desk, made[2])).display_name == "Person 2"
    with pytest.raises(NotFound) as missing:
        await import_contacts(house.desk, house.places, ImportContacts(new_id("cmp"), people, claim()))
    assert [violation.field for violation in missing.value.violations] == ["campaign_id"]
    with pytest.raises(NotFound):
        await get_contact(house.desk, new_id("cnt"))


async def test_a_contact_is_corrected_and_what_is_booked_stays(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign, zone="north")
    before = await get_contact(house.desk, contact)
    booked = await house.book(campaign, contact, soon())
    corrected = await update_contact(
        house.desk, house.places, contact, Correction(address="Via Po 2", postcode="10124")
    )
    assert corrected == replace(before, address="Via Po 2", postcode="10124", version=2)
    moved = Correction(point=LatLng(45.1, 9.3), zone="")
    corrected = await update_contact(house.desk, house.places, contact, moved)
    told = replace(before, address="Via Po 2", postcode="10124", point=moved.point, zone="", version=3)
    assert corrected == told
    assert await update_contact(house.desk, house.places, contact, Correction()) == corrected
    assert await get_contact(house.desk, contact) == corrected
    (kept,) = (await list_appointments(house.desk, folder())).appointments
    assert (kept.point, kept.zone, kept.postcode) == (PLACE, "north", "")
    assert kept.appointment_id == booked.appointment.appointment_id
    again = (await house.book(campaign, contact, soon(70), house.agents[1])).appointment
    assert (again.point, again.zone, again.postcode) == (moved.point, "", "10124")


async def test_a_contact_is_corrected_within_reach_alone(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    strange = await house.contact(other)
    before = await get_contact(house.desk, strange)
    house.enter(Grant("OPERATOR", "campaign", mine.campaign_id))
    with pytest.raises(NotAllowed) as refused:
        await update_contact(house.desk, house.places, strange, Correction(postcode="10124"))
    assert refused.value.reason is Reason.OUT_OF_SCOPE
    house.enter(Grant("OPERATOR", "tenant", ""))
    with pytest.raises(NotFound):
        await update_contact(house.desk, house.places, new_id("cnt"), Correction(postcode="10124"))
    assert await get_contact(house.desk, strange) == before


async def test_the_nearest_parameter_counts_and_tells_its_source(house: House) -> None:
    campaign = await house.campaign()

    async def seen() -> tuple[str, Scope]:
        shown = await get_effective_parameter(house.desk, "lead_time", campaign.campaign_id)
        return shown.value, shown.source

    assert await seen() == ("129600s", Scope.SYSTEM)
    await set_parameter(house.desk, "lead_time", "", "7200s")
    assert await seen() == ("7200s", Scope.TENANT)
    await set_parameter(house.desk, "lead_time", campaign.campaign_id, "3600s")
    await set_parameter(house.desk, "lead_time", campaign.campaign_id, "1800s")
    assert await seen() == ("1800s", Scope.CAMPAIGN)
    tenant_wide = await get_effective_parameter(house.desk, "lead_time", "")
    assert (tenant_wide.value, tenant_wide.source) == ("7200s", Scope.TENANT)
    await set_parameter(house.desk, "lead_time", campaign.campaign_id, "")
    assert await seen() == ("7200s", Scope.TENANT)
    with pytest.raises(NotFound):
        await set_parameter(house.desk, "lead_time", new_id("cmp"), "3600s")


async def test_a_contradiction_between_parameters_is_refused_when_saved(house: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        await set_parameter(house.desk, "grade_ideal_up_to", "", "3600s")
    assert [violation.field for violation in refused.value.violations] == ["value"]
    assert (await get_effective_parameter(house.desk, "grade_ideal_up_to", "")).source is Scope.SYSTEM


async def test_ownership_holds_and_a_loss_is_told(house: House) -> None:
    cards = [await house.booked(soon(hours)) for hours in (48, 50, 52)]
    found = await verify_ownership(house.desk)
    assert (found.appointments, found.stops) == (3, 3)
    assert found.without_stop == found.without_appointment == []
    keys = [(house.tenant, card.appointment.appointment_id) for card in cards]
    stops = house.ledger.stops
    stops[house.tenant, "apt_nobody"] = replace(stops.pop(keys[0]), appointment_id="apt_nobody")
    elsewhere = replace(stops[keys[1]].plan, agent_id=house.agents[3])
    stops[keys[1]] = replace(stops[keys[1]], plan=elsewhere)
    found = await verify_ownership(house.desk)
    assert list(found.without_stop) == sorted([keys[0][1], keys[1][1]])
    assert list(found.without_appointment) == ["apt_nobody"]


async def test_a_hold_is_released_within_reach(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    from booking.domain.itinerary import Hold, StopPlan
    from kit.values.window import Window

    plan = StopPlan(house.agents[0], Window(soon(), soon() + VISIT), PLACE)
    hold = Hold("hld_1", mine.campaign_id, plan, soon(), None, None)
    house.ledger.holds[house.tenant, "hld_1"] = hold
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    with pytest.raises(NotAllowed):
        await release_hold(house.desk, "hld_1")
    house.ledger.settled.add((house.tenant, "hld_gone"))
    await release_hold(house.desk, "hld_gone")
    house.enter(Grant("OPERATOR", "campaign", mine.campaign_id))
    await release_hold(house.desk, "hld_1")
    assert house.ledger.holds == {}
