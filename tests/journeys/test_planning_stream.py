"""Planning through the running gateway: progress as it comes, and a call that is given up ends its search."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from giro.booking.v1 import plans_pb2 as plans
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import planning_pb2 as planning
from giro.geo.v1.planning_pb2_grpc import PlanningServiceStub
from tests.world import Refusal, World, request_id, stamp

pytestmark = pytest.mark.asyncio
LONG = 60


def _tour(world: World, seconds: int, visits: int = 12) -> planning.PlanTourRequest:
    open_visits = [
        planning.OpenVisit(reference=f"v{n}", point=world.points[n % 12], duration=Duration(seconds=1200))
        for n in range(visits)
    ]
    span = travel.TimeWindow(start=stamp(world.day(5)), end=stamp(world.day(5) + timedelta(days=7)))
    budget = planning.SearchBudget(time=Duration(seconds=seconds), seed=7)
    return planning.PlanTourRequest(visits=open_visits, agent_ids=world.agents, span=span, budget=budget)


def _called(world: World, request: Any, timeout: float) -> Any:
    stub = PlanningServiceStub(world.channel)
    metadata = (("authorization", f"Bearer {world.token('AGENT_SUPERVISOR')}"),)
    return stub.PlanTour(request, metadata=metadata, timeout=timeout)


async def test_progress_comes_while_it_runs_and_the_plan_last(world: World) -> None:
    told = [(time.monotonic(), update) async for update in _called(world, _tour(world, 4), 60)]
    *before, (ended, last) = told
    assert last.WhichOneof("told") == "plan"
    shares = [update.progress.share for _, update in before]
    assert len(shares) >= 5
    assert shares == sorted(shares)
    assert max(shares) <= 1
    assert ended - before[0][0] > 1, "the first came with the plan: something on the way keeps it back"


async def test_a_plan_of_open_visits_is_booked_in_one_step(world: World) -> None:
    """What PlanTour places is there for all of them, or, once somebody has taken a time of it, for none."""
    (*_, last) = [update async for update in _called(world, _tour(world, 1, visits=6), 40)]
    contacts = {f"v{n}": contact for n, contact in enumerate(world.contacts)}
    visits = [
        plans.PlanVisit(
            campaign_id=world.campaign,
            contact_id=contacts[one.reference],
            agent_id=one.agent_id,
            start=one.window.start,
            duration=Duration(seconds=1200),
        )
        for one in last.plan.visits
    ]
    assert len(visits) == 6
    request = plans.BookPlanRequest(visits=visits, request_id=request_id())
    made = await world.call(world.plans.BookPlan, request, role="AGENT_SUPERVISOR")
    assert [(one.agent_id, one.start) for one in made.appointments] == [(v.agent_id, v.start) for v in visits]
    assert await world.call(world.plans.BookPlan, request, role="AGENT_SUPERVISOR") == made
    assert await world.violations() == []
    again = plans.BookPlanRequest(visits=visits[::-1], request_id=request_id())
    with pytest.raises(Refusal) as taken:
        await world.call(world.plans.BookPlan, again, role="AGENT_SUPERVISOR")
    assert taken.value.reason == "SLOT_TAKEN"
    assert len(await world.appointments()) == 6


async def test_a_call_that_is_given_up_ends_its_search(world: World) -> None:
    """With one worker, another plan would otherwise wait for the first one's minute."""
    calls = [_called(world, _tour(world, LONG), 90) for _ in range(4)]
    firsts = [asyncio.ensure_future(anext(aiter(call))) for call in calls]
    await asyncio.wait(firsts, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    for call in calls:
        call.cancel()
    await asyncio.gather(*firsts, return_exceptions=True)
    began = time.monotonic()
    updates = [update async for update in _called(world, _tour(world, 1, visits=3), 40)]
    assert updates[-1].WhichOneof("told") == "plan"
    assert time.monotonic() - began < LONG / 2


async def test_slots_are_found_while_every_worker_is_busy(world: World) -> None:
    """GEO-20: planning never stands in the way of the phone."""
    calls = [_called(world, _tour(world, LONG), 90) for _ in range(4)]
    firsts = [asyncio.ensure_future(anext(aiter(call))) for call in calls]
    await asyncio.wait(firsts, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    suggested = await world.suggest(1, limit=3)
    assert suggested.slots
    assert (await world.book_with(contact=1, slot_token=suggested.slots[0].slot_token)).appointment_id
    for call in calls:
        call.cancel()
    await asyncio.gather(*firsts, return_exceptions=True)


async def test_a_refusal_of_a_stream_comes_whole(world: World) -> None:
    request = _tour(world, 1)
    request.agent_ids.append("agt_" + "0" * 32)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await anext(aiter(_called(world, request, 20)))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
