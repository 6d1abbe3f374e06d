"""A tenant's own matrix: in force at once, moving nothing, told where it breaks a promise (GEO-17, R-089)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from geo.domain.drives import UNREACHABLE
from geo.domain.legs import Pair
from geo.domain.matrix import Entry
from geo.domain.plan import Plan
from geo.domain.promise import InfeasiblePair
from geo.domain.stop import TravelSource
from geo.storage.agendas import Agendas
from geo.storage.at_risk import PageStart
from geo.storage.matrices import Matrices
from geo.travel.estimate import Estimate
from geo.travel.tenant import TenantTravel
from geo.usecases.check_promises import TravelData
from geo.usecases.get_reservation import get_reservation
from geo.usecases.import_matrix import Imported, TravelImport, import_travel
from geo.usecases.ledger import Ledger
from geo.usecases.list_now_infeasible import list_now_infeasible
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.search_slots import SearchSlots, SlotSearch
from geo.usecases.settle_stop import settle_stop
from giro.geo.v1 import geo_events_pb2
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import GiroError, InvalidInput, Reason, RuleViolated, Unavailable
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.support.world import (
    EAST,
    HOME,
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

BEGIN = PageStart("", datetime(1970, 1, 1, tzinfo=UTC))


@dataclass
class House:
    """A ledger, slot search and travel data on one database; a tenant and an agent of a test's own."""

    world: World
    ledger: Ledger
    travel: TenantTravel
    matrices: Matrices
    search: SlotSearch
    data: TravelData

    async def load(self, entries: Mapping[Pair, Entry], request_id: str | None = None) -> Imported:
        claim = Claim(request_id or new_id("req"), repr(sorted(entries.items())).encode())
        return await import_travel(self.data, TENANT, TravelImport(entries), claim)

    async def book(self, agent: str, start: float, end: float, place: int) -> str:
        appointment = new_id("apt")
        plan = Plan(agent, window(start, end), place, 0)
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, plan))
        return appointment

    async def listed(self, rows: int = 100, after: PageStart = BEGIN) -> list[InfeasiblePair]:
        return list((await list_now_infeasible(self.data, TENANT, after, rows)).pairs)

    async def events(self) -> list[geo_events_pb2.AtRisk]:
        query = "SELECT payload FROM geo.outbox WHERE subject LIKE '%.at_risk' ORDER BY id"
        async with self.world.db.uow(TENANT) as tx:
            rows = await tx.run(text(query))
        return [geo_events_pb2.AtRisk.FromString(bytes(row.payload)) for row in rows]


@pytest_asyncio.fixture
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_world(make_database(["geo"]))
    agendas, matrices = Agendas(world.db), Matrices(world.db)
    travel = TenantTravel(Estimate(), matrices)
    ledger = Ledger(world.db, everyones(travel), agendas.mark_dirty)
    data = TravelData(world.db, everyones(travel))
    yield House(world, ledger, travel, matrices, SlotSearch(agendas, everyones(travel)), data)
    await world.db.stop()


async def test_new_legs_follow_the_matrix_and_old_ones_stay(house: House) -> None:
    agent = await house.world.agent(week(lunch=False))
    before = await house.book(agent, 9, 10, NORTH)
    done = await house.load({(NORTH, SOUTH): (900, 8000), (SOUTH, NORTH): (4000, 9000)})
    assert done == Imported("estimate-1+m1", 0)
    await house.book(agent, 10.5, 11, SOUTH)
    found = await get_reservation(house.ledger, TENANT, before)
    assert found.before is not None
    assert found.after is not None
    assert (found.before.leg.source, found.before.leg.version) == (TravelSource.ESTIMATE, "estimate-1")
    leg = found.after.leg
    assert (leg.seconds, leg.metres, leg.source, leg.version) == (
        900,
        8000,
        TravelSource.MATRIX,
        done.version,
    )
    await house.world.sound()


async def test_search_and_commit_see_the_same_matrix(house: House) -> None:
    agent = await house.world.agent(week(lunch=False))
    asked = SearchSlots(NORTH, 1800, (window(0, 24),), at(0) - timedelta(days=60), (agent,))
    estimated, _ = (await house.search.search(TENANT, asked)).slots[0]
    await house.load({(HOME, NORTH): (60, 1), (NORTH, HOME): (90, 1)})
    house.matrices.forget(TENANT)
    found = await house.search.search(TENANT, asked)
    slot, _ = found.slots[0]
    assert (found.travel_version, slot.added_travel) == ("estimate-1+m1", 150)
    assert slot.start == at(8).timestamp() + 60 < estimated.start
    await house.book(agent, 8 + 60 / 3600, 8.5 + 60 / 3600, NORTH)
    await house.world.sound()


