"""Holding, reserving, moving and freeing visits: what fits, what is told, what happens twice or late."""

from datetime import timedelta

import pytest

from geo.domain.owner import Ending
from geo.domain.stop import TravelSource
from geo.storage import owners
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.get_agent import get_itinerary
from geo.usecases.get_hold import get_hold
from geo.usecases.get_reservation import get_reservation
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.release_hold import release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_move import settle_move
from geo.usecases.settle_stop import settle_stop
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotFound, Reason, RuleViolated, Unavailable
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
    HOME,
    ISLAND,
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    World,
    at,
    plan,
    week,
    window,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("either_engine")]


async def reserve(world: World, agent: str, start: float, end: float, place: int = NORTH) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
    return appointment


async def hold(world: World, agent: str, start: float, end: float, place: int = NORTH) -> str:
    hold_id = new_id("hld")
    command = HoldStop(hold_id, plan(agent, start, end, place), timedelta(minutes=5), "campaign")
    await hold_stop(world.ledger, TENANT, command)
    return hold_id


async def kinds(world: World, agent: str, day: int = 0) -> list[str]:
    found = await get_itinerary(world.ledger, TENANT, agent, at(0, day), at(24, day))
    return [str(linked.stop.kind) for linked in found.stops]


async def refusal(work: object) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await work  # type: ignore[misc]
    return refused.value


async def ending(world: World, owner_id: str) -> Ending | None:
    async with world.db.uow(TENANT) as tx:
        return (await owners.find(tx, owner_id))[owner_id].ending


# --- what fits


async def test_the_first_visit_brings_the_day_with_it(world: World) -> None:
    agent = await world.agent()
    reserved = await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), plan(agent, 9, 10, NORTH)))
    assert await kinds(world, agent) == ["DAY_START", "APPOINTMENT", "BREAK", "DAY_END"]
    assert reserved.before is not None
    assert reserved.after is not None
    assert (reserved.before.leg.from_place, reserved.before.leg.seconds) == (HOME, 1200)
    assert (reserved.after.leg.to_place, reserved.after.leg.source) == (NORTH, TravelSource.NONE)
    await world.sound()


async def test_the_base_is_left_at_the_start_of_the_shift_and_not_before(world: World) -> None:
    agent = await world.agent()
    error = await refusal(reserve(world, agent, 8.25, 9))
    assert (error.reason, error.metadata["short_seconds"]) == (Reason.TRAVEL_IN, "300")
    await reserve(world, agent, 8 + 1 / 3, 9)
    error = await refusal(reserve(world, agent, 17, 17.75))
    assert (error.reason, error.metadata["short_seconds"]) == (Reason.TRAVEL_OUT, "300")
    await reserve(world, agent, 17, 17 + 2 / 3)
    free = await world.agent(week(base=None))
    await reserve(world, free, 8, 9)
    await reserve(world, free, 17, 18)
    await world.sound()


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (7.5, 8.5, Reason.OUTSIDE_SHIFT),
        (17.5, 18.5, Reason.OUTSIDE_SHIFT),
        (19, 20, Reason.OUTSIDE_SHIFT),
        (11.5, 12.5, Reason.ON_BREAK),
        (12, 13, Reason.ON_BREAK),
        (9.5, 10.5, Reason.SLOT_TAKEN),
        (10.1, 10.5, Reason.TRAVEL_IN),
        (8.5, 8.9, Reason.TRAVEL_OUT),
        (14.5, 15.5, Reason.ABSENT),
    ],
)
async def test_what_is_in_the_way_is_named(world: World, start: float, end: float, reason: Reason) -> None:
    agent = await world.agent()
    await reserve(world, agent, 9, 10)
    await add_absence(world.ledger, TENANT, AddAbsence(agent, window(15, 16), "", new_id("req")))
    error = await refusal(reserve(world, agent, start, end, SOUTH))
    assert error.reason is reason
    assert error.metadata["agent_id"] == agent
    assert isinstance(error, AlreadyExists if reason is Reason.SLOT_TAKEN else RuleViolated)
    await world.sound()


