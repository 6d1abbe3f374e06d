"""The travel data of each mode by itself: matrices, new roads against promises, plans over agents of both."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from geo.domain.agent import Agent
from geo.domain.legs import Pair
from geo.domain.matrix import Entry
from geo.domain.modes import TravelMode
from geo.domain.profile import HOURS, profile
from geo.domain.stop import TravelSource
from geo.solver.pool import PoolOptions, WorkerPool
from geo.storage.agendas import Agendas
from geo.storage.at_risk import PageStart
from geo.storage.matrices import Matrices
from geo.travel.estimate import Estimate
from geo.travel.tenant import TenantTravel
from geo.usecases.by_mode import ByMode
from geo.usecases.check_promises import TravelData
from geo.usecases.create_agent import create_agent
from geo.usecases.explain_start import ExplainStart, explain_start
from geo.usecases.import_matrix import Imported, TravelImport, import_travel
from geo.usecases.ledger import Ledger
from geo.usecases.list_now_infeasible import list_now_infeasible
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.search_slots import SlotSearch
from geo.usecases.set_travel_mode import set_travel_mode
from geo.usecases.verify_invariants import verify_invariants
from geo.usecases.watch_travel import watch_travel
from kit.db.claims import Claim
from kit.errors import Reason, RuleViolated, Unavailable
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.search.test_new_roads import Roads
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, World, at, open_world, plan, week, window

pytestmark = pytest.mark.asyncio

CAR, BICYCLE, _FOOT = TravelMode
BEGIN = PageStart("", datetime(1970, 1, 1, tzinfo=UTC))
RIDE = {(NORTH, SOUTH): (1000, 9000)}


class Paths(Roads):
    """Roads for bicycles: every ride takes 50 minutes, unless the test says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.mode, self.version, self.seconds = BICYCLE, "osrm-old-bicycle", 3000


@dataclass
class House:
    """A ledger with roads for cars (20 minutes) and bicycles (50), and the tenant's own data on top."""

    world: World
    roads: Roads
    paths: Paths
    ledger: Ledger
    data: TravelData
    travel: ByMode[TenantTravel]

    async def agent(self, mode: TravelMode) -> str:
        made = Agent(new_id("agt"), "Ada", (), 0, week(lunch=False), mode=mode)
        await create_agent(self.ledger, TENANT, made, Claim(new_id("req"), b""))
        return made.agent_id

    async def book(self, agent: str, start: float, end: float, place: int) -> str:
        appointment = new_id("apt")
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
        return appointment

    async def load(self, mode: TravelMode, entries: Mapping[Pair, Entry]) -> Imported:
        what = TravelImport(entries, mode=mode)
        return await import_travel(self.data, TENANT, what, Claim(new_id("req"), b""))

    async def at_risk(self) -> list[tuple[str, str, int]]:
        """Agent, version and missing seconds of the pairs that no longer fit."""
        return (await self.listed())[0]

    async def listed(self) -> tuple[list[tuple[str, str, int]], list[TravelMode]]:
        """The same, and the modes that were left out."""
        found = await list_now_infeasible(self.data, TENANT, BEGIN, 100)
        pairs = [
            (pair.promise.agent_id, pair.present.version if pair.present else "", pair.short_seconds)
            for pair in found.pairs
        ]
        return pairs, list(found.left_out)

    async def told(self) -> int:
        async with self.world.db.uow(TENANT) as tx:
            query = text("SELECT count(*) FROM geo.outbox WHERE subject LIKE '%.at_risk'")
            return int((await tx.run(query)).scalar_one())


@pytest_asyncio.fixture
async def house(make_database: Databases) -> AsyncIterator[House]:
    world, roads, paths = await open_world(make_database(["geo"])), Roads(), Paths()
    matrices = Matrices(world.db)
    travel = ByMode({CAR: TenantTravel(roads, matrices), BICYCLE: TenantTravel(paths, matrices)})
    yield House(world, roads, paths, Ledger(world.db, travel), TravelData(world.db, travel), travel)
    await world.db.stop()