async def test_what_an_outdated_matrix_refuses_is_judged_again_by_the_one_in_force(house: House) -> None:
    """Another process has not heard yet that the drive became shorter, or longer."""
    agent = await house.world.agent(week(lunch=False))
    late = TenantTravel(Estimate(), Matrices(house.world.db))
    elsewhere = Ledger(house.world.db, everyones(late))
    await house.book(agent, 9, 10, NORTH)
    assert await late.version_at_hand(TENANT) == "estimate-1"
    await house.load({(NORTH, SOUTH): (60, 1), (SOUTH, HOME): (60, 1)})
    soon = ReserveStop(new_id("apt"), Plan(agent, window(10.1, 11), SOUTH, 0))
    reserved = await reserve_stop(elsewhere, TENANT, soon)
    assert reserved.before is not None
    assert (reserved.before.leg.seconds, reserved.before.leg.version) == (60, "estimate-1+m1")
    assert await late.version_at_hand(TENANT) == "estimate-1+m1"
    await house.load({(SOUTH, EAST): (40_000, 1)})
    with pytest.raises(RuleViolated) as refused:
        await reserve_stop(
            elsewhere, TENANT, ReserveStop(new_id("apt"), Plan(agent, window(13, 14), EAST, 0))
        )
    assert refused.value.reason is Reason.TRAVEL_IN
    await house.world.sound()


async def test_a_broken_promise_is_told_once_and_moves_nothing(house: House) -> None:
    agent = await house.world.agent(week(lunch=False))
    first = await house.book(agent, 9, 10, NORTH)
    second = await house.book(agent, 11, 12, SOUTH)
    third = await house.book(agent, 13.5, 14, WEST)
    before = [await get_reservation(house.ledger, TENANT, one) for one in (first, second, third)]
    worse = {(NORTH, SOUTH): (4000, 30_000), (SOUTH, WEST): (UNREACHABLE, 0), (WEST, HOME): (60, 100)}
    done = await house.load(worse)
    assert done.now_infeasible == 2
    assert [await get_reservation(house.ledger, TENANT, one) for one in (first, second, third)] == before
    slow, closed = await house.listed()
    assert (slow.promise.earlier_owner_id, slow.promise.later_owner_id, slow.short_seconds) == (
        first,
        second,
        400,
    )
    assert slow.present is not None
    assert (slow.present.seconds, slow.present.metres) == (4000, 30_000)
    assert (slow.present.source, slow.present.version) == (TravelSource.MATRIX, done.version)
    assert slow.promise.leg.version == "estimate-1"
    assert (closed.promise.later_owner_id, closed.present, closed.short_seconds) == (third, None, 0)
    told = [
        (event.earlier_owner_id, event.short_seconds, event.travel_version) for event in await house.events()
    ]
    assert told == [(first, 400, done.version), (second, 0, done.version)]
    await house.listed()
    assert len(await house.events()) == 2
    await house.world.sound()


async def test_the_list_forgets_what_was_settled_and_what_a_better_matrix_mends(house: House) -> None:
    agent = await house.world.agent(week(lunch=False))
    await house.book(agent, 9, 10, NORTH)
    second = await house.book(agent, 11, 12, SOUTH)
    await house.book(agent, 13, 14, NORTH)
    worse = {(NORTH, SOUTH): (4000, 1), (SOUTH, NORTH): (4000, 1)}
    assert (await house.load(worse)).now_infeasible == 2
    assert len(await house.listed()) == 2
    mended = await house.load({(NORTH, SOUTH): (4000, 1)})
    assert mended == Imported("estimate-1+m2", 1)
    assert len(await house.listed()) == 1
    await settle_stop(house.ledger, TENANT, second)
    assert await house.listed() == []
    assert await house.load({}) == Imported("estimate-1+m3", 0)
    assert len(await house.events()) == 3
    assert (await house.travel.legs(TENANT, [(NORTH, SOUTH)])).leg((NORTH, SOUTH)) == (
        await house.travel.legs_at_hand(TENANT, [(NORTH, SOUTH)])
    ).leg((NORTH, SOUTH))


