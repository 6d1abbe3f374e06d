"""Absences and calendars against what is booked."""

import pytest

from geo.domain.calendar import WeeklyBreak, WeeklyShift, calendar
from geo.domain.owner import Ending
from geo.storage import owners
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.get_agent import get_agent, get_itinerary
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.remove_absence import remove_absence
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_calendar import set_calendar
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError, NotFound, Reason
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
    HOME,
    NORTH,
    SOUTH,
    TENANT,
    World,
    at,
    plan,
    week,
    window,
)

pytestmark = pytest.mark.asyncio


async def reserve(world: World, agent: str, start: float, end: float, place: int = NORTH) -> str:
    appointment = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
    return appointment


async def block(world: World, agent: str, start: float, end: float) -> str:
    command = AddAbsence(agent, window(start, end), "dentist", new_id("req"))
    return (await add_absence(world.ledger, TENANT, command)).absence_id


async def shown(world: World, agent: str) -> list[tuple[str, float, float]]:
    """Kind, start and end in hours of Monday."""
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(24))
    return [
        (
            str(linked.stop.kind),
            round((linked.stop.starts_at - at(0)).total_seconds() / 3600, 2),
            round((linked.stop.ends_at - at(0)).total_seconds() / 3600, 2),
        )
        for linked in found.stops
    ]


async def refusal(work: object) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await work  # type: ignore[misc]
    return refused.value


# --- absences


async def test_an_absence_displaces_the_break_inside_and_gives_it_back(world: World) -> None:
    agent = await world.agent()
    await reserve(world, agent, 9, 10)
    absence = await block(world, agent, 11.5, 14)
    day = [("DAY_START", 8.0, 8.0), ("APPOINTMENT", 9.0, 10.0), ("DAY_END", 18.0, 18.0)]
    assert await shown(world, agent) == [*day[:2], ("ABSENCE", 11.5, 14.0), day[2]]
    await remove_absence(world.ledger, TENANT, absence)
    assert await shown(world, agent) == [*day[:2], ("BREAK", 12.0, 13.0), day[2]]
    await remove_absence(world.ledger, TENANT, absence)
    assert isinstance(await refusal(remove_absence(world.ledger, TENANT, new_id("abs"))), NotFound)
    await world.sound()


async def test_a_break_that_no_longer_fits_stays_away(world: World) -> None:
    """The time after an absence was booked as tight as the absence allowed."""
    agent = await world.agent()
    absence = await block(world, agent, 11, 12.1)
    await reserve(world, agent, 12.5, 13.5)
    await remove_absence(world.ledger, TENANT, absence)
    assert ("BREAK", 12.0, 13.0) not in await shown(world, agent)
    await world.sound()


@pytest.mark.parametrize(
    ("blocked", "booked", "back"),
    [
        ((7, 12.1), (12.5, 13.5), {"DAY_START", "DAY_END"}),  # where the break would be is booked
        ((11, 20), (10, 10.5), {"DAY_START", "BREAK", "DAY_END"}),
        ((7, 8.1), (8.15, 9), {"BREAK", "DAY_END"}),  # too early for who comes from the base
        ((17.2, 20), (16.5, 17.2), {"DAY_START", "BREAK", "DAY_END"}),
        ((17.8, 20), (17.2, 17.8), {"DAY_START", "BREAK"}),  # too late for who goes to it
    ],
)
async def test_each_part_of_the_day_that_fits_comes_back(
    world: World, blocked: tuple[float, float], booked: tuple[float, float], back: set[str]
) -> None:
    agent = await world.agent()
    absence = await block(world, agent, *blocked)
    await reserve(world, agent, *booked)
    await remove_absence(world.ledger, TENANT, absence)
    kinds = {kind for kind, _, _ in await shown(world, agent)}
    assert kinds - {"APPOINTMENT"} == back
    await world.sound()


async def test_the_rest_of_a_day_comes_back_when_one_of_two_breaks_fits_no_more(world: World) -> None:
    shifts = [WeeklyShift(day, 8 * 60, 18 * 60, HOME, HOME) for day in range(1, 8)]
    breaks = [WeeklyBreak(day, *hours) for day in range(1, 8) for hours in ((600, 615), (720, 780))]
    agent = await world.agent(calendar("UTC", shifts, breaks))
    absence = await block(world, agent, 9, 12.1)
    await reserve(world, agent, 12.5, 13.5)
    assert [kind for kind, _, _ in await shown(world, agent)] == [
        "DAY_START",
        "ABSENCE",
        "APPOINTMENT",
        "DAY_END",
    ]
    await remove_absence(world.ledger, TENANT, absence)
    assert ("BREAK", 10.0, 10.25) in await shown(world, agent)
    assert ("BREAK", 12.0, 13.0) not in await shown(world, agent)
    await world.sound()


