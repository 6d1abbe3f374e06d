"""Quotas, buffers, arrival windows: in slot search and where a visit is committed (BK-39 to BK-41)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import pytest_asyncio

from geo.domain.calendar import Calendar, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.parameters import get_parameter, set_parameter
from geo.usecases.release_hold import release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.errors import GiroError, InvalidInput, NotFound, Reason, RuleViolated
from kit.parameters import Scope
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.search.test_search_on_ledger import House
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, at, open_in_time, plan, week, window

pytestmark = pytest.mark.asyncio

MAX, STOP_AT = "max_visits_per_day", "stop_booking_at_percent"
ROME = ZoneInfo("Europe/Rome")


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


async def limited(house: House, most: int, weekly: Calendar | None = None) -> str:
    """An agent who takes so many visits a day."""
    agent = await house.world.agent(weekly or week(base=None, lunch=False))
    await set_parameter(house.ledger, TENANT, MAX, str(most), agent)
    return agent


async def reserve(house: House, what: Plan, ledger: Ledger | None = None) -> str:
    appointment = new_id("apt")
    await reserve_stop(ledger or house.ledger, TENANT, ReserveStop(appointment, what))
    return appointment


async def refusal(awaitable: Any) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await awaitable
    return refused.value


async def reasons(house: House, agent: str, **changes: object) -> list[Reason]:
    found = await house.slots(agent, explain=True, **changes)
    assert not found.slots
    return [one.reason for one in found.refused]


# --- in search and on the ledger


async def test_a_full_day_takes_no_more_and_the_next_one_does(house: House) -> None:
    agent = await limited(house, 2)
    await reserve(house, plan(agent, 9, 10, NORTH))
    assert await house.starts(agent)
    await reserve(house, plan(agent, 12, 13, NORTH))
    assert set(await reasons(house, agent)) == {Reason.QUOTA}
    refused = await refusal(reserve(house, plan(agent, 15, 16, NORTH)))
    assert refused.reason is Reason.QUOTA
    assert dict(refused.metadata) == {"agent_id": agent, "day": "2038-03-01", "limit": "2"}
    assert await house.starts(agent, windows=(window(0, 24, day=1),))
    await reserve(house, plan(agent, 9, 10, NORTH, day=1))
    await house.world.sound()


async def test_a_hold_counts_until_it_is_released(house: House) -> None:
    agent = await limited(house, 1)
    hold = new_id("hld")
    command = HoldStop(hold, plan(agent, 9, 10, NORTH), timedelta(seconds=60), "")
    await hold_stop(house.ledger, TENANT, command)
    assert set(await reasons(house, agent)) == {Reason.QUOTA}
    assert (await refusal(reserve(house, plan(agent, 15, 16, NORTH)))).reason is Reason.QUOTA
    await release_hold(house.ledger, TENANT, hold)
    await reserve(house, plan(agent, 15, 16, NORTH))


async def test_a_hold_becomes_an_appointment_on_a_full_day(house: House) -> None:
    agent = await limited(house, 1)
    held = HoldStop(new_id("hld"), plan(agent, 9, 10, NORTH), timedelta(seconds=60), "")
    await hold_stop(house.ledger, TENANT, held)
    await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), held.plan, held.hold_id))


async def test_a_visit_moves_within_its_full_day_and_none_moves_in(house: House) -> None:
    agent = await limited(house, 1)
    inside = await reserve(house, plan(agent, 9, 10, NORTH))
    outside = await reserve(house, plan(agent, 9, 10, NORTH, day=1))
    later = MoveStop(new_id("mov"), inside, plan(agent, 14, 15, NORTH))
    await move_stop(house.ledger, TENANT, later)
    into = MoveStop(new_id("mov"), outside, plan(agent, 9, 10, NORTH))
    assert (await refusal(move_stop(house.ledger, TENANT, into))).reason is Reason.QUOTA
    away = MoveStop(new_id("mov"), inside, plan(agent, 14, 15, NORTH, day=1))
    await move_stops(house.ledger, TENANT, MoveStops((replace(into, move_id=new_id("mov")), away)))
    both = (
        MoveStop(new_id("mov"), inside, plan(agent, 9, 10, NORTH, day=2)),
        MoveStop(new_id("mov"), outside, plan(agent, 12, 13, NORTH, day=2)),
    )
    assert (await refusal(move_stops(house.ledger, TENANT, MoveStops(both)))).reason is Reason.QUOTA
    await house.world.sound()


async def test_the_last_unit_of_a_day_goes_to_one_of_two_writers(house: House) -> None:
    """Both have looked, the first holds the lock; the second decides on what the first left."""
    for at_point in ("geo.reserve_stop.after_lock", "geo.reserve_stop.before_commit"):
        agent = await limited(house, 2)
        await reserve(house, plan(agent, 9, 10, NORTH))
        other = House.on(house.world).ledger
        seen = await two_sessions(
            lambda agent=agent: reserve(house, plan(agent, 12, 13, NORTH)),  # type: ignore[misc]
            lambda agent=agent, other=other: reserve(house, plan(agent, 15, 16, NORTH), other),  # type: ignore[misc]
            at=at_point,
            patience=0.1,
        )
        assert seen.held
        assert isinstance(seen.first, str)
        assert isinstance(seen.second, RuleViolated)
        assert seen.second.reason is Reason.QUOTA


async def test_a_limit_of_the_tenant_that_a_booking_waited_for_counts_for_it(house: House) -> None:
    """It is committed while the booking waits for the agent's lock, in the statement that takes it."""
    agent = await house.world.agent(week(base=None, lunch=False))
    await reserve(house, plan(agent, 9, 10, NORTH))
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin) as other:
        await other.execute("SELECT FROM geo.agents WHERE agent_id = %s FOR NO KEY UPDATE", (agent,))
        await other.execute("INSERT INTO geo.parameters VALUES (%s, %s, '1')", (TENANT, MAX))
        booking = asyncio.ensure_future(reserve(house, plan(agent, 12, 13, NORTH)))
        async with asyncio.timeout(60):
            await _waits_for_a_lock(house)
        await other.commit()
    try:
        assert (await refusal(booking)).reason is Reason.QUOTA
    finally:
        await set_parameter(house.ledger, TENANT, MAX, "")


