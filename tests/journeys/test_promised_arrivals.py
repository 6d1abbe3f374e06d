"""What booking tells geo of a visit counts on every path: the place's postcode, and the arrival promised."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.booking.v1.refix_pb2_grpc import RefixServiceStub
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import geo_pb2 as geo
from giro.geo.v1 import planning_pb2 as planning
from giro.geo.v1 import zones_pb2 as zones
from giro.geo.v1.geo_pb2 import Shift
from giro.geo.v1.planning_pb2_grpc import PlanningServiceStub
from giro.geo.v1.zones_pb2_grpc import ZoneServiceStub
from tests.world import WEEKDAYS, Refusal, World, request_id, stamp

pytestmark = pytest.mark.asyncio

TWO_HOURS = timedelta(hours=2)


async def people(world: World, *postcodes: str) -> None:
    """Makes the world's contacts ones with these postcodes."""
    made = [
        booking.Contact(display_name=f"Person {code}", point=point, postcode=code)
        for code, point in zip(postcodes, world.points[:: len(world.points) // len(postcodes)], strict=False)
    ]
    request = booking.ImportContactsRequest(
        campaign_id=world.campaign, contacts=made, request_id=request_id()
    )
    world.contacts = list((await world.call(world.booking.ImportContacts, request)).contact_ids)


async def works_in(world: World, agent: int, codes: Sequence[str]) -> None:
    """Lets an agent work where these postcodes are."""
    service = ZoneServiceStub(world.channel)
    holds = zones.Postcodes(codes=codes)
    made = await world.call(
        service.UpsertZone,
        zones.UpsertZoneRequest(name=request_id(), postcodes=holds, request_id=request_id()),
    )
    assigned = zones.SetAgentZonesRequest(agent_id=world.agents[agent], zone_ids=[made.zone_id])
    await world.call(service.SetAgentZones, assigned)


async def refused(act: Any) -> str:
    with pytest.raises(Refusal) as told:
        await act
    return told.value.reason


async def test_a_zone_of_postcodes_admits_on_every_path(world: World) -> None:
    await people(world, "1050 ab", "9999", "")
    await works_in(world, 0, ["1050AB"])
    await works_in(world, 1, ["2000"])
    inside, outside, unknown = 0, 1, 2
    found = await world.suggest(inside, limit=5)
    assert {slot.anatomy.agent_id for slot in found.slots} == {world.agents[0]}
    for contact in (outside, unknown):
        none = await world.suggest(contact, limit=5, explain=True)
        assert not none.slots
        assert {gap.reason for gap in none.refused} == {"OUTSIDE_ZONE"}
        assert await refused(world.book(world.day(5), contact=contact)) == "OUTSIDE_ZONE"
    held = await world.hold(found.slots[0].slot_token)
    kept = await world.book_with(contact=inside, hold_id=held.hold_id)
    again = (await world.suggest(inside, limit=1)).slots[0]
    taken = await world.book_with(contact=inside, slot_token=again.slot_token)
    chosen = await world.book(world.day(6), contact=inside)
    assert {kept.agent_id, taken.agent_id, chosen.agent_id} == {world.agents[0]}
    assert await refused(world.reassign(chosen.appointment_id, 1)) == "OUTSIDE_ZONE"
    moved = await world.postpone(chosen.appointment_id, world.day(6, 11))
    assert moved.start.ToDatetime(tzinfo=UTC) == world.day(6, 11)
    await works_in(world, 1, ["2000", "1050AB"])
    assert (await world.reassign(chosen.appointment_id, 1)).agent_id == world.agents[1]
    assert await world.ownership() == ([], [])


def arrival(told: Any) -> tuple[datetime, datetime]:
    """The window that an appointment or a hold promises."""
    return told.arrival.start.ToDatetime(tzinfo=UTC), told.arrival.end.ToDatetime(tzinfo=UTC)


async def promise(world: World, value: str) -> None:
    request = booking.SetParameterRequest(name="arrival_window", campaign_id=world.campaign, value=value)
    await world.call(world.booking.SetParameter, request)


async def test_an_exact_start_promises_no_window(world: World) -> None:
    booked = await world.book(world.day(5))
    assert not booked.HasField("arrival")
    later = await world.postpone(booked.appointment_id, world.day(5, 15))
    assert not later.HasField("arrival")


async def test_a_promised_arrival_stays_through_postponements_within_it_to_the_second(world: World) -> None:
    await promise(world, "7200s")
    start = world.day(5)
    booked = await world.book(start)
    window = (start, start + TWO_HOURS)
    assert arrival(booked) == window
    for later in (start + timedelta(hours=1), start + TWO_HOURS):
        moved = await world.postpone(booked.appointment_id, later)
        assert moved.start.ToDatetime(tzinfo=UTC) == later
        assert arrival(moved) == window
    given = await world.reassign(booked.appointment_id, 1)
    assert arrival(given) == window
    assert arrival(await world.get(booked.appointment_id)) == window
    assert await world.ownership() == ([], [])


async def stop_at(world: World, agent_id: str, start: datetime) -> Any:
    """The one stop of an agent's itinerary from this instant on."""
    itinerary = geo.GetItineraryRequest(agent_id=agent_id, from_time=stamp(start))
    (stop,) = (await world.call(world.geo.GetItinerary, itinerary)).stops
    return stop


async def test_another_time_that_the_customer_asks_for_is_promised_anew(world: World) -> None:
    """R-011: an appointment is postponed at any moment, to any later start."""
    await promise(world, "7200s")
    start = world.day(5)
    booked = await world.book(start)
    late = start + TWO_HOURS + timedelta(seconds=1)
    next_day = world.day(6)
    for later in (late, next_day):
        moved = await world.postpone(booked.appointment_id, later)
        assert moved.start.ToDatetime(tzinfo=UTC) == later
        assert arrival(moved) == (later, later + TWO_HOURS)
    assert arrival(await stop_at(world, moved.agent_id, next_day)) == (next_day, next_day + TWO_HOURS)
    await promise(world, "3600s")  # what was promised stays promised within it
    kept = await world.postpone(booked.appointment_id, next_day + TWO_HOURS)
    assert arrival(kept) == (next_day, next_day + TWO_HOURS)
    request = booking.ReassignAppointmentRequest(
        appointment_id=booked.appointment_id,
        agent_id=world.agents[1],
        start=stamp(world.day(7)),
        request_id=request_id(),
    )
    given = await world.call(world.booking.ReassignAppointment, request)
    assert arrival(given) == (world.day(7), world.day(7) + timedelta(hours=1))
    await promise(world, "0s")
    exact = await world.postpone(booked.appointment_id, world.day(8))
    assert not exact.HasField("arrival")
    assert not (await stop_at(world, exact.agent_id, world.day(8))).HasField("arrival")
    assert await world.ownership() == ([], [])


async def test_a_kept_slot_promises_what_is_booked(world: World) -> None:
    await promise(world, "7200s")
    slot = (await world.suggest(0, limit=1)).slots[0]
    start = slot.anatomy.start.ToDatetime(tzinfo=UTC)
    held = await world.hold(slot.slot_token)
    assert arrival(held) == (start, start + TWO_HOURS)
    await promise(world, "3600s")  # what the person on the phone was told counts
    assert arrival(await world.book_with(hold_id=held.hold_id)) == (start, start + TWO_HOURS)


async def test_a_plan_of_the_day_keeps_the_promise(world: World) -> None:
    """The visit may lie anywhere that day for all that the planner is told, and stays within its window."""
    by_day = [Shift(weekday=day, start="05:00", end="20:00") for day in WEEKDAYS]
    world.agents = [await world.make_agent("By day", shifts=by_day)]
    world.campaign = await world.make_campaign(10)
    world.points = [world.points[0], world.points[0], world.points[11]]
    await people(world, "", "", "")
    await promise(world, "7200s")
    start = world.day(5, 6)
    near = [await world.book(start, contact=0), await world.book(start + TWO_HOURS, contact=1)]
    far = await world.book(start + timedelta(hours=1), contact=2)
    day = travel.TimeWindow(start=stamp(world.day(5, 0)), end=stamp(world.day(6, 0)))
    request = planning.OptimizeDayRequest(
        agent_ids=[world.agents[0]],
        span=day,
        relax=planning.RELAX_SEQUENCE,
        flexible=[
            planning.FlexibleAppointment(appointment_id=one.appointment_id, promised=[day])
            for one in (*near, far)
        ],
    )
    request.budget.time.FromTimedelta(timedelta(seconds=1))
    stub = PlanningServiceStub(world.channel)
    metadata = (("authorization", f"Bearer {world.token('AGENT_SUPERVISOR')}"),)
    plan = [update async for update in stub.OptimizeDay(request, metadata=metadata, timeout=60)][-1].plan
    planned = {visit.reference: visit.window.start.ToDatetime(tzinfo=UTC) for visit in plan.visits}
    assert planned, "first what is near, then what is far: there was something to gain"
    for one in (*near, far):
        first, last = arrival(one)
        assert first <= planned.get(one.appointment_id, first) <= last


async def test_a_new_fix_promises_anew(world: World) -> None:
    await promise(world, "7200s")
    booked = await world.book(world.day(5))
    state = f"sta_{request_id()}"
    service = OutcomesServiceStub(world.channel)
    made = outcomes.UpsertOutcomeStateRequest(state_id=state, display_name="Again", result=1, recall=1)
    await world.call(service.UpsertOutcomeState, made)
    start = world.day(8)
    request = refix.RefixAppointmentRequest(
        appointment_id=booked.appointment_id,
        time=refix.RefixTime(start=stamp(start)),
        state_id=state,
        request_id=request_id(),
    )
    fixed = await world.call(RefixServiceStub(world.channel).RefixAppointment, request)
    assert arrival(fixed) == (start, start + TWO_HOURS)
    assert await world.ownership() == ([], [])
    assert arrival(await stop_at(world, fixed.agent_id, start)) == (start, start + TWO_HOURS)
