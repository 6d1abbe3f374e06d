"""Full agendas of any size, straight into the ledger's tables: agents with a round of visits on every day.

A day has its two bases and visits of half an hour near each other, with the drives between them by the engine
that will be measured, and now and then time to spare. The database checks every row as it checks a booking.
"""

import asyncio
import csv
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from geo.domain.drives import UNREACHABLE
from geo.domain.places import Ints, Places
from kit.values.latlng import LatLng

OPENS, CLOSES = 6, 22
"""Hours of every shift, UTC."""
VISIT_SECONDS: Final = 30 * 60
_SPARE: Final = (0, 0, 300, 900, 1800, 3600, 5400)
"""Seconds between the arrival and a visit, one of them at random."""
_NEAR: Final = 40
_WRITERS: Final = 2
"""Connections that write at the same time: the database's checks of each row take most of the time."""

_AGENT: Final = (
    "INSERT INTO geo.agents (tenant_id, agent_id, display_name, skills, buffer_seconds, time_zone, calendar)"
    " VALUES (%s, %s, %s, '{}', 0, 'UTC', %s)"
)
_LEGS: Final = (
    "COPY geo.legs (tenant_id, from_place, to_place, version, via, seconds, free_seconds, metres, source)"
    " FROM STDIN"
)
_STOPS: Final = (
    "COPY geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds, owner_id,"
    " expires_at, prev_id, prev_ends_at, prev_place, leg_seconds,"
    " leg_free_seconds, leg_version, leg_via) FROM STDIN"
)

Measure = Callable[[Places, Places], Awaitable[tuple[Ints, Ints]]]
"""Seconds and metres of drives, pair by pair, as `geo.travel.engine.Engine.measure`."""


@dataclass(frozen=True, slots=True)
class Roads:
    """Whose drives the agendas count on: the engine's answers, their version, their legs' flag."""

    measure: Measure
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class World:
    """Agents of one tenant, and the places that people to visit live at."""

    tenant: str
    agents: list[str]
    days: int
    begins: datetime
    homes: list[int]

    @property
    def ends(self) -> datetime:
        """The midnight after the last day."""
        return self.begins + timedelta(days=self.days)


def anywhere(centre: tuple[float, float] = (45.07, 7.69), reach: float = 0.15) -> Callable[..., list[int]]:
    """Places in a square of degrees around a town, no two the same; a round's are near each other."""

    def near(rng: random.Random, count: int) -> list[int]:
        lat, lng = (at + rng.uniform(-reach, reach) for at in centre)
        return [
            LatLng(lat + rng.uniform(-0.02, 0.02), lng + rng.uniform(-0.02, 0.02)).key for _ in range(count)
        ]

    return near


def among(places: Sequence[int]) -> Callable[..., list[int]]:
    """Places of a list; a round's are near each other."""
    keys = np.array(places, dtype=np.int64)
    units = Places.of(keys).units

    def near(rng: random.Random, count: int) -> list[int]:
        middle = units[:, rng.randrange(len(keys))]
        nearest = np.argsort(-(middle @ units))[:_NEAR].tolist()
        return [int(keys[at]) for at in rng.sample(nearest, count)]

    return near


def places_of(file: Path) -> list[int]:
    """The places of a CSV file with columns `lat` and `lon`, each once."""
    with file.open(encoding="utf-8") as opened:
        found = {LatLng(float(row["lat"]), float(row["lon"])).key for row in csv.DictReader(opened)}
    return sorted(found)


async def fill(
    database: str, tenant: str, size: tuple[int, int, int], near: Callable[..., list[int]], roads: Roads
) -> World:
    """Writes the agendas of `size` (agents, days, visits a day) as holds that outlast the run, so that no
    other service misses their owners. Gives the world."""
    agents, days, visits = size
    rng = random.Random(f"{tenant} {size}")
    loop = asyncio.get_running_loop()
    names = [f"agt_{tenant}_{number:05d}" for number in range(agents)]
    begins = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    world = World(tenant, names, days, begins, near(rng, _NEAR) + near(rng, _NEAR) + near(rng, _NEAR))
    with ThreadPoolExecutor(_WRITERS) as pool:
        writing = []
        for some in _batches(names, 100):
            rounds = {name: _rounds(rng, near, days, visits) for name in some}
            writer = _Writer(roads, await _drives(rounds.values(), roads), random.Random(some[0]))
            writing.append(loop.run_in_executor(pool, _write, database, world, rounds, writer))
        await asyncio.gather(*writing)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ANALYZE geo.stops, geo.legs, geo.agents")
    return world


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(names), size):
        yield names[at : at + size]


