"""Several stops in one transaction, each for itself: as if they came one by one."""

from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from geo.domain.certificate import Certified
from geo.domain.plan import Plan
from geo.usecases.get_agent import get_itinerary
from geo.usecases.ledger import Ledger
from geo.usecases.parameters import set_parameter
from geo.usecases.reserve_each import Outcome, reserve_each
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError, InvalidInput, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
    ISLAND,
    NORTH,
    PLACES,
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


def reason(outcome: Outcome) -> Reason | None:
    return outcome.reason if isinstance(outcome, GiroError) else None


async def test_what_does_not_fit_spoils_no_other_and_stays_free(world: World) -> None:
    agent, other = await world.agent(week(lunch=False)), await world.agent(week(lunch=False))
    await reserve_stop(world.ledger, TENANT, asked(plan(other, 14, 15, EAST)))
    wanted = [
        asked(plan(agent, 9, 10, NORTH)),
        asked(plan(agent, 9.5, 10.5, NORTH)),
        asked(plan(other, 15.25, 16, SOUTH)),
        asked(plan(agent, 19, 20, NORTH)),
        asked(plan(new_id("agt"), 9, 10, NORTH)),
        asked(plan(agent, 11, 12, ISLAND)),
        asked(plan(agent, 15, 16, SOUTH)),
    ]
    outcomes = await reserve_each(world.ledger, TENANT, wanted)
    refused = [None, Reason.SLOT_TAKEN, Reason.TRAVEL_IN, Reason.OUTSIDE_SHIFT, Reason.NOT_FOUND]
    assert list(map(reason, outcomes)) == [*refused, Reason.UNREACHABLE, None]
    await settle_stop(world.ledger, TENANT, wanted[3].appointment_id)
    again = await reserve_each(world.ledger, TENANT, wanted)
    refused[3] = Reason.SETTLED
    assert list(map(reason, again)) == [*refused, Reason.UNREACHABLE, None]
    assert (again[0], again[-1]) == (outcomes[0], outcomes[-1]), "the first answers"
    assert await reserve_stop(world.ledger, TENANT, wanted[0]) == outcomes[0]
    later = asked(plan(agent, 9, 10, NORTH, day=1), wanted[1].appointment_id)
    other_plan = asked(plan(agent, 9, 10, NORTH, day=2), wanted[0].appointment_id)
    (made, reused) = await reserve_each(world.ledger, TENANT, [later, other_plan])
    assert (reason(made), reason(reused)) == (None, Reason.REQUEST_ID_REUSED)
    await world.sound()


async def test_what_is_wrong_with_the_call_is_named(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    one = asked(plan(agent, 9, 10, NORTH))
    certified = Certified.__new__(Certified)
    wrong = {
        "appointment_id": [one, asked(plan(agent, 11, 12, NORTH), one.appointment_id)],
        "stops[1].hold_id": [one, ReserveStop(new_id("apt"), one.plan, "hld_1")],
        "stops[0].slot": [ReserveStop(new_id("apt"), one.plan, certified=certified)],
    }
    for field, stops in wrong.items():
        with pytest.raises(InvalidInput) as refused:
            await reserve_each(world.ledger, TENANT, stops)
        assert [each.field for each in refused.value.violations] == [field]
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(0, 7))
    assert found.stops == []


async def test_a_full_day_refuses_the_visit_that_would_be_too_many(world: World) -> None:
    agent = await world.agent(week(lunch=False))
    await set_parameter(world.ledger, TENANT, "max_visits_per_day", "2", agent)
    wanted = [asked(plan(agent, 9 + 2 * n, 10 + 2 * n, NORTH)) for n in range(3)]
    outcomes = await reserve_each(world.ledger, TENANT, wanted)
    assert list(map(reason, outcomes)) == [None, None, Reason.QUOTA]
    await world.sound()


@pytest.mark.parametrize("instant", [False, True])
async def test_together_is_as_one_by_one(world: World, instant: bool) -> None:
    """Twins with equal agendas: the one's stops are made one after the other, the other's together."""
    world.roads.instant = instant
    try:
        for seed in range(4):
            await _compare(world, Random(seed))
    finally:
        world.roads.instant = False
    await world.sound()


async def _compare(world: World, chance: Random) -> None:
    alone, together = [[await world.agent(week(lunch=seed == 0)) for seed in range(2)] for _ in range(2)]
    wanted = [
        (chance.randrange(2), 8.5 + chance.randrange(12) * 0.75, chance.choice(PLACES), chance.randrange(2))
        for _ in range(14)
    ]
    plans = [
        [plan(pair[who], hour, hour + 0.5, place, day=day) for who, hour, place, day in wanted]
        for pair in (alone, together)
    ]
    one_by_one = [await _outcome(world.ledger, asked(where)) for where in plans[0]]
    at_once = await reserve_each(world.ledger, TENANT, list(map(asked, plans[1])))
    assert list(map(reason, one_by_one)) == list(map(reason, at_once))
    assert 0 < sum(outcome is not None for outcome in map(reason, at_once)) < len(at_once)
    for first, second in zip(alone, together, strict=True):
        alike = await _agenda(world, first), await _agenda(world, second)
        assert alike[0] == alike[1]


async def _outcome(ledger: Ledger, one: ReserveStop) -> Outcome:
    try:
        return await reserve_stop(ledger, TENANT, one)
    except GiroError as refused:
        return refused


async def _agenda(world: World, agent: str) -> list[tuple[object, ...]]:
    """What stands in an agenda, without ids."""
    found = await get_itinerary(world.ledger, TENANT, agent, at(0), at(0, 7))
    return [(link.stop.kind, link.stop.starts_at, link.stop.ends_at, link.stop.place) for link in found.stops]