async def _waits_for_a_lock(house: House) -> None:
    """Until a session of the service waits for somebody's lock."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE '%UPDATE geo.agents%'"
    )
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as looking:
        while await (await looking.execute(waiting)).fetchone() is None:
            await asyncio.sleep(0.01)


# --- days of the agent's zone


def rome(day: int, hour: int, month: int = 3) -> datetime:
    return datetime(2038, month, day, hour, tzinfo=ROME).astimezone(UTC)


def nights() -> Calendar:
    return calendar("Europe/Rome", [WeeklyShift(day, 20 * 60, 6 * 60) for day in range(1, 8)], [])


def hour_from(start: datetime, agent: str) -> Plan:
    return Plan(agent, Window(start, start + timedelta(hours=1)), NORTH)


@pytest.mark.parametrize(("month", "day"), [(3, 16), (3, 27), (10, 30)], ids=["plain", "spring", "autumn"])
async def test_a_night_shift_has_two_days(house: House, month: int, day: int) -> None:
    """One visit a day: the evening is one day's, the small hours the next one's; on 23 and 25 hours too."""
    agent = await limited(house, 1, nights())
    evening = rome(day, 21, month)
    await reserve(house, hour_from(evening, agent))
    before_midnight = rome(day, 23, month)
    assert (await refusal(reserve(house, hour_from(before_midnight, agent)))).reason is Reason.QUOTA
    whole_night = (Window(rome(day, 20, month), rome(day + 1, 6, month)),)
    midnight = rome(day + 1, 0, month)
    asked = {"windows": whole_night, "place": NORTH}
    assert await house.starts(agent, **asked) == [(midnight - at(0)) / timedelta(hours=1)]
    found = await house.slots(agent, explain=True, **asked)
    spans = [(one.start, one.end) for one in found.refused if one.reason is Reason.QUOTA]
    assert (int((evening + timedelta(hours=1)).timestamp()), int(midnight.timestamp())) in spans
    await reserve(house, hour_from(rome(day + 1, 4, month), agent))
    assert set(await reasons(house, agent, **asked)) == {Reason.QUOTA}
    small_hours = rome(day + 1, 2, month) if month != 3 or day != 27 else rome(day + 1, 1, month)
    assert (await refusal(reserve(house, hour_from(small_hours, agent)))).reason is Reason.QUOTA
    next_evening = rome(day + 1, 21, month)
    assert (await refusal(reserve(house, hour_from(next_evening, agent)))).reason is Reason.QUOTA


async def test_a_full_day_that_comes_next_is_no_reason_to_end_before_it(house: House) -> None:
    """A visit that starts on a day with room may end on the full one."""
    agent = await limited(house, 1, nights())
    await reserve(house, hour_from(rome(9, 3), agent))
    across = Plan(agent, Window(rome(8, 23), rome(9, 1)), NORTH)
    windows = (Window(rome(8, 20), rome(9, 2)),)
    ((slot, _),) = (await house.slots(agent, windows=windows, duration=7200)).slots
    assert slot.start + slot.slack == int(rome(9, 0).timestamp()) - 1, "not later, though the gap goes on"
    await reserve(house, across)


# --- parameters


async def test_the_nearest_scope_wins(house: House) -> None:
    weekly = week(base=None, lunch=False)
    agent, other = await house.world.agent(weekly), await house.world.agent(weekly)
    db = house.ledger.db
    for name in (MAX, STOP_AT):
        assert (await get_parameter(db, TENANT, name, agent)).source is Scope.SYSTEM
    try:
        shown = await set_parameter(house.ledger, TENANT, MAX, "2")
        assert (shown.value, shown.source) == ("2", Scope.TENANT)
        assert (await set_parameter(house.ledger, TENANT, MAX, "3", agent)).source is Scope.USER
        assert (await get_parameter(db, TENANT, MAX, other)).value == "2"
        await set_parameter(house.ledger, TENANT, STOP_AT, "50")
        for one, taken in ((agent, 2), (other, 1)):  # half of three, and of two, rounded up
            for number in range(taken):
                await reserve(house, plan(one, 8 + 2 * number, 9 + 2 * number, NORTH))
            assert (await refusal(reserve(house, plan(one, 15, 16, NORTH)))).reason is Reason.QUOTA
            assert set(await reasons(house, one)) == {Reason.QUOTA}
        await set_parameter(house.ledger, TENANT, MAX, "", agent)
        assert (await get_parameter(db, TENANT, MAX, agent)).source is Scope.TENANT
    finally:
        await set_parameter(house.ledger, TENANT, MAX, "")
        await set_parameter(house.ledger, TENANT, STOP_AT, "")
    assert await house.starts(other), "no limit any more, and search knows at once"
    await reserve(house, plan(other, 15, 16, NORTH))


async def test_what_is_no_quota_is_named(house: House) -> None:
    agent = await house.world.agent()
    for name, value, field in (
        (MAX, "-1", "value"),
        (MAX, "1001", "value"),
        (MAX, "many", "value"),
        (STOP_AT, "0", "value"),
        (STOP_AT, "101", "value"),
        ("on_road_failure", "ESTIMATE", "agent_id"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await set_parameter(house.ledger, TENANT, name, value, agent)
        assert refused.value.violations[0].field == field
    for awaitable in (
        set_parameter(house.ledger, TENANT, MAX, "1", "agt_nobody"),
        get_parameter(house.ledger.db, TENANT, MAX, "agt_nobody"),
    ):
        with pytest.raises(NotFound):
            await awaitable


# --- buffers


@pytest.mark.parametrize("whose", ["the agent's", "the service's"])
async def test_a_buffer_is_kept_to_the_minute(house: House, whose: str) -> None:
    """Fifteen minutes on top of the drive: a gap one minute shorter is not offered, nor taken."""
    own, service = (900, 300) if whose == "the agent's" else (300, 900)
    agent = await house.world.agent(week(base=None, lunch=False), own)
    await reserve(house, Plan(agent, window(8, 9), SOUTH, service))
    offered = await house.slots(agent, buffer=service, windows=(window(9, 18),), limit=1)
    ((slot, _),) = offered.slots
    earliest = datetime.fromtimestamp(slot.start, UTC)
    assert slot.buffer == 900
    gap = earliest - at(9)
    assert gap.total_seconds() == (slot.leg_before.seconds if slot.leg_before else 0) + 900
    half = timedelta(minutes=30)
    for minute_less, fits in ((timedelta(minutes=1), False), (timedelta(0), True)):
        end = earliest + half - minute_less
        windows = (Window(at(9), end),)
        assert bool(await house.starts(agent, buffer=service, windows=windows)) is fits
        asked = Plan(agent, Window(end - half, end), NORTH, service)
        if fits:
            await reserve(house, asked)
        else:
            assert (await refusal(reserve(house, asked))).reason is Reason.TRAVEL_IN
    with psycopg.connect(house.world.urls.admin) as connection:
        stored = connection.execute(
            "SELECT buffer_seconds, extract(epoch FROM starts_at - prev_ends_at)::int - leg_seconds"
            " FROM geo.stops WHERE agent_id = %s AND prev_id IS NOT NULL",
            (agent,),
        ).fetchall()
    assert stored == [(900, 900)]
    await house.world.sound()


# --- arrival windows


async def test_the_promised_window_stays_through_moves(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    promised = window(9, 12)
    visit = replace(plan(agent, 10, 11, NORTH), arrival=promised)
    booked = await reserve(house, visit)
    sooner = MoveStop(new_id("mov"), booked, plan(agent, 9, 10, NORTH))
    moved = await move_stop(house.ledger, TENANT, sooner)
    assert moved.plan.arrival == promised
    last = MoveStop(new_id("mov"), booked, plan(agent, 12, 13, NORTH))
    assert (await move_stops(house.ledger, TENANT, MoveStops((last,))))[0].plan.arrival == promised
    late = plan(agent, 12.25, 13.25, NORTH)
    for move in (MoveStop(new_id("mov"), booked, late), MoveStop(new_id("mov"), booked, late)):
        assert (await refusal(move_stop(house.ledger, TENANT, move))).reason is Reason.OUTSIDE_WINDOWS
    agreed = MoveStop(new_id("mov"), booked, late, promised_anew=True)
    assert (await move_stop(house.ledger, TENANT, agreed)).plan.arrival is None
    other = replace(plan(agent, 15, 16, NORTH), arrival=window(14, 17))
    await move_stop(house.ledger, TENANT, MoveStop(new_id("mov"), booked, other))
    back = MoveStop(new_id("mov"), booked, late)
    assert (await refusal(move_stop(house.ledger, TENANT, back))).reason is Reason.OUTSIDE_WINDOWS


async def test_the_database_keeps_the_start_in_its_window(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    await reserve(house, replace(plan(agent, 10, 11, NORTH), arrival=window(9, 12)))
    with (
        psycopg.connect(house.world.urls.admin) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="stops_arrival"),
    ):
        connection.execute(
            "UPDATE geo.stops SET starts_at = starts_at + interval '3 h', ends_at = ends_at + interval '3 h'"
            " WHERE agent_id = %s",
            (agent,),
        )


async def test_arrival_windows_let_the_visit_end_after(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    morning = {"windows": (window(9, 9.25),), "granularity": 900}
    assert await house.starts(agent, **morning) == []
    assert await house.starts(agent, **morning, arrival=True) == [9.0]
    both_ends = {"windows": (window(8.95, 9.25),), "granularity": 900, "not_before": at(9.25)}
    assert await house.starts(agent, **both_ends, arrival=True) == [9.25], "the last instant counts"
