"""Slot search beside the ledger it reads, on a real database."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.storage import agenda_feed, agendas, stops
from geo.storage.agenda_feed import AgendaFeed
from geo.storage.agendas import Agendas, read_agendas
from geo.storage.matrices import Matrices
from geo.travel.estimate import Estimate
from geo.travel.tenant import TenantTravel
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.release_hold import release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.search_slots import Found, SearchSlots, SlotSearch
from geo.usecases.set_calendar import set_calendar
from kit.errors import NotFound, Reason, Unavailable
from kit.testing.databases import Databases
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window
from services.geo.tests.support.world import HOME, NORTH, SOUTH, TENANT, World, at, everyones, open_in_time

pytestmark = pytest.mark.asyncio


@dataclass
class House:
    """A ledger with slot search in the same process, as the service wires them."""

    world: World
    ledger: Ledger
    agendas: Agendas
    matrices: Matrices
    travel: TenantTravel
    search: SlotSearch

    @classmethod
    def on(cls, world: World) -> "House":
        agendas, matrices = Agendas(world.db), Matrices(world.db)
        travel = TenantTravel(Estimate(), matrices)
        ledger = Ledger(world.db, everyones(travel), agendas.mark_dirty)
        return cls(world, ledger, agendas, matrices, travel, SlotSearch(agendas, everyones(travel)))

    def feed(self) -> AgendaFeed:
        return AgendaFeed(self.world.db, self.world.urls.app("geo"), self.agendas, self.matrices)

    async def slots(self, *agents: str, **changes: object) -> Found:
        asked = {
            "place": NORTH,
            "duration": 1800,
            "windows": (Window(at(0), at(24)),),
            "as_of": self.world.now,
            "agent_ids": agents,
            "limit": 200,
            **changes,
        }
        return await self.search.search(TENANT, SearchSlots(**asked))  # type: ignore[arg-type]

    async def starts(self, *agents: str, **changes: object) -> list[float]:
        """Hours of the starts, in time order."""
        found = await self.slots(*agents, **changes)
        return sorted((slot.start - at(0).timestamp()) / 3600 for slot, _ in found.slots)

    async def book(self, agent: str, start: float, end: float, place: int = NORTH) -> str:
        appointment = new_id("apt")
        await reserve_stop(
            self.ledger, TENANT, ReserveStop(appointment, Plan(agent, Window(at(start), at(end)), place, 0))
        )
        return appointment


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_in_time(make_database(["geo"]))
    yield House.on(world)
    await world.db.stop()


def noon_break() -> Calendar:
    shifts = [WeeklyShift(day, 8 * 60, 18 * 60, HOME, HOME) for day in range(1, 8)]
    return calendar("UTC", shifts, [WeeklyBreak(day, 720, 780) for day in range(1, 8)])


async def test_an_empty_day_offers_a_start_before_and_after_the_break(house: House) -> None:
    agent = await house.world.agent(noon_break())
    found = await house.slots(agent, granularity=900)
    assert await house.starts(agent, granularity=900) == [8.75, 13.75]
    first, _ = found.slots[0]
    drive = 600 + 1335  # 11.1 km
    assert first.leg_before is not None
    assert first.leg_after is not None
    assert first.leg_before.seconds == first.leg_after.seconds == drive
    assert first.added_travel == 2 * drive
    assert first.leave_at == first.start - drive
    assert first.idle == first.leave_at - at(8).timestamp()
    assert first.slack == at(12).timestamp() - first.start - 1800
    assert found.travel_version == "estimate-1"


async def test_every_slot_offered_can_be_booked(house: House) -> None:
    """Books at random what is offered, until nothing is, over three days of two agents."""
    picked = random.Random(4)
    agents = [await house.world.agent(noon_break(), buffer=120) for _ in range(2)]
    booked = 0
    while True:
        place = LatLng(45 + picked.uniform(-0.1, 0.1), 7 + picked.uniform(-0.1, 0.1)).key
        windows = (Window(at(0), at(36)), Window(at(30), at(72)))
        asked = {"place": place, "duration": 5400, "windows": windows, "granularity": 300, "buffer": 60}
        found = await house.slots(*agents, **asked)
        if not found.slots:
            break
        slot, _ = picked.choice(found.slots)
        start = at(0) + timedelta(seconds=slot.start - at(0).timestamp())
        plan = Plan(slot.agent_id, Window(start, start + timedelta(seconds=5400)), place, 60)
        made = await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), plan))
        assert (made.before.leg if made.before else None) == slot.leg_before
        booked += 1
    assert booked > 10
    await house.world.sound()


async def test_own_commits_show_in_the_next_search(house: House) -> None:
    agent = await house.world.agent(noon_break())
    assert len(await house.starts(agent)) == 2
    hold = new_id("hld")
    plan = Plan(agent, Window(at(9), at(11)), SOUTH, 0)
    await hold_stop(house.ledger, TENANT, HoldStop(hold, plan, timedelta(seconds=60), ""))
    held = await house.starts(agent)
    await release_hold(house.ledger, TENANT, hold)
    assert len(await house.starts(agent)) == 2
    assert held != await house.starts(agent)
    await house.book(agent, 9, 11, SOUTH)
    assert held == await house.starts(agent)
    await add_absence(house.ledger, TENANT, AddAbsence(agent, Window(at(13), at(15)), "", new_id("req")))
    assert max(await house.starts(agent)) > 15 > max(held)
    other = await house.world.agent(noon_break())
    await set_calendar(house.ledger, TENANT, other, calendar("UTC", [], []))
    assert await house.starts(other) == []


async def test_stops_packed_by_the_database_are_those_of_its_rows(house: House) -> None:
    """Day frames, a visit with its promised window, a hold, an absence, and days without any."""
    agent, idle = await house.world.agent(noon_break()), await house.world.agent(noon_break())
    promised = Plan(agent, Window(at(9), at(10)), NORTH, 120, arrival=Window(at(8.5), at(9.5)))
    await reserve_stop(house.ledger, TENANT, ReserveStop(new_id("apt"), promised))
    held = Plan(agent, Window(at(14), at(15)), SOUTH, 0)
    await hold_stop(house.ledger, TENANT, HoldStop(new_id("hld"), held, timedelta(seconds=600), ""))
    await add_absence(house.ledger, TENANT, AddAbsence(agent, Window(at(16.5), at(17)), "", new_id("req")))
    found = await house.agendas.of(TENANT, [agent, idle], at(0))
    async with house.world.db.uow(TENANT) as tx:
        rows = await stops.between(tx, agent, at(-48), at(72), house.world.now)
        (later,) = (await read_agendas(tx, [agent], at(16))).values()
    packed = found[0].stops
    assert len(rows) == 6
    assert list(packed) == list(rows)
    assert (packed[2], packed[-1], packed[1:3]) == (rows[2], rows[-1], tuple(rows[1:3]))
    assert later.stops == tuple(rows[1:])  # from the last visit before, which has no expiry
    assert list(found[1].stops) == []


async def test_a_hold_counts_until_it_expires(house: House) -> None:
    agent = await house.world.agent(noon_break())
    plan = Plan(agent, Window(at(9), at(11.5)), NORTH, 0)
    held = await hold_stop(house.ledger, TENANT, HoldStop(new_id("hld"), plan, timedelta(seconds=60), ""))
    windows = (Window(at(8), at(11.75)),)
    before, after = held.expires_at - timedelta(seconds=1), held.expires_at
    assert await house.starts(agent, as_of=before, windows=windows) == []
    assert len(await house.starts(agent, as_of=after, windows=windows)) == 1
    assert await house.starts(agent, as_of=before, windows=windows) == []


async def test_what_was_read_for_a_caller_that_left_is_not_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More agents than can be read within one call are answered by a repetition at last; while they are being
    read, a short question of the same tenant comes in between."""
    crew = [await house.world.agent() for _ in range(4)]
    asked, reading, go_on = list[list[str]](), asyncio.Event(), asyncio.Event()
    read = agendas._read

    async def slowly(tx: Any, agent_ids: Any, *span: Any) -> Any:
        asked.append(list(agent_ids))
        if crew[1] in agent_ids and not go_on.is_set():
            reading.set()
            await go_on.wait()
        return await read(tx, agent_ids, *span)

    monkeypatch.setattr(agendas, "_read", slowly)
    monkeypatch.setattr(agendas, "_AT_ONCE", 1)
    as_of = house.world.now
    for outcome in ("left", "answered"):
        call = asyncio.ensure_future(house.agendas.of(TENANT, crew, as_of))
        await asyncio.wait_for(reading.wait(), 10)
        reading.clear()
        if outcome == "left":
            call.cancel()
            await asyncio.wait({call})
            continue
        short = asyncio.ensure_future(house.agendas.of(TENANT, crew[3:], as_of))
        go_on.set()
        assert [one.agent_id for one in await call] == crew
        assert [one.agent_id for one in await short] == crew[3:]
    assert asked == [[crew[0]], [crew[1]], [crew[1]], [crew[3]], [crew[2]]]


