"""Planning keeps to zones and quotas, and names them (GEO-24 to GEO-26)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from geo.domain.zones import Zone
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.optimize_day import OptimizeDay, Relax, optimize_day
from geo.usecases.parameters import set_parameter
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.repair_day import RepairDay, repair_day
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Planner
from geo.usecases.rounds.proposal import LeftOut
from geo.usecases.set_agent_zones import set_agent_zones
from geo.usecases.upsert_zone import upsert_zone
from geo.usecases.validate_route import RouteStop, ValidateRoute, validate_route
from kit.db.claims import Claim
from kit.errors import Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.solver.test_planning import DAY, QUICK, book, proposal
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
    return Planner(world.ledger, pool)


async def zone(world: World, **holds: object) -> str:
    made = Zone("", new_id("nam"), **holds)  # type: ignore[arg-type]
    return (await upsert_zone(world.ledger, TENANT, made, Claim(new_id("req"), b""))).zone_id


async def coder(world: World, *codes: str) -> str:
    """An agent for some postcodes."""
    agent = await world.agent(week(lunch=False))
    await set_agent_zones(world.ledger, TENANT, agent, [await zone(world, postcodes=codes)])
    return agent


async def test_a_tour_goes_to_the_agents_of_the_zones(world: World, planner: Planner) -> None:
    north, south = await coder(world, "N"), await coder(world, "S")
    visits = tuple(OpenVisit(f"v{n}", NORTH, 1800, postcode="NS"[n % 2]) for n in range(4))
    nobodys = OpenVisit("nobody", NORTH, 1800, postcode="X")
    told = await proposal(
        plan_tour(planner, TENANT, PlanTour((*visits, nobodys), (north, south), DAY, None, QUICK))
    )
    whose = {change.wanted.reference: change.agent_id for change in told.changes}
    assert whose == {"v0": north, "v1": south, "v2": north, "v3": south}
    assert {left.wanted.reference: reasons(left) for left in told.left_out} == {
        "nobody": {north: Reason.OUTSIDE_ZONE, south: Reason.OUTSIDE_ZONE}
    }


def reasons(left: LeftOut) -> dict[str, Reason]:
    """Why each agent does not take a visit."""
    return {view.agenda.agent_id: refusal.reason for view, refusal in left.refusals}


@pytest_asyncio.fixture
async def banded(world: World) -> AsyncIterator[tuple[str, str]]:
    """A travel band of 25 minutes, and an agent who has it; the west is 2,000 s from everywhere else."""
    before = world.roads.seconds
    others = (HOME, NORTH, SOUTH, EAST)
    world.roads.seconds = {pair: 2000 for one in others for pair in ((one, WEST), (WEST, one))}
    band, agent = await zone(world, band=1500), await world.agent(week(lunch=False))
    await set_agent_zones(world.ledger, TENANT, agent, [band])
    yield band, agent
    world.roads.seconds = before


async def test_a_visit_out_of_band_leaves_the_rest_of_the_tour_alone(
    world: World, planner: Planner, banded: tuple[str, str]
) -> None:
    _, agent = banded
    visits = tuple(OpenVisit(f"v{n}", place, 1800) for n, place in enumerate((NORTH, WEST, SOUTH, EAST)))
    told = await proposal(plan_tour(planner, TENANT, PlanTour(visits, (agent,), DAY, None, QUICK)))
    assert {change.wanted.reference for change in told.changes} == {"v0", "v2", "v3"}
    assert told.proved
    (left,) = told.left_out
    assert (left.wanted.reference, reasons(left)) == ("v1", {agent: Reason.OUTSIDE_ZONE})


async def test_a_visit_out_of_one_helpers_band_goes_to_another(
    world: World, planner: Planner, banded: tuple[str, str]
) -> None:
    _, helper = banded
    away, other = [await world.agent(week(lunch=False)) for _ in range(2)]
    far, near = await book(world, away, 10, 11, WEST), await book(world, away, 14, 15, SOUTH)
    gone = RepairDay(away, unavailable=window(8, 18), helpers=(helper,), budget=QUICK)
    told = await proposal(repair_day(planner, TENANT, gone))
    assert {c.wanted.reference: c.agent_id for c in told.changes} == {near: helper}
    (left,) = told.left_out
    assert (left.wanted.reference, reasons(left)[helper]) == (far, Reason.OUTSIDE_ZONE)
    told = await proposal(repair_day(planner, TENANT, replace(gone, helpers=(helper, other))))
    assert {c.wanted.reference: c.agent_id for c in told.changes}[far] == other
    assert told.left_out == ()


async def test_where_what_stays_decides_the_band_the_rest_is_repaired(
    world: World, planner: Planner, banded: tuple[str, str]
) -> None:
    """Without a base the band is measured from the other visits, none of which is pinned."""
    band, _ = banded
    agent = await world.agent(week(lunch=False, base=None))
    stays = await book(world, agent, 9, 10, NORTH)
    late, far = await book(world, agent, 11, 12, SOUTH), await book(world, agent, 14, 15, WEST)
    await set_agent_zones(world.ledger, TENANT, agent, [band])
    promised = dict.fromkeys((stays, late, far), (window(8, 18),))
    for away, moved, left in (
        (window(11, 11.5), {late}, set()),
        (window(14, 14.5), set(), {far}),
        (window(11, 15), {late}, {far}),
    ):
        asked = RepairDay(agent, unavailable=away, promised=promised, budget=QUICK)
        told = await proposal(repair_day(planner, TENANT, asked))
        assert {change.wanted.reference for change in told.changes} == moved
        assert {one.wanted.reference: reasons(one) for one in told.left_out} == {
            one: {agent: Reason.OUTSIDE_ZONE} for one in left
        }


async def test_a_tour_keeps_days_within_their_quota(world: World, planner: Planner) -> None:
    agent = await world.agent(week(lunch=False))
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "2", agent)
    await book(world, agent, 9, 10, NORTH)
    visits = tuple(OpenVisit(f"v{n}", NORTH, 1800) for n in range(3))
    told = await proposal(plan_tour(planner, TENANT, PlanTour(visits, (agent,), DAY, None, QUICK)))
    assert len(told.changes) == 1
    for left in told.left_out:
        ((_, refusal),) = left.refusals
        assert refusal.reason is Reason.QUOTA


async def test_a_day_that_is_too_long_already_can_be_re_ordered(world: World, planner: Planner) -> None:
    agent = await world.agent(week(lunch=False))
    booked = [await book(world, agent, 9 + 2 * n, 10 + 2 * n, place) for n, place in enumerate((EAST, WEST))]
    booked.append(await book(world, agent, 15, 16, EAST))
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "2", agent)
    world.roads.seconds[EAST, WEST] = world.roads.seconds[WEST, EAST] = 3600
    flexible = {one: (window(8, 18),) for one in booked}
    command = OptimizeDay((agent,), DAY, flexible, relax=Relax.SEQUENCE, budget=QUICK)
    told = await proposal(optimize_day(planner, TENANT, command))
    assert told.travel_after < told.travel_before
    assert told.left_out == ()


async def test_another_agents_zone_is_respected_in_a_days_plan(world: World, planner: Planner) -> None:
    """It would save an hour to give the visit away; the other's zone does not hold it."""
    mine, other = await world.agent(week(lunch=False)), await coder(world, "S")
    world.roads.seconds = {(a, b): 60 for a in (SOUTH, NORTH) for b in (SOUTH, NORTH) if a != b}
    postcoded = replace(plan(other, 9, 10, SOUTH), postcode="S")
    await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), postcoded))
    far = await book(world, mine, 12, 13, NORTH)
    command = OptimizeDay((mine, other), DAY, {far: (window(8, 18),)}, relax=Relax.ALL, budget=QUICK)
    told = await proposal(optimize_day(planner, TENANT, command))
    assert all(change.agent_id == mine for change in told.changes)


async def test_a_round_outside_zone_and_quota_says_so(world: World) -> None:
    """Roads take 20 minutes everywhere; the band is 19."""
    agent = await world.agent(week(lunch=False))
    band = await zone(world, band=19 * 60)
    codes = await zone(world, postcodes=("A",))
    stops = tuple(
        RouteStop(name, place, window(9 + 2 * n, 10 + 2 * n), postcode=code)
        for n, (name, place, code) in enumerate((("a", NORTH, "A"), ("b", NORTH, ""), ("c", SOUTH, "")))
    )
    route = ValidateRoute(agent, stops)
    assert (await validate_route(world.ledger, TENANT, route)).faults == ()
    await set_agent_zones(world.ledger, TENANT, agent, [band, codes])
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "2", agent)
    found = await validate_route(world.ledger, TENANT, route)
    told = [(fault.reference, fault.reason) for fault in found.faults]
    assert told == [("c", Reason.OUTSIDE_ZONE), ("c", Reason.QUOTA)], "b is where a is"
    alone = replace(route, stops=(stops[1],))
    (fault,) = (await validate_route(world.ledger, TENANT, alone)).faults
    assert (fault.reference, fault.reason) == ("b", Reason.OUTSIDE_ZONE)
