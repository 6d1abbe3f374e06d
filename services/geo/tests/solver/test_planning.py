"""Plans on a real ledger: what is proposed is what the ledger takes, and nothing else is touched."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from geo.domain.calendar import WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.domain.stop import StopKind
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.get_agent import get_itinerary
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.optimize_day import OptimizeDay, Relax, optimize_day
from geo.usecases.plan_tour import OpenVisit, PlanTour, plan_tour
from geo.usecases.repair_day import PROMISE_KEPT, RepairDay, repair_day
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Change, Proposal
from geo.usecases.rounds.scene import Scene, read_scene
from geo.usecases.validate_route import RouteStop, ValidateRoute, validate_route
from kit.errors import InvalidInput, NotFound, Reason, RuleViolated, Unavailable
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window
from services.geo.tests.support.world import (
    EAST,
    HOME,
    ISLAND,
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    Roads,
    World,
    at,
    everyones,
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
    """A day is repaired around now: it is the week before the tests' own."""
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


async def proposal(told: Any) -> Proposal:
    last = [one async for one in told][-1]
    assert isinstance(last, Proposal)
    return last


async def book(world: World, agent: str, start: float, end: float, place: int, **more: Any) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place, **more)))
    return appointment


def by_reference(found: Proposal) -> dict[str, Change]:
    return {change.wanted.reference: change for change in found.changes}


async def reserve(world: World, changes: Sequence[Change]) -> None:
    """Books what was proposed: the ledger has to take all of it."""
    for change in changes:
        asked = plan(change.agent_id, 0, 1, change.wanted.place, buffer=change.wanted.buffer)
        taken = ReserveStop(
            new_id("apt"), type(asked)(change.agent_id, change.window, asked.place, asked.buffer)
        )
        await reserve_stop(world.ledger, TENANT, taken)
    await world.sound()


@pytest.mark.parametrize("seed", range(6))
async def test_the_ledger_takes_every_visit_of_a_tour(world: World, planner: Planner, seed: int) -> None:
    random = Random(seed)
    bases = [HOME, None]
    agents = [
        await world.agent(
            week(base=random.choice(bases), lunch=random.random() < 0.7), buffer=random.choice([0, 600])
        )
        for _ in range(2)
    ]
    await book(world, agents[0], 10, 11, NORTH)
    places = [LatLng(45 + random.randint(-9, 9) / 100, 7 + random.randint(-9, 9) / 100).key for _ in range(8)]
    world.roads.seconds |= {
        (a, b): random.randint(300, 3000)
        for a in (*places, HOME, NORTH)
        for b in (*places, HOME, NORTH)
        if a != b
    }
    visits = tuple(
        OpenVisit(
            f"v{n}",
            place,
            random.choice([1800, 3600]),
            _random_windows(random),
            buffer=random.choice([0, 900]),
        )
        for n, place in enumerate(places)
    )
    asked = PlanTour(visits, tuple(agents), Window(at(0), at(48)), budget=QUICK)
    found = await proposal(plan_tour(planner, TENANT, asked))
    assert {c.wanted.reference for c in found.changes} | {o.wanted.reference for o in found.left_out} == {
        visit.reference for visit in visits
    }
    for change in found.changes:
        windows = visits[int(change.wanted.reference[1:])].windows
        assert not windows or any(
            w.start <= change.window.start and change.window.end <= w.end for w in windows
        )
    assert all(one.refusals for one in found.left_out)
    await reserve(world, found.changes)


def _random_windows(random: Random) -> tuple[Window, ...]:
    start = random.randint(8, 14)
    return random.choice(
        [(), (window(start, start + 3),), (window(start, start + 2), window(start + 3, start + 5, 1))]
    )