async def test_a_matrix_is_of_one_mode_and_another_leaves_it_alone(house: House) -> None:
    assert (await house.load(BICYCLE, RIDE)).version == "osrm-old-bicycle+m1"
    assert (await house.load(CAR, {(NORTH, SOUTH): (700, 9000)})).version == "osrm-old-car+m2"
    for mode, seconds in ((CAR, 700), (BICYCLE, 1000)):
        book = await house.travel.of(mode).legs(TENANT, [(NORTH, SOUTH), (SOUTH, NORTH)])
        there, back = book.leg((NORTH, SOUTH)), book.leg((SOUTH, NORTH))
        assert there is not None
        assert back is not None
        assert (there.seconds, there.source) == (seconds, TravelSource.MATRIX)
        assert back.source is TravelSource.ROAD
    await house.load(CAR, {})
    still = (await house.travel.of(BICYCLE).legs(TENANT, RIDE)).leg((NORTH, SOUTH))
    assert still is not None
    assert (still.seconds, still.version) == (1000, "osrm-old-bicycle+m3")


async def test_large_matrices_of_two_modes_stand_side_by_side(house: House) -> None:
    """Each is as large as one call takes about; together they are more rows than one list of values holds."""
    sides = {CAR: 5000, BICYCLE: 5000}
    for mode, size in sides.items():
        await house.load(mode, {(NORTH, SOUTH + at): (600 + at, 1000) for at in range(size)})
    await house.load(CAR, {(NORTH, SOUTH): (650, 9000)})
    for mode, seconds in ((CAR, None), (BICYCLE, 600 + 4999)):
        book = await house.travel.of(mode).legs(TENANT, [(NORTH, SOUTH + 4999)])
        leg = book.leg((NORTH, SOUTH + 4999))
        assert leg is not None
        assert (leg.seconds if leg.source is TravelSource.MATRIX else None) == seconds
    async with house.world.db.uow(TENANT) as tx:
        query = text("SELECT version, entries FROM geo.matrix_versions ORDER BY version")
        told = [(row.version, row.entries) for row in await tx.run(query)]
        query = text("SELECT version, travel_mode, count(*) FROM geo.matrix_entries GROUP BY 1, 2 ORDER BY 2")
        there = [tuple(row) for row in await tx.run(query)]
    assert told == [(1, 5000), (2, 10_000), (3, 5001)]
    assert there == [(3, "bicycle", 5000), (3, "car", 1)]


async def test_data_of_a_mode_are_held_against_the_promises_of_that_mode_alone(house: House) -> None:
    driver, rider = await house.agent(CAR), await house.agent(BICYCLE)
    for agent in (driver, rider):
        await house.book(agent, 9.5, 10, NORTH)
        await house.book(agent, 11, 12, SOUTH)
    assert await house.at_risk() == []
    done = await house.load(BICYCLE, {(NORTH, SOUTH): (4000, 9000)})
    assert done == Imported("osrm-old-bicycle+m1", 1)
    assert await house.at_risk() == [(rider, "osrm-old-bicycle+m1", 400)]
    house.roads.version, house.roads.seconds = "osrm-new-car", 3700
    await watch_travel(house.data)
    found = await house.at_risk()
    assert sorted(found) == sorted([(rider, "osrm-old-bicycle+m1", 400), (driver, "osrm-new-car+m1", 100)])
    assert await house.told() == 2


async def test_roads_of_a_mode_that_nobody_uses_may_be_away(house: House) -> None:
    driver = await house.agent(CAR)
    await house.book(driver, 9, 10, NORTH)
    house.paths.dead = True
    assert (await house.load(CAR, RIDE)).now_infeasible == 0
    assert await house.at_risk() == []
    assert (await verify_invariants(house.ledger, TENANT)).violations == ()
    await house.book(driver, 12, 13, SOUTH)


