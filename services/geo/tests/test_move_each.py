"""Several moves in one transaction, each for itself: as if they came one by one, and fenced where refused."""

from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest
import pytest_asyncio

from geo.domain.plan import Plan, Reserved
from geo.domain.stop import StopKind
from geo.usecases.get_agent import get_itinerary
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_each import Outcome, move_each
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.parameters import set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_move import settle_move
from geo.usecases.settle_stop import settle_stop
from kit import failpoints
from kit.errors import GiroError, InvalidInput, Reason
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
    ISLAND,
    NORTH,
    PLACES,
    SOUTH,
    TENANT,
    WEST,
    World,
    at,
    open_world,
    plan,
    set_clock,
    week,
)

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]), sandbox=True)
    set_clock(opened.urls, at(0, -5))
    yield opened
    await opened.db.stop()


async def book(world: World, taken: Plan) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, taken))
    return appointment


def move(appointment: str, where: Plan) -> MoveStop:
    return MoveStop(new_id("mov"), appointment, where)


async def starts(world: World, agent: str) -> dict[str, float]:
    """Hours after Monday's midnight of an agent's visits by appointment."""
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(0, 14))
    return {
        link.stop.owner_id or "": (link.stop.starts_at - at(0)).total_seconds() / 3600
        for link in found.stops
        if link.stop.kind is StopKind.APPOINTMENT
    }


def reason(outcome: Outcome) -> Reason | None:
    return outcome.reason if isinstance(outcome, GiroError) else None


async def test_what_cannot_be_moved_spoils_no_other_and_is_fenced(world: World) -> None:
    agent, other = await world.agent(week(lunch=False)), await world.agent(week(lunch=False))
    first, second, third, fourth = [
        await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, place))
        for n, place in enumerate((NORTH, SOUTH, EAST, WEST))
    ]
    await book(world, plan(other, 14, 15, EAST))
    moves = [
        move(first, plan(agent, 9, 10, NORTH, day=1)),
        move(second, plan(other, 14.5, 15.5, SOUTH)),
        move(third, plan(other, 15.25, 16, SOUTH)),
        move(fourth, plan(agent, 19, 20, WEST)),
        move(new_id("apt"), plan(agent, 9, 10, WEST, day=3)),
    ]
    outcomes = await move_each(world.ledger, TENANT, moves)
    refused = [None, Reason.SLOT_TAKEN, Reason.TRAVEL_IN, Reason.OUTSIDE_SHIFT, Reason.NOT_FOUND]
    assert [reason(outcome) for outcome in outcomes] == refused
    assert await starts(world, agent) == {first: 33, second: 11, third: 13, fourth: 15}
    for one, made in zip(moves, (True, False, False, False, False), strict=True):
        assert (await settle_move(world.ledger, TENANT, one.move_id)).applied is made
    again = await move_each(world.ledger, TENANT, moves)
    assert again[0] == outcomes[0]
    assert [reason(outcome) for outcome in again[1:]] == [Reason.SETTLED] * 4
    assert await move_stop(world.ledger, TENANT, moves[0]) == outcomes[0], (
        "the same move, however it is asked"
    )
    await world.sound()


async def test_each_is_judged_by_what_those_before_it_have_left(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    first, second, third = [await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)) for n in range(3)]
    here = plan(agent, 15, 16, SOUTH)
    outcomes = await move_each(
        world.ledger,
        TENANT,
        [
            move(first, here),
            move(second, plan(agent, 15.5, 16.5, SOUTH)),
            move(third, plan(agent, 9, 10, EAST)),
        ],
    )
    assert [reason(outcome) for outcome in outcomes] == [None, Reason.SLOT_TAKEN, None]
    assert await starts(world, agent) == {third: 9, second: 11, first: 15}
    assert isinstance(outcomes[0], Reserved)
    assert outcomes[0].before is not None
    assert outcomes[0].before.leg.from_place == NORTH, "the drives are those after all of them"
    await world.sound()


