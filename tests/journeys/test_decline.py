"""Key 2 from outside: the appointment is declined, and its time is free for somebody else at once (RE-17)."""

from datetime import datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import waitlist_pb2 as waitlist
from giro.reminders.v1 import reminders_pb2 as reminders
from tests.eventually import eventually
from tests.journeys.called import called_person, planned
from tests.world import Refusal, World, request_id, stamp

pytestmark = pytest.mark.asyncio


async def test_two_frees_the_time_for_somebody_else(world: World) -> None:
    await called_person(world, keys="2", days=3)  # early enough for the next one
    start = world.day(10, 12)
    declined = await _planned_for(world, start)
    with pytest.raises(Refusal):
        await world.book(start, contact=1)
    await _press(world)
    shown = await eventually(
        lambda: world.get(declined), lambda found: found.state == booking.APPOINTMENT_STATE_CANCELLED
    )
    assert shown.reminder_colour == booking.REMINDER_COLOUR_RED
    again = await eventually(lambda: _booked(world, start), bool)
    assert (await world.get(again)).start == shown.start


async def test_two_offers_the_time_to_who_waits(world: World) -> None:
    await called_person(world, keys="2", days=3)
    start = world.day(10, 12)
    declined = await _planned_for(world, start)
    entries = [await _join(world, contact) for contact in (1, 2)]
    assert await _offers(world) == []
    await _press(world)
    (offered,) = await eventually(lambda: _offers(world), bool)
    assert offered.entry_id == entries[0].entry_id
    assert (offered.offer.start, offered.offer.agent_id) == (stamp(start), world.agents[0])
    assert (await world.get(declined)).state == booking.APPOINTMENT_STATE_CANCELLED
    with pytest.raises(Refusal) as kept:  # for whoever it was offered to
        await world.book(start, contact=3)
    assert kept.value.reason == "SLOT_TAKEN"
    decline = waitlist.DeclineOfferRequest(offer_id=offered.offer.offer_id)
    await world.call(world.waitlist.DeclineOffer, decline)
    (following,) = await eventually(
        lambda: _offers(world), lambda found: [each.entry_id for each in found] == [entries[1].entry_id]
    )
    accept = waitlist.AcceptOfferRequest(offer_id=following.offer.offer_id, request_id=request_id())
    made = await world.call(world.waitlist.AcceptOffer, accept)
    assert (made.contact_id, made.start) == (world.contacts[2], stamp(start))
    assert await world.call(world.waitlist.AcceptOffer, accept) == made
    assert await world.violations() == []


async def _planned_for(world: World, start: datetime) -> str:
    """An appointment whose reminder is planned."""
    made = str((await world.book(start)).appointment_id)
    await eventually(lambda: planned(world, made), bool)
    return made


async def _press(world: World) -> None:
    """Plays the clock on to the reminder's call, in which the key is pressed."""
    by = Duration(seconds=7 * 86_400 + 13 * 3600)
    await world.call(world.reminders.PlayReminders, reminders.PlayRemindersRequest(by=by))


async def _join(world: World, contact: int) -> Any:
    request = waitlist.JoinWaitlistRequest(
        campaign_id=world.campaign,
        contact_id=world.contacts[contact],
        duration=Duration(seconds=1800),
        request_id=request_id(),
    )
    return await world.call(world.waitlist.JoinWaitlist, request)


async def _offers(world: World) -> list[Any]:
    """The entries with an offer that stands."""
    request = waitlist.ListWaitlistRequest(campaign_id=world.campaign)
    found = await world.call(world.waitlist.ListWaitlist, request)
    return [entry for entry in found.entries if entry.HasField("offer")]


async def _booked(world: World, start: datetime) -> str:
    """An appointment at that time; none while it is taken."""
    try:
        return str((await world.book(start, contact=1)).appointment_id)
    except Refusal:
        return ""