async def test_skills_choose_the_agent_and_without_one_nobody_comes(world: World, planner: Planner) -> None:
    plain, skilled = await world.agent(), await world.agent(skills=("gas",))
    visits = (
        OpenVisit("gas", NORTH, 3600, skills=("gas",)),
        OpenVisit("welding", EAST, 3600, skills=("welding",)),
        OpenVisit("island", ISLAND, 3600),
    )
    on_tuesdays = calendar("UTC", [WeeklyShift(2, 480, 1080)], [])
    idle = await world.agent(on_tuesdays, skills=("welding",))
    asked = PlanTour(visits, (plain, skilled, idle), DAY, budget=QUICK)
    found = await proposal(plan_tour(planner, TENANT, asked))
    assert [(c.wanted.reference, c.agent_id) for c in found.changes] == [("gas", skilled)]
    left = {one.wanted.reference: [r.reason for _, r in one.refusals] for one in found.left_out}
    unable = [Reason.NO_SKILL, Reason.NO_SKILL]
    assert left == {"welding": unable, "island": [Reason.UNREACHABLE, Reason.UNREACHABLE]}
    assert [one.shiftless for one in found.left_out] == [(idle,), (idle,)]


async def test_what_matters_most_is_placed_and_the_rest_says_by_how_much_it_fails(
    world: World, planner: Planner
) -> None:
    agent = await world.agent(week(8, 10, lunch=False))
    visits = tuple(OpenVisit(f"p{p}", NORTH, 4800, (window(8, 10),), priority=p) for p in (1, 5, 3))
    found = await proposal(plan_tour(planner, TENANT, PlanTour(visits, (agent,), DAY, budget=QUICK)))
    assert [c.wanted.reference for c in found.changes] == ["p5"]
    assert found.proved
    for one in found.left_out:
        assert [(r.reason, r.seconds) for _, r in one.refusals] == [
            (Reason.TRAVEL_OUT, 1200 + 2 * 4800 - 7200)
        ]


async def test_flexible_visits_are_put_in_order_and_pinned_ones_stay(world: World, planner: Planner) -> None:
    agent = await world.agent(week(lunch=False))
    near = {(NORTH, EAST): 300, (EAST, NORTH): 300, (SOUTH, WEST): 300, (WEST, SOUTH): 300}
    world.roads.seconds |= near
    first, second = await book(world, agent, 9, 10, NORTH), await book(world, agent, 11, 12, SOUTH)
    third, pinned = await book(world, agent, 13, 14, EAST), await book(world, agent, 16, 17, WEST)
    flexible = {one: (window(8, 16),) for one in (first, second, third)}
    asked = OptimizeDay((agent,), DAY, flexible, budget=QUICK)
    found = await proposal(optimize_day(planner, TENANT, asked))
    assert found.travel_after < found.travel_before
    assert pinned not in by_reference(found)
    again = await proposal(optimize_day(planner, TENANT, asked))
    assert [(c.wanted.reference, c.window) for c in again.changes] == [
        (c.wanted.reference, c.window) for c in found.changes
    ]
    for change in found.changes:
        assert at(8) <= change.window.start
        assert change.window.end <= at(16)
    await world.sound()


async def test_nothing_changes_where_nothing_is_flexible_or_frozen(world: World, planner: Planner) -> None:
    agent = await world.agent(week(lunch=False))
    world.roads.seconds |= {(NORTH, EAST): 300, (EAST, NORTH): 300}
    ids = [
        await book(world, agent, 9 + 2 * n, 10 + 2 * n, place) for n, place in enumerate((NORTH, SOUTH, EAST))
    ]
    flexible = {one: (window(8, 18),) for one in ids}
    for asked in (
        OptimizeDay((agent,), DAY, {}, budget=QUICK),
        OptimizeDay((agent,), DAY, flexible, relax=Relax.NONE, budget=QUICK),
        OptimizeDay((agent,), DAY, flexible, frozen_until=at(18), budget=QUICK),
        OptimizeDay((agent,), DAY, flexible, relax=Relax.TIMES, budget=QUICK),
    ):
        found = await proposal(optimize_day(planner, TENANT, asked))
        assert found.changes == ()
        assert found.travel_after == found.travel_before
    found = await proposal(optimize_day(planner, TENANT, OptimizeDay((agent,), DAY, flexible, budget=QUICK)))
    assert found.changes != ()


