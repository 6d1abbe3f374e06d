"""A day repaired while it goes on: where the agent is when the delay is told, and who may take over."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from geo.domain.plan import Plan
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.move_stop import MoveStop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.repair_day import PROMISE_KEPT, RepairDay, repair_day
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Change, Proposal
from kit.errors import NotFound
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
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
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]), sandbox=True)
    set_clock(opened.urls, at(-100))
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


async def book(world: World, agent: str, start: float, end: float, place: int) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
    return appointment


async def repaired(planner: Planner, command: RepairDay) -> Proposal:
    last = [one async for one in repair_day(planner, TENANT, command)][-1]
    assert isinstance(last, Proposal)
    return last


def changes(found: Proposal) -> dict[str, Change]:
    return {change.wanted.reference: change for change in found.changes}


@pytest_asyncio.fixture
async def round_of_three(world: World) -> AsyncIterator[tuple[str, list[str]]]:
    """Visits at 9, 11 and 14, an hour each; every drive takes 20 minutes."""
    set_clock(world.urls, at(-100))
    agent = await world.agent(week(lunch=False))
    ids = [
        await book(world, agent, start, start + 1, place)
        for start, place in ((9, NORTH), (11, SOUTH), (14, EAST))
    ]
    yield agent, ids
    set_clock(world.urls, at(-100))


@pytest.mark.parametrize(
    ("told", "moved"),
    [
        ((9.5, 40), {}),  # free at 10:40, needs until 11:00
        ((9.5, 41), {1: 11 + 1 / 60}),  # free at 10:41
        ((9.5, 150), {1: 15 + 20 / 60}),  # 12:50 to 13:50 would be too late for the third as well
        ((10.25, 24), {}),  # waits until 10:40 anyway
        ((10.25, 40), {1: 11.25}),  # free at 10:55
        ((10.75, 40), {1: 11 + 40 / 60}),  # on the way since 10:40: that much later there
        ((8.9, 5), {0: 9 + 5 / 60}),  # on the way from the base since 8:40
        ((16, 40), {}),  # nothing is left
    ],
)
async def test_a_delay_is_counted_from_where_the_agent_is(
    world: World,
    planner: Planner,
    round_of_three: tuple[str, list[str]],
    told: tuple[float, int],
    moved: dict[int, float],
) -> None:
    """`told`: the hour, and the minutes of the delay."""
    (agent, ids), (now, delay) = round_of_three, told
    set_clock(world.urls, at(now))
    found = changes(await repaired(planner, RepairDay(agent, delay=delay * 60, budget=QUICK)))
    assert found.keys() == {ids[number] for number in moved}
    for number, start in moved.items():
        change = found[ids[number]]
        assert abs(change.window.start - at(start)) < MINUTE  # the clock runs on
        assert change.option >= PROMISE_KEPT


async def test_a_delay_that_hurts_nobody_moves_nobody_and_one_that_does_moves_little(
    world: World, planner: Planner
) -> None:
    """To be at the south last would save a drive, and the promises would allow it (GEO-31)."""
    agent = await world.agent(week(lunch=False, base=None))
    ids = [
        await book(world, agent, start, start + 1, place)
        for start, place in ((9, NORTH), (11, SOUTH), (14, NORTH))
    ]
    promised = dict.fromkeys(ids[1:], (window(10, 18),))
    set_clock(world.urls, at(9.5))
    for delay, moved in ((60, {}), (41 * 60, {ids[1]: at(11) + MINUTE})):
        found = await repaired(planner, RepairDay(agent, delay=delay, promised=promised, budget=QUICK))
        assert {name: change.window.start for name, change in changes(found).items()} == moved
        assert all(change.option < PROMISE_KEPT for change in found.changes)
        assert found.proved
    set_clock(world.urls, at(-100))


async def test_a_delay_is_repaired_and_applied_within_five_seconds(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, ids = round_of_three
    helpers = [await world.agent(week(lunch=False)) for _ in range(4)]
    for helper in helpers:
        for start, place in ((9, WEST), (13, SOUTH), (16, NORTH)):
            await book(world, helper, start, start + 1, place)
    set_clock(world.urls, at(9.5))
    found = await repaired(planner, RepairDay(agent, delay=100 * 60, helpers=tuple(helpers)))
    moves = tuple(
        MoveStop(new_id("mov"), c.wanted.reference, Plan(c.agent_id, c.window, c.wanted.place))
        for c in found.changes
    )
    await move_stops(world.ledger, TENANT, MoveStops(moves))
    kept = changes(found)
    assert kept[ids[1]].agent_id in helpers
    assert kept[ids[1]].window == window(11, 12)  # the promise is kept, and nobody has to be called
    assert ids[2] not in kept
    await world.sound()


async def test_who_is_away_since_the_morning_keeps_what_is_past(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, ids = round_of_three
    set_clock(world.urls, at(10.5))
    found = await repaired(planner, RepairDay(agent, unavailable=window(8, 13), budget=QUICK))
    assert list(changes(found)) == [ids[1]]
    away = changes(found)[ids[1]].window
    assert away.start == at(15) + 20 * MINUTE or away.end + 20 * MINUTE <= at(14)


async def test_a_hold_gives_way_and_is_told(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, _ = round_of_three
    set_clock(world.urls, at(9.5))
    hold = new_id("hld")
    kept = HoldStop(hold, plan(agent, 12.5, 13, NORTH), timedelta(minutes=15), "")
    await hold_stop(world.ledger, TENANT, kept)
    found = await repaired(planner, RepairDay(agent, unavailable=window(12.25, 13.5), budget=QUICK))
    assert [one.wanted.reference for one in found.left_out] == [hold]
    assert found.changes == ()


async def test_only_those_eligible_take_over(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, ids = round_of_three
    first, second = await world.agent(week(lunch=False)), await world.agent(week(lunch=False))
    eligible = {ids[0]: frozenset({second}), ids[1]: frozenset[str](), new_id("apt"): frozenset({first})}
    command = RepairDay(
        agent, unavailable=window(8, 18), helpers=(first, second), eligible=eligible, budget=QUICK
    )
    found = await repaired(planner, command)
    taken = {name: change.agent_id for name, change in changes(found).items()}
    assert taken.keys() == {ids[0], ids[2]}
    assert taken[ids[0]] == second
    assert taken[ids[2]] in {first, second}
    assert [one.wanted.reference for one in found.left_out] == [ids[1]]


async def test_an_absence_that_was_repaired_can_be_entered(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, ids = round_of_three
    helper = await world.agent(week(lunch=False))
    away = window(8, 13)
    found = await repaired(planner, RepairDay(agent, unavailable=away, helpers=(helper,), budget=QUICK))
    assert {change.agent_id for change in found.changes} == {helper}
    assert set(changes(found)) == set(ids[:2])
    moves = tuple(
        MoveStop(new_id("mov"), c.wanted.reference, Plan(c.agent_id, c.window, c.wanted.place))
        for c in found.changes
    )
    await move_stops(world.ledger, TENANT, MoveStops(moves))
    await add_absence(world.ledger, TENANT, AddAbsence(agent, away, "broken down", new_id("req")))
    await world.sound()


async def test_unknown_agents_are_named_by_their_field(
    world: World, planner: Planner, round_of_three: tuple[str, list[str]]
) -> None:
    agent, _ = round_of_three
    for wrong, field in (
        (RepairDay(new_id("agt"), delay=600), "agent_id"),
        (RepairDay(agent, delay=600, helpers=(new_id("agt"),)), "helper_agent_ids"),
    ):
        told: Any = repair_day(planner, TENANT, wrong)
        with pytest.raises(NotFound) as unknown:
            await anext(told)
        assert unknown.value.violations[0].field == field
