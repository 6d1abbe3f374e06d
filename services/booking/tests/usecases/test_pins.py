"""Who is visited where nobody knows well enough is not booked before a pin is set (GEO-18)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon

from booking.domain.appointment import Appointment, State
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact, Correction, PlacedBy
from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.detour_calendar import DetourCalendar, detour_calendar
from booking.usecases.explain_slot import ExplainSlot, explain_slot
from booking.usecases.import_contacts import MOST_LOOKED_UP, ImportContacts, import_contacts
from booking.usecases.list_contacts import get_contact
from booking.usecases.suggest_slots import SuggestSlots, suggest_slots
from booking.usecases.update_contact import update_contact
from booking.usecases.waitlist import JoinWaitlist, join_waitlist
from kit import failpoints
from kit.errors import InvalidInput, Reason, RuleViolated, Unavailable
from kit.testing.dying import Died, die_at
from kit.values.latlng import LatLng
from kit.values.window import Window

pytestmark = pytest.mark.asyncio

SURE, VAGUE = "Via Roma 1, Torino", "the red house"
THERE = LatLng(45.07, 7.68)


@pytest.fixture
def house(house: House) -> House:
    """A house whose geocoder is sure of one address."""
    house.places.sure[SURE] = THERE
    return house


async def _taken_in(house: House, campaign: Campaign, address: str) -> Contact:
    person = Contact("", campaign.campaign_id, "Ada Neri", "", address, None)
    return await get_contact(house.desk, await house.take_in(person))


async def test_an_address_that_is_sure_enough_is_booked_as_it_is(house: House) -> None:
    campaign = await house.campaign()
    contact = await _taken_in(house, campaign, SURE)
    assert (contact.point, contact.placed_by) == (THERE, PlacedBy.GEOCODED)
    booked = (await house.book(campaign, contact.contact_id, soon())).appointment
    assert booked.point == THERE


Try = Callable[[House, Campaign, str], Awaitable[Any]]

WAYS: dict[str, Try] = {
    "book": lambda house, campaign, contact: house.book(campaign, contact, soon()),
    "suggest": lambda house, campaign, contact: suggest_slots(
        house.desk,
        SuggestSlots(campaign.campaign_id, contact, None, VISIT, "", "", (), (), 0, explain=False),
    ),
    "detours": lambda house, campaign, contact: detour_calendar(
        house.desk, DetourCalendar(campaign.campaign_id, contact, None, VISIT, "", ())
    ),
    "explain": lambda house, campaign, contact: explain_slot(
        house.desk,
        ExplainSlot(campaign.campaign_id, contact, None, house.agents[0], Window(soon(), soon() + VISIT)),
    ),
    "series": lambda house, campaign, contact: create_series(
        house.desk,
        CreateSeries(campaign.campaign_id, contact, house.agents[0], soon(), VISIT, 7, 2, "", claim()),
    ),
    "waiting list": lambda house, campaign, contact: join_waitlist(
        house.desk, JoinWaitlist(campaign.campaign_id, contact, VISIT, None, None, claim())
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_one_who_needs_a_pin_is_refused_everywhere_until_it_is_set(house: House, way: str) -> None:
    campaign = await house.campaign()
    contact = await _taken_in(house, campaign, VAGUE)
    assert (contact.point, contact.placed_by) == (None, PlacedBy.NEEDS_PIN)
    with pytest.raises(RuleViolated) as refused:
        await WAYS[way](house, campaign, contact.contact_id)
    assert refused.value.reason is Reason.NEEDS_PIN
    assert [one.field for one in refused.value.violations] == ["contact_id"]
    assert "UpdateContact" in refused.value.message
    pinned = await update_contact(house.desk, house.places, contact.contact_id, Correction(point=PLACE))
    assert (pinned.point, pinned.placed_by) == (PLACE, PlacedBy.PINNED)
    await WAYS[way](house, campaign, contact.contact_id)


async def test_a_better_address_places_one_who_is_not_pinned_and_moves_no_pin(house: House) -> None:
    campaign = await house.campaign()
    vague = await _taken_in(house, campaign, VAGUE)
    placed = await update_contact(house.desk, house.places, vague.contact_id, Correction(address=SURE))
    assert (placed.point, placed.placed_by) == (THERE, PlacedBy.GEOCODED)
    lost = await update_contact(house.desk, house.places, vague.contact_id, Correction(address=VAGUE))
    assert (lost.point, lost.placed_by) == (None, PlacedBy.NEEDS_PIN)
    with pytest.raises(InvalidInput) as cleared:
        await update_contact(house.desk, house.places, vague.contact_id, Correction(address=""))
    assert [one.field for one in cleared.value.violations] == ["address"]
    await update_contact(house.desk, house.places, vague.contact_id, Correction(point=PLACE))
    kept = await update_contact(house.desk, house.places, vague.contact_id, Correction(address=SURE))
    assert (kept.point, kept.placed_by, kept.address) == (PLACE, PlacedBy.PINNED, SURE)


Again = Callable[[House, Appointment, datetime], Awaitable[Appointment]]


async def _by_hand(house: House, old: Appointment, start: datetime) -> Appointment:
    await house.set_outcome(old, "ko")
    return (await house.refix(old, start)).appointment


async def _by_a_procedure(house: House, old: Appointment, start: datetime) -> Appointment:
    await house.set_outcome(old, "ko-date", refix_at=start)
    await house.run()
    found = [await house.stored(name) for name in await house.all_stored()]
    return next((each for each in found if each.supersedes == old.appointment_id), old)


@pytest.mark.parametrize("again", [_by_hand, _by_a_procedure])
async def test_a_new_card_is_where_the_person_is_by_now(house: House, again: Again) -> None:
    """GEO-18: a wrong address is why many visits fall through."""
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko", recall=Recall.PUBLIC, list_state="W")
    await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
    await house.procedure(Work.NEW_CARD, "ko-date")
    await house.parameters(CC0036="SI", CC0037="SI", CC036DB="refixed")
    campaign = await house.campaign()
    contact = await _taken_in(house, campaign, SURE)
    old = (await house.book(campaign, contact.contact_id, soon())).appointment
    await update_contact(house.desk, house.places, contact.contact_id, Correction(address=VAGUE))
    refused = []
    try:
        await again(house, old, soon(90))
    except RuleViolated as refusal:
        refused.append(refusal.reason.value)
    refused += [each.reason for each in await house.exceptions()]
    assert refused == ["NEEDS_PIN"]
    assert (await house.stored(old.appointment_id)).state is State.TO_CONFIRM
    pin = Correction(point=PLACE, postcode="10100")
    await update_contact(house.desk, house.places, contact.contact_id, pin)
    new = await again(house, old, soon(90))
    assert (new.supersedes, new.point, new.postcode) == (old.appointment_id, PLACE, "10100")
    assert house.ledger.stops[house.tenant, new.appointment_id].plan.point == PLACE
    assert (await house.stored(old.appointment_id)).point == THERE
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("died", [False, True])
@pytest.mark.parametrize("again", [_by_hand, _by_a_procedure])
async def test_the_same_card_is_fixed_again_where_the_person_is_by_now(
    house: House, again: Again, died: bool
) -> None:
    """Modes 1 and 3; while a pin is needed it stays where it was booked, as whatever is only moved does."""
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko", recall=Recall.PUBLIC, list_state="W")
    await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
    await house.procedure(Work.MOVE, "ko-date")
    await house.parameters(CC036B="refixed")
    campaign = await house.campaign()
    contact = await _taken_in(house, campaign, SURE)
    booked = await house.book(campaign, contact.contact_id, soon())
    card = booked.appointment
    places, postcodes = [], []
    for hours, correction in (
        (90, Correction(address=VAGUE)),
        (120, Correction(point=PLACE, postcode="sw1a 1aa")),
        (150, Correction(postcode="10 121")),
    ):
        await update_contact(house.desk, house.places, contact.contact_id, correction)
        await house.postpone(booked, soon(hours - 10))
        places.append((await house.stored(card.appointment_id)).point)
        step = "booking.procedure.after_move" if again is _by_a_procedure else "booking.refix.after_move"
        if died:
            die_at(step)
            with pytest.raises(Died):
                await again(house, await house.stored(card.appointment_id), soon(hours))
        else:
            await again(house, await house.stored(card.appointment_id), soon(hours))
        await house.settle()
        now = await house.stored(card.appointment_id)
        assert (now.window.start, now.move_id) == (soon(hours), None)
        assert house.ledger.stops[house.tenant, card.appointment_id].plan.point == now.point
        places.append(now.point)
        postcodes.append((now.postcode, house.ledger.stops[house.tenant, card.appointment_id].plan.postcode))
    assert places == [THERE, THERE, THERE, PLACE, PLACE, PLACE]
    assert postcodes == [("", ""), ("sw1a 1aa", "SW1A1AA"), ("10 121", "10121")], "spelled as the contact's"
    await house.require_sound()


async def test_a_pin_set_while_an_address_is_looked_up_stays(house: House) -> None:
    campaign = await house.campaign()
    vague = await _taken_in(house, campaign, VAGUE)

    async def pin() -> None:
        failpoints.disarm("booking.contact.after_located")
        await update_contact(house.desk, house.places, vague.contact_id, Correction(point=PLACE))

    failpoints.arm("booking.contact.after_located", pin)
    found = await update_contact(house.desk, house.places, vague.contact_id, Correction(address=SURE))
    assert (found.point, found.placed_by, found.address) == (PLACE, PlacedBy.PINNED, SURE)


async def test_while_nobody_can_look_up_nobody_is_taken_in_and_nothing_changes(house: House) -> None:
    campaign = await house.campaign()
    vague = await _taken_in(house, campaign, VAGUE)
    person = Contact("", campaign.campaign_id, "Ugo", "", SURE, None)
    command = ImportContacts(campaign.campaign_id, [person], claim())
    made = await import_contacts(house.desk, house.places, command)
    house.places.down = True
    assert await import_contacts(house.desk, house.places, command) == made  # the first answer stands
    with pytest.raises(Unavailable):
        await import_contacts(house.desk, house.places, replace(command, claim=claim()))
    with pytest.raises(Unavailable):
        await update_contact(house.desk, house.places, vague.contact_id, Correction(address=SURE))
    assert await get_contact(house.desk, vague.contact_id) == vague
    pinned = await update_contact(house.desk, house.places, vague.contact_id, Correction(point=PLACE))
    assert pinned.point == PLACE


async def test_so_many_addresses_are_looked_up_at_once_and_no_more(house: House) -> None:
    campaign = await house.campaign()
    person = Contact("", campaign.campaign_id, "Ugo", "", SURE, None)
    most = ImportContacts(campaign.campaign_id, [person] * MOST_LOOKED_UP, claim())
    assert len(await import_contacts(house.desk, house.places, most)) == MOST_LOOKED_UP
    asked = len(house.places.asked)
    more = ImportContacts(campaign.campaign_id, [person] * (MOST_LOOKED_UP + 1), claim())
    with pytest.raises(InvalidInput) as refused:
        await import_contacts(house.desk, house.places, more)
    assert [one.field for one in refused.value.violations] == [f"contacts[{MOST_LOOKED_UP}].point"]
    long = replace(person, address="x" * 301)
    command = ImportContacts(campaign.campaign_id, [replace(person, point=PLACE), long], claim())
    with pytest.raises(InvalidInput) as refused:
        await import_contacts(house.desk, house.places, command)
    assert [one.field for one in refused.value.violations] == ["contacts[1].address"]
    assert len(house.places.asked) == asked
