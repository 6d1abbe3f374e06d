"""kill -9 of booking while an opening is offered: the time is offered to who waits longest all the same."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from allinone.stack import Stack
from giro.booking.v1 import waitlist_pb2 as waitlist
from tests.eventually import eventually
from tests.failures.armed import doomed
from tests.failures.test_crashes import _until_it_dies
from tests.world import World, request_id, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(180)]

LEASE = timedelta(seconds=30)
"""After which whoever made the offer counts as dead."""


async def test_killed_between_hold_and_offer(world: World, stack: Stack) -> None:
    world.patience = 15
    start = world.day(7, 9)
    booked = await world.book(start)
    entries = [await _join(world, contact) for contact in (1, 2)]
    world.patience = 0
    async with doomed(stack, "booking", "booking.offer.after_hold"):
        await _until_it_dies(stack, "booking", lambda: world.cancel(booked.appointment_id))
    world.patience = 15
    await world.advance(LEASE)
    (first,) = await eventually(lambda: _offered(world), bool)
    assert (first.entry_id, first.offer.start) == (entries[0].entry_id, stamp(start))
    accept = waitlist.AcceptOfferRequest(offer_id=first.offer.offer_id, request_id=request_id())
    made = await world.call(world.waitlist.AcceptOffer, accept)
    assert (made.contact_id, made.start) == (world.contacts[1], stamp(start))
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    assert await world.violations() == []


async def _join(world: World, contact: int) -> Any:
    request = waitlist.JoinWaitlistRequest(
        campaign_id=world.campaign,
        contact_id=world.contacts[contact],
        duration=Duration(seconds=1800),
        request_id=request_id(),
    )
    return await world.call(world.waitlist.JoinWaitlist, request)


async def _offered(world: World) -> list[Any]:
    request = waitlist.ListWaitlistRequest(campaign_id=world.campaign)
    found = await world.call(world.waitlist.ListWaitlist, request)
    return [entry for entry in found.entries if entry.HasField("offer")]
