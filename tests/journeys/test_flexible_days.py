"""A day of flexible visits is driven with less: proposed, and applied in one step (GEO-21, GEO-27)."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import plans_pb2 as plans
from giro.geo.v1 import geo_pb2 as geo
from tests.world import WEEKDAYS, World, request_id

pytestmark = pytest.mark.asyncio

BASE = (45.0703, 7.6869)


async def _proposed(world: World, agent: str) -> Any:
    request = plans.ProposePlanRequest(
        agent_ids=[agent],
        first_day=world.day(5).date().isoformat(),
        seed=11,
        search_time=Duration(seconds=2),
    )
    return await world.call(world.plans.ProposePlan, request, role="AGENT_SUPERVISOR")


async def test_a_day_is_planned_and_applied_within_what_was_promised(world: World) -> None:
    shifts = [geo.Shift(weekday=day, start="06:00", end="20:00") for day in WEEKDAYS]
    agent = await world.make_agent("Giada", base=BASE, shifts=shifts)
    world.agents = [agent]
    await world._make_campaign(50, 12)
    # to and fro over the town; the one in the middle is fixed
    order = (0, 3, 8, 11, 4)
    booked = [
        await world.book(
            world.day(5, 7 + 2 * n),
            contact=contact,
            promise=booking.PROMISE_UNSPECIFIED if n == 2 else booking.PROMISE_DAY,
        )
        for n, contact in enumerate(order)
    ]
    plan = await _proposed(world, agent)
    assert plan.flexible == 4
    assert plan.visits, "to and fro can be driven with less"
    assert plan.travel_after.seconds < plan.travel_before.seconds
    assert (await _proposed(world, agent)) == plan  # by its seed
    moves = [
        plans.PlanMove(
            appointment_id=each.appointment.appointment_id, start=each.start, version=each.appointment.version
        )
        for each in plan.visits
    ]
    request = plans.ApplyPlanRequest(moves=moves, request_id=request_id())
    made = await world.call(world.plans.ApplyPlan, request, role="AGENT_SUPERVISOR")
    assert [each.start for each in made.appointments] == [each.start for each in plan.visits]
    found = {each.appointment_id: each for each in await world.appointments()}
    fixed = found[booked[2].appointment_id]
    assert (fixed.start, fixed.version) == (booked[2].start, 1)
    for one in booked:
        if one.HasField("flexible"):
            promised, now = one.flexible.window, found[one.appointment_id]
            assert promised.start.seconds <= now.start.seconds
            assert now.end.seconds <= promised.end.seconds
    assert await world.violations() == []
    after = await _proposed(world, agent)
    assert after.travel_before == plan.travel_after