async def test_skills_buffers_and_unreachable_places(world: World) -> None:
    agent = await world.agent(buffer=600, skills=("gas",))
    asked = plan(agent, 8.5, 9, NORTH)
    lacking = ReserveStop(new_id("apt"), asked.__class__(agent, asked.window, NORTH, 0, ("gas", "oil")))
    error = await refusal(reserve_stop(world.ledger, TENANT, lacking))
    assert (error.reason, error.metadata["skill"]) == (Reason.NO_SKILL, "oil")
    longer = ReserveStop(new_id("apt"), plan(agent, 8.5, 9, NORTH, buffer=601))
    error = await refusal(reserve_stop(world.ledger, TENANT, longer))
    assert (error.reason, error.metadata["short_seconds"]) == (Reason.TRAVEL_IN, "1")
    assert (await refusal(reserve(world, agent, 10, 11, ISLAND))).reason is Reason.UNREACHABLE
    reserved = await reserve_stop(world.ledger, TENANT, ReserveStop(new_id("apt"), asked))
    assert reserved.before is not None
    assert reserved.before.buffer == 600


async def test_without_an_engine_nothing_is_booked_and_everything_can_be_freed(world: World) -> None:
    agent = await world.agent()
    first, second = await reserve(world, agent, 9, 10), await reserve(world, agent, 10.5, 11, EAST)
    held = await hold(world, agent, 14, 15, SOUTH)
    world.roads.closed, world.roads.instant = True, False
    error = await refusal(reserve(world, agent, 16, 16.5, WEST))
    assert isinstance(error, Unavailable)
    assert error.reason is Reason.TRAVEL_UNAVAILABLE
    assert await settle_stop(world.ledger, TENANT, second)
    await release_hold(world.ledger, TENANT, held)
    assert await settle_stop(world.ledger, TENANT, first)
    await world.sound()


async def test_asymmetric_roads(world: World) -> None:
    """GEO-13."""
    world.roads.seconds = {(NORTH, SOUTH): 600, (SOUTH, NORTH): 3600}
    agent = await world.agent()
    await reserve(world, agent, 9, 10, NORTH)
    await reserve(world, agent, 10 + 1 / 6, 11, SOUTH)
    other = await world.agent()
    await reserve(world, other, 9, 10, SOUTH)
    error = await refusal(reserve(world, other, 10 + 1 / 6, 11, NORTH))
    assert (error.reason, error.metadata["short_seconds"]) == (Reason.TRAVEL_IN, "3000")


async def test_visits_over_midnight_are_neighbours(world: World) -> None:
    from services.geo.tests.support.night import nights

    agent = await world.agent(nights())
    await reserve(world, agent, 23.5, 23.92, NORTH)
    error = await refusal(reserve(world, agent, 24.08, 24.5, SOUTH))
    assert error.reason is Reason.TRAVEL_IN
    await reserve(world, agent, 24.3, 24.5, SOUTH)
    await world.sound()


# --- holds


async def test_a_hold_becomes_the_appointments_stop(world: World) -> None:
    agent = await world.agent()
    held = await hold(world, agent, 9, 10)
    assert (await refusal(reserve(world, agent, 9, 10))).reason is Reason.SLOT_TAKEN
    kept = await get_hold(world.ledger, TENANT, held)
    assert kept.context == "campaign"
    appointment = new_id("apt")
    other = plan(agent, 9, 10, SOUTH)
    wrong = await refusal(reserve_stop(world.ledger, TENANT, ReserveStop(appointment, other, held)))
    assert isinstance(wrong, InvalidInput)
    assert wrong.violations[0].field == "plan"
    command = ReserveStop(appointment, kept.plan, held)
    reserved = await reserve_stop(world.ledger, TENANT, command)
    assert reserved == await reserve_stop(world.ledger, TENANT, command)
    assert reserved == await get_reservation(world.ledger, TENANT, appointment)
    assert (reserved.before, reserved.after) == (kept.before, kept.after)
    assert await ending(world, held) is Ending.BOOKED
    assert isinstance(await refusal(get_hold(world.ledger, TENANT, held)), NotFound)
    assert (await refusal(release_hold(world.ledger, TENANT, held))).reason is Reason.SETTLED
    again = ReserveStop(new_id("apt"), kept.plan, held)
    assert (await refusal(reserve_stop(world.ledger, TENANT, again))).reason is Reason.SETTLED
    assert await kinds(world, agent) == ["DAY_START", "APPOINTMENT", "BREAK", "DAY_END"]


