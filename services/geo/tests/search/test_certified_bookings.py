"""Suggested starts as the ledger commits them: only while all is as it was suggested (GEO-28)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from geo.domain.calendar import WeeklyShift, calendar
from geo.domain.certificate import Certificate, Certified, read
from geo.domain.plan import Plan
from geo.domain.slot_search import Slot
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.release_hold import release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_calendar import set_calendar
from geo.usecases.settle_stop import settle_stop
from kit import failpoints
from kit.errors import AlreadyExists, GiroError, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.window import Window
from services.geo.tests.search.test_search_on_ledger import House, noon_break
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, at, open_in_time

pytestmark = pytest.mark.asyncio

LATER = datetime(2190, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


async def offered(house: House, agent: str, place: int = NORTH) -> tuple[Slot, Certificate]:
    """The first slot of the day with what it rests on."""
    found = await house.slots(agent, granularity=900, place=place)
    return found.slots[0][0], read(found.certificates[0])


async def take(
    house: House, slot: Slot, certificate: Certificate, *, until: datetime = LATER, owner: str = ""
) -> None:
    start = datetime.fromtimestamp(slot.start, UTC)
    plan = Plan(slot.agent_id, Window(start, start + timedelta(minutes=30)), NORTH, 0)
    command = ReserveStop(owner or new_id("apt"), plan, certified=Certified(certificate, until))
    await reserve_stop(house.ledger, TENANT, command)


async def refused(house: House, slot: Slot, certificate: Certificate) -> GiroError:
    with pytest.raises(GiroError) as told:
        await take(house, slot, certificate)
    return told.value


async def test_an_unchanged_gap_commits_and_a_repeat_gets_the_first_answer(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    owner = new_id("apt")
    await take(house, slot, certificate, owner=owner)
    await house.book(agent, 10.75, 11.25, SOUTH)
    await take(house, slot, certificate, owner=owner)
    await house.world.sound()


@pytest.mark.parametrize(
    ("start", "place", "cause"), [(8.75, NORTH, "PREVIOUS_STOP"), (10.75, SOUTH, "NEXT_STOP")]
)
async def test_a_new_neighbour_makes_it_stale_even_where_it_fits(
    house: House, start: float, place: int, cause: str
) -> None:
    agent = await house.world.agent(noon_break())
    found = await house.slots(agent, granularity=900, windows=(Window(at(9.25), at(24)),))
    slot, certificate = found.slots[0][0], read(found.certificates[0])
    assert (slot.start - at(0).timestamp()) / 3600 == 9.25
    await house.book(agent, start, start + 0.5, place)
    told = await refused(house, slot, certificate)
    assert isinstance(told, RuleViolated), "FAILED_PRECONDITION"
    assert (told.reason, told.metadata) == (Reason.SLOT_TOKEN_STALE, {"agent_id": agent, "cause": cause})
    assert "ask for slots again" in told.message
    await house.book(agent, 9.25, 9.75)  # by agent and start what fits is taken
    await house.world.sound()


async def test_what_fits_no_more_says_why(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    assert (slot.start - at(0).timestamp()) / 3600 == 8.75
    await house.book(agent, 9.5, 10, SOUTH)
    told = await refused(house, slot, certificate)
    assert told.reason is Reason.SLOT_TOKEN_STALE
    assert told.metadata["cause"] == "TRAVEL_OUT"
    assert int(told.metadata["short_seconds"]) > 0
    again, certificate = await offered(house, agent)
    await take(house, again, certificate)


async def test_taken_time_stays_taken(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    await take(house, slot, certificate)
    told = await refused(house, slot, certificate)
    assert isinstance(told, AlreadyExists)
    assert told.reason is Reason.SLOT_TAKEN


async def test_a_neighbour_that_comes_and_goes_changes_nothing(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    await settle_stop(house.ledger, TENANT, await house.book(agent, 10.75, 11.25, SOUTH))
    hold = new_id("hld")
    plan = Plan(agent, Window(at(10.75), at(11.25)), SOUTH, 0)
    await hold_stop(house.ledger, TENANT, HoldStop(hold, plan, timedelta(seconds=60)))
    assert (await refused(house, slot, certificate)).reason is Reason.SLOT_TOKEN_STALE
    await release_hold(house.ledger, TENANT, hold)
    await take(house, slot, certificate)
    await house.world.sound()


async def test_a_hold_is_as_strict(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    await house.book(agent, 10.75, 11.25, SOUTH)
    start = datetime.fromtimestamp(slot.start, UTC)
    plan = Plan(agent, Window(start, start + timedelta(minutes=30)), NORTH, 0)
    command = HoldStop(new_id("hld"), plan, timedelta(seconds=60), "", Certified(certificate, LATER))
    with pytest.raises(RuleViolated) as told:
        await hold_stop(house.ledger, TENANT, command)
    assert told.value.reason is Reason.SLOT_TOKEN_STALE
    _, certificate = await offered(house, agent)
    await hold_stop(house.ledger, TENANT, replace(command, certified=Certified(certificate, LATER)))


async def test_one_that_comes_between_look_and_lock_is_seen(house: House) -> None:
    """The neighbour commits after this booking has begun and before it has the agent's lock."""
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)

    async def faster() -> None:
        failpoints.disarm("geo.reserve_stop.before_lock")
        await House.on(house.world).book(agent, 10.75, 11.25, SOUTH)

    failpoints.arm("geo.reserve_stop.before_lock", faster)
    try:
        told = await refused(house, slot, certificate)
    finally:
        failpoints.disarm("geo.reserve_stop.before_lock")
    assert (told.reason, told.metadata["cause"]) == (Reason.SLOT_TOKEN_STALE, "NEXT_STOP")


async def test_other_travel_data_and_another_calendar_are_told(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    told = await refused(house, slot, certificate._replace(version="estimate-0"))
    assert told.metadata["cause"] == "TRAVEL"
    told = await refused(house, slot, certificate._replace(drive_in=certificate.drive_in - 1))
    assert told.metadata["cause"] == "TRAVEL"
    free = await house.world.agent(calendar("UTC", [WeeklyShift(d, 480, 1080) for d in range(1, 8)], []))
    slot, certificate = await offered(house, free)
    hours = calendar("UTC", [WeeklyShift(d, 480, 1020) for d in range(1, 8)], [])
    await set_calendar(house.ledger, TENANT, free, hours)
    told = await refused(house, slot, certificate)
    assert (told.reason, told.metadata["cause"]) == (Reason.SLOT_TOKEN_STALE, "SHIFT")


async def test_it_ends_on_the_second(house: House) -> None:
    agent = await house.world.agent(noon_break())
    slot, certificate = await offered(house, agent)
    now = house.world.now
    with pytest.raises(RuleViolated) as told:
        await take(house, slot, certificate, until=now - timedelta(seconds=1))
    assert told.value.reason is Reason.SLOT_TOKEN_EXPIRED
    assert "ask for slots again" in told.value.message
    await take(house, slot, certificate, until=now + timedelta(minutes=1))
