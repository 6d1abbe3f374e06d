"""Several moves in one transaction: all or nothing, the same answer again, and a repaired day applied."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from geo.domain.plan import Plan
from geo.domain.stop import Stop, StopKind
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.get_agent import get_itinerary
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.repair_day import RepairDay, repair_day
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.settle_move import settle_move
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError, InvalidInput, NotFound, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
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
    """A day is repaired around now: it is the week before the tests' own."""
    opened = await open_world(make_database(["geo"]), sandbox=True)
    set_clock(opened.urls, at(0, -5))
    yield opened
    await opened.db.stop()


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(PoolOptions())
    yield made
    await made.stop()


async def book(world: World, taken: Plan) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, taken))
    return appointment


async def visits(world: World, agent: str) -> dict[str, Stop]:
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(24))
    return {
        link.stop.owner_id or "": link.stop for link in found.stops if link.stop.kind is StopKind.APPOINTMENT
    }


def move(appointment: str, where: Plan) -> MoveStop:
    return MoveStop(new_id("mov"), appointment, where)


async def test_two_visits_change_places_which_no_single_move_could(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    first, second = (
        await book(world, plan(agent, 9, 10, NORTH)),
        await book(world, plan(agent, 11, 12, SOUTH)),
    )
    swapped = (move(first, plan(agent, 11, 12, NORTH)), move(second, plan(agent, 9, 10, SOUTH)))
    with pytest.raises(GiroError) as taken:
        await move_stop(world.ledger, TENANT, move(first, plan(agent, 11, 12, NORTH)))
    assert taken.value.reason is Reason.SLOT_TAKEN
    answers = await move_stops(world.ledger, TENANT, MoveStops(swapped))
    now = await visits(world, agent)
    assert (now[first].starts_at, now[second].starts_at) == (at(11), at(9))
    assert [answer.appointment_id for answer in answers] == [first, second]
    assert answers[0].before is not None
    assert answers[0].before.leg.from_place == SOUTH
    assert await move_stops(world.ledger, TENANT, MoveStops(swapped)) == answers
    await world.sound()


async def test_one_move_that_cannot_be_leaves_all_as_it_was(world: World) -> None:
    agent, other = await world.agent(week(lunch=False)), await world.agent(week(lunch=False))
    first, second = (
        await book(world, plan(agent, 9, 10, NORTH)),
        await book(world, plan(agent, 11, 12, SOUTH)),
    )
    await book(world, plan(other, 14, 15, EAST))
    before = await visits(world, agent), await visits(world, other)
    for bad, reason in (
        (plan(other, 14.5, 15.5, SOUTH), Reason.SLOT_TAKEN),
        (plan(other, 15.25, 16, SOUTH), Reason.TRAVEL_OUT),  # as seen from the first that comes
        (plan(other, 19, 20, SOUTH), Reason.OUTSIDE_SHIFT),
    ):
        moves = (move(first, plan(other, 9, 10, NORTH)), move(second, bad))
        with pytest.raises(GiroError) as refused:
            await move_stops(world.ledger, TENANT, MoveStops(moves))
        assert refused.value.reason is reason
        assert (await visits(world, agent), await visits(world, other)) == before
    await world.sound()


async def test_what_is_given_up_makes_room_in_the_same_transaction(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    lost, kept = (
        await book(world, plan(agent, 11, 12, SOUTH)),
        await book(world, plan(agent, 9, 10, NORTH)),
    )
    later = (move(kept, plan(agent, 11, 12, NORTH)),)
    await move_stops(world.ledger, TENANT, MoveStops(later, (lost,)))
    assert list(await visits(world, agent)) == [kept]
    with pytest.raises(GiroError) as gone:
        await move_stop(world.ledger, TENANT, move(lost, plan(agent, 14, 15, SOUTH)))
    assert gone.value.reason is Reason.SETTLED
    await world.sound()


async def test_what_is_wrong_is_named(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    first, second = (
        await book(world, plan(agent, 9, 10, NORTH)),
        await book(world, plan(agent, 11, 12, SOUTH)),
    )
    there = plan(agent, 14, 15, WEST)
    one = move(first, there)
    with pytest.raises(InvalidInput):
        await move_stops(world.ledger, TENANT, MoveStops((one, move(first, there))))
    with pytest.raises(InvalidInput):
        await move_stops(world.ledger, TENANT, MoveStops((one,), (first,)))
    with pytest.raises(NotFound):
        await move_stops(world.ledger, TENANT, MoveStops((one, move(new_id("apt"), there))))
    with pytest.raises(NotFound):
        await move_stops(world.ledger, TENANT, MoveStops((one,), (new_id("apt"),)))
    with pytest.raises(NotFound):
        await move_stops(world.ledger, "ten_2", MoveStops((one,)))
    await move_stops(world.ledger, TENANT, MoveStops((one,)))
    with pytest.raises(GiroError) as half:
        await move_stops(world.ledger, TENANT, MoveStops((one, move(second, plan(agent, 16, 17, SOUTH)))))
    assert half.value.reason is Reason.REQUEST_ID_REUSED


async def test_the_same_moves_with_others_given_up_are_another_request(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    first, second, third = [
        await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, place))
        for n, place in enumerate((NORTH, SOUTH, EAST))
    ]
    one, two = move(first, plan(agent, 15, 16, NORTH)), move(second, plan(agent, 9, 10, SOUTH))
    answers = await move_stops(world.ledger, TENANT, MoveStops((one, two), (third,)))
    assert await move_stops(world.ledger, TENANT, MoveStops((one, two), (third,))) == answers
    assert await move_stops(world.ledger, TENANT, MoveStops((two, one), (third,))) == answers[::-1]
    for other in (
        MoveStops((one, two)),
        MoveStops((one,), (third,)),
        MoveStops((one, two), (new_id("apt"),)),
    ):
        with pytest.raises(GiroError) as reused:
            await move_stops(world.ledger, TENANT, other)
        assert reused.value.reason is Reason.REQUEST_ID_REUSED
    await world.sound()


async def test_what_was_freed_before_may_be_given_up_again(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    lost, kept = [await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)) for n in range(2)]
    await settle_stop(world.ledger, TENANT, lost)
    together = MoveStops((move(kept, plan(agent, 9, 10, NORTH)),), (lost,))
    answers = await move_stops(world.ledger, TENANT, together)
    assert list(await visits(world, agent)) == [kept]
    assert await move_stops(world.ledger, TENANT, together) == answers
    with pytest.raises(GiroError) as gone:  # a move of it is another matter
        await move_stops(world.ledger, TENANT, MoveStops((move(lost, plan(agent, 14, 15, NORTH)),)))
    assert gone.value.reason is Reason.SETTLED
    await world.sound()


@pytest.mark.parametrize("abandoned", [0, 1])
async def test_one_abandoned_move_settles_all_of_them(world: World, abandoned: int) -> None:
    agent = await world.agent(week(lunch=False))
    ids = [await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)) for n in range(2)]
    moves = tuple(move(one, plan(agent, 14 + 2 * n, 15 + 2 * n, NORTH)) for n, one in enumerate(ids))
    before = await visits(world, agent)
    assert not (await settle_move(world.ledger, TENANT, moves[abandoned].move_id)).applied
    for _ in range(2):
        with pytest.raises(GiroError) as settled:
            await move_stops(world.ledger, TENANT, MoveStops(moves))
        assert settled.value.reason is Reason.SETTLED
    assert await visits(world, agent) == before
    assert not (await settle_move(world.ledger, TENANT, moves[1 - abandoned].move_id)).applied


