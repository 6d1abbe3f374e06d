"""A ledger on a real database, a travel engine of the tests' own, and places with round names."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zlib import crc32

import psycopg

from geo.domain.agent import Agent
from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, calendar
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.modes import TravelMode
from geo.domain.plan import Plan
from geo.domain.stop import Leg, TravelSource
from geo.domain.verification import Report
from geo.storage.constraints import CONSTRAINTS
from geo.usecases.by_mode import ByMode
from geo.usecases.create_agent import create_agent
from geo.usecases.ledger import Ledger
from geo.usecases.verify_invariants import verify_invariants
from kit.db.claims import Claim
from kit.db.engine import Database
from kit.errors import Reason, Unavailable
from kit.testing.databases import DatabaseUrls
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window

T = TypeVar("T")

TENANT = "ten_1"
MONDAY = datetime(2038, 3, 1, tzinfo=UTC)
"""00:00 UTC of a Monday; the agents of the tests live in UTC unless told. The year's days and changes of the
clocks are those of 2027."""
BEGINS = MONDAY - timedelta(days=60)
"""When it is in a world with a clock of its own, so that what is searched lies within the farthest horizon,
whenever the tests run."""

HOME = LatLng(45.0, 7.0).key
NORTH = LatLng(45.1, 7.0).key
SOUTH = LatLng(44.9, 7.0).key
EAST = LatLng(45.0, 7.1).key
WEST = LatLng(45.0, 6.9).key
ISLAND = LatLng(40.0, 9.0).key
PLACES = (HOME, NORTH, SOUTH, EAST, WEST)


@dataclass
class Roads:
    """Travel times as a test wants them: 20 minutes, or what `seconds` says; no way to ISLAND."""

    seconds: dict[Pair, int] = field(default_factory=dict)
    usual: int = 1200
    data: str = "test-1"
    closed: bool = False
    instant: bool = False
    """Whether every pair is known beforehand, as with an engine that needs no I/O."""
    asked: list[Pair] = field(default_factory=list)
    mode: TravelMode = TravelMode.CAR

    @property
    def told(self) -> str:
        """The version: other times are other data, as with every engine."""
        if not self.seconds and self.usual == 1200:
            return self.data
        times = repr((sorted(self.seconds.items()), self.usual))
        return f"{self.data}.{crc32(times.encode()):x}"

    async def version(self, tenant: str) -> str:
        return self.told

    async def at_once(self, tenant: str, *, fresh: bool) -> LegBook | None:
        return LegBook(self.told, every=self._leg, mode=self.mode) if self.instant else None

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        if self.closed:
            raise Unavailable(Reason.TRAVEL_UNAVAILABLE, "no engine answers")
        self.asked += pairs
        return LegBook(self.told, {pair: self._leg(pair) for pair in pairs}, mode=self.mode)

    def _leg(self, pair: Pair) -> Leg | None:
        if ISLAND in pair:
            return None
        seconds = self.seconds.get(pair, self.usual)
        return free_leg(*pair) or Leg(*pair, seconds, seconds * 15, TravelSource.ROAD, self.told)


def everyones(travel: T) -> ByMode[T]:
    """The same travel times for every mode."""
    return ByMode(dict.fromkeys(TravelMode, travel))


def at(hour: float, day: int = 0) -> datetime:
    """An instant of the tests' week: 9.5 is half past nine."""
    return MONDAY + timedelta(days=day, hours=hour)


def window(start: float, end: float, day: int = 0) -> Window:
    return Window(at(start, day), at(end, day))


def plan(agent: str, start: float, end: float, place: int, *, day: int = 0, buffer: int = 0) -> Plan:
    return Plan(agent, window(start, end, day), place, buffer)


def week(start: int = 8, end: int = 18, base: int | None = HOME, lunch: bool = True) -> Calendar:
    """Every day of the week, with a break from 12 to 13."""
    shifts = [WeeklyShift(day, start * 60, end * 60, base, base) for day in range(1, 8)]
    breaks = [WeeklyBreak(day, 720, 780) for day in range(1, 8)] if lunch else []
    return calendar("UTC", shifts, breaks)


@dataclass
class World:
    """One database with a ledger on it."""

    urls: DatabaseUrls
    db: Database
    roads: Roads
    ahead: timedelta = timedelta()
    """How far the tenant's clock is ahead of the machine's."""

    @property
    def now(self) -> datetime:
        """What the tenant's clock says, in whole seconds."""
        return (datetime.now(UTC) + self.ahead).replace(microsecond=0)

    @property
    def ledger(self) -> Ledger:
        """A ledger that shares nothing with the others but the database, as if in a process of its own."""
        return Ledger(self.db, everyones(self.roads))

    async def agent(
        self, weekly: Calendar | None = None, buffer: int = 0, skills: tuple[str, ...] = ()
    ) -> str:
        agent = Agent(new_id("agt"), "Ada", skills, buffer, weekly or week())
        await create_agent(self.ledger, TENANT, agent, Claim(new_id("req"), b""))
        return agent.agent_id

    async def verify(self, tenant: str = TENANT) -> Report:
        return await verify_invariants(self.ledger, tenant)

    async def sound(self) -> Report:
        """The report, after asserting that nothing is broken."""
        report = await self.verify()
        assert report.violations == ()
        return report


def set_clock(urls: DatabaseUrls, moment: datetime) -> None:
    """Puts the tenant's test clock at a moment that is still to come; for databases in sandbox mode."""
    with psycopg.connect(urls.admin) as connection:
        connection.execute(
            "INSERT INTO sandbox.test_clocks VALUES (%s, extract(epoch FROM %s - clock_timestamp())::bigint)"
            " ON CONFLICT (tenant_id) DO UPDATE SET offset_seconds = excluded.offset_seconds",
            (TENANT, moment),
        )


async def open_in_time(urls: DatabaseUrls) -> World:
    """A world in which it is `BEGINS`."""
    opened = await open_world(urls, sandbox=True)
    opened.ahead = timedelta(seconds=int((BEGINS - datetime.now(UTC)).total_seconds()))
    with psycopg.connect(urls.admin) as connection:
        connection.execute(
            "INSERT INTO sandbox.test_clocks VALUES (%s, %s)", (TENANT, opened.ahead.total_seconds())
        )
    return opened


async def open_world(urls: DatabaseUrls, *, sandbox: bool = False, pool_size: int = 10) -> World:
    roads = Roads()
    db = Database(
        urls.app("geo"),
        service="geo",
        schema="geo",
        sandbox=sandbox,
        worker_url=urls.worker("geo"),
        pool_size=pool_size,
        constraints=CONSTRAINTS,
    )
    await db.start()
    return World(urls, db, roads)