async def test_an_import_for_cars_needs_no_answer_from_the_bicycles_roads(house: House) -> None:
    driver, rider = await house.agent(CAR), await house.agent(BICYCLE)
    for agent in (driver, rider):
        await house.book(agent, 9.5, 10, NORTH)
        await house.book(agent, 11, 12, SOUTH)
    house.paths.dead = True
    late = {(NORTH, SOUTH): (3700, 9000)}
    assert await house.load(CAR, late) == Imported("osrm-old-car+m1", 1)
    done = await import_travel(
        house.data, TENANT, TravelImport(profile=profile("UTC", [100] * HOURS)), Claim(new_id("req"), b"")
    )
    assert done.version == "osrm-old-car+m2p"
    with pytest.raises(Unavailable):
        await house.load(BICYCLE, late)
    house.paths.dead = False
    assert driver in {agent for agent, _, _ in await house.at_risk()}


async def test_pairs_of_drivers_are_listed_while_the_bicycles_roads_are_away(house: House) -> None:
    driver, rider = await house.agent(CAR), await house.agent(BICYCLE)
    for agent in (driver, rider):
        await house.book(agent, 9.5, 10, NORTH)
        await house.book(agent, 11, 12, SOUTH)
    house.roads.version, house.roads.seconds = "osrm-new-car", 3700
    house.paths.version, house.paths.seconds, house.paths.dead = "osrm-new-bicycle", 3700, True
    of_driver, of_rider = (driver, "osrm-new-car", 100), (rider, "osrm-new-bicycle", 100)
    assert await house.listed() == ([of_driver], [BICYCLE])
    house.paths.dead = False
    pairs, left_out = await house.listed()
    assert (sorted(pairs), left_out) == (sorted([of_driver, of_rider]), [])
    house.paths.dead = house.roads.dead = True
    house.paths.version, house.roads.version = "osrm-newest-bicycle", "osrm-newest-car"
    with pytest.raises(Unavailable):
        await house.listed()


async def test_what_is_refused_rests_on_the_matrix_in_force_where_one_mode_is_at_hand(house: House) -> None:
    """The cars' drives are known beforehand, the bicycles' are asked for: no refusal by an old matrix."""
    cars = TenantTravel(Estimate(CAR), Matrices(house.world.db))
    house.ledger = Ledger(house.world.db, ByMode({CAR: cars, BICYCLE: house.travel.of(BICYCLE)}))
    driver = await house.agent(CAR)
    await house.book(driver, 9, 10, NORTH)
    late = plan(driver, 10.25, 11, SOUTH)
    search = SlotSearch(Agendas(house.world.db), house.travel)
    asked = ExplainStart(late, (window(10, 12),), (), at(0))
    assert (await explain_start(house.ledger, search, TENANT, asked)).grounds
    await house.load(CAR, {(NORTH, SOUTH): (900, 9000)})
    assert not (await explain_start(house.ledger, search, TENANT, asked)).grounds
    await house.load(CAR, {(NORTH, SOUTH): (901, 9000)})
    with pytest.raises(RuleViolated):
        await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), late))
    await house.load(CAR, {(NORTH, SOUTH): (900, 9000)})
    await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), late))
    assert (await verify_invariants(house.ledger, TENANT)).violations == ()


async def test_who_changes_the_mode_is_no_longer_at_risk_by_the_old_one(house: House) -> None:
    agent = await house.agent(BICYCLE)
    await house.book(agent, 9, 10, NORTH)
    await house.book(agent, 11, 12, SOUTH)
    await house.load(BICYCLE, {(NORTH, SOUTH): (4000, 9000)})
    assert [one[0] for one in await house.at_risk()] == [agent]
    await set_travel_mode(house.ledger, TENANT, agent, CAR)
    assert await house.at_risk() == []
    assert (await verify_invariants(house.ledger, TENANT)).violations == ()


