"""Zones on the ledger and in slot search, on a real database (GEO-25, GEO-26, R-090)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from geo.domain.areas import Area, Polygons
from geo.domain.plan import Plan
from geo.domain.zones import Zone
from geo.usecases.delete_zone import delete_zone
from geo.usecases.get_agent import get_agent
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.read_zones import get_zone, list_zones, zones_at
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_agent_zones import set_agent_zones
from geo.usecases.upsert_zone import upsert_zone
from kit.db.claims import Claim
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotFound, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from services.geo.tests.search.test_search_on_ledger import House
from services.geo.tests.support.world import (
    EAST,
    HOME,
    NORTH,
    SOUTH,
    TENANT,
    WEST,
    open_in_time,
    plan,
    week,
    window,
)

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


def box(*keys: int) -> tuple[tuple[tuple[tuple[int, int], ...], ...], ...]:
    """A square of a hundredth of a degree around each of these places."""

    def around(place: int) -> tuple[tuple[int, int], ...]:
        there = LatLng.from_key(place)
        x, y, r = round(there.lng * 1e6), round(there.lat * 1e6), 5000
        return ((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r))

    return tuple((around(place),) for place in keys)


async def make(house: House, *, zone_id: str = "", **holds: Any) -> str:
    zone = Zone(zone_id, holds.pop("name", new_id("nam")), **holds)
    made = await upsert_zone(house.ledger, TENANT, zone, Claim(new_id("req"), b""))
    return made.zone_id


async def agent_in(house: House, *zone_ids: str, base: int | None = HOME) -> str:
    agent = await house.world.agent(week(base=base))
    await set_agent_zones(house.ledger, TENANT, agent, zone_ids)
    return agent


async def reserve(house: House, what: Plan, ledger: Ledger | None = None) -> str:
    appointment = new_id("apt")
    await reserve_stop(ledger or house.ledger, TENANT, ReserveStop(appointment, what))
    return appointment


async def refusal(awaitable: Any) -> Reason:
    with pytest.raises(GiroError) as refused:
        await awaitable
    return refused.value.reason


async def reasons(house: House, agent: str, **changes: object) -> list[Reason]:
    found = await house.slots(agent, explain=True, **changes)
    return [one.reason for one in found.refused] if not found.slots else []


async def test_an_area_lets_in_what_it_holds(house: House) -> None:
    agent = await agent_in(house, await make(house, polygons=box(NORTH)))
    assert await house.starts(agent, place=NORTH)
    assert await reasons(house, agent, place=SOUTH) == [Reason.OUTSIDE_ZONE]
    booked = await reserve(house, plan(agent, 9, 10, NORTH))
    outside = plan(agent, 14, 15, SOUTH)
    hold = HoldStop(new_id("hld"), outside, timedelta(seconds=60), "")
    assert await refusal(hold_stop(house.ledger, TENANT, hold)) is Reason.OUTSIDE_ZONE
    assert await refusal(reserve(house, outside)) is Reason.OUTSIDE_ZONE
    move = MoveStop(new_id("mov"), booked, outside)
    assert await refusal(move_stop(house.ledger, TENANT, move)) is Reason.OUTSIDE_ZONE
    await house.world.sound()


async def test_several_zones_hold_more(house: House) -> None:
    one, two = await make(house, polygons=box(NORTH)), await make(house, polygons=box(EAST, WEST))
    agent = await agent_in(house, one, two)
    for place, inside in ((NORTH, True), (EAST, True), (WEST, True), (SOUTH, False)):
        assert bool(await house.starts(agent, place=place)) is inside
    assert (await get_agent(house.ledger, TENANT, agent)).zone_ids == tuple(sorted([one, two]))


async def test_postcodes_are_compared_plainly_and_an_unknown_one_is_outside(house: House) -> None:
    agent = await agent_in(house, await make(house, postcodes=("9490", "AL109AB")))
    assert await house.starts(agent, postcode="9490")
    assert await reasons(house, agent, postcode="9491") == [Reason.OUTSIDE_ZONE]
    assert await reasons(house, agent) == [Reason.OUTSIDE_ZONE]
    inside = Plan(agent, window(9, 10), NORTH, postcode="AL109AB")
    await reserve(house, inside)
    assert await refusal(reserve(house, plan(agent, 13, 14, NORTH))) is Reason.OUTSIDE_ZONE


async def test_a_band_is_measured_from_bases_and_booked_stops(house: House) -> None:
    """HOME to NORTH is 11.1 km: 600 s and 1,335 s more by the safe estimate."""
    drive = 600 + 1335
    wide, narrow = await make(house, band=drive), await make(house, band=drive - 1)
    inside, outside = await agent_in(house, wide), await agent_in(house, narrow)
    assert await house.starts(inside, place=NORTH)
    assert set(await reasons(house, outside, place=NORTH)) == {Reason.OUTSIDE_ZONE}
    assert await refusal(reserve(house, plan(outside, 9, 10, NORTH))) is Reason.OUTSIDE_ZONE
    await reserve(house, plan(inside, 9, 10, NORTH))
    beyond = LatLng(45.2, 7.0).key
    assert await house.starts(inside, place=beyond), "as near to the visit in the north as that is to home"
    tomorrow = {"windows": (window(0, 24, day=1),)}
    assert set(await reasons(house, inside, place=beyond, **tomorrow)) == {Reason.OUTSIDE_ZONE}
    assert await refusal(reserve(house, plan(inside, 9, 10, beyond, day=1))) is Reason.OUTSIDE_ZONE
    await reserve(house, plan(inside, 14, 15, beyond))


async def test_a_move_is_not_measured_from_where_it_leaves(house: House) -> None:
    agent = await agent_in(house, await make(house, band=2000))
    near = await reserve(house, plan(agent, 9, 10, NORTH))
    beyond = LatLng(45.2, 7.0).key
    move = MoveStop(new_id("mov"), near, plan(agent, 14, 15, beyond))
    assert await refusal(move_stop(house.ledger, TENANT, move)) is Reason.OUTSIDE_ZONE


async def test_without_base_and_visits_the_first_one_sets_the_band(house: House) -> None:
    agent = await agent_in(house, await make(house, band=60), base=None)
    await reserve(house, plan(agent, 9, 10, NORTH))
    assert set(await reasons(house, agent, place=SOUTH)) == {Reason.OUTSIDE_ZONE}
    assert await house.starts(agent, place=NORTH)
    assert await house.starts(agent, place=SOUTH, windows=(window(0, 24, day=1),))


async def test_a_changed_zone_counts_for_the_next_decision_here_and_elsewhere(house: House) -> None:
    zone = await make(house, polygons=box(NORTH), name="changes")
    agent, elsewhere = await agent_in(house, zone), House.on(house.world)
    assert await house.starts(agent, place=NORTH)
    assert await elsewhere.starts(agent, place=NORTH)
    kept = await reserve(house, plan(agent, 9, 10, NORTH))
    await make(house, zone_id=zone, polygons=box(SOUTH), name="changes")
    assert await reasons(house, agent, place=NORTH) == [Reason.OUTSIDE_ZONE]
    assert await refusal(reserve(house, plan(agent, 13, 14, NORTH))) is Reason.OUTSIDE_ZONE
    await elsewhere.feed()._poll_once()
    assert await reasons(elsewhere, agent, place=NORTH) == [Reason.OUTSIDE_ZONE]
    assert await house.starts(agent, place=SOUTH), "and what was booked stays"
    assert kept
    await set_agent_zones(house.ledger, TENANT, agent, [])
    assert await house.starts(agent, place=NORTH)


async def test_a_zone_changes_while_a_booking_waits_for_it(house: House) -> None:
    """Two sessions: the change holds the agent's lock, and the booking behind it decides by the new zone."""
    zone = await make(house, polygons=box(NORTH), name="waits")
    agent = await agent_in(house, zone)
    seen = await two_sessions(
        lambda: make(house, zone_id=zone, polygons=box(SOUTH), name="waits"),
        lambda: reserve(house, plan(agent, 9, 10, NORTH)),
        at="geo.upsert_zone.before_commit",
        patience=0.1,
    )
    assert seen.held
    assert isinstance(seen.second, RuleViolated)
    assert seen.second.reason is Reason.OUTSIDE_ZONE


