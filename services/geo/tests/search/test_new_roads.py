"""A new version of the roads: one event a pair that no longer fits, and nothing moves (GEO-17, R-089)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
import pytest_asyncio
from sqlalchemy import text

from geo.domain.drives import UNREACHABLE
from geo.domain.modes import TravelMode
from geo.domain.places import Ints, Places
from geo.domain.plan import Plan
from geo.domain.stop import TravelSource
from geo.storage.agendas import Agendas
from geo.storage.matrices import Matrices
from geo.travel.estimate import Estimate
from geo.travel.failures import unavailable
from geo.travel.tenant import TenantTravel
from geo.usecases import check_promises
from geo.usecases.check_promises import TravelData
from geo.usecases.get_reservation import get_reservation
from geo.usecases.ledger import Ledger
from geo.usecases.parameters import estimates_allowed, set_parameter
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.search_slots import SearchSlots, SlotSearch
from geo.usecases.settle_stop import settle_stop
from geo.usecases.watch_travel import watch_travel
from giro.geo.v1 import geo_events_pb2
from kit.errors import Reason, Unavailable
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    World,
    at,
    everyones,
    open_world,
    week,
    window,
)

pytestmark = pytest.mark.asyncio


class Roads(Estimate):
    """Every drive takes as long as the test says; the version is the test's too."""

    source = TravelSource.ROAD  # type: ignore[assignment,misc]
    instant = False  # type: ignore[assignment,misc]
    drive = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.version, self.seconds, self.dead = "osrm-old-car", 1200, False

    async def refreshed(self) -> str:
        if self.dead:
            raise unavailable("no answer", "osrm")
        return self.version

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        if self.dead:
            raise unavailable("no answer", "osrm")
        seconds = np.full(max(len(froms), len(tos)), self.seconds, dtype=np.int64)
        return seconds, np.where(seconds == UNREACHABLE, 0, 1000)


@dataclass
class House:
    world: World
    roads: Roads
    ledger: Ledger
    data: TravelData

    async def book(self, agent: str, start: float, end: float, place: int) -> str:
        appointment = new_id("apt")
        plan = Plan(agent, window(start, end), place, 0)
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, plan))
        return appointment

    async def told(self) -> list[tuple[str, int, str]]:
        query = "SELECT payload FROM geo.outbox WHERE subject LIKE '%.at_risk' ORDER BY id"
        async with self.world.db.uow(TENANT) as tx:
            rows = await tx.run(text(query))
        events = [geo_events_pb2.AtRisk.FromString(bytes(row.payload)) for row in rows]
        return [(event.later_owner_id, event.short_seconds, event.travel_version) for event in events]


@pytest_asyncio.fixture
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_world(make_database(["geo"]))
    roads = Roads()

    async def may_estimate(tenant: str) -> bool:
        return await estimates_allowed(world.db, tenant)

    travel = TenantTravel(roads, Matrices(world.db), may_estimate)
    yield House(world, roads, Ledger(world.db, everyones(travel)), TravelData(world.db, everyones(travel)))
    await world.db.stop()


async def test_new_roads_are_held_against_every_promise_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_promises, "_PAGE", 2)  # of four drives
    agent = await house.world.agent(week(lunch=False))
    first = await house.book(agent, 9, 10, NORTH)
    second = await house.book(agent, 10.5, 11, SOUTH)
    await house.book(agent, 14, 15, WEST)
    assert await watch_travel(house.data) == 1
    assert await watch_travel(house.data) == 0
    before = [await get_reservation(house.ledger, TENANT, one) for one in (first, second)]
    house.roads.version, house.roads.seconds = "osrm-new-car", 2000
    for _ in range(3):
        await watch_travel(house.data)
    assert await house.told() == [(second, 200, "osrm-new-car")]
    assert [await get_reservation(house.ledger, TENANT, one) for one in (first, second)] == before
    house.roads.version, house.roads.seconds = "osrm-newest-car", UNREACHABLE
    await watch_travel(house.data)
    later = (await house.told())[1:]
    assert {version for _, _, version in later} == {"osrm-newest-car"}
    assert {seconds for _, seconds, _ in later} == {0}
    await house.world.sound()