async def test_a_released_hold_is_over(world: World) -> None:
    agent = await world.agent()
    held = await hold(world, agent, 9, 10)
    for _ in range(2):
        await release_hold(world.ledger, TENANT, held)
    late = ReserveStop(new_id("apt"), plan(agent, 9, 10, NORTH), held)
    assert (await refusal(reserve_stop(world.ledger, TENANT, late))).reason is Reason.SETTLED
    assert isinstance(await refusal(release_hold(world.ledger, TENANT, new_id("hld"))), NotFound)
    await reserve(world, agent, 9, 10)


async def test_the_same_hold_again_is_the_first_answer(world: World) -> None:
    agent = await world.agent()
    command = HoldStop(new_id("hld"), plan(agent, 9, 10, NORTH), timedelta(minutes=5))
    first = await hold_stop(world.ledger, TENANT, command)
    assert await hold_stop(world.ledger, TENANT, command) == first
    other = HoldStop(command.hold_id, plan(agent, 9, 10, SOUTH), timedelta(minutes=5))
    assert (await refusal(hold_stop(world.ledger, TENANT, other))).reason is Reason.REQUEST_ID_REUSED


# --- repetitions and latecomers


async def test_the_same_reserve_again_is_the_first_answer(world: World) -> None:
    agent = await world.agent()
    command = ReserveStop(new_id("apt"), plan(agent, 9, 10, NORTH))
    first = await reserve_stop(world.ledger, TENANT, command)
    await reserve(world, agent, 10.5, 11, SOUTH)  # other neighbours since then
    assert await reserve_stop(world.ledger, TENANT, command) == first
    other = ReserveStop(command.appointment_id, plan(agent, 9, 10, SOUTH))
    assert (await refusal(reserve_stop(world.ledger, TENANT, other))).reason is Reason.REQUEST_ID_REUSED


async def test_a_settled_appointment_is_refused_for_ever(world: World) -> None:
    agent, appointment = await world.agent(), new_id("apt")
    assert [await settle_stop(world.ledger, TENANT, appointment) for _ in range(2)] == [False, False]
    late = ReserveStop(appointment, plan(agent, 9, 10, NORTH))
    assert (await refusal(reserve_stop(world.ledger, TENANT, late))).reason is Reason.SETTLED
    booked = await reserve(world, agent, 9, 10)
    assert [await settle_stop(world.ledger, TENANT, booked) for _ in range(2)] == [True, True]
    move = MoveStop(new_id("mov"), booked, plan(agent, 14, 15, NORTH))
    assert (await refusal(move_stop(world.ledger, TENANT, move))).reason is Reason.SETTLED
    assert isinstance(await refusal(get_reservation(world.ledger, TENANT, booked)), NotFound)


async def test_moves_once_and_settled_moves_never(world: World) -> None:
    agent = await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    move = MoveStop(new_id("mov"), appointment, plan(agent, 14, 15, SOUTH))
    moved = await move_stop(world.ledger, TENANT, move)
    assert await move_stop(world.ledger, TENANT, move) == moved
    settled = await settle_move(world.ledger, TENANT, move.move_id)
    assert settled.stop == moved
    other = MoveStop(move.move_id, appointment, plan(agent, 16, 17, SOUTH))
    assert (await refusal(move_stop(world.ledger, TENANT, other))).reason is Reason.REQUEST_ID_REUSED
    late = MoveStop(new_id("mov"), appointment, plan(agent, 16, 17, SOUTH))
    assert [(await settle_move(world.ledger, TENANT, late.move_id)).applied for _ in range(2)] == [False] * 2
    assert (await refusal(move_stop(world.ledger, TENANT, late))).reason is Reason.SETTLED
    unknown = MoveStop(new_id("mov"), new_id("apt"), plan(agent, 16, 17, SOUTH))
    assert isinstance(await refusal(move_stop(world.ledger, TENANT, unknown)), NotFound)


# --- moves


