"""The end of a hold: the database's clock decides, after the lock, with the tenant's test clock on top."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio

from geo.domain.owner import Ending
from geo.storage import owners, watch
from geo.usecases.expire_holds import count_holds, expire_holds, holds
from geo.usecases.get_hold import get_hold
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.release_hold import expire_hold, release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_stop import settle_stop
from geo.usecases.watch_invariants import violations, watch_invariants
from kit import failpoints
from kit.errors import NotFound, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.night import outcome
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, World, open_world, plan

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]), sandbox=True)
    yield opened
    await opened.db.stop()


def advance(world: World, seconds: int) -> None:
    """Moves the tenant's test clock on, as identity does."""
    with psycopg.connect(world.urls.admin) as connection:
        connection.execute(
            "INSERT INTO sandbox.test_clocks AS c VALUES (%s, %s) ON CONFLICT (tenant_id)"
            " DO UPDATE SET offset_seconds = c.offset_seconds + excluded.offset_seconds",
            (TENANT, seconds),
        )


async def hold(world: World, agent: str, seconds: int = 60) -> HoldStop:
    command = HoldStop(new_id("hld"), plan(agent, 9, 10, NORTH), timedelta(seconds=seconds))
    await hold_stop(world.ledger, TENANT, command)
    return command


async def ending(world: World, hold_id: str) -> Ending | None:
    async with world.db.uow(TENANT) as tx:
        return (await owners.find(tx, hold_id))[hold_id].ending


def ends_told(world: World, hold_id: str) -> int:
    with psycopg.connect(world.urls.admin) as connection:
        rows = connection.execute(
            "SELECT 1 FROM geo.outbox WHERE entity_id = %s AND subject LIKE '%%.hold_ended'", (hold_id,)
        )
        return len(rows.fetchall())


async def test_an_expired_hold_is_gone_for_everybody(world: World) -> None:
    agent = await world.agent()
    held = await hold(world, agent)
    advance(world, 61)
    with pytest.raises(NotFound):
        await get_hold(world.ledger, TENANT, held.hold_id)
    late = ReserveStop(new_id("apt"), held.plan, held.hold_id)
    assert await outcome(reserve_stop(world.ledger, TENANT, late)) == Reason.HOLD_EXPIRED
    assert await outcome(hold_stop(world.ledger, TENANT, held)) == Reason.HOLD_EXPIRED
    taken = ReserveStop(new_id("apt"), plan(agent, 9.5, 10.5, SOUTH))
    await reserve_stop(world.ledger, TENANT, taken)  # takes the time, and drops the hold on its way
    assert await ending(world, held.hold_id) is Ending.EXPIRED
    assert await outcome(reserve_stop(world.ledger, TENANT, late)) == Reason.HOLD_EXPIRED
    assert not await expire_hold(world.ledger, TENANT, held.hold_id)
    assert ends_told(world, held.hold_id) == 1
    await world.sound()


@pytest.mark.parametrize(("seconds", "expected"), [(55, "OK"), (61, Reason.HOLD_EXPIRED)])
async def test_the_clock_after_the_lock_decides(world: World, seconds: int, expected: str) -> None:
    """A reserve that waits for the lock while the hold's time runs out comes too late."""
    agent = await world.agent()
    held = await hold(world, agent)
    reserve = ReserveStop(new_id("apt"), held.plan, held.hold_id)
    waiting: list[asyncio.Task[str]] = []

    async def keep_waiting() -> None:
        """In the transaction of another hold, which has the agent's lock and has read."""
        failpoints.disarm("geo.hold_stop.after_read")
        waiting.append(asyncio.create_task(outcome(reserve_stop(world.ledger, TENANT, reserve))))
        await until_somebody_waits(world)
        advance(world, seconds)

    failpoints.arm("geo.hold_stop.after_read", keep_waiting)
    other = HoldStop(new_id("hld"), plan(agent, 15, 16, SOUTH), timedelta(seconds=300))
    await hold_stop(world.ledger, TENANT, other)
    assert await waiting[0] == expected
    assert ends_told(world, held.hold_id) == (1 if expected == "OK" else 0)
    await world.sound()


async def until_somebody_waits(world: World) -> None:
    """Returns once a session waits for another's row."""
    async with asyncio.timeout(60):
        while True:
            with psycopg.connect(world.urls.admin) as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                found = connection.execute(query + " AND wait_event_type = 'Lock'").fetchone()
            if found and found[0]:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("first", ["reserve", "expire"])
