"""Several stops freed in one transaction, and by a batch of events: as if they came one by one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from google.protobuf.message import DecodeError

from geo.domain.plan import Plan
from geo.transport.consumers import SettlesBooking
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.settle_each import STRETCH, GivenUp, settle_each
from geo.usecases.settle_stop import settle_stop
from giro.booking.v1 import booking_events_pb2 as booking
from giro.geo.v1 import geo_events_pb2 as told
from kit import failpoints, subjects, telemetry
from kit.bus.events import Event
from kit.errors import GiroError, NotFound, Reason, RuleViolated
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.world import (
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


@dataclass
class House:
    """A ledger, and a look at its tables past the service."""

    world: World
    admin: psycopg.Connection

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    async def agent(self) -> str:
        return await self.world.agent(week(lunch=False))

    async def booked(self, agent: str) -> list[str]:
        """Ids of three visits, one every two hours from nine."""
        ids = [new_id("apt") for _ in range(3)]
        for number, appointment in enumerate(ids):
            await self.reserve(appointment, plan(agent, 9 + 2 * number, 10 + 2 * number, PLACES[number]))
        return ids

    async def reserve(self, appointment: str, where: Plan) -> None:
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, where))

    def look(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        return self.admin.execute(query, {"tenant": TENANT, **values}).fetchall()

    def standing(self, ids: Sequence[str]) -> list[str]:
        """Those of these that have a stop."""
        query = "SELECT owner_id FROM geo.stops WHERE tenant_id = %(tenant)s AND owner_id = ANY(%(ids)s)"
        return sorted(row[0] for row in self.look(query, ids=list(ids)))

    def released(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Appointment and agent of each release told about these, in the order told."""
        query = (
            "SELECT payload FROM geo.outbox WHERE tenant_id = %(tenant)s AND entity_id = ANY(%(ids)s)"
            " AND subject LIKE '%%.stop_released' ORDER BY id"
        )
        events = [told.StopReleased.FromString(row[0]) for row in self.look(query, ids=list(ids))]
        return [(event.appointment_id, event.agent_id) for event in events]


@pytest_asyncio.fixture(scope="module")
async def house(make_database: Databases) -> AsyncIterator[House]:
    world = await open_world(make_database(["geo"]), sandbox=True)
    set_clock(world.urls, at(0, -5))
    with psycopg.connect(world.urls.admin, autocommit=True) as admin:
        yield House(world, admin)
    await world.db.stop()


def given_up(ids: Sequence[str]) -> list[GivenUp]:
    return [GivenUp(appointment) for appointment in ids]


# --- together is as one by one ------------------------------------------------------------------------------


@pytest.mark.parametrize("instant", [False, True])
async def test_together_is_as_one_by_one(house: House, instant: bool) -> None:
    """Twins with equal agendas: the one's stops are freed one after the other, the other's together. By then
    the roads are others, so that drives stay as promised, go over freed places, or are measured anew."""
    before = house.world.roads.seconds
    house.world.roads.instant = instant
    try:
        over = [await _compare(house, Random(seed)) for seed in range(2)]
    finally:
        house.world.roads.seconds, house.world.roads.instant = before, False
    assert sum(over) > 0, "drives over freed places are among them"
    await house.world.sound()


