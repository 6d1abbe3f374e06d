"""A night's agenda around midnight, copied into as many tenants as a test needs, and every write on it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from geo.domain.calendar import Calendar, WeeklyShift, calendar
from geo.domain.plan import Plan
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.release_hold import expire_hold, release_hold
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_calendar import set_calendar
from geo.usecases.settle_stop import settle_stop
from kit.errors import GiroError
from kit.values.ids import new_id
from services.geo.tests.support.world import EAST, HOME, NORTH, SOUTH, TENANT, WEST, World, plan, window

APPOINTMENT, OTHERS, HOLD, EXPIRED = "apt_k", "apt_m", "hld_h", "hld_e"
ASYMMETRIC = {(NORTH, EAST): 600, (EAST, NORTH): 1500, (HOME, NORTH): 900, (SOUTH, WEST): 300}
TABLES = {
    "agents": "agent_id, display_name, skills, buffer_seconds, time_zone, calendar, agenda_version",
    "legs": "from_place, to_place, version, via, seconds, free_seconds, metres, source",
    "stops": "agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds, owner_id, expires_at,"
    " context, prev_id, prev_ends_at, prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via",
    "owners": "owner_id, kind, state, outcome, agent_id, request, plan, answer",
}


def nights(base: int = HOME) -> Calendar:
    """20:00 to 04:00, every day; Tuesday's base is the argument."""
    bases = dict.fromkeys(range(1, 8), HOME) | {2: base}
    return calendar("UTC", [WeeklyShift(day, 20 * 60, 4 * 60, bases[day], bases[day]) for day in bases], [])


@dataclass
class Night:
    """One tenant with two agents' agendas; `day` 1 is the night that nobody has booked yet."""

    world: World
    tenant: str
    agent: str
    other: str
    admin: psycopg.Connection
    """For looking and copying past the service: one for all copies, since each new one costs 20 ms."""
    day: int = 0

    def plan(self, start: float, end: float, place: int) -> Plan:
        return plan(self.agent, start, end, place, day=self.day)

    async def run(self, name: str) -> Any:
        """One of WRITES."""
        return await WRITES[name](self)

    def look(self, query: str) -> list[tuple[Any, ...]]:
        """What the tables say, past the service."""
        return self.admin.execute(query, {"tenant": self.tenant}).fetchall()


async def template(world: World, admin: psycopg.Connection) -> Night:
    """The night that `copied` copies: P, K, Z and two holds on one agent, M on the other.

    One hold expires after a second; the copies' clocks stand after that.
    """
    world.roads.seconds.update(ASYMMETRIC)
    agent, other = await world.agent(nights()), await world.agent(nights())
    night = Night(world, TENANT, agent, other, admin)
    for owner, start, end, place in (
        ("apt_p", 20.5, 21, HOME),
        (APPOINTMENT, 22, 22.5, NORTH),
        ("apt_z", 26, 26.5, SOUTH),
    ):
        await reserve_stop(world.ledger, TENANT, ReserveStop(owner, night.plan(start, end, place)))
    await reserve_stop(world.ledger, TENANT, ReserveStop(OTHERS, plan(other, 23, 23.5, WEST)))
    await hold_stop(world.ledger, TENANT, held(HOLD, night.plan(23, 23.25, EAST), 900))
    await hold_stop(world.ledger, TENANT, held(EXPIRED, night.plan(23.9, 24.1, WEST), 1))
    return night


def held(hold_id: str, asked: Plan, seconds: int) -> HoldStop:
    return HoldStop(hold_id, asked, timedelta(seconds=seconds))


def copied(night: Night, day: int = 0) -> Night:
    """The same agendas under another tenant, three seconds later: one hold has expired."""
    tenant = new_id("ten")
    with night.admin.transaction():
        for table, columns in TABLES.items():
            night.admin.execute(
                f"INSERT INTO geo.{table} (tenant_id, {columns}) SELECT %s, {columns} FROM geo.{table}"
                " WHERE tenant_id = %s",
                (tenant, night.tenant),
            )
        night.admin.execute("INSERT INTO sandbox.test_clocks VALUES (%s, 3)", (tenant,))
    return replace(night, tenant=tenant, day=day)


# Every one of these fits alone, and next to another of them the agent cannot get from one to the other.


async def _hold(night: Night) -> object:
    return await hold_stop(
        night.world.ledger, night.tenant, held(new_id("hld"), night.plan(23.7, 23.8, NORTH), 600)
    )


async def _reserve(night: Night) -> object:
    command = ReserveStop(new_id("apt"), night.plan(23.95, 24.1, SOUTH))
    return await reserve_stop(night.world.ledger, night.tenant, command)


async def _reserve_held(night: Night) -> object:
    asked = plan(night.agent, 23, 23.25, EAST)
    return await reserve_stop(night.world.ledger, night.tenant, ReserveStop(new_id("apt"), asked, HOLD))


async def _move(night: Night) -> object:
    command = MoveStop(new_id("mov"), APPOINTMENT, night.plan(24.15, 24.3, WEST))
    return await move_stop(night.world.ledger, night.tenant, command)


async def _move_across(night: Night) -> object:
    command = MoveStop(new_id("mov"), OTHERS, night.plan(24.35, 24.5, NORTH))
    return await move_stop(night.world.ledger, night.tenant, command)


async def _release(night: Night) -> object:
    return await release_hold(night.world.ledger, night.tenant, HOLD)


async def _settle(night: Night) -> object:
    return await settle_stop(night.world.ledger, night.tenant, APPOINTMENT)


async def _absence(night: Night) -> object:
    command = AddAbsence(night.agent, window(23.82, 25.5, night.day), "", new_id("req"))
    return await add_absence(night.world.ledger, night.tenant, command)


async def _expire(night: Night) -> object:
    return await expire_hold(night.world.ledger, night.tenant, EXPIRED)


async def _set_calendar(night: Night) -> object:
    return await set_calendar(night.world.ledger, night.tenant, night.agent, nights(base=EAST))


WRITES: dict[str, Callable[[Night], Awaitable[object]]] = {
    "hold_stop": _hold,
    "reserve_stop": _reserve,
    "reserve_held": _reserve_held,
    "move_stop": _move,
    "move_across": _move_across,
    "release_hold": _release,
    "settle_stop": _settle,
    "add_absence": _absence,
    "expire_hold": _expire,
    "set_calendar": _set_calendar,
}

USE_CASE = {name: name for name in WRITES} | {"reserve_held": "reserve_stop", "move_across": "move_stop"}
"""The name that a write's failpoints have."""


async def outcome(work: Awaitable[object]) -> str:
    """OK, or the reason of the refusal. Anything else is the test's failure."""
    try:
        await work
    except GiroError as refused:
        return str(refused.reason)
    return "OK"
