"""Several new stops in one transaction, all of them or none: a plan's visits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from geo.domain.certificate import Certified
from geo.domain.plan import Plan
from geo.usecases.get_agent import get_itinerary
from geo.usecases.parameters import set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.reserve_stops import reserve_stops
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError, InvalidInput, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from services.geo.tests.support.world import (
    EAST,
    HOME,
    ISLAND,
    NORTH,
    SOUTH,
    TENANT,
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


def asked(where: Plan, appointment: str = "") -> ReserveStop:
    return ReserveStop(appointment or new_id("apt"), where)


async def taken(world: World, *agents: str) -> int:
    """Stops on their agendas, bases included."""
    return sum(
        [len((await get_itinerary(world.ledger, TENANT, one, at(0), at(0, 7))).stops) for one in agents]
    )


async def refused(world: World, *wanted: ReserveStop) -> GiroError:
    with pytest.raises(GiroError) as found:
        await reserve_stops(world.ledger, TENANT, wanted)
    return found.value


async def test_all_are_made_at_once_and_told_again(world: World) -> None:
    agents = [await world.agent(week(lunch=False)) for _ in range(12)]
    places = [LatLng(45.2 + n / 100, 7.0).key for n in range(12)]
    wanted = [asked(plan(who, 14, 15, place)) for who, place in zip(agents, places, strict=True)]
    wanted += [asked(plan(agents[0], 9, 10, NORTH)), asked(plan(agents[0], 11, 12, SOUTH))]
    world.roads.asked.clear()
    made = await reserve_stops(world.ledger, TENANT, wanted)
    assert [one.plan for one in made] == [one.plan for one in wanted]
    assert made[-1].before is not None
    assert made[-1].before.leg.from_place == NORTH, "the stop that came with it"
    assert len(set(world.roads.asked)) == len(world.roads.asked), "each drive was asked for once"
    assert await reserve_stops(world.ledger, TENANT, wanted) == made
    assert await reserve_stops(world.ledger, TENANT, wanted[::-1]) == made[::-1]
    assert await reserve_stop(world.ledger, TENANT, wanted[0]) == made[0]
    await world.sound()


async def test_one_that_cannot_be_keeps_all_of_them_back_and_is_named(world: World) -> None:
    agent, other = await world.agent(week(lunch=False)), await world.agent(week(lunch=False))
    await reserve_stop(world.ledger, TENANT, asked(plan(other, 14, 15, EAST)))
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "3", agent)
    before = await taken(world, agent, other)
    good = [asked(plan(agent, 9, 10, NORTH)), asked(plan(agent, 11, 12, SOUTH))]
    for bad, reason in (
        (plan(other, 14.5, 15.5, SOUTH), Reason.SLOT_TAKEN),
        (plan(other, 15.25, 16, SOUTH), Reason.TRAVEL_IN),
        (plan(other, 12.75, 13.75, SOUTH), Reason.TRAVEL_OUT),
        (plan(agent, 11.5, 12.5, NORTH), Reason.SLOT_TAKEN),
        (plan(agent, 19, 20, NORTH), Reason.OUTSIDE_SHIFT),
        (plan(agent, 15, 16, ISLAND), Reason.UNREACHABLE),
        (plan(new_id("agt"), 9, 10, NORTH), Reason.NOT_FOUND),
    ):
        found = await refused(world, *good, asked(bad))
        assert (found.reason, [one.field for one in found.violations]) == (reason, ["stops[2].plan"])
    crowd = [asked(plan(agent, 14 + n, 14.5 + n, NORTH)) for n in range(2)]
    full = await refused(world, *good, *crowd)
    assert (full.reason, full.violations[0].field) == (Reason.QUOTA, "stops[3].plan")
    assert await taken(world, agent, other) == before
    assert len(await reserve_stops(world.ledger, TENANT, [*good, crowd[0]])) == 3, "the ids are free still"
    await world.sound()


async def test_what_is_reached_over_another_of_them_is_no_fault(world: World) -> None:
    """One by one, the first to come would be refused: the direct drive is the longer one."""
    agent = await world.agent(week(lunch=False))
    far = LatLng(45.9, 7.0).key
    world.roads.seconds = {(HOME, far): 4 * 3600, (far, HOME): 4 * 3600}
    world.roads.instant = True
    try:
        wanted = [
            asked(plan(agent, 10, 11, far)),
            asked(plan(agent, 9, 9.5, NORTH)),
            asked(plan(agent, 12, 13, EAST)),
        ]
        with pytest.raises(GiroError):
            await reserve_stop(world.ledger, TENANT, asked(wanted[0].plan))
        await reserve_stops(world.ledger, TENANT, wanted)
    finally:
        world.roads.seconds, world.roads.instant = {}, False
    await world.sound()


async def test_an_id_that_was_settled_or_used_before_refuses_all(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    wanted = [asked(plan(agent, 9, 10, NORTH)), asked(plan(agent, 11, 12, SOUTH))]
    await settle_stop(world.ledger, TENANT, wanted[1].appointment_id)
    assert (await refused(world, *wanted)).reason is Reason.SETTLED
    first, second = wanted[0], asked(wanted[1].plan)
    await reserve_stop(world.ledger, TENANT, first)
    assert (await refused(world, first, second)).reason is Reason.REQUEST_ID_REUSED
    await reserve_stop(world.ledger, TENANT, second)
    moved = asked(plan(agent, 15, 16, NORTH), second.appointment_id)
    assert (await refused(world, first, moved)).reason is Reason.REQUEST_ID_REUSED
    assert len(await reserve_stops(world.ledger, TENANT, [first, second])) == 2
    await world.sound()


async def test_what_is_wrong_with_the_call_is_named(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    one = asked(plan(agent, 9, 10, NORTH))
    wrong = {
        "appointment_id": [one, asked(plan(agent, 11, 12, NORTH), one.appointment_id)],
        "stops[1].hold_id": [one, ReserveStop(new_id("apt"), one.plan, "hld_1")],
        "stops[0].slot": [ReserveStop(new_id("apt"), one.plan, certified=Certified.__new__(Certified))],
    }
    for field, stops in wrong.items():
        found = await refused(world, *stops)
        assert isinstance(found, InvalidInput)
        assert [each.field for each in found.violations] == [field]
    assert await taken(world, agent) == 0


async def test_two_plans_for_the_same_times_leave_one_whole(world: World) -> None:
    agents = [await world.agent(week(lunch=False)) for _ in range(2)]
    plans = [
        [asked(plan(who, 9, 10, NORTH)) for who in each] for each in (agents, agents[::-1])
    ]  # in opposite order: agents are locked by id, so neither waits for the other in turn
    made = await asyncio.gather(
        *(reserve_stops(world.ledger, TENANT, one) for one in plans), return_exceptions=True
    )
    assert sorted(isinstance(one, GiroError) and one.reason is Reason.SLOT_TAKEN for one in made) == [0, 1]
    assert await taken(world, *agents) == 2 * 3
    await world.sound()
