"""CheckDay (GEO-01): every pair of one local day, with what is left, and violations by name."""

from contextlib import closing, suppress
from datetime import date

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.domain.calendar import WeeklyShift, calendar
from geo.domain.stop import TravelSource
from geo.usecases.check_day import CheckedDay, check_day
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.errors import AlreadyExists, InvalidInput, NotFound, RuleViolated
from kit.values.ids import new_id
from services.geo.tests.support.world import EAST, HOME, NORTH, TENANT, World, at, plan, week

ROUND_THE_CLOCK = [WeeklyShift(day, 0, 24 * 60, None, None) for day in range(1, 8)]
INVENT = (
    "INSERT INTO geo.legs SELECT tenant_id, from_place, to_place, version, via, 0, 0, source, 0"
    " FROM geo.legs WHERE seconds = 1261 LIMIT 1",
    "UPDATE geo.stops SET leg_seconds = 0, leg_free_seconds = 0, starts_at = starts_at - interval '25m',"
    " ends_at = ends_at - interval '25m' WHERE owner_id = %(owner)s",
)


async def _book(world: World, agent: str, start: float, end: float, place: int) -> str:
    owner = new_id("apt")
    await reserve_stop(world.ledger, TENANT, ReserveStop(owner, plan(agent, start, end, place)))
    return owner


def _owners(found: CheckedDay) -> list[tuple[str, str]]:
    return [(pair.earlier.owner_id, pair.later.owner_id) for pair in found.pairs]


@pytest.mark.asyncio
async def test_each_pair_of_a_day_with_its_slack_its_source_and_its_version(world: World) -> None:
    agent = await world.agent(week(lunch=False), buffer=300)
    first = await _book(world, agent, 9, 10, NORTH)
    second = await _book(world, agent, 11, 12, EAST)
    found = await check_day(world.ledger, TENANT, agent, date(2038, 3, 1))

    kinds = [(pair.earlier.kind, pair.later.kind) for pair in found.pairs]
    assert kinds == [
        ("DAY_START", "APPOINTMENT"),
        ("APPOINTMENT", "APPOINTMENT"),
        ("APPOINTMENT", "DAY_END"),
    ]
    middle = found.pairs[1]
    assert (middle.earlier.owner_id, middle.later.owner_id) == (first, second)
    assert (middle.travel, middle.later.buffer, middle.slack) == (1200, 300, 3600 - 1200 - 300)
    assert (middle.source, middle.version) == (TravelSource.ROAD, "test-1")
    assert all(pair.violations == () for pair in found.pairs)
    assert (await check_day(world.ledger, TENANT, agent, date(2038, 3, 9))).pairs == ()


@pytest.mark.asyncio
async def test_a_pair_over_midnight_is_checked_with_both_days(world: World) -> None:
    agent = await world.agent(calendar("UTC", ROUND_THE_CLOCK, []))
    late = await _book(world, agent, 23, 23.5, NORTH)
    early = await _book(world, agent, 24, 24.5, EAST)
    over = await _book(world, agent, 47.5, 48.5, NORTH)  # on both Tuesday and Wednesday
    monday, tuesday, wednesday = [
        _owners(await check_day(world.ledger, TENANT, agent, date(2038, 3, day))) for day in (1, 2, 3)
    ]
    assert monday == [(late, early)]
    assert tuesday == [(late, early), (early, over)]
    assert wednesday == [(early, over)]


@pytest.mark.asyncio
async def test_the_day_is_the_agents_own(world: World) -> None:
    agent = await world.agent(calendar("Asia/Tokyo", ROUND_THE_CLOCK, []))
    await _book(world, agent, 14, 14.5, NORTH)  # 23:00 in Tokyo
    await _book(world, agent, 15.5, 16, EAST)  # 00:30 of the day after
    await _book(world, agent, 18, 18.5, NORTH)
    counts = [len((await check_day(world.ledger, TENANT, agent, date(2038, 3, d))).pairs) for d in (1, 2, 3)]
    assert counts == [1, 2, 0]


@pytest.mark.asyncio
async def test_what_the_database_was_made_to_hold_is_named(world: World) -> None:
    agent = await world.agent(week(base=None, lunch=False))
    world.roads.usual = 1261
    await _book(world, agent, 9, 10, HOME)
    invented = await _book(world, agent, 10.5, 11, NORTH)
    with closing(psycopg.connect(world.urls.app("geo"))) as connection:
        connection.execute("SELECT set_config('giro.tenant', %s, true)", (TENANT,))
        for statement in INVENT:
            connection.execute(statement, {"owner": invented})
        connection.commit()
    (pair,) = (await check_day(world.ledger, TENANT, agent, date(2038, 3, 1))).pairs
    assert [one.kind for one in pair.violations] == ["LEG"]
    assert (pair.slack, pair.travel) == (300, 0)


@pytest.mark.asyncio
async def test_nobodys_day_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await check_day(world.ledger, TENANT, "agt_nobody", date(2038, 3, 1))


@pytest.mark.asyncio
async def test_a_day_that_the_zone_left_out_is_refused_by_name(world: World) -> None:
    agent = await world.agent(calendar("Pacific/Apia", ROUND_THE_CLOCK, []))
    with pytest.raises(InvalidInput) as refused:
        await check_day(world.ledger, TENANT, agent, date(2011, 12, 30))
    assert [one.field for one in refused.value.violations] == ["date"]
    assert (await check_day(world.ledger, TENANT, agent, date(2011, 12, 31))).pairs == ()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 95), st.integers(0, 2)), min_size=2, max_size=8))
@pytest.mark.asyncio
async def test_what_commits_has_no_violation_and_its_slack_is_what_is_left(
    world: World, wishes: list[tuple[int, int]]
) -> None:
    """Random days, some wishes refused: what stands keeps the promise, by arithmetic of the test's own."""
    agent = await world.agent(calendar("UTC", ROUND_THE_CLOCK, []))
    for quarter, place in wishes:
        with suppress(RuleViolated, AlreadyExists):
            await _book(world, agent, quarter / 4, quarter / 4 + 0.5, (NORTH, EAST, HOME)[place])
    found = await check_day(world.ledger, TENANT, agent, at(0).date())
    for pair in found.pairs:
        drive = 0 if pair.earlier.place == pair.later.place else 1200
        gap = (pair.later.starts_at - pair.earlier.ends_at).total_seconds()
        assert (pair.slack, pair.violations) == (gap - drive, ())
        assert pair.slack is not None
        assert pair.slack >= 0