async def test_pages_of_the_list(house: House) -> None:
    for _ in range(2):
        agent = await house.world.agent(week(lunch=False))
        for hour in (9, 11, 13):
            await house.book(agent, hour, hour + 1, NORTH if hour != 11 else SOUTH)
    await house.load({(NORTH, SOUTH): (4000, 1), (SOUTH, NORTH): (4000, 1)})
    whole = await house.listed()
    assert len(whole) == 4
    paged: list[InfeasiblePair] = []
    after = BEGIN
    while rows := await house.listed(1, after):
        paged += rows
        after = PageStart(rows[-1].promise.agent_id, rows[-1].promise.later_starts_at)
    assert paged == whole


async def test_the_same_call_again_imports_nothing_anew(house: House) -> None:
    request = new_id("req")
    first = await house.load({(NORTH, SOUTH): (100, 1)}, request)
    await house.load({(NORTH, SOUTH): (200, 1)})
    assert await house.load({(NORTH, SOUTH): (100, 1)}, request) == first
    leg = (await house.travel.legs(TENANT, [(NORTH, SOUTH)])).leg((NORTH, SOUTH))
    assert leg is not None
    assert leg.seconds == 200
    with pytest.raises(InvalidInput) as refused:
        await house.load({(NORTH, SOUTH): (300, 1)}, request)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


async def test_an_import_cut_short_is_finished_by_whoever_looks(house: House) -> None:
    agent = await house.world.agent(week(lunch=False))
    await house.book(agent, 9, 10, NORTH)
    await house.book(agent, 11, 12, SOUTH)

    class NoEngine(TenantTravel):
        async def present_legs(self, tenant: str, pairs: object) -> None:  # type: ignore[override]
            raise Unavailable(Reason.TRAVEL_UNAVAILABLE, "no engine answers")

    cut = TravelData(house.world.db, everyones(NoEngine(Estimate(), house.matrices)))
    with pytest.raises(Unavailable):
        await import_travel(cut, TENANT, TravelImport({(NORTH, SOUTH): (4000, 1)}), Claim(new_id("req"), b""))
    assert len(await house.listed()) == 1
    assert len(await house.events()) == 1


async def test_who_measured_before_an_import_measures_again(house: House) -> None:
    """The booking waits with its legs in hand while the matrix is replaced: it commits on the new one."""
    agent = await house.world.agent(week(lunch=False))
    await house.book(agent, 9, 10, NORTH)
    imported = []

    async def replace_matrix() -> None:
        if not imported:
            imported.append(await house.load({(NORTH, SOUTH): (4321, 1)}))

    failpoints.arm("geo.reserve_stop.before_lock", replace_matrix)
    second = await house.book(agent, 12, 13, SOUTH)
    found = await get_reservation(house.ledger, TENANT, second)
    assert found.before is not None
    assert (found.before.leg.seconds, found.before.leg.version) == (4321, "estimate-1+m1")


async def test_imports_and_bookings_at_once_leave_no_pair_unseen(house: House) -> None:
    """After the dust has settled every stored pair fits the matrix in force, or is on the list."""
    agents = [await house.world.agent(week(lunch=False)) for _ in range(3)]
    places = (NORTH, SOUTH, EAST, WEST)

    async def booker(number: int) -> None:
        for hour in range(9, 17):
            try:
                await house.book(agents[number % 3], hour, hour + 0.4, places[(hour + number) % 4])
            except GiroError:
                continue

    async def importer() -> None:
        for seconds in (1500, 2500, 1800, 2900):
            await house.load({(a, b): (seconds, 1) for a in places for b in places if a != b})
            await asyncio.sleep(0)

    await asyncio.gather(importer(), *(booker(number) for number in range(6)))
    await house.world.sound()
    listed = {pair.promise.later_stop_id for pair in await house.listed()}
    query = text(
        "SELECT stop_id, extract(epoch FROM starts_at - prev_ends_at)::int AS gap"
        " FROM geo.stops WHERE prev_place = ANY(:places) AND place = ANY(:places) AND prev_place <> place"
    )
    async with house.world.db.uow(TENANT) as tx:
        rows = list(await tx.run(query, {"places": list(places)}))
    assert rows
    assert {row.stop_id for row in rows if row.gap < 2900} == listed