async def test_times_alone_keep_the_order_with_what_is_pinned_too(world: World, planner: Planner) -> None:
    """The first would save a drive behind the pinned one, which is at its place: that is another order."""
    agent = await world.agent(week(lunch=False, base=None))
    first, pinned = await book(world, agent, 9, 10, NORTH), await book(world, agent, 11, 12, SOUTH)
    last = await book(world, agent, 14, 15, NORTH)
    flexible = {one: (window(8, 18),) for one in (first, last)}
    asked = OptimizeDay((agent,), DAY, flexible, relax=Relax.TIMES, budget=QUICK)
    assert (await proposal(optimize_day(planner, TENANT, asked))).changes == ()
    free = OptimizeDay((agent,), DAY, flexible, budget=QUICK)
    (change,) = (await proposal(optimize_day(planner, TENANT, free))).changes
    assert change.wanted.reference in {first, last} - {pinned}


@pytest.mark.parametrize("frozen", [10.5, 11, 11.25])
async def test_what_begins_before_the_threshold_is_frozen_and_nothing_moves_in_front_of_it(
    world: World, planner: Planner, frozen: float
) -> None:
    agent = await world.agent(week(lunch=False, base=None))
    ids = [
        await book(world, agent, at_, at_ + 1, place) for at_, place in ((9, NORTH), (11, SOUTH), (14, NORTH))
    ]
    asked = OptimizeDay(
        (agent,), DAY, {one: (window(8, 18),) for one in ids}, at(frozen), Relax.ALL, budget=QUICK
    )
    found = by_reference(await proposal(optimize_day(planner, TENANT, asked)))
    assert ids[0] not in found
    assert (ids[1] in found) <= (frozen <= 11)  # one that begins at the threshold may move
    assert all(change.window.start >= at(frozen) for change in found.values())
    if frozen <= 11:
        assert found, "north, north and south is a drive less"


async def test_what_is_flexible_in_the_week_moves_to_another_day_within_its_promise_alone(
    world: World, planner: Planner
) -> None:
    agent = await world.agent(week(lunch=False))
    await book(world, agent, 9, 10, NORTH)
    other = Plan(agent, window(9, 10, 2), NORTH)
    alone = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(alone, other))
    span = Window(at(0), at(0, 5))
    for promised, moved in (
        ((window(8, 18), window(8, 18, 2)), True),
        ((window(8, 18, 2),), False),
        ((window(8, 10), window(8, 18, 2)), False),  # on the first day there is no room before ten
    ):
        asked = OptimizeDay((agent,), span, {alone: promised}, budget=QUICK)
        found = await proposal(optimize_day(planner, TENANT, asked))
        assert (alone in by_reference(found)) is moved
        assert found.travel_after <= found.travel_before
        for change in found.changes:
            assert any(w.start <= change.window.start and change.window.end <= w.end for w in promised)


async def test_relaxing_agents_as_well_moves_visits_to_who_is_near(world: World, planner: Planner) -> None:
    here, there = (
        await world.agent(week(base=NORTH, lunch=False)),
        await world.agent(week(base=SOUTH, lunch=False)),
    )
    appointment = await book(world, here, 10, 11, SOUTH)
    flexible = {appointment: (window(10, 11),)}
    stays = OptimizeDay((here, there), DAY, flexible, relax=Relax.SEQUENCE, budget=QUICK)
    assert (await proposal(optimize_day(planner, TENANT, stays))).changes == ()
    asked = OptimizeDay((here, there), DAY, flexible, relax=Relax.ALL, budget=QUICK)
    (change,) = (await proposal(optimize_day(planner, TENANT, asked))).changes
    assert (change.agent_id, change.window, change.previous_agent_id) == (there, window(10, 11), here)
    moved = plan(there, 10, 11, SOUTH)
    await move_stop(world.ledger, TENANT, MoveStop(new_id("mov"), appointment, moved))
    await world.sound()