async def test_areas_are_read_beside_the_event_loop(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody else waits while a large one is."""
    zone = await make(house, polygons=box(NORTH))
    threads = []
    area_of = Area.of

    def noted(polygons: Polygons) -> Area:
        threads.append(threading.current_thread())
        return area_of(polygons)

    monkeypatch.setattr(Area, "of", noted)
    assert zone in await zones_at(house.ledger, TENANT, NORTH, "")
    assert threads
    assert threading.main_thread() not in threads


async def test_a_zone_in_use_is_not_deleted(house: House) -> None:
    zone = await make(house, band=900)
    agent = await agent_in(house, zone)
    with pytest.raises(RuleViolated) as refused:
        await delete_zone(house.ledger, TENANT, zone)
    assert refused.value.reason is Reason.ZONE_IN_USE
    assert refused.value.metadata["agent_ids"] == agent
    await set_agent_zones(house.ledger, TENANT, agent, [])
    await delete_zone(house.ledger, TENANT, zone)
    with pytest.raises(NotFound):
        await get_zone(house.ledger, TENANT, zone)
    with pytest.raises(NotFound) as unknown:
        await set_agent_zones(house.ledger, TENANT, agent, [zone])
    assert unknown.value.violations[0].field == "zone_ids[0]"


async def test_deleting_and_assigning_at_once_leave_nobody_in_a_zone_that_is_gone(house: House) -> None:
    for _ in range(5):
        zone, agent = await make(house, band=900), await house.world.agent()
        done = await asyncio.gather(
            delete_zone(house.ledger, TENANT, zone),
            set_agent_zones(House.on(house.world).ledger, TENANT, agent, [zone]),
            return_exceptions=True,
        )
        assert sum(isinstance(one, GiroError) for one in done) == 1


async def test_a_zone_that_vanished_lets_nobody_in(house: House) -> None:
    """Limits never fall away unseen, whatever somebody did to the rows."""
    zone = await make(house, polygons=box(NORTH))
    agent = await agent_in(house, zone)
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as admin:
        await admin.execute("DELETE FROM geo.zones WHERE zone_id = %s", (zone,))
    assert await refusal(reserve(house, plan(agent, 9, 10, NORTH))) is Reason.OUTSIDE_ZONE


BOWTIE = (((0, 0), (2_000_000, 2_000_000), (2_000_000, 0), (0, 2_000_000), (0, 0)),)
SQUARE = (((0, 0), (2_000_000, 0), (2_000_000, 2_000_000), (0, 2_000_000), (0, 0)),)
HOLE_OUTSIDE = (SQUARE[0], ((5_000_000, 0), (6_000_000, 0), (6_000_000, 1_000_000), (5_000_000, 0)))


@pytest.mark.parametrize(
    ("polygons", "field", "words"),
    [
        ((SQUARE, BOWTIE), "area.polygons[1]", "self-intersection at latitude 1.000000, longitude 1.000000"),
        ((HOLE_OUTSIDE,), "area.polygons[0]", "hole lies outside shell"),
        ((SQUARE, SQUARE), "area.polygons", "self-intersection"),
    ],
)
async def test_rings_that_cross_are_named(
    house: House, polygons: Sequence[Any], field: str, words: str
) -> None:
    name = new_id("nam")
    with pytest.raises(InvalidInput) as refused:
        await make(house, polygons=tuple(polygons), name=name)
    (violation,) = refused.value.violations
    assert violation.field == field
    assert words in violation.description
    found, _ = await list_zones(house.ledger, TENANT, "", 100)
    assert name not in [one.name for one in found]


async def test_what_is_told_comes_back(house: House) -> None:
    hole = ((500_000, 500_000), (500_000, 900_000), (900_000, 900_000), (500_000, 500_000))
    polygons = ((SQUARE[0], hole),)
    zone = await make(house, polygons=polygons, name="comes back")
    assert await get_zone(house.ledger, TENANT, zone) == Zone(zone, "comes back", polygons=polygons)
    codes = await make(house, postcodes=("1", "2"), name="codes")
    assert (await get_zone(house.ledger, TENANT, codes)).postcodes == ("1", "2")
    assert await zones_at(house.ledger, TENANT, LatLng(1, 1).key, "2") == sorted([zone, codes])
    with pytest.raises(AlreadyExists):
        await make(house, band=60, name="codes")
    claim = Claim(new_id("req"), b"")
    first = await upsert_zone(house.ledger, TENANT, Zone("", "once", band=60), claim)
    assert await upsert_zone(house.ledger, TENANT, Zone("", "once", band=60), claim) == first
    with pytest.raises(NotFound):
        await make(house, zone_id="zon_nobodys", band=60)