def _rounds(rng: random.Random, near: Callable[..., list[int]], days: int, visits: int) -> list[list[int]]:
    """Each day's places, the agent's base first and last."""
    (base,) = near(rng, 1)
    return [[base, *near(rng, visits), base] for _ in range(days)]


Drives = dict[tuple[int, int], tuple[int, int]]


async def _drives(rounds: Any, roads: Roads) -> Drives:
    """Seconds and metres between the places of each day."""
    found: Drives = {}
    for days in rounds:  # a question for each agent: one for each day takes ten times as long
        pairs = list({(a, b) for day in days for a in day[:-1] for b in day[:-1] if a != b})
        ends = np.array(pairs, dtype=np.int64)
        seconds, metres = await roads.measure(Places.of(ends[:, 0]), Places.of(ends[:, 1]))
        found.update(zip(pairs, zip(seconds.tolist(), metres.tolist(), strict=True), strict=True))
    return found


@dataclass(frozen=True, slots=True)
class _Writer:
    """Rows of stops from rounds."""

    roads: Roads
    drives: Drives
    rng: random.Random

    def leg(self, origin: int, target: int) -> tuple[int, str]:
        """Seconds and version."""
        return (0, "none") if origin == target else (self.drives[origin, target][0], self.roads.version)

    def day(self, midnight: datetime, places: list[int]) -> Iterator[tuple[str, datetime, datetime, int]]:
        """Kind, start, end and place of each stop; a visit that cannot be driven to, or not in time, is left
        out."""
        opens, closes = midnight + timedelta(hours=OPENS), midnight + timedelta(hours=CLOSES)
        yield "DAY_START", opens - timedelta(seconds=1), opens, places[0]
        at, free = places[0], opens
        for place in places[1:-1]:
            there, back = self._seconds(at, place), self._seconds(place, places[-1])
            start = free + timedelta(seconds=there + self.rng.choice(_SPARE))
            end = start + timedelta(seconds=VISIT_SECONDS)
            if UNREACHABLE in (there, back) or end + timedelta(seconds=back) > closes:
                continue
            yield "HOLD", start, end, place
            at, free = place, end
        yield "DAY_END", closes, closes + timedelta(seconds=1), places[-1]

    def _seconds(self, origin: int, target: int) -> int:
        if origin == target:
            return 0
        return self.drives[origin, target][0]


def _write(database: str, world: World, rounds: dict[str, list[list[int]]], writer: _Writer) -> None:
    with psycopg.connect(database) as connection:
        _write_rows(connection, world, rounds, writer)


def _write_rows(connection: Any, world: World, rounds: dict[str, list[list[int]]], writer: _Writer) -> None:
    stops: list[Any] = []
    used = set()
    for agent, days in rounds.items():
        connection.execute(_AGENT, (world.tenant, agent, agent, _calendar(days[0][0])))
        before: tuple[Any, ...] | None = None
        for number, places in enumerate(days):
            for stop in writer.day(world.begins + timedelta(days=number), places):
                row, before = _row(world, agent, stop, (before, writer, len(stops)))
                stops.append(row)
                if row[12] is not None:
                    used.add((row[12], row[6]))
    legs = [_leg(world.tenant, pair, writer) for pair in used]
    with connection.cursor() as cursor:
        for statement, rows in ((_LEGS, legs), (_STOPS, stops)):
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)


def _row(world: World, agent: str, stop: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, Any]:
    kind, start, end, place = stop
    before, writer, number = after
    stop_id = f"stp_{agent}_{number:06d}"
    owner = (f"hld_{agent}_{number:06d}", world.ends + timedelta(days=60)) if kind == "HOLD" else (None, None)
    if before is None:
        link: tuple[Any, ...] = (None,) * 7
    else:
        seconds, version = writer.leg(before[2], place)
        link = (*before, seconds, seconds, version, False)
    row = (world.tenant, agent, stop_id, kind, start, end, place, 0, *owner, *link)
    return row, (stop_id, end, place)


def _leg(tenant: str, pair: tuple[int, int], writer: _Writer) -> tuple[Any, ...]:
    if pair[0] == pair[1]:
        return (tenant, *pair, "none", False, 0, 0, 0, "NONE")
    seconds, metres = writer.drives[pair]
    return (tenant, *pair, writer.roads.version, False, seconds, seconds, metres, writer.roads.source)


def _calendar(base: int) -> str:
    shifts = [[day, OPENS * 60, CLOSES * 60, base, base] for day in range(1, 8)]
    return json.dumps({"shifts": shifts, "breaks": []})
