"""NATS away during bookings: they go on, and every event has one effect afterwards (OP-01, OP-02)."""

from collections import Counter

import pytest

from allinone.stack import Stack
from giro.geo.v1 import geo_pb2 as geo
from giro.identity.v1 import identity_pb2 as identity
from tests.eventually import eventually
from tests.world import World, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(240)]


async def test_bookings_go_on_without_nats_and_every_event_has_one_effect(world: World, stack: Stack) -> None:
    """Booked, confirmed and cancelled while NATS is down: told once each, in order, and the gap opens."""
    await stack.stop_nats()
    try:
        booked = [
            (await world.book(world.day(5, hour), contact=hour % 12)).appointment_id for hour in range(20)
        ]
        for appointment in booked[:10]:
            await world.confirm(appointment)
        for appointment in booked[:5]:
            await world.cancel(appointment)
    finally:
        await stack.start_nats()
    changes = await eventually(world.changes, lambda seen: len(seen) >= 35, within=90)
    told = Counter((change.appointment_id, change.change) for change in changes)
    expected = Counter(
        [(appointment, "booked") for appointment in booked]
        + [(appointment, "confirmed") for appointment in booked[:10]]
        + [(appointment, "cancelled") for appointment in booked[:5]]
    )
    assert told == expected
    for appointment in booked:
        versions = [change.version for change in changes if change.appointment_id == appointment]
        assert versions == sorted(versions, reverse=True)
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    await world.book(world.day(5, 0))
    assert await world.violations() == []


async def _booking_alone(world: World) -> None:
    made = (await world.appointments())[0]
    assert (await world.confirm(made.appointment_id)).version == made.version + 1


async def _geo_alone(world: World) -> None:
    request = geo.GetItineraryRequest(
        agent_id=world.agents[0], from_time=stamp(world.day(6, 0)), to_time=stamp(world.day(7, 0))
    )
    assert len((await world.call(world.geo.GetItinerary, request)).stops) == 1


async def _identity_alone(world: World) -> None:
    assert (await world.call(world.identity.GetKeys, identity.GetKeysRequest())).keys


ALONE = {
    "identity": (_booking_alone, _geo_alone),
    "geo": (_booking_alone, _identity_alone),
    "booking": (_geo_alone, _identity_alone),
}
"""What has to go on while the service named is down."""


@pytest.mark.parametrize("service", sorted(ALONE))
async def test_one_service_down_leaves_the_others_serving(world: World, stack: Stack, service: str) -> None:
    """With one service killed the others answer what they can alone; when it is back, everything does."""
    await world.book(world.day(6, 9))
    await stack.kill(service)
    try:
        for go_on in ALONE[service]:
            await go_on(world)
    finally:
        await stack.restart(service)
    world.patience = 15
    again = await world.book(world.day(6, 12))
    await eventually(
        world.changes, lambda seen: again.appointment_id in {change.appointment_id for change in seen}
    )
    assert await world.violations() == []
