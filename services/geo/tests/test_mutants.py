"""The guards one at a time: the tests can fail, and each guard holds without the other.

One schedule: two bookings that fit alone and not together, the first held after it has read.
"""

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio

from geo.domain import verification
from geo.storage import agents, sql
from geo.storage.constraints import CHAIN
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from kit.db.failures import constraint_fired
from kit.errors import Conflict, GiroError, Reason
from kit.testing.databases import Databases
from kit.testing.schedule import Outcome, two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.world import NORTH, SOUTH, TENANT, World, open_world, plan, week

pytestmark = pytest.mark.asyncio

A_MOMENT = 0.3
"""Seconds after which a session that waits for the other one is taken for waiting."""


@pytest_asyncio.fixture
async def world(make_database: Databases) -> AsyncIterator[World]:
    """A database of the test's own, to break."""
    opened = await open_world(make_database(["geo"]))
    yield opened
    await opened.db.stop()


async def race(world: World, start: float = 9.5, patience: float = 15) -> Outcome:
    """A visit until 9:30 north of the town, and one from `start` south of it: 20 minutes apart."""
    agent = await world.agent(week(base=None, lunch=False))

    def book(begin: float, end: float, place: int) -> Callable[[], object]:
        return lambda: reserve_stop(
            world.ledger, TENANT, ReserveStop(new_id("apt"), plan(agent, begin, end, place))
        )

    return await two_sessions(
        book(9, 9.5, NORTH),  # type: ignore[arg-type]
        book(start, start + 1, SOUTH),  # type: ignore[arg-type]
        at="geo.reserve_stop.after_read",
        patience=patience,
    )


def without_chain(world: World) -> None:
    with psycopg.connect(world.urls.admin) as connection:
        for name in sorted(CHAIN, key=lambda one: one not in {"stops_previous", "stops_leg"}):
            if name != "stops_pkey":
                connection.execute(f"ALTER TABLE geo.stops DROP CONSTRAINT {name}")


def fired() -> float:
    return sum(constraint_fired.labels(constraint=name)._value.get() for name in CHAIN)


async def test_without_both_guards_the_promise_breaks_and_the_check_sees_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "lock", agents.read)
    monkeypatch.setattr(sql, "_PART", 1)  # the check goes stop by stop
    monkeypatch.setattr(verification, "_PART", 1)
    without_chain(world)
    seen = await race(world)
    assert seen.held
    assert seen.overtook
    assert not isinstance(seen.first, BaseException)
    assert not isinstance(seen.second, BaseException)
    kinds = {violation.kind: violation.short_seconds for violation in (await world.verify()).violations}
    assert kinds["TRAVEL"] == 1200
    assert "CHAIN" in kinds


async def test_without_both_guards_an_overlap_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "lock", agents.read)
    without_chain(world)
    await race(world, start=9.25)
    assert "OVERLAP" in {violation.kind for violation in (await world.verify()).violations}


async def test_without_the_lock_the_constraints_refuse_and_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "lock", agents.read)
    before = fired()
    seen = await race(world)
    assert seen.held
    assert seen.overtook
    assert isinstance(seen.first, Conflict)
    assert seen.first.reason is Reason.LEDGER_REFUSED
    assert not isinstance(seen.second, BaseException)
    assert fired() == before + 1
    await world.sound()


async def test_without_the_constraints_the_lock_alone_keeps_the_promise(world: World) -> None:
    without_chain(world)
    seen = await race(world, patience=A_MOMENT)
    assert seen.held
    assert not seen.overtook
    assert not isinstance(seen.first, BaseException)
    assert isinstance(seen.second, GiroError)
    assert seen.second.reason is Reason.TRAVEL_IN
    await world.sound()


async def test_with_both_guards_the_loser_is_told_why_and_no_constraint_fires(world: World) -> None:
    before = fired()
    seen = await race(world, patience=A_MOMENT)
    assert seen.held
    assert not seen.overtook
    assert isinstance(seen.second, GiroError)
    assert (seen.second.reason, seen.second.metadata["short_seconds"]) == (Reason.TRAVEL_IN, "1200")
    assert fired() == before
    await world.sound()