async def test_what_a_plan_of_many_agents_lacks_is_asked_for_at_once(world: World) -> None:
    """Agent by agent, the twelfth's drives would have been asked for after the last attempt."""
    agents = [await world.agent(week(lunch=False)) for _ in range(12)]
    ids = [await book(world, plan(agent, 9, 10, NORTH)) for agent in agents]
    places = [LatLng(45.2 + n / 100, 7.0).key for n in range(12)]
    plans = [plan(agent, 14, 15, place) for agent, place in zip(agents, places, strict=True)]
    world.roads.asked.clear()
    made = await move_stops(world.ledger, TENANT, MoveStops(tuple(map(move, ids, plans))))
    assert [one.plan for one in made] == plans
    assert sorted(world.roads.asked) == sorted(
        pair for place in places for pair in ((HOME, place), (place, HOME))
    )
    await world.sound()


async def test_a_repaired_day_is_applied_at_once_and_the_absence_fits(world: World, pool: WorkerPool) -> None:
    agent, helper = await world.agent(week(lunch=False)), await world.agent(week(9, 12, lunch=False))
    for start, place in ((9, NORTH), (11, SOUTH), (15, EAST)):
        await book(world, plan(agent, start, start + 1, place))
    away = window(8, 18)
    asked = RepairDay(agent, unavailable=away, helpers=(helper,), budget=Budget(0.3, 1, reproducible=True))
    told = [one async for one in repair_day(Planner(world.ledger, pool), TENANT, asked)]
    found = told[-1]
    assert isinstance(found, Proposal)
    assert len(found.changes) + len(found.left_out) == 3
    assert found.left_out
    moves = tuple(
        move(change.wanted.reference, Plan(change.agent_id, change.window, change.wanted.place))
        for change in found.changes
    )
    lost = tuple(one.wanted.reference for one in found.left_out)
    await move_stops(world.ledger, TENANT, MoveStops(moves, lost))
    assert await visits(world, agent) == {}
    assert set(await visits(world, helper)) == {one.appointment_id for one in moves}
    await add_absence(world.ledger, TENANT, AddAbsence(agent, away, "broken down", new_id("req")))
    await world.sound()
