"""Travel by time of day on the ledger: promises of the hour, and what a new profile does to them (GEO-16)."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text

from geo.domain.plan import Plan
from geo.domain.profile import HOURS, Profile, profile
from geo.domain.stop import Leg, TravelSource
from geo.solver.pool import PoolOptions, WorkerPool
from geo.storage.agendas import Agendas
from geo.storage.matrices import Matrices
from geo.travel.tenant import TenantTravel
from geo.usecases.check_promises import TravelData
from geo.usecases.get_reservation import get_reservation
from geo.usecases.import_matrix import Imported, TravelImport, get_travel, import_travel
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.optimize_day import OptimizeDay, optimize_day
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.search_slots import SearchSlots, SlotSearch
from geo.usecases.settle_stop import settle_stop
from geo.usecases.solver_ports import Progress
from geo.usecases.validate_route import RouteStop, ValidateRoute, validate_route
from geo.usecases.verify_invariants import verify_invariants
from giro.geo.v1 import geo_events_pb2
from kit.db.claims import Claim
from kit.errors import GiroError, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.search.test_new_roads import Roads
from services.geo.tests.support.world import (
    EAST,
    HOME,
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    World,
    at,
    everyones,
    open_world,
    plan,
    week,
    window,
)  # fmt: skip

pytestmark = pytest.mark.asyncio

FREE = 1200
"""Seconds of every drive at free flow; at half the speed 2,400."""


def rush(*hours: int, speed: int = 50, zone: str = "UTC") -> Profile:
    return profile(zone, [speed if hour % 24 in hours else 100 for hour in range(HOURS)])


@dataclass
class House:
    world: World
    roads: Roads
    travel: TenantTravel
    ledger: Ledger
    data: TravelData

    async def put(self, week: Profile | None, **more: object) -> Imported:
        what = TravelImport(profile=week, without_profile=week is None, **more)  # type: ignore[arg-type]
        return await import_travel(self.data, TENANT, what, Claim(new_id("req"), b""))

    async def book(self, agent: str, start: float, end: float, place: int) -> str:
        appointment = new_id("apt")
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
        return appointment

    async def refused(self, agent: str, start: float, end: float, place: int) -> tuple[Reason, int]:
        with pytest.raises(RuleViolated) as refused:
            await self.book(agent, start, end, place)
        return refused.value.reason, int(str(refused.value.metadata["short_seconds"]))

    async def leg(self, appointment: str) -> Leg:
        before = (await get_reservation(self.ledger, TENANT, appointment)).before
        assert before is not None
        return before.leg

    async def told(self) -> list[tuple[str, int]]:
        query = "SELECT payload FROM geo.outbox WHERE subject LIKE '%.at_risk' ORDER BY id"
        async with self.world.db.uow(TENANT) as tx:
            rows = await tx.run(text(query))
        events = [geo_events_pb2.AtRisk.FromString(bytes(row.payload)) for row in rows]
        return [(event.later_owner_id, event.short_seconds) for event in events]


async def reported(house: House) -> list[str]:
    """What the check of the guarantee finds."""
    return [violation.kind for violation in (await verify_invariants(house.ledger, TENANT)).violations]


@pytest_asyncio.fixture
async def house(make_database: Databases) -> AsyncIterator[House]:
    world, roads = await open_world(make_database(["geo"])), Roads()
    travel = TenantTravel(roads, Matrices(world.db))
    yield House(
        world, roads, travel, Ledger(world.db, everyones(travel)), TravelData(world.db, everyones(travel))
    )
    await world.db.stop()


async def test_the_promise_is_the_drive_for_who_leaves_when_the_stop_before_ends(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    assert (await house.put(rush(9))).version == "osrm-old-car+m1p"
    await house.book(agent, 8, 9, NORTH)
    short = await house.refused(agent, 9.5, 10, SOUTH)
    assert short == (Reason.TRAVEL_IN, 600)
    booked = await house.book(agent, 9 + 40 / 60, 10, SOUTH)
    leg = await house.leg(booked)
    assert (leg.seconds, leg.free, leg.version) == (2400, FREE, "osrm-old-car+m1p")
    after = await house.book(agent, 10 + 20 / 60, 11, WEST)  # from ten on it flows
    assert (await house.leg(after)).seconds == FREE
    assert await reported(house) == []


async def test_leaving_in_the_free_hour_and_arriving_in_the_rush(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.put(rush(9))
    await house.book(agent, 8, 8 + 50 / 60, NORTH)
    booked = await house.book(agent, 9 + 20 / 60, 10, SOUTH)
    assert (await house.leg(booked)).seconds == 600 + 1200
    assert await reported(house) == []


async def test_a_new_profile_tells_what_no_longer_fits_and_moves_nothing(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.book(agent, 8, 9, NORTH)
    tight = await house.book(agent, 9 + 20 / 60, 10, SOUTH)
    await house.book(agent, 11, 12, WEST)
    before = await house.leg(tight)
    done = await house.put(rush(9))
    assert (done.now_infeasible, await house.told()) == (1, [(tight, 1200)])
    assert await house.leg(tight) == before
    assert (await house.put(rush(9))).now_infeasible == 1  # one event for each version
    assert (await house.put(None)).now_infeasible == 0
    assert len(await house.told()) == 2
    assert await reported(house) == []


async def test_the_profile_and_the_matrix_are_set_apart_and_are_in_force_together(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.put(rush(9))
    await import_travel(
        house.data, TENANT, TravelImport({(NORTH, SOUTH): (600, 9)}), Claim(new_id("req"), b"")
    )
    await house.book(agent, 8, 9, NORTH)
    leg = await house.leg(await house.book(agent, 9 + 20 / 60, 10, SOUTH))
    assert (leg.seconds, leg.free, leg.source, leg.version) == (
        1200, 600, TravelSource.MATRIX, "osrm-old-car+m2p",
    )  # fmt: skip
    await house.put(rush(9, speed=25))
    book = await house.travel.legs(TENANT, [(NORTH, SOUTH)])
    told = book.leg((NORTH, SOUTH))
    assert told is not None
    assert (told.free, told.departing(at(9)).seconds) == (600, 2400)
    await house.put(None)
    assert (await get_travel(house.data, TENANT)).version == "osrm-old-car+m4"
    assert (await house.travel.legs(TENANT, [(NORTH, SOUTH)])).leg((NORTH, SOUTH)) == Leg(
        NORTH, SOUTH, 600, 9, TravelSource.MATRIX, "osrm-old-car+m4"
    )


async def test_removals_need_no_engine_whatever_profiles_the_day_was_booked_with(house: House) -> None:
    """Each day is booked under three profiles, then emptied in any order while the roads are dead."""
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (1, 2, 0, 3), (2, 1, 3, 0)]
    agents = [await house.world.agent(week(base=HOME, lunch=True)) for _ in orders]
    days: list[list[str]] = [[] for _ in orders]
    weeks = [None, rush(9, 13), rush(10, 13, speed=70), rush(8, 9, 10, 11, 12, 13, speed=60)]
    starts = [(9, NORTH), (10.5, SOUTH), (13.5, EAST), (15, WEST)]
    for start, place in starts:
        for day, agent in zip(days, agents, strict=True):
            day.append(await house.book(agent, start, start + 0.5, place))
        await house.put(weeks[len(days[0]) % len(weeks)])
    assert await reported(house) == []
    house.roads.dead = True
    for day, order in zip(days, orders, strict=True):
        for which in order:
            await settle_stop(house.ledger, TENANT, day[which])
        house.roads.dead = False
        assert await reported(house) == []
        house.roads.dead = True
    house.roads.dead = False
    assert await reported(house) == []


async def test_what_slot_search_offers_commits_and_a_minute_less_does_not(house: House) -> None:
    agent = await house.world.agent(week(base=HOME, lunch=True))
    await house.put(rush(8, 9, 12, 13, 17, speed=40))
    await house.book(agent, 9, 10, NORTH)
    await house.book(agent, 14, 15, SOUTH)
    search = SlotSearch(Agendas(house.world.db), everyones(house.travel))
    asked = SearchSlots(EAST, 1800, (window(0, 24),), at(0) - timedelta(days=60), (agent,))
    found = await search.search(TENANT, asked)
    assert len(found.slots) == 2
    for slot, _ in found.slots:
        start = datetime.fromtimestamp(slot.start, UTC)
        hours = (start - at(0)).total_seconds() / 3600
        held = await house.book(agent, hours, hours + 0.5, EAST)
        reserved = await get_reservation(house.ledger, TENANT, held)
        assert reserved.before is not None
        assert slot.leg_before is not None
        assert reserved.before.leg == slot.leg_before
        assert (
            slot.leave_at + slot.leg_before.departing(datetime.fromtimestamp(slot.leave_at, UTC)).seconds
            <= slot.start
        )
        await settle_stop(house.ledger, TENANT, held)
        last = hours + slot.slack / 3600
        await settle_stop(house.ledger, TENANT, await house.book(agent, last, last + 0.5, EAST))
        for early in (hours - 1 / 60, last + 1 / 60):
            with pytest.raises(GiroError):
                await house.book(agent, early, early + 0.5, EAST)
    assert await reported(house) == []


async def test_a_drive_of_another_hour_is_found_out(house: House) -> None:
    """Written past the code: a drive as it takes in the night, for who leaves in the rush hour."""
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.put(rush(9))
    await house.book(agent, 8, 9, NORTH)
    late = await house.book(agent, 9 + 40 / 60, 10, SOUTH)
    with closing(psycopg.connect(house.world.urls.app("geo"))) as connection:
        connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
        connection.execute(
            "INSERT INTO geo.legs (tenant_id, from_place, to_place, version, via, seconds, free_seconds,"
            " metres, source)"
            " SELECT tenant_id, from_place, to_place, version, via, 1200, 1200, metres, source"
            " FROM geo.legs WHERE free_seconds = 1200 AND seconds = 2400"
        )
        connection.execute(
            "UPDATE geo.stops SET leg_seconds = 1200, starts_at = starts_at - interval '20m'"
            " WHERE owner_id = %s",
            (late,),
        )
        connection.commit()
    (found,) = (await verify_invariants(house.ledger, TENANT)).violations
    assert (found.kind, found.short_seconds) == ("TRAVEL", 1200)


@pytest.mark.parametrize("weeks", [(rush(9), rush(10)), (rush(9), None), (None, None)])
async def test_a_way_over_a_removed_place_is_found_out_where_nobody_could_drive_it(
    house: House, weeks: tuple[Profile | None, Profile | None]
) -> None:
    """Written past the code: the way is as it was told, but a minute shorter than its parts."""
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.book(agent, 8, 9, NORTH)
    if weeks[0]:
        await house.put(weeks[0])
    over = await house.book(agent, 9 + 40 / 60, 10, SOUTH)
    if weeks[0]:
        await house.put(weeks[1])
    last = await house.book(agent, 11, 12, EAST)
    house.roads.dead = True
    await settle_stop(house.ledger, TENANT, over)
    house.roads.dead = False
    assert (await house.leg(last)).via
    assert await reported(house) == []
    with closing(psycopg.connect(house.world.urls.app("geo"))) as connection:
        connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
        connection.execute(
            "INSERT INTO geo.legs (tenant_id, from_place, to_place, version, via, seconds, free_seconds,"
            " metres, source) SELECT tenant_id, from_place, to_place, version, via, seconds - 60,"
            " free_seconds - 60, metres, source FROM geo.legs WHERE via"
        )
        connection.execute(
            "UPDATE geo.stops SET leg_seconds = leg_seconds - 60, leg_free_seconds = leg_free_seconds - 60"
            " WHERE owner_id = %s",
            (last,),
        )
        connection.commit()
    assert "LEG" in await reported(house)


async def test_a_round_is_validated_by_the_hour(house: House) -> None:
    agent = await house.world.agent(week(base=HOME, lunch=False))
    await house.put(rush(9))
    stops = (
        RouteStop("a", NORTH, window(8.5, 9)),
        RouteStop("b", SOUTH, window(9.5, 10)),
        RouteStop("c", EAST, window(10 + 20 / 60, 11)),
    )
    verdict = await validate_route(house.ledger, TENANT, ValidateRoute(agent, stops))
    assert [(fault.reference, fault.reason, fault.seconds) for fault in verdict.faults] == [
        ("b", Reason.TRAVEL_IN, 600)
    ]
    assert verdict.travel == FREE + 2 * FREE + FREE + FREE


@pytest_asyncio.fixture
async def planner(house: House) -> AsyncIterator[Planner]:
    pool = WorkerPool(PoolOptions())
    yield Planner(house.ledger, pool)
    await pool.stop()


async def proposed(told: AsyncIterator[Progress | Proposal]) -> Proposal:
    last = [one async for one in told][-1]
    assert isinstance(last, Proposal)
    return last


async def test_what_is_planned_commits_hour_by_hour(house: House, planner: Planner) -> None:
    """The ledger takes all that is proposed, in the rush hours and out of them."""
    agent = await house.world.agent(week(base=HOME, lunch=True))
    await house.put(rush(8, 9, 16, 17, speed=40))
    await house.book(agent, 11, 11.5, NORTH)
    open_visits = tuple(OpenVisit(f"v{n}", place, 1800) for n, place in enumerate((SOUTH, EAST, WEST)))
    asked = PlanTour(open_visits, (agent,), Window(at(0), at(24)), budget=Budget(0.3, 1, reproducible=True))
    found = await proposed(plan_tour(planner, TENANT, asked))
    assert found.changes
    for change in found.changes:
        ends = change.window.start, change.window.end
        start, end = ((instant - at(0)).total_seconds() / 3600 for instant in ends)
        await house.book(agent, start, end, change.wanted.place)
    assert await reported(house) == []


@pytest.mark.parametrize(
    ("rush_hour", "booked", "driven"), [(14, 11, (2400, 2400)), (10, 11.5, (4920, 1200))]
)
async def test_driving_before_and_after_is_the_ledgers_at_every_hour(
    house: House, planner: Planner, rush_hour: int, booked: float, driven: tuple[int, int]
) -> None:
    """The south visited last saves two drives, unless the one that is left then falls into the rush."""
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.put(rush(rush_hour, speed=30))
    await house.book(agent, 9, 10, NORTH)
    south = await house.book(agent, booked, booked + 1, SOUTH)
    await house.book(agent, 13, 14, NORTH)
    promised = {south: (window(booked, booked + 1), window(15.5, 16.5))}
    day, budget = Window(at(0), at(24)), Budget(0.3, 1, reproducible=True)
    found = await proposed(optimize_day(planner, TENANT, OptimizeDay((agent,), day, promised, budget=budget)))
    assert (found.travel_before, found.travel_after) == driven
    moves = [MoveStop(new_id("mov"), south, Plan(agent, c.window, SOUTH)) for c in found.changes]
    if moves:
        await move_stops(house.ledger, TENANT, MoveStops(tuple(moves)))
    async with house.world.db.uow(TENANT) as tx:
        legs = await tx.run(text("SELECT sum(leg_seconds) AS all FROM geo.stops"))
    assert legs.one().all == driven[1]


async def test_a_plan_that_fits_at_free_flow_alone_is_not_told(house: House, planner: Planner) -> None:
    """Two hours for one visit: enough for both drives at free flow, not in the rush."""
    agent = await house.world.agent(week(8, 10, base=HOME, lunch=False))
    visits = (OpenVisit("v", SOUTH, 4800),)
    asked = PlanTour(visits, (agent,), Window(at(0), at(24)), budget=Budget(0.3, 1, reproducible=True))
    assert len((await proposed(plan_tour(planner, TENANT, asked))).changes) == 1
    await house.put(rush(9))
    found = await proposed(plan_tour(planner, TENANT, asked))
    assert (found.changes, len(found.left_out)) == ((), 1)
    assert await house.refused(agent, 8 + 1 / 3, 9 + 2 / 3, SOUTH) == (Reason.TRAVEL_OUT, 600)