async def test_while_the_roads_cannot_be_asked_nothing_is_judged_even_by_leave_of_the_estimate(
    house: House,
) -> None:
    agent = await house.world.agent(week(lunch=False))
    await house.book(agent, 9, 10, NORTH)
    await house.book(agent, 10.5, 11, SOUTH)
    await set_parameter(house.ledger, TENANT, "on_road_failure", "ESTIMATE")
    house.roads.version, house.roads.dead = "osrm-new-car", True
    assert await watch_travel(house.data) == 0
    assert await house.told() == []
    house.roads.dead, house.roads.seconds = False, 2000
    assert await watch_travel(house.data) == 1
    assert len(await house.told()) == 1


async def test_a_booking_on_the_estimate_is_flagged_and_held_against_the_roads_when_they_are_back(
    house: House,
) -> None:
    agent = await house.world.agent(week(lunch=False))
    await set_parameter(house.ledger, TENANT, "on_road_failure", "ESTIMATE")
    house.roads.dead = True
    await house.book(agent, 9, 10, NORTH)
    booked = await house.book(agent, 13, 14, SOUTH)
    found = await get_reservation(house.ledger, TENANT, booked)
    assert found.before is not None
    assert (found.before.leg.source, found.before.leg.version) == (TravelSource.ESTIMATE, "estimate-1")
    house.roads.dead, house.roads.seconds = False, 11_000
    await watch_travel(house.data)
    assert (booked, 200, "osrm-old-car") in await house.told()
    await house.world.sound()


async def test_slot_search_refuses_without_roads_or_offers_flagged_slots_by_the_tenants_choice(
    house: House,
) -> None:
    agent = await house.world.agent(week(lunch=False))
    await house.book(agent, 9, 10, NORTH)
    agendas = Agendas(house.world.db)
    travel = house.ledger.travel.of(TravelMode.CAR)
    assert isinstance(travel, TenantTravel)
    search = SlotSearch(agendas, everyones(travel))
    asked = SearchSlots(SOUTH, 1800, (window(0, 24),), at(0) - timedelta(days=60), (agent,))
    assert (await search.search(TENANT, asked)).travel_version == "osrm-old-car"
    house.roads.dead = True
    with pytest.raises(Unavailable) as refused:
        await search.search(TENANT, asked)
    assert refused.value.reason is Reason.TRAVEL_UNAVAILABLE
    with pytest.raises(Unavailable):
        await house.book(agent, 13, 14, SOUTH)
    await set_parameter(house.ledger, TENANT, "on_road_failure", "ESTIMATE")
    found = await search.search(TENANT, asked)
    assert found.travel_version == "estimate-1"
    drives = [leg for slot, _ in found.slots for leg in (slot.leg_before, slot.leg_after) if leg]
    assert drives
    assert {(leg.source, leg.version) for leg in drives} == {(TravelSource.ESTIMATE, "estimate-1")}
    slot = found.slots[-1][0]
    start = (slot.start - at(0).timestamp()) / 3600
    await house.book(agent, start, start + 0.5, SOUTH)  # what it offers commits
    await house.world.sound()


def unaware(house: House, version: str = "osrm-old-car") -> Ledger:
    """The ledger in a process that has not heard of newer roads: 20 minutes for every drive."""
    roads = Roads()
    roads.version = version
    return Ledger(house.world.db, everyones(TenantTravel(roads, Matrices(house.world.db))))


async def _late(house: House, ledger: Ledger, agent: str) -> str:
    """Half an hour after the visit before it: enough for the old roads alone."""
    appointment = new_id("apt")
    late = Plan(agent, window(10.5, 11), SOUTH, 0)
    await reserve_stop(ledger, TENANT, ReserveStop(appointment, late))
    return appointment