async def test_an_absent_agents_visits_go_to_a_helper_at_their_time(world: World, planner: Planner) -> None:
    agent, helper = await world.agent(), await world.agent()
    morning, busy = await book(world, agent, 9, 10, NORTH), await book(world, agent, 14, 15, EAST)
    await book(world, helper, 14, 15, WEST)
    asked = RepairDay(agent, unavailable=window(8, 18), helpers=(helper,), budget=QUICK)
    found = await proposal(repair_day(planner, TENANT, asked))
    changes = by_reference(found)
    assert (changes[morning].agent_id, changes[morning].window) == (helper, window(9, 10))
    assert changes[morning].option < PROMISE_KEPT
    assert changes[busy].agent_id == helper
    assert changes[busy].option >= PROMISE_KEPT  # later that day, after a call
    assert changes[busy].window.start == at(15) + (at(1) - at(0)) / 3
    assert found.left_out == ()
    assert found.proved


async def test_without_help_a_visit_moves_behind_the_absence_and_what_has_no_room_is_told(
    world: World, planner: Planner
) -> None:
    agent = await world.agent(week(lunch=False))
    first, last = await book(world, agent, 9, 10, NORTH), await book(world, agent, 15, 17, EAST)
    asked = RepairDay(agent, unavailable=window(8, 12), budget=QUICK)
    found = await proposal(repair_day(planner, TENANT, asked))
    change = by_reference(found)[first]
    assert change.window.start == at(12) + (at(1) - at(0)) / 3
    assert change.option >= PROMISE_KEPT
    assert last not in by_reference(found)
    gone = await proposal(
        repair_day(planner, TENANT, RepairDay(agent, unavailable=window(8, 18), budget=QUICK))
    )
    assert {one.wanted.reference for one in gone.left_out} == {first, last}
    assert all(one.refusals for one in gone.left_out)
    stops = (await get_itinerary(world.ledger, TENANT, agent, at(0), at(24))).stops
    booked = {link.stop.owner_id for link in stops if link.stop.kind is StopKind.APPOINTMENT}
    assert booked == {first, last}  # a proposal writes nothing


async def test_a_promise_that_is_wider_than_the_time_needs_no_call(world: World, planner: Planner) -> None:
    agent = await world.agent(week(lunch=False))
    appointment = await book(world, agent, 9, 10, NORTH)
    away = window(8, 9.5)
    narrow = await proposal(repair_day(planner, TENANT, RepairDay(agent, unavailable=away, budget=QUICK)))
    assert by_reference(narrow)[appointment].option >= PROMISE_KEPT
    for kept in (
        RepairDay(agent, unavailable=away, promised={appointment: (window(9, 12),)}, budget=QUICK),
        RepairDay(agent, unavailable=away, tolerance=3600, budget=QUICK),
    ):
        found = await proposal(repair_day(planner, TENANT, kept))
        assert by_reference(found)[appointment].option < PROMISE_KEPT


async def test_what_does_not_exist_is_not_found_and_what_is_wrong_is_named(
    world: World, planner: Planner
) -> None:
    agent = await world.agent()
    nobody, nothing = new_id("agt"), new_id("apt")
    with pytest.raises(NotFound):
        await proposal(plan_tour(planner, TENANT, PlanTour((OpenVisit("v", NORTH, 60),), (nobody,), DAY)))
    with pytest.raises(NotFound):
        await proposal(plan_tour(planner, "ten_2", PlanTour((OpenVisit("v", NORTH, 60),), (agent,), DAY)))
    with pytest.raises(NotFound, match="appointment"):
        await proposal(optimize_day(planner, TENANT, OptimizeDay((agent,), DAY, {nothing: (window(8, 9),)})))
    away = RepairDay(agent, unavailable=window(8, 9), promised={nothing: (window(8, 9),)})
    with pytest.raises(NotFound, match="appointment"):
        await proposal(repair_day(planner, TENANT, away))
    visits = (OpenVisit("v", NORTH, 60), OpenVisit("v", EAST, 60))
    with pytest.raises(InvalidInput) as twice:
        await proposal(plan_tour(planner, TENANT, PlanTour(visits, (agent,), DAY)))
    assert twice.value.violations[0].field == "visits[1].reference"
    many = tuple(OpenVisit(f"v{n}", LatLng(45, n / 1000).key, 60) for n in range(260))
    with pytest.raises(InvalidInput, match="different places"):
        await proposal(plan_tour(planner, TENANT, PlanTour(many, (agent,), DAY)))
    with pytest.raises(RuleViolated) as night:
        await proposal(repair_day(planner, TENANT, RepairDay(agent, unavailable=window(1, 2))))
    assert night.value.reason is Reason.OUTSIDE_SHIFT