@pytest.mark.parametrize("order", ["mode first", "roads first", "mode after"])
async def test_a_mode_set_while_new_roads_arrive_is_held_against_them(house: House, order: str) -> None:
    """Another process, which has not heard of the new roads, sets the mode by the old ones: while promises
    are held against the new, right before they count as held, or when they do."""
    agent, other = await house.agent(CAR), await house.agent(BICYCLE)
    for one in (agent, other):
        await house.book(one, 9.5, 10, NORTH)
        await house.book(one, 11, 12, SOUTH)
    unaware = TenantTravel(Paths(), Matrices(house.world.db))
    elsewhere = Ledger(house.world.db, ByMode({CAR: house.travel.of(CAR), BICYCLE: unaware}))
    await watch_travel(house.data)
    house.paths.version, house.paths.seconds = "osrm-new-bicycle", 3601

    async def ride() -> object:
        return await set_travel_mode(elsewhere, TENANT, agent, BICYCLE)

    async def watch() -> object:
        return await watch_travel(house.data)

    if order == "mode after":
        await watch()
        await ride()
    else:
        first = order == "mode first"
        calls = (ride, watch) if first else (watch, ride)
        held = "geo.set_travel_mode.before_commit" if first else "geo.check_promises.before_mark"
        outcome = await two_sessions(*calls, at=held)
        assert outcome.held
        assert not isinstance(outcome.first, BaseException), outcome.first
        assert not isinstance(outcome.second, BaseException), outcome.second
    await watch_travel(house.data)
    assert await house.told() == 2
    short = ("osrm-new-bicycle", 1)
    assert sorted(await house.at_risk()) == sorted([(agent, *short), (other, *short)])


async def test_the_profile_of_the_week_does_not_slow_a_bicycle(house: House) -> None:
    half = profile("UTC", [50] * HOURS)
    what = TravelImport(profile=half)
    done = await import_travel(house.data, TENANT, what, Claim(new_id("req"), b""))
    assert done.version == "osrm-old-car+m1p"
    driver, rider = await house.agent(CAR), await house.agent(BICYCLE)
    for agent in (driver, rider):
        await house.book(agent, 9, 10, NORTH)
    legs = {
        mode: (await house.travel.of(mode).legs(TENANT, [(NORTH, SOUTH)])).leg((NORTH, SOUTH))
        for mode in (CAR, BICYCLE)
    }
    told = {mode: leg.departing(at(10)).seconds for mode, leg in legs.items() if leg is not None}
    assert told == {CAR: 2400, BICYCLE: 3000}
    assert (await verify_invariants(house.ledger, TENANT)).violations == ()


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(PoolOptions())
    yield made
    await made.stop()


async def test_a_tour_counts_each_agents_drives_by_their_mode(house: House, pool: WorkerPool) -> None:
    """Between two visits an hour fits by car, and not by bicycle; both are asked for in one problem."""
    driver, rider = await house.agent(CAR), await house.agent(BICYCLE)
    for agent in (driver, rider):
        await house.book(agent, 9, 10, NORTH)
        await house.book(agent, 12, 13, NORTH)
    visit = OpenVisit("v", SOUTH, 3600, (window(10, 12),))

    async def planned(*agents: str) -> Proposal:
        asked = PlanTour((visit,), agents, Window(at(0), at(24)), budget=Budget(0.3, 1, reproducible=True))
        last: Any = [one async for one in plan_tour(Planner(house.ledger, pool), TENANT, asked)][-1]
        assert isinstance(last, Proposal)
        return last

    (change,) = (await planned(rider, driver)).changes
    assert change.agent_id == driver
    await house.book(driver, *((change.window.start - at(0)).seconds / 3600 + hour for hour in (0, 1)), SOUTH)
    (left,) = (await planned(rider)).left_out
    assert {refusal.reason for _, refusal in left.refusals} == {Reason.TRAVEL_OUT}
    assert (await verify_invariants(house.ledger, TENANT)).violations == ()