async def test_an_agent_of_nobody_is_not_found(house: House) -> None:
    mine = await house.world.agent(noon_break())
    with pytest.raises(NotFound) as refused:
        await house.slots(mine, "agt_of_somebody_else")
    assert refused.value.reason is Reason.NOT_FOUND
    asked = SearchSlots(NORTH, 1800, (Window(at(0), at(24)),), at(0), (mine,))
    with pytest.raises(NotFound):
        await house.search.search("ten_2", asked)


# --- other processes


async def test_a_commit_elsewhere_shows_after_its_notification(house: House) -> None:
    elsewhere = House.on(house.world)
    agent = await house.world.agent(noon_break())
    feed = asyncio.create_task(house.feed().run())
    try:
        assert len(await house.starts(agent)) == 2
        await _until(lambda: _listening(house))
        await elsewhere.book(agent, 8.75, 11.75)
        await _until(lambda: _has(house, agent, 1))
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


async def test_without_notifications_versions_are_polled(house: House) -> None:
    agent = await house.world.agent(noon_break())
    assert len(await house.starts(agent)) == 2
    await House.on(house.world).book(agent, 8.75, 11.75)
    assert len(await house.starts(agent)) == 2, "nobody told this process yet"
    await house.feed()._poll_once()
    assert len(await house.starts(agent)) == 1