async def test_an_open_visit_is_not_named_as_one_that_is_booked(world: World, planner: Planner) -> None:
    agent = await world.agent()
    booked = await book(world, agent, 9, 10, NORTH)
    visits = (OpenVisit("v", EAST, 60), OpenVisit(booked, EAST, 60))
    with pytest.raises(InvalidInput) as taken:
        await proposal(plan_tour(planner, TENANT, PlanTour(visits, (agent,), DAY, budget=QUICK)))
    assert taken.value.violations[0].field == "visits[1].reference"


async def test_the_nearest_refusals_are_told_and_how_many_more_there_are(
    world: World, planner: Planner
) -> None:
    short, long = await world.agent(week(8, 17, lunch=False)), await world.agent(week(lunch=False))
    visits = (OpenVisit("v", NORTH, 12 * 3600),)
    span = Window(at(0), at(0, 14))
    found = await proposal(plan_tour(planner, TENANT, PlanTour(visits, (short, long), span, budget=QUICK)))
    (out,) = found.left_out
    assert [view.agenda.agent_id for view, _ in out.refusals] == [short] * 6 + [long] * 14
    assert out.more == 8


async def test_without_workers_planning_is_refused_and_booking_goes_on(world: World) -> None:
    agent = await world.agent()
    lonely = Planner(world.ledger, WorkerPool(PoolOptions(workers=0)))
    with pytest.raises(Unavailable):
        await proposal(plan_tour(lonely, TENANT, PlanTour((OpenVisit("v", NORTH, 60),), (agent,), DAY)))
    await book(world, agent, 9, 10, NORTH)
    stops = (RouteStop("a", NORTH, window(9, 10)),)
    assert (await validate_route(lonely.ledger, TENANT, ValidateRoute(agent, stops))).faults == ()


async def test_travel_times_that_cannot_be_had_refuse_the_plan(world: World, planner: Planner) -> None:
    agent = await world.agent()
    world.roads.closed = True
    with pytest.raises(Unavailable):
        await proposal(plan_tour(planner, TENANT, PlanTour((OpenVisit("v", NORTH, 60),), (agent,), DAY)))


class RoadsThatDied(Roads):
    """A road server that died after it told its version, and estimates in its place."""

    async def version(self, tenant: str) -> str:
        return "osrm-1-car"


async def test_the_version_told_is_that_of_the_legs_that_were_used(world: World, pool: WorkerPool) -> None:
    died = Planner(Ledger(world.db, everyones(RoadsThatDied(data="estimate-1"))), pool)
    for base, version in ((HOME, "estimate-1"), (None, "osrm-1-car")):  # without a base there is no drive
        agent = await world.agent(week(base=base))
        asked = PlanTour((OpenVisit("v", NORTH, 3600),), (agent,), DAY, budget=QUICK)
        assert (await proposal(plan_tour(died, TENANT, asked))).travel_version == version
        route = ValidateRoute(agent, (RouteStop("a", NORTH, window(9, 10)),))
        assert (await validate_route(died.ledger, TENANT, route)).travel_version == version