async def _compare(house: House, chance: Random) -> int:
    """How many drives go over freed places in the end."""
    house.world.roads.seconds = _times(chance)
    alone, together = [[await house.world.agent() for _ in range(2)] for _ in range(2)]
    ids = await _booked_alike(house, chance, alone, together)
    _mark(house)
    house.world.roads.seconds = _times(chance)
    gone = chance.sample(range(len(ids)), len(ids) * 2 // 3)
    never = new_id("apt"), new_id("apt")
    for name in [*(ids[n][0] for n in gone), never[0]]:
        await settle_stop(house.ledger, TENANT, name)
    freed = [*(ids[n][1] for n in gone), never[1]]
    assert await settle_each(house.ledger, TENANT, given_up(freed)) == frozenset()
    for first, second in zip(alone, together, strict=True):
        assert _agenda(house, first) == _agenda(house, second)
    twins = [pair[0] for pair in ids] + [never[0]], [pair[1] for pair in ids] + [never[1]]
    assert _owners(house, twins[0]) == _owners(house, twins[1])
    agents = dict(zip(alone, together, strict=True))
    assert [agents[agent] for _, agent in house.released(twins[0])] == [
        agent for _, agent in house.released(twins[1])
    ]
    assert [name for name, _ in house.released(twins[1])] == [ids[n][1] for n in gone]
    assert {agents[name] for name in _unheld(house, alone)} == _unheld(house, together) != set()
    return sum(stop[9] is True for agent in together for stop in _agenda(house, agent))


def _times(chance: Random) -> dict[tuple[int, int], int]:
    """Asymmetric, and often shorter by way of a third place."""
    return {(a, b): chance.randrange(300, 1800) for a in PLACES for b in PLACES if a != b}


async def _booked_alike(
    house: House, chance: Random, alone: Sequence[str], together: Sequence[str]
) -> list[tuple[str, str]]:
    found = []
    for _ in range(12):
        who, day, place = chance.randrange(2), chance.randrange(2), chance.choice(PLACES)
        hour = 8.75 + 0.75 * chance.randrange(12)
        pair = new_id("apt"), new_id("apt")
        try:
            for appointment, agents in zip(pair, (alone, together), strict=True):
                where = plan(agents[who], hour, hour + 0.25, place, day=day)
                await reserve_stop(house.ledger, TENANT, ReserveStop(appointment, where))
        except GiroError:
            continue
        found.append(pair)
    return found


def _mark(house: House) -> None:
    """All promises were held against these roads: who gets a drive of others is held again (ADR 0040)."""
    house.admin.execute("DELETE FROM geo.unheld_agendas")
    house.admin.execute(
        "INSERT INTO geo.checked_versions (tenant_id, travel_mode, travel_version) VALUES (%s, 'car', %s)"
        " ON CONFLICT (tenant_id, travel_mode) DO UPDATE SET travel_version = excluded.travel_version",
        (TENANT, house.world.roads.told),
    )


def _agenda(house: House, agent: str) -> list[tuple[Any, ...]]:
    """The chain with all its figures, without ids."""
    query = (
        "SELECT s.kind, s.starts_at, s.ends_at, s.place, s.prev_ends_at, s.prev_place, s.leg_seconds,"
        " s.leg_free_seconds, s.leg_version, s.leg_via, l.metres, l.source"
        " FROM geo.stops s LEFT JOIN geo.legs l ON l.tenant_id = s.tenant_id AND l.from_place = s.prev_place"
        " AND l.to_place = s.place AND l.version = s.leg_version AND l.via = s.leg_via"
        " AND l.seconds = s.leg_seconds AND l.free_seconds = s.leg_free_seconds"
        " WHERE s.tenant_id = %(tenant)s AND s.agent_id = %(agent)s ORDER BY s.starts_at"
    )
    return house.look(query, agent=agent)


def _owners(house: House, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """What is left of each, in this order, without its agent and what it was asked for."""
    query = (
        "SELECT kind, state, outcome, agent_id IS NULL, plan IS NULL, request IS NULL, answer IS NULL"
        " FROM geo.owners WHERE tenant_id = %(tenant)s AND owner_id = ANY(%(ids)s)"
        " ORDER BY array_position(%(ids)s, owner_id)"
    )
    found = house.look(query, ids=list(ids))
    assert len(found) == len(ids)
    return found


def _unheld(house: House, agents: Sequence[str]) -> set[str]:
    query = "SELECT agent_id FROM geo.unheld_agendas WHERE agent_id = ANY(%(agents)s)"
    return {row[0] for row in house.look(query, agents=list(agents))}


# --- by events ----------------------------------------------------------------------------------------------


def cancelled(appointment: str, *, data: bytes | None = None) -> Event:
    snapshot = booking.AppointmentSnapshot(appointment_id=appointment)
    body = booking.AppointmentCancelled(appointment=snapshot).SerializeToString() if data is None else data
    subject = subjects.evt(TENANT, "booking", "appointment_cancelled")
    return Event(new_id("evt"), TENANT, subject, appointment, body, "", f"req-{appointment}", "geo")


async def test_what_is_bad_is_left_and_spoils_no_other(house: House) -> None:
    agent = await house.agent()
    ids = await house.booked(agent)
    hold = await hold_stop(
        house.ledger, TENANT, HoldStop(new_id("hld"), plan(agent, 15, 16, NORTH), timedelta(hours=1), "")
    )
    never, handler = new_id("apt"), SettlesBooking(house.ledger)
    bad = [cancelled("apt_x", data=b"\xff\xff"), cancelled("")]
    strange = cancelled(hold.hold_id)
    good = [cancelled(name) for name in (*ids[:2], never)]
    left = await handler.together([bad[0], good[0], strange, good[1], bad[1], good[2]])
    assert sorted(event.id for event in left) == sorted(event.id for event in (*bad, strange))
    assert house.standing([*ids, hold.hold_id]) == sorted([ids[2], hold.hold_id])
    for event, fault in ((bad[0], DecodeError), (bad[1], DecodeError), (strange, NotFound)):
        with pytest.raises(fault):
            await handler(event)
    for late in (ids[0], never):
        with pytest.raises(RuleViolated) as refused:
            await reserve_stop(house.ledger, TENANT, ReserveStop(late, plan(agent, 17, 17.5, NORTH)))
        assert refused.value.reason is Reason.SETTLED
    await house.world.sound()


async def test_each_release_belongs_to_the_trace_of_its_event(house: House) -> None:
    ids = await house.booked(await house.agent())
    traces = [telemetry.Trace.new() for _ in ids]
    await settle_each(
        house.ledger,
        TENANT,
        [GivenUp(name, trace.header, f"req-{name}") for name, trace in zip(ids, traces, strict=True)],
    )
    query = (
        "SELECT entity_id, headers FROM geo.outbox WHERE entity_id = ANY(%(ids)s) AND subject LIKE %(which)s"
    )
    headers = dict(house.look(query, ids=ids, which="%.stop_released"))
    for name, trace in zip(ids, traces, strict=True):
        assert headers[name]["x-request-id"] == f"req-{name}"
        assert trace.trace_id in headers[name]["traceparent"]


@pytest.mark.parametrize("step", ["after_lock", "before_commit", "after_commit"])
async def test_who_dies_in_it_leaves_all_or_nothing_and_repeats(house: House, step: str) -> None:
    ids = await house.booked(await house.agent())
    events, handler = [cancelled(name) for name in ids], SettlesBooking(house.ledger)

    async def die() -> None:
        raise ConnectionResetError(step)

    failpoints.arm(f"geo.settle_each.{step}", die)
    try:
        with pytest.raises(ConnectionResetError):
            await handler.together(events)
    finally:
        failpoints.reset()
    made = step == "after_commit"
    assert house.standing(ids) == ([] if made else sorted(ids))
    assert len(house.released(ids)) == (len(ids) if made else 0)
    await handler(events[0])  # one of them comes alone, the rest in another batch
    assert await handler.together(events[1:]) == []
    assert await handler.together(events) == []
    assert house.standing(ids) == []
    assert sorted(name for name, _ in house.released(ids)) == sorted(ids), "each release is told once"
    await house.world.sound()


async def test_those_far_away_are_left(house: House) -> None:
    """All that lies between two stops of an agent is read under its lock, so that is bounded."""
    agent = await house.agent()
    ids = [new_id("apt") for _ in range(3)]
    for appointment, day in zip(ids, (STRETCH.days + 1, 0, STRETCH.days), strict=True):
        await reserve_stop(house.ledger, TENANT, ReserveStop(appointment, plan(agent, 9, 10, NORTH, day=day)))
    assert await settle_each(house.ledger, TENANT, given_up(ids)) == {ids[0]}
    assert house.standing(ids) == [ids[0]]
    await house.world.sound()


# --- with others --------------------------------------------------------------------------------------------


async def _move(house: House, appointment: str, agent: str) -> object:
    command = MoveStop(new_id("mov"), appointment, plan(agent, 15, 16, SOUTH))
    return await move_stop(house.ledger, TENANT, command)


async def _reserve(house: House, appointment: str, agent: str) -> object:
    command = ReserveStop(appointment, plan(agent, 15, 16, SOUTH))
    return await reserve_stop(house.ledger, TENANT, command)


async def _settle(house: House, appointment: str, agent: str) -> object:
    return await settle_stop(house.ledger, TENANT, appointment)


Other = Callable[[House, str, str], Awaitable[object]]


@pytest.mark.parametrize("point", ["before_lock", "before_commit"])
@pytest.mark.parametrize("other", [_move, _reserve, _settle])
async def test_another_write_of_one_of_them_meanwhile(house: House, other: Other, point: str) -> None:
    """It comes before the batch or after it: whatever the order, all are free in the end, each told once."""
    agent, elsewhere = await house.agent(), await house.agent()
    ids = await house.booked(agent)
    contested = new_id("apt") if other is _reserve else ids[1]
    batch = [*ids, contested] if other is _reserve else ids
    met = await two_sessions(
        lambda: settle_each(house.ledger, TENANT, given_up(batch)),
        lambda: other(house, contested, elsewhere),
        at=f"geo.settle_each.{point}",
    )
    assert met.held
    assert met.first == frozenset()
    if isinstance(met.second, BaseException):
        assert isinstance(met.second, RuleViolated)
        assert met.second.reason is Reason.SETTLED
    assert house.standing(batch) == []
    told_of = sorted(name for name, _ in house.released(batch))
    assert told_of in (sorted(batch), sorted(ids)), "what never had a stop is not released"
    await house.world.sound()
