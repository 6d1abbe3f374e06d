"""kill -9 within a plan of flexible appointments: all of it is made in the end, or nothing (GEO-27)."""

from typing import Any

import pytest

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import plans_pb2 as plans
from tests.eventually import eventually
from tests.failures.armed import doomed
from tests.failures.test_crashes import _final, _told_once, _until_it_dies
from tests.world import World, request_id

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(180)]


async def test_a_plan_is_made_whole_or_not_at_all(world: World, stack: Stack) -> None:
    world.patience = 15
    day = [
        await world.book(world.day(7, 9 + 2 * n), contact=n, promise=booking.PROMISE_DAY) for n in range(2)
    ]
    key = request_id()

    async def swap() -> Any:
        moves = [
            plans.PlanMove(appointment_id=one.appointment_id, start=other.start, version=1)
            for one, other in zip(day, reversed(day), strict=True)
        ]
        request = plans.ApplyPlanRequest(moves=moves, request_id=key)
        return await world.call(world.plans.ApplyPlan, request, role="AGENT_SUPERVISOR")

    world.patience = 0
    async with doomed(stack, "booking", "booking.repair.after_move"):
        acknowledged = await _until_it_dies(stack, "booking", swap)
    world.patience = 15
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    answer = await _final(swap)
    assert acknowledged is None or answer == acknowledged
    found = {each.appointment_id: each for each in await world.appointments()}
    starts = [found[one.appointment_id].start for one in day]
    made = not isinstance(answer, str)
    assert starts == [one.start for one in (reversed(day) if made else day)]
    assert await world.violations() == []
    await _told_once(world, found)