@pytest.mark.parametrize(
    ("stops", "told"),
    [
        ([("a", NORTH, 9, 10), ("b", SOUTH, 10.5, 11)], []),
        ([("a", NORTH, 9, 10), ("b", SOUTH, 10.25, 11)], [("b", Reason.TRAVEL_IN, 300)]),
        ([("a", NORTH, 9, 10), ("b", SOUTH, 9.5, 11)], [("b", Reason.SLOT_TAKEN, 1800)]),
        ([("a", NORTH, 8.25, 10)], [("a", Reason.TRAVEL_IN, 300)]),
        ([("a", NORTH, 17, 17.75)], [("", Reason.TRAVEL_OUT, 300)]),
        ([("a", NORTH, 17, 19)], [("a", Reason.OUTSIDE_SHIFT, 3600)]),
        ([("a", NORTH, 11.5, 12.5)], [("a", Reason.ON_BREAK, 1800)]),
        ([("a", NORTH, 11, 11.75), ("b", SOUTH, 13.25, 14)], [("b", Reason.TRAVEL_IN, 300)]),
        ([("a", ISLAND, 9, 10)], [("a", Reason.UNREACHABLE, 0), ("", Reason.UNREACHABLE, 0)]),
    ],
)
async def test_a_route_is_told_all_its_faults(
    world: World, stops: list[tuple[str, int, float, float]], told: list[tuple[str, Reason, int]]
) -> None:
    agent = await world.agent()
    asked = tuple(RouteStop(name, place, window(start, end)) for name, place, start, end in stops)
    found = await validate_route(world.ledger, TENANT, ValidateRoute(agent, asked))
    assert [(fault.reference, fault.reason, fault.seconds) for fault in found.faults] == told


async def test_a_round_over_more_than_62_days_is_refused_before_a_shift_is_looked_at(world: World) -> None:
    agent = await world.agent()
    first = RouteStop("a", NORTH, window(9, 10))
    longest, longer = window(8, 9, 62), Window(at(8, 62), at(9, 62) + timedelta(seconds=1))
    for last, kept in ((longest, True), (longer, False)):
        for stops in ((first, RouteStop("b", NORTH, last)), (RouteStop("b", NORTH, last), first)):
            asked = validate_route(world.ledger, TENANT, ValidateRoute(agent, stops))
            if kept:
                await asked
                continue
            with pytest.raises(InvalidInput) as refused:
                await asked
            late = [stop.reference for stop in stops].index("b")
            assert refused.value.violations[0].field == f"stops[{late}].window"


@pytest.mark.parametrize(
    ("away", "field"),
    [
        (Window(at(0, -5) + timedelta(days=62, minutes=1), at(1, 57)), "unavailable"),
        (Window(at(0, -69), at(0, -67) - timedelta(minutes=1)), "unavailable"),
        (Window(at(8), at(8, 31) + timedelta(seconds=1)), "unavailable"),
        (None, "delay"),
    ],
)
async def test_what_happens_far_from_now_or_for_long_repairs_no_day(
    world: World, planner: Planner, away: Window | None, field: str
) -> None:
    agent = await world.agent()
    delay = 0 if away else 31 * 86_400 + 1
    with pytest.raises(InvalidInput) as refused:
        await proposal(repair_day(planner, TENANT, RepairDay(agent, delay, away, budget=QUICK)))
    assert refused.value.violations[0].field == field


async def test_a_repair_looks_around_what_happens_and_not_from_now_on(
    world: World, planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await world.agent()
    looked: list[Window] = []

    async def noting(planner: Planner, tenant: str, agents: Sequence[str], span: Window) -> Scene:
        looked.append(span)
        return await read_scene(planner, tenant, agents, span)

    monkeypatch.setattr("geo.usecases.repair_day.read_scene", noting)
    away = window(8, 9, 55)
    found = await proposal(repair_day(planner, TENANT, RepairDay(agent, unavailable=away, budget=QUICK)))
    assert found.changes == ()
    assert looked == [Window(at(8, 47), at(9, 55) + timedelta(seconds=1))]


async def test_promises_skills_buffers_and_limits_of_a_route(world: World) -> None:
    agent = await world.agent(buffer=300)
    early = RouteStop("a", NORTH, window(9, 10), promised=(window(9.5, 12),), skills=("gas",))
    late = RouteStop("b", EAST, window(10.35, 11), promised=(window(8, 10.75),))
    found = await validate_route(world.ledger, TENANT, ValidateRoute(agent, (early, late), travel_limit=3599))
    assert [(fault.reference, fault.reason, fault.seconds) for fault in found.faults] == [
        ("a", Reason.NO_SKILL, 0),
        ("a", Reason.OUTSIDE_WINDOWS, -1800),
        ("b", Reason.OUTSIDE_WINDOWS, 900),
        ("b", Reason.TRAVEL_IN, 240),
        ("", Reason.TRAVEL_LIMIT, 1),
    ]
    assert found.travel == 3600