async def test_expiry_against_a_confirm_that_waits(world: World, first: str) -> None:
    """One of the two, never both."""
    agent = await world.agent()
    held = await hold(world, agent)
    command = ReserveStop(new_id("apt"), held.plan, held.hold_id)

    async def reserve() -> str:
        return await outcome(reserve_stop(world.ledger, TENANT, command))

    async def expire() -> bool:
        return await expire_hold(world.ledger, TENANT, held.hold_id)

    if first == "reserve":  # it has judged the hold in time and has the lock; then the time is up

        async def late_expiry() -> bool:
            advance(world, 61)
            return await expire()

        seen = await two_sessions(reserve, late_expiry, at="geo.reserve_stop.after_read")
        assert (seen.first, seen.second, seen.overtook) == ("OK", False, False)
        assert await ending(world, held.hold_id) is Ending.BOOKED
    else:
        looked = asyncio.Event()

        async def wait() -> None:
            if not looked.is_set():
                looked.set()
                advance(world, 61)
                assert await expire()

        failpoints.arm("geo.reserve_stop.before_lock", wait)
        assert await reserve() == Reason.HOLD_EXPIRED
        assert await ending(world, held.hold_id) is Ending.EXPIRED
    assert ends_told(world, held.hold_id) == 1
    await world.sound()


async def test_the_sweeper_goes_by_each_tenants_clock(world: World) -> None:
    agent = await world.agent()
    held = await hold(world, agent)
    holds.set(0)
    await expire_holds(world.ledger)
    assert await ending(world, held.hold_id) is None
    assert holds._value.get() == 0, "a round looks at those that are due alone"
    await count_holds(world.ledger)
    assert holds._value.get() >= 1
    advance(world, 61)
    async with world.db.worker() as tx:
        assert held.hold_id in [due.hold_id for due in await watch.due_holds(tx)]
    assert await expire_holds(world.ledger) >= 1
    assert await ending(world, held.hold_id) is Ending.EXPIRED
    await expire_holds(world.ledger)
    assert ends_told(world, held.hold_id) == 1
    await release_hold(world.ledger, TENANT, held.hold_id)


async def test_the_gauge_shows_broken_promises(world: World) -> None:
    assert await watch_invariants(world.ledger) == 0
    assert violations._value.get() == 0
    agent = await world.agent()
    appointment = ReserveStop(new_id("apt"), plan(agent, 9, 10, NORTH))
    await reserve_stop(world.ledger, TENANT, appointment)
    with psycopg.connect(world.urls.admin) as connection:
        connection.execute(
            "SET session_replication_role = replica"
        )  # past the foreign keys, as by a bad disk
        connection.execute(
            "UPDATE geo.stops SET prev_ends_at = prev_ends_at - interval '1 hour' WHERE owner_id = %s",
            (appointment.appointment_id,),
        )
    assert await watch_invariants(world.ledger) == 1
    assert violations._value.get() == 1
    assert await settle_stop(world.ledger, TENANT, appointment.appointment_id)
    assert await watch_invariants(world.ledger) == 0


async def test_a_settle_waits_for_the_reserve_under_way(world: World) -> None:
    """Fencing: the stop of a reserve that commits after all is freed by the settle that waited for it."""
    agent, appointment = await world.agent(), new_id("apt")
    command = ReserveStop(appointment, plan(agent, 9, 10, NORTH))
    seen = await two_sessions(
        lambda: reserve_stop(world.ledger, TENANT, command),
        lambda: settle_stop(world.ledger, TENANT, appointment),
        at="geo.reserve_stop.before_commit",
    )
    assert seen.held
    assert not seen.overtook
    assert seen.second is True
    with pytest.raises(RuleViolated) as late:
        await reserve_stop(world.ledger, TENANT, command)
    assert late.value.reason is Reason.SETTLED
    await world.sound()


async def test_a_reserve_overtaken_by_its_settle_is_refused(world: World) -> None:
    agent, appointment = await world.agent(), new_id("apt")
    command = ReserveStop(appointment, plan(agent, 9, 10, NORTH))
    seen = await two_sessions(
        lambda: outcome(reserve_stop(world.ledger, TENANT, command)),
        lambda: settle_stop(world.ledger, TENANT, appointment),
        at="geo.reserve_stop.after_read",
    )
    assert seen.held
    assert (seen.first, seen.second) == (Reason.SETTLED, False)
    assert (await world.sound()).violations == ()