async def test_an_infeasible_move_moves_nothing(world: World) -> None:
    agent, other = await world.agent(), await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    await reserve(world, other, 10.2, 11, SOUTH)
    before = await get_itinerary(world.ledger, TENANT, agent, at(0), at(24))
    move = MoveStop(new_id("mov"), appointment, plan(other, 9, 10, NORTH))
    error = await refusal(move_stop(world.ledger, TENANT, move))
    assert (error.reason, error.metadata["agent_id"]) == (Reason.TRAVEL_OUT, other)
    assert (await get_itinerary(world.ledger, TENANT, agent, at(0), at(24))).stops == before.stops
    assert not (await settle_move(world.ledger, TENANT, move.move_id)).applied


async def test_a_move_across_agents_frees_the_one_and_takes_the_other(world: World) -> None:
    agent, other = await world.agent(), await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    moved = await move_stop(
        world.ledger, TENANT, MoveStop(new_id("mov"), appointment, plan(other, 9, 10, NORTH))
    )
    assert moved == await get_reservation(world.ledger, TENANT, appointment)
    assert moved.plan.agent_id == other
    await reserve(world, agent, 9, 10)
    assert (await refusal(reserve(world, other, 9, 10))).reason is Reason.SLOT_TAKEN
    await world.sound()


@pytest.mark.parametrize(("start", "end"), [(9.25, 10.25), (8.75, 9.75), (9, 9.5), (10.8, 11.5), (16, 17)])
async def test_a_move_may_overlap_or_border_on_where_it_was(world: World, start: float, end: float) -> None:
    agent = await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    move = MoveStop(new_id("mov"), appointment, plan(agent, start, end, NORTH))
    await move_stop(world.ledger, TENANT, move)
    assert await kinds(world, agent) in (
        ["DAY_START", "APPOINTMENT", "BREAK", "DAY_END"],
        ["DAY_START", "BREAK", "APPOINTMENT", "DAY_END"],
    )
    await world.sound()


async def test_a_move_to_a_day_that_nobody_booked(world: World) -> None:
    agent = await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    move = MoveStop(new_id("mov"), appointment, plan(agent, 9, 10, NORTH, day=12))
    await move_stop(world.ledger, TENANT, move)
    assert await kinds(world, agent, 12) == ["DAY_START", "APPOINTMENT", "BREAK", "DAY_END"]
    assert await kinds(world, agent) == ["DAY_START", "BREAK", "DAY_END"]
    await world.sound()


# --- travel data


async def test_a_cancellation_keeps_the_way_over_where_the_direct_road_is_slower(world: World) -> None:
    world.roads.seconds = {(NORTH, SOUTH): 9000}
    agent = await world.agent(week(lunch=False))
    await reserve(world, agent, 9, 9.5, NORTH)
    between = await reserve(world, agent, 10, 10.25, EAST)
    last = await reserve(world, agent, 11, 11.5, SOUTH)
    await settle_stop(world.ledger, TENANT, between)
    left = await get_reservation(world.ledger, TENANT, last)
    assert left.before is not None
    assert (left.before.leg.seconds, left.before.leg.via) == (2400, True)
    await world.sound()


async def test_newer_travel_data_refuses_new_visits_and_leaves_old_ones(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    await reserve(world, agent, 9, 9.5, NORTH)
    await reserve(world, agent, 9 + 5 / 6, 10.5, SOUTH)
    world.roads.usual, world.roads.data = 3600, "test-2"
    await world.sound()
    assert (await refusal(reserve(world, agent, 11, 11.5, EAST))).reason is Reason.TRAVEL_IN
    late = await reserve(world, agent, 11.5, 12, EAST)
    reserved = await get_reservation(world.ledger, TENANT, late)
    assert reserved.before is not None
    assert (reserved.before.leg.version, reserved.before.leg.seconds) == (world.roads.told, 3600)
    await world.sound()


async def test_another_tenants_agent_is_not_found(world: World) -> None:
    agent = await world.agent()
    await reserve(world, agent, 9, 10)
    theirs = ReserveStop(new_id("apt"), plan(agent, 14, 15, NORTH))
    error = await refusal(reserve_stop(world.ledger, "ten_2", theirs))
    assert isinstance(error, NotFound)
    assert error.violations[0].field == "plan.agent_id"
    assert (await world.verify("ten_2")).stops == 0
