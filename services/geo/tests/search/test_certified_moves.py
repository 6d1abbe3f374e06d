"""A new fix by a suggested slot: swapped only while all is as it was suggested (GEO-28)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from geo.domain.certificate import Certificate, Certified, read
from geo.domain.plan import Plan
from geo.domain.slot_search import Slot
from geo.usecases.get_reservation import get_reservation
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.settle_move import settle_move
from geo.usecases.settle_stop import settle_stop
from kit import failpoints
from kit.errors import GiroError, InvalidInput, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.search.test_search_on_ledger import House, noon_break
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, at, open_in_time

pytestmark = pytest.mark.asyncio

LATER = datetime(2190, 1, 1, tzinfo=UTC)
OTHERS = pytest.mark.parametrize("other", [False, True], ids=["same agent", "other agent"])


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


@dataclass
class Case:
    """A booked visit and the slot that was suggested for it, on its own agent's agenda or on another's."""

    house: House
    appointment: str
    agent: str
    slot: Slot
    certificate: Certificate

    def command(self, *, until: datetime = LATER) -> MoveStop:
        start = datetime.fromtimestamp(self.slot.start, UTC)
        plan = Plan(self.slot.agent_id, Window(start, start + timedelta(minutes=30)), NORTH, 0)
        return MoveStop(new_id("mov"), self.appointment, plan, certified=Certified(self.certificate, until))

    async def refused(self, command: MoveStop | None = None) -> GiroError:
        before = await get_reservation(self.house.ledger, TENANT, self.appointment)
        with pytest.raises(GiroError) as told:
            await move_stop(self.house.ledger, TENANT, command or self.command())
        assert await get_reservation(self.house.ledger, TENANT, self.appointment) == before
        await self.house.world.sound()
        return told.value

    async def moved(self, command: MoveStop | None = None) -> None:
        await move_stop(self.house.ledger, TENANT, command or self.command())
        now = await get_reservation(self.house.ledger, TENANT, self.appointment)
        assert (now.plan.agent_id, now.plan.window.start.timestamp()) == (self.slot.agent_id, self.slot.start)
        await self.house.world.sound()


async def fixed(house: House, *, other: bool, near: bool = False) -> Case:
    """The visit is at 9; the slot at 14 (`near`: right behind the visit)."""
    agent = await house.world.agent(noon_break())
    appointment = await house.book(agent, 9, 9.5)
    target = await house.world.agent(noon_break()) if other else agent
    hours = (9.5, 11.5) if near else (14, 17)
    windows = (Window(at(hours[0]), at(hours[1])),)
    found = await house.slots(target, granularity=900, windows=windows)
    return Case(house, appointment, agent, found.slots[0][0], read(found.certificates[0]))


@OTHERS
@pytest.mark.parametrize("near", [False, True], ids=["apart", "beside its old time"])
async def test_an_unchanged_gap_takes_the_visit_and_a_repeat_gets_the_first_answer(
    house: House, *, other: bool, near: bool
) -> None:
    case = await fixed(house, other=other, near=near)
    command = case.command()
    await case.moved(command)
    start = (case.slot.start - at(0).timestamp()) / 3600
    await house.book(case.slot.agent_id, start + 1.5, start + 1.75)
    await case.moved(command)


@OTHERS
async def test_a_new_neighbour_makes_it_stale_even_where_it_fits(house: House, *, other: bool) -> None:
    case = await fixed(house, other=other)
    later = await house.book(case.slot.agent_id, 16.75, 17, SOUTH)
    told = await case.refused()
    assert isinstance(told, RuleViolated)
    assert (told.reason, told.metadata["cause"]) == (Reason.SLOT_TOKEN_STALE, "NEXT_STOP")
    await case.moved(replace(case.command(), certified=None))
    await settle_stop(house.ledger, TENANT, later)


@OTHERS
async def test_a_neighbour_between_look_and_lock_is_seen(house: House, *, other: bool) -> None:
    """Two sessions: the neighbour commits after the move has begun and before it has the agents' locks."""
    case = await fixed(house, other=other)

    async def faster() -> None:
        failpoints.disarm("geo.move_stop.before_lock")
        await House.on(house.world).book(case.slot.agent_id, 16.75, 17, SOUTH)

    failpoints.arm("geo.move_stop.before_lock", faster)
    try:
        told = await case.refused()
    finally:
        failpoints.disarm("geo.move_stop.before_lock")
    assert (told.reason, told.metadata["cause"]) == (Reason.SLOT_TOKEN_STALE, "NEXT_STOP")


@OTHERS
async def test_what_fits_no_more_says_why(house: House, *, other: bool) -> None:
    case = await fixed(house, other=other)
    start = (case.slot.start - at(0).timestamp()) / 3600
    await house.book(case.slot.agent_id, start + 0.75, start + 1.25, SOUTH)
    told = await case.refused()
    assert (told.reason, told.metadata["cause"]) == (Reason.SLOT_TOKEN_STALE, "TRAVEL_OUT")


@OTHERS
async def test_it_ends_on_the_second(house: House, *, other: bool) -> None:
    case = await fixed(house, other=other)
    now = case.house.world.now
    told = await case.refused(case.command(until=now - timedelta(seconds=1)))
    assert told.reason is Reason.SLOT_TOKEN_EXPIRED
    await case.moved(case.command(until=now + timedelta(minutes=1)))


async def test_a_refused_move_is_never_made(house: House) -> None:
    case = await fixed(house, other=False)
    await house.book(case.slot.agent_id, 16.75, 17, SOUTH)
    command = case.command()
    await case.refused(command)
    assert not (await settle_move(house.ledger, TENANT, command.move_id)).applied
    assert (await case.refused(command)).reason is Reason.SETTLED


async def test_several_moves_at_once_take_no_suggestion(house: House) -> None:
    case = await fixed(house, other=False)
    plain = replace(case.command(), appointment_id=await house.book(case.agent, 10.5, 10.75), certified=None)
    with pytest.raises(InvalidInput) as told:
        await move_stops(house.ledger, TENANT, MoveStops((plain, case.command())))
    assert [violation.field for violation in told.value.violations] == ["moves[1].slot"]
