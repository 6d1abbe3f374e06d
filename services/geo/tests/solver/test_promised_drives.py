"""Planning around drives that were promised: ways over places that are gone, older data, one version."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from geo.domain.duties import promised_drives
from geo.domain.legs import LegBook
from geo.domain.modes import TravelMode
from geo.domain.plan import Plan as StopPlan
from geo.domain.stop import Stop, StopKind
from geo.domain.tours import Plan
from geo.solver.pool import PoolOptions, WorkerPool
from geo.storage.agendas import read_agendas
from geo.usecases.move_stop import MoveStop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.optimize_day import OptimizeDay, optimize_day
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.draft import Draft, as_booked
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.problem import Posed, drives, posed
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.rounds.scene import read_scene
from geo.usecases.rounds.verdict import against
from geo.usecases.settle_stop import settle_stop
from kit.errors import Reason, Unavailable
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.support.world import (
    EAST,
    HOME,
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    World,
    at,
    open_world,
    plan,
    set_clock,
    week,
    window,
)

pytestmark = pytest.mark.asyncio
QUICK = Budget(0.3, 1, reproducible=True)
DAY = Window(at(0), at(24))


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]), sandbox=True)
    set_clock(opened.urls, at(0, -5))
    yield opened
    await opened.db.stop()


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(PoolOptions())
    yield made
    await made.stop()


@pytest.fixture
def planner(world: World, pool: WorkerPool) -> Planner:
    world.roads.seconds = {}
    return Planner(world.ledger, pool)


async def proposal(told: Any) -> Proposal:
    last = [one async for one in told][-1]
    assert isinstance(last, Proposal)
    return last


async def book(world: World, agent: str, start: float, end: float, place: int) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
    return appointment


async def over_a_place_that_is_gone(world: World) -> tuple[str, str, str]:
    """An agent, and two visits an hour apart: 40 min over a place in between, 80 min by the direct road."""
    world.roads.seconds = {(NORTH, SOUTH): 4800}
    agent = await world.agent(week(lunch=False))
    first = await book(world, agent, 9, 10, NORTH)
    between = await book(world, agent, 10 + 20 / 60, 10 + 25 / 60, EAST)
    last = await book(world, agent, 11, 12, SOUTH)
    await settle_stop(world.ledger, TENANT, between)
    return agent, first, last


async def test_a_way_over_a_place_that_is_gone_is_driven_in_a_tour(world: World, planner: Planner) -> None:
    agent, _, _ = await over_a_place_that_is_gone(world)
    asked = PlanTour((OpenVisit("v", WEST, 3600),), (agent,), DAY, budget=QUICK)
    found = await proposal(plan_tour(planner, TENANT, asked))
    (change,) = found.changes
    new = plan(agent, 0, 1, WEST)
    await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), replace(new, window=change.window)))
    await world.sound()


async def test_a_promised_way_holds_as_long_as_its_ends_stay(world: World, planner: Planner) -> None:
    """On trust, the best plan drives the short way to the last visit at a new time, which the ledger does not
    take; the plan that is told comes from not counting on it."""
    agent, first, last = await over_a_place_that_is_gone(world)
    world.roads.seconds[SOUTH, NORTH] = 6000
    other = await book(world, agent, 15, 16, NORTH)
    flexible = {one: (window(8, 18),) for one in (first, last, other)}
    asked = OptimizeDay((agent,), DAY, flexible, budget=Budget(1.0, 1, reproducible=True))
    found = await proposal(optimize_day(planner, TENANT, asked))
    moved = {change.wanted.reference: change for change in found.changes}
    assert moved[last].window.start - moved[other].window.end >= timedelta(seconds=4800)
    assert found.travel_after < found.travel_before
    moves = tuple(
        MoveStop(new_id("mov"), one.wanted.reference, StopPlan(agent, one.window, one.wanted.place))
        for one in found.changes
    )
    await move_stops(world.ledger, TENANT, MoveStops(moves))
    await world.sound()


async def test_what_can_only_be_driven_over_a_visit_that_moves_refuses_no_day(
    world: World, planner: Planner
) -> None:
    world.roads.seconds = {(NORTH, SOUTH): 4800}
    agent = await world.agent(week(lunch=False))
    await book(world, agent, 9, 10, NORTH)
    between = await book(world, agent, 10 + 20 / 60, 10 + 25 / 60, EAST)
    await book(world, agent, 11, 12, SOUTH)
    asked = OptimizeDay((agent,), DAY, {between: (window(8, 18),)}, budget=QUICK)
    found = await proposal(optimize_day(planner, TENANT, asked))
    assert found.travel_after <= found.travel_before


async def to_another_place(world: World, planner: Planner) -> tuple[Posed, Plan]:
    """A plan that takes the last of two visits elsewhere, and rests on a book without any drives."""
    agent = await world.agent(week(lunch=False))
    for n, place in enumerate((NORTH, SOUTH)):
        await book(world, agent, 9 + 2 * n, 10 + 2 * n, place)
    scene = await read_scene(planner, TENANT, (agent,), DAY)
    first, last = (as_booked(scene, 0, stop) for stop in scene.views[0].visits)
    draft = Draft(scene, (first, last))
    asked = posed(draft, await drives(planner, TENANT, draft), careful=False)
    elsewhere = Stop("stp_1", StopKind.APPOINTMENT, at(15), at(16), EAST)
    moved = replace(last, place=WEST, booked=(0, elsewhere))
    empty = LegBook(world.roads.told, {})
    return replace(
        asked, draft=replace(draft, wanted=(first, moved)), books={TravelMode.CAR: empty}
    ), asked.start


async def test_a_plan_is_judged_by_the_version_it_rests_on(world: World, planner: Planner) -> None:
    asked, plan_ = await to_another_place(world, planner)
    assert (
        await against(planner, TENANT, asked, plan_)
    ).reason is Reason.SLOT_TAKEN  # what is booked is still there
    agenda = next(iter(asked.draft.scene.agendas.values()))
    without = replace(agenda, stops=tuple(link for link in agenda.stops if link.stop.starts_at != at(11)))
    scene = replace(asked.draft.scene, agendas={agenda.agent_id: without})
    asked = replace(asked, draft=replace(asked.draft, scene=scene))
    assert (await against(planner, TENANT, asked, plan_)).reason is None
    with pytest.raises(Unavailable) as changed:
        await against(planner, TENANT, replace(asked, books={TravelMode.CAR: LegBook("older", {})}), plan_)
    assert changed.value.reason is Reason.TRAVEL_UNAVAILABLE


async def test_a_drive_to_a_visit_that_began_is_promised_no_more(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    for day in (0, 1):
        for hour, place in ((9, NORTH), (11, SOUTH)):
            taken = replace(plan(agent, hour, hour + 1, place), window=window(hour, hour + 1, day))
            await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), taken))
    async with world.db.uow(TENANT) as tx:
        agenda = (await read_agendas(tx, [agent], at(0), at(0, 3)))[agent]
    second = timedelta(seconds=1)
    there = NORTH, SOUTH
    assert there in promised_drives(agenda, at(11, 1) - second)
    assert there not in promised_drives(agenda, at(11, 1))
    assert (SOUTH, HOME) in promised_drives(agenda, at(11, 1))


async def test_only_what_is_near_is_read(world: World) -> None:
    agent = await world.agent(week(base=None, lunch=False))
    for day in (0, 3, 20, 40):
        taken = replace(plan(agent, 9, 10, NORTH), window=window(9, 10, day))
        await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), taken))

    async def days(until: Any) -> list[int]:
        async with world.db.uow(TENANT) as tx:
            found = (await read_agendas(tx, [agent], at(0), until))[agent]
        return [(link.stop.starts_at - at(9)).days for link in found.stops]

    assert await days(at(9, 3)) == [0, 3]  # one that starts then bounds the agenda
    assert await days(at(9, 3) + timedelta(seconds=1)) == [0, 3, 20]
    assert await days(at(0, 50)) == [0, 3, 20, 40]