@pytest.mark.parametrize(
    "held_at",
    ["geo.reserve_stop.before_lock", "geo.reserve_stop.before_commit", "geo.check_promises.before_mark", ""],
)
async def test_a_booking_measured_by_the_old_roads_is_held_against_the_new(
    house: House, held_at: str
) -> None:
    """Another process books by the old roads: measured before the new ones were held and written after,
    written while they are, and measured after. At the next look the pair is told, once."""
    agent, other = [await house.world.agent(week(base=None, lunch=False)) for _ in range(2)]
    for one in (agent, other):
        await house.book(one, 9, 10, NORTH)
    elsewhere = unaware(house)
    await watch_travel(house.data)
    house.roads.version, house.roads.seconds = "osrm-new-car", 2000

    async def book() -> object:
        return await _late(house, elsewhere, agent)

    async def watch() -> object:
        return await watch_travel(house.data)

    if held_at:
        calls = (watch, book) if "check" in held_at else (book, watch)
        outcome = await two_sessions(*calls, at=held_at)
        assert outcome.held
        assert not isinstance(outcome.first, BaseException), outcome.first
        assert not isinstance(outcome.second, BaseException), outcome.second
    else:
        await watch()
        await book()
    await watch_travel(house.data)
    assert [told[1:] for told in await house.told()] == [(200, "osrm-new-car")]
    assert await watch_travel(house.data) == 0
    await house.book(other, 14, 15, WEST)  # by the roads that everything was held against
    assert await watch_travel(house.data) == 0
    await house.world.sound()


@pytest.mark.parametrize("held_at", ["geo.check_promises.before_commit", "geo.create_agent.before_commit"])
async def test_an_agent_that_comes_with_the_mark_is_held_against_it(house: House, held_at: str) -> None:
    """Made while everything has been held against the new roads and their mark is not seen yet, or the other
    way round, and booked at once by a process that has not heard of them."""
    old = await house.world.agent(week(base=None, lunch=False))
    await house.book(old, 9, 10, NORTH)
    elsewhere = House(house.world, house.roads, unaware(house), house.data)
    await watch_travel(house.data)
    house.roads.version, house.roads.seconds = "osrm-new-car", 2000

    async def join() -> object:
        agent = await house.world.agent(week(base=None, lunch=False))
        await elsewhere.book(agent, 9, 10, NORTH)
        return await _late(house, elsewhere.ledger, agent)

    async def watch() -> object:
        return await watch_travel(house.data)

    calls = (watch, join) if "check" in held_at else (join, watch)
    outcome = await two_sessions(*calls, at=held_at)
    assert outcome.held
    late = outcome.second if calls[1] is join else outcome.first
    assert isinstance(late, str), late
    await watch_travel(house.data)
    assert await house.told() == [(late, 200, "osrm-new-car")]
    assert await watch_travel(house.data) == 0
    await house.world.sound()


async def test_roads_that_come_back_are_held_against_what_was_booked_in_between(house: House) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    house.roads.seconds = 2000
    await house.book(agent, 9, 10, NORTH)
    await watch_travel(house.data)
    house.roads.version, house.roads.seconds = "osrm-new-car", 1200
    await watch_travel(house.data)
    late = await _late(house, house.ledger, agent)
    house.roads.version, house.roads.seconds = "osrm-old-car", 2000
    await watch_travel(house.data)
    assert await house.told() == [(late, 200, "osrm-old-car")]


async def test_a_booking_on_the_estimate_is_held_against_roads_that_everything_was_held_against(
    house: House,
) -> None:
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.book(agent, 9, 10, NORTH)
    house.roads.seconds = 11_000
    await watch_travel(house.data)
    await set_parameter(house.ledger, TENANT, "on_road_failure", "ESTIMATE")
    house.roads.dead = True
    booked = await house.book(agent, 13, 14, SOUTH)
    assert await watch_travel(house.data) == 0
    house.roads.dead = False
    await watch_travel(house.data)
    assert await house.told() == [(booked, 200, "osrm-old-car")]


async def test_a_way_kept_over_a_removed_place_is_held_against_the_new_roads(house: House) -> None:
    """What a cancellation leaves is a new pair: the drive over the place that left is of the old roads."""
    agent = await house.world.agent(week(base=None, lunch=False))
    await house.book(agent, 9, 10, NORTH)
    middle = await house.book(agent, 10.5, 11, SOUTH)
    last = await house.book(agent, 11.5, 12, WEST)
    house.roads.version, house.roads.seconds = "osrm-new-car", 5500
    await watch_travel(house.data)
    before = await house.told()
    assert {told[0] for told in before} == {middle, last}
    await settle_stop(house.ledger, TENANT, middle)
    await watch_travel(house.data)
    assert (await house.told())[len(before) :] == [(last, 100, "osrm-new-car")]
