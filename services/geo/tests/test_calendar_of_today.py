"""A calendar replaced after the last visit of the shift under way: the way to the base still counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from geo.domain.calendar import Calendar, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.usecases.get_agent import get_itinerary
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_calendar import set_calendar
from kit.errors import GiroError, Reason
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.support.world import HOME, ISLAND, NORTH, TENANT, World

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class Today:
    """A shift from six hours ago on, in whole hours."""

    now: datetime

    def hour(self, away: float) -> datetime:
        return self.now.replace(minute=0) + timedelta(hours=away)

    def until(self, away: int, *, base: int = HOME, more: bool = False) -> Calendar:
        start, end = self.hour(-6), self.hour(away)
        shifts = [WeeklyShift(start.isoweekday(), start.hour * 60, end.hour * 60, base, base)]
        if more:
            shifts.append(WeeklyShift((start.isoweekday() + 2) % 7 + 1, 540, 600))
        return calendar("UTC", shifts, [])

    def visit(self, agent: str, start: float, end: float) -> ReserveStop:
        return ReserveStop(new_id("apt"), Plan(agent, Window(self.hour(start), self.hour(end)), NORTH))


async def today(world: World) -> Today:
    async with world.db.uow(TENANT) as tx:
        return Today((await tx.now()).replace(second=0, microsecond=0))


async def kinds(world: World, agent: str, day: Today) -> list[str]:
    found = await get_itinerary(world.ledger, TENANT, agent, day.hour(-8), day.hour(8))
    return [str(linked.stop.kind) for linked in found.stops]


async def refusal(work: object) -> Reason:
    with pytest.raises(GiroError) as refused:
        await work  # type: ignore[misc]
    return refused.value.reason


@pytest.mark.parametrize("ended", [4, -1])
async def test_the_base_counts_for_the_next_visit_of_the_same_day(world: World, ended: int) -> None:
    """Whether today's shift stays as it is, or goes on after it had ended."""
    day = await today(world)
    agent = await world.agent(day.until(ended))
    await reserve_stop(world.ledger, TENANT, day.visit(agent, -5, -4))
    await set_calendar(world.ledger, TENANT, agent, day.until(4, more=True))
    assert "DAY_END" in await kinds(world, agent, day)
    late, early = day.visit(agent, 3, 3.9), day.visit(agent, 2, 3.5)
    assert await refusal(reserve_stop(world.ledger, TENANT, late)) is Reason.TRAVEL_OUT
    await reserve_stop(world.ledger, TENANT, early)
    await world.sound()


async def test_another_base_counts_from_now_on(world: World) -> None:
    day = await today(world)
    agent = await world.agent(day.until(4))
    await reserve_stop(world.ledger, TENANT, day.visit(agent, -5, -4))
    await set_calendar(world.ledger, TENANT, agent, day.until(4, base=NORTH))
    await set_calendar(world.ledger, TENANT, agent, day.until(4, base=NORTH))
    assert await kinds(world, agent, day) == ["APPOINTMENT", "DAY_END"]
    await reserve_stop(world.ledger, TENANT, day.visit(agent, 3, 4))
    await set_calendar(world.ledger, TENANT, agent, day.until(4, base=NORTH, more=True))
    await world.sound()


async def test_a_base_out_of_reach_of_what_was_done_today_is_refused(world: World) -> None:
    day = await today(world)
    agent = await world.agent(day.until(4))
    done = day.visit(agent, -5, -4)
    await reserve_stop(world.ledger, TENANT, done)
    change = set_calendar(world.ledger, TENANT, agent, day.until(4, base=ISLAND))
    with pytest.raises(GiroError) as refused:
        await change
    assert refused.value.reason is Reason.CALENDAR_IN_USE
    assert refused.value.metadata["stop_ids"] == done.appointment_id
    assert await kinds(world, agent, day) == ["DAY_START", "APPOINTMENT", "DAY_END"]