async def test_a_lost_connection_is_taken_up_again(house: House) -> None:
    agent = await house.world.agent(noon_break())
    feed = asyncio.create_task(house.feed().run())
    try:
        assert len(await house.starts(agent)) == 2
        await _until(lambda: _listening(house))
        assert len(await house.starts(agent)) == 2
        await _cut_listeners(house)
        await House.on(house.world).book(agent, 8.75, 11.75)
        await _until(lambda: _has(house, agent, 1))
        await _until(lambda: _listening(house))
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


async def test_a_server_that_is_frozen_is_not_waited_for(house: House, monkeypatch: Any) -> None:
    for name in ("_ALIVE_SECONDS", "_ANSWER_SECONDS", "_POLL_SECONDS"):
        monkeypatch.setattr(agenda_feed, name, 0.2)
    agent = await house.world.agent(noon_break())
    assert len(await house.starts(agent)) == 2
    feed = asyncio.create_task(house.feed().run())
    (frozen,) = await _listeners(house)
    try:
        os.kill(frozen, signal.SIGSTOP)
        await House.on(house.world).book(agent, 8.75, 11.75)
        await _until(lambda: _has(house, agent, 1))
    finally:
        os.kill(frozen, signal.SIGCONT)
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


async def test_a_process_that_was_busy_does_not_take_the_server_for_frozen(
    house: House, monkeypatch: Any
) -> None:
    monkeypatch.setattr(agenda_feed, "_ANSWER_SECONDS", 1.0)
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as connection:
        said = asyncio.create_task(agenda_feed._say(connection, "SELECT 1"))
        await asyncio.sleep(0)
        time.sleep(1.2)  # noqa: ASYNC251 - this is the business
        await said


async def test_staleness_is_measured_while_nothing_is_heard(house: House) -> None:
    class Gone:
        def uow(self, tenant: str) -> None:
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, "no answer")

    assert len(await house.starts(await house.world.agent(noon_break()))) == 2
    feed = house.feed()
    feed._db = Gone()  # type: ignore[assignment]
    feed._in_step -= 30
    await feed._poll_once()
    assert (REGISTRY.get_sample_value("giro_geo_agenda_staleness_seconds") or 0) >= 30
    await house.feed()._poll_once()
    assert REGISTRY.get_sample_value("giro_geo_agenda_staleness_seconds") == 0


async def _cut_listeners(house: House) -> None:
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )


async def _listeners(house: House) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as admin:
        async with asyncio.timeout(60):
            while not (found := await (await admin.execute(query, [agenda_feed.LISTENER])).fetchall()):
                await asyncio.sleep(0.01)
    return [pid for (pid,) in found]


async def _listening(house: House) -> bool:
    async with await psycopg.AsyncConnection.connect(house.world.urls.admin, autocommit=True) as admin:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        return await (await admin.execute(query)).fetchone() is not None


async def _has(house: House, agent: str, starts: int) -> bool:
    return len(await house.starts(agent)) == starts


async def _until(true: object, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # type: ignore[operator]
            await asyncio.sleep(0.01)