async def test_visits_inside_an_absence_are_named(world: World) -> None:
    agent = await world.agent()
    first, second = await reserve(world, agent, 9, 10), await reserve(world, agent, 14, 15)
    error = await refusal(block(world, agent, 9.5, 14.5))
    assert error.reason is Reason.CALENDAR_IN_USE
    assert error.metadata["stop_ids"] == f"{first},{second}"
    absence = await block(world, agent, 10, 14)
    error = await refusal(block(world, agent, 11, 12))
    assert error.metadata["stop_ids"] == absence


async def test_an_absence_leaves_time_to_drive_to_what_follows(world: World) -> None:
    agent = await world.agent()
    await reserve(world, agent, 9, 10, NORTH)
    await reserve(world, agent, 15, 16, SOUTH)
    error = await refusal(block(world, agent, 13.5, 14.75))
    assert (error.reason, error.metadata["short_seconds"]) == (Reason.TRAVEL_OUT, "300")
    await block(world, agent, 13.5, 14 + 2 / 3)
    await world.sound()


@pytest.mark.parametrize(("start", "end"), [(18, 20), (6, 8), (0, 24)])
async def test_an_absence_around_a_shift_keeps_the_drives_from_and_to_the_base(
    world: World, start: float, end: float
) -> None:
    agent = await world.agent()
    absence = await block(world, agent, start, end)
    if (start, end) == (0, 24):
        assert (await refusal(reserve(world, agent, 9, 10))).reason is Reason.ABSENT
        return
    await reserve(world, agent, 9, 10)
    await reserve(world, agent, 17, 17.5)
    assert [stop[0] for stop in await shown(world, agent) if stop[0].startswith("DAY")] == [
        "DAY_START",
        "DAY_END",
    ]
    await remove_absence(world.ledger, TENANT, absence)
    await world.sound()


async def test_the_same_absence_again_is_the_first_answer(world: World) -> None:
    agent = await world.agent()
    command = AddAbsence(agent, window(9, 10), "dentist", new_id("req"))
    first = await add_absence(world.ledger, TENANT, command)
    assert await add_absence(world.ledger, TENANT, command) == first
    assert first.window == window(9, 10)
    other = AddAbsence(agent, window(9, 11), "dentist", command.request_id)
    assert (await refusal(add_absence(world.ledger, TENANT, other))).reason is Reason.REQUEST_ID_REUSED
    await remove_absence(world.ledger, TENANT, first.absence_id)
    async with world.db.uow(TENANT) as tx:
        owner = (await owners.find(tx, first.absence_id))[first.absence_id]
    assert owner.ending is Ending.RELEASED


# --- calendars


async def test_a_booked_day_keeps_its_frame(world: World) -> None:
    agent = await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    for other in (week(9, 18), week(base=EAST), week(lunch=False), calendar("UTC", [], [])):
        error = await refusal(set_calendar(world.ledger, TENANT, agent, other))
        assert (error.reason, error.metadata["stop_ids"]) == (Reason.CALENDAR_IN_USE, appointment)
    assert (await get_agent(world.ledger, TENANT, agent)).calendar == week()
    same_monday = calendar("UTC", [*week().shifts[:1], WeeklyShift(2, 0, 1440)], week().breaks[:1])
    await set_calendar(world.ledger, TENANT, agent, same_monday)
    await settle_stop(world.ledger, TENANT, appointment)
    await set_calendar(world.ledger, TENANT, agent, week(9, 18))
    assert await shown(world, agent) == []
    await reserve(world, agent, 10, 11)
    assert (await shown(world, agent))[0] == ("DAY_START", 9.0, 9.0)
    await world.sound()


async def test_frames_of_days_left_empty_follow_the_calendar(world: World) -> None:
    agent = await world.agent()
    appointment = await reserve(world, agent, 9, 10)
    move = MoveStop(new_id("mov"), appointment, plan(agent, 9, 10, NORTH, day=1))
    await move_stop(world.ledger, TENANT, move)
    assert [stop[0] for stop in await shown(world, agent)] == ["DAY_START", "BREAK", "DAY_END"]
    monday_off = calendar("UTC", [s for s in week().shifts if s.weekday != 1], week().breaks[1:])
    await set_calendar(world.ledger, TENANT, agent, monday_off)
    assert await shown(world, agent) == []
    assert (await refusal(reserve(world, agent, 9, 10))).reason is Reason.OUTSIDE_SHIFT
    await world.sound()


async def test_a_base_that_cannot_be_reached_refuses_the_visit(world: World) -> None:
    far = calendar("UTC", [WeeklyShift(1, 480, 600, HOME, HOME), WeeklyShift(1, 610, 1080, EAST, EAST)], [])
    agent = await world.agent(far)
    await reserve(world, agent, 8.5, 9)
    error = await refusal(reserve(world, agent, 11, 12))
    assert error.reason is Reason.TRAVEL_IN