async def test_what_is_wrong_with_the_call_is_named(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    one = move(await book(world, plan(agent, 9, 10, NORTH)), plan(agent, 11, 12, NORTH))
    twice = MoveStop(one.move_id, new_id("apt"), one.plan)
    for moves in ([one, move(one.appointment_id, one.plan)], [one, twice]):
        with pytest.raises(InvalidInput):
            await move_each(world.ledger, TENANT, moves)
    assert await starts(world, agent) == {one.appointment_id: 9}
    await move_each(world.ledger, TENANT, [one])
    (reused,) = await move_each(
        world.ledger, TENANT, [MoveStop(one.move_id, one.appointment_id, plan(agent, 15, 16, NORTH))]
    )
    assert reason(reused) is Reason.REQUEST_ID_REUSED
    (gone,) = await move_each(world.ledger, "ten_2", [move(one.appointment_id, one.plan)])
    assert reason(gone) is Reason.NOT_FOUND
    await settle_stop(world.ledger, TENANT, one.appointment_id)
    (settled,) = await move_each(world.ledger, TENANT, [move(one.appointment_id, one.plan)])
    assert reason(settled) is Reason.SETTLED


async def test_a_full_day_refuses_the_visit_that_would_be_too_many(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "2", agent)
    ids = [await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH, day=n // 2)) for n in range(4)]
    later = [plan(agent, 9 + 2 * n, 10 + 2 * n, SOUTH, day=4) for n in range(4)]
    outcomes = await move_each(world.ledger, TENANT, list(map(move, ids, later)))
    assert [reason(outcome) for outcome in outcomes] == [None, None, Reason.QUOTA, Reason.QUOTA]
    await world.sound()


async def test_no_drive_is_made_up_where_no_road_leads(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    ids = [await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)) for n in range(2)]
    where = (plan(agent, 9, 10, ISLAND, day=2), plan(agent, 12, 13, NORTH, day=2))
    outcomes = await move_each(world.ledger, TENANT, list(map(move, ids, where)))
    assert [reason(outcome) for outcome in outcomes] == [Reason.UNREACHABLE, None]
    await world.sound()


@pytest.mark.parametrize("instant", [False, True])
async def test_together_is_as_one_by_one(world: World, instant: bool) -> None:
    """Twins with equal agendas: the one's visits are moved one after the other, the other's together."""
    world.roads.instant = instant
    try:
        for seed in range(4):
            await _compare(world, Random(seed))
    finally:
        world.roads.instant = False
    await world.sound()


async def _compare(world: World, chance: Random) -> None:
    alone, together = [[await world.agent(week(lunch=seed == 0)) for seed in range(2)] for _ in range(2)]
    booked = [
        (chance.randrange(2), chance.randrange(2), 8.5 + 1.5 * chance.randrange(6), chance.choice(PLACES))
        for _ in range(10)
    ]
    moves = []
    for who, day, hour, place in booked:
        try:
            ids = [
                await book(world, plan(pair[who], hour, hour + 0.5, place, day=day))
                for pair in (alone, together)
            ]
        except GiroError:
            continue
        new = chance.randrange(2), 8.5 + chance.randrange(12) * 0.75, chance.randrange(4)
        moves.append(
            (ids, [plan(pair[new[0]], new[1], new[1] + 0.5, place, day=new[2]) for pair in (alone, together)])
        )
    one_by_one = [await _outcome(world.ledger, move(ids[0], plans[0])) for ids, plans in moves]
    at_once = await move_each(world.ledger, TENANT, [move(ids[1], plans[1]) for ids, plans in moves])
    assert list(map(reason, one_by_one)) == list(map(reason, at_once))
    assert 0 < sum(outcome is not None for outcome in map(reason, at_once)) < len(at_once)
    for first, second in zip(alone, together, strict=True):
        alike = await _agenda(world, first), await _agenda(world, second)
        assert [stop[:4] for stop in alike[0]] == [stop[:4] for stop in alike[1]]
        if world.roads.instant:  # else who asks for more legs at once may learn a shorter one
            assert alike[0] == alike[1]


async def _outcome(ledger: Ledger, one: MoveStop) -> Outcome:
    try:
        return await move_stop(ledger, TENANT, one)
    except GiroError as refused:
        return refused


async def _agenda(world: World, agent: str) -> list[tuple[object, ...]]:
    """What stands in an agenda, without ids."""
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(0, 7))
    return [
        (link.stop.kind, link.stop.starts_at, link.stop.ends_at, link.stop.place, link.leg)
        for link in found.stops
    ]


async def test_a_hold_that_has_expired_is_in_nobodys_way(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    appointment = await book(world, plan(agent, 9, 10, NORTH))
    there = plan(agent, 9, 10, SOUTH, day=1)
    hold = await hold_stop(world.ledger, TENANT, HoldStop(new_id("hld"), there, timedelta(days=1), "cmp usr"))
    taken, *_ = await move_each(world.ledger, TENANT, [move(appointment, there)])
    assert reason(taken) is Reason.SLOT_TAKEN
    set_clock(world.urls, hold.expires_at + timedelta(seconds=2))
    (made,) = await move_each(world.ledger, TENANT, [move(appointment, there)])
    assert isinstance(made, Reserved)
    await world.sound()


async def test_a_move_that_is_settled_meanwhile_is_refused_alone(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    moves = [
        move(
            await book(world, plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)),
            plan(agent, 9 + 2 * n, 10 + 2 * n, SOUTH, day=1),
        )
        for n in range(2)
    ]
    met = await two_sessions(
        lambda: move_each(world.ledger, TENANT, moves),
        lambda: settle_move(world.ledger, TENANT, moves[0].move_id),
        at="geo.move_each.before_lock",
    )
    assert (met.held, met.overtook) == (True, True)
    assert isinstance(met.first, list)
    assert [reason(outcome) for outcome in met.first] == [Reason.SETTLED, None]
    await world.sound()


@pytest.mark.parametrize("step", ["after_lock", "before_commit", "after_commit"])
async def test_who_dies_in_it_leaves_all_or_nothing_and_repeats(world: World, step: str) -> None:
    agent = await world.agent(week(lunch=False))
    moves = [
        move(await book(world, plan(agent, 9 + n, 9.5 + n, NORTH)), plan(agent, hour, hour + 1, SOUTH, day=1))
        for n, hour in enumerate((9, 9.5, 15))
    ]
    before = await starts(world, agent)

    async def die() -> None:
        failpoints.disarm(f"geo.move_each.{step}")
        raise KeyboardInterrupt

    failpoints.arm(f"geo.move_each.{step}", die)
    with pytest.raises(KeyboardInterrupt):
        await move_each(world.ledger, TENANT, moves)
    assert (await starts(world, agent) == before) is (step != "after_commit")
    outcomes = await move_each(world.ledger, TENANT, moves)
    refused = Reason.SETTLED if step == "after_commit" else Reason.SLOT_TAKEN
    assert [reason(outcome) for outcome in outcomes] == [None, refused, None]
    assert sorted((await starts(world, agent)).values()) == [10, 33, 39]
    await world.sound()
