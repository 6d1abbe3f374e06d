"""Slot search by size and roads (`--help` names the parts): what it takes over gRPC, how it grows, how soon
it sees a booking. Every search is for 45 minutes at a place people live at, over all agents and days."""

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
import time
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, cast

import grpc
import numpy as np
import psycopg
import uvloop
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from geo.domain.places import Places
from geo.travel.build import build
from geo.travel.estimate import Estimate
from geo.travel.osrm_graph import osrm_in_process
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import ledger_pb2 as ledger
from giro.geo.v1.ledger_pb2_grpc import LedgerServiceStub
from kit.rpc.context import Caller
from kit.rpc.tokens import ServiceTokens
from kit.values.latlng import LatLng
from loadtests.bench import agendas, echo, growth
from loadtests.bench.agendas import World
from loadtests.bench.loop import Call, closed_loop
from loadtests.bench.replica import Replica, calm, cpu_seconds, replica

_BESIDE: Final = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "roads"
ROADS_DATA: Final = Path(os.environ.get("GIRO_TEST_ROADS") or _BESIDE)
"""Where the extract of Malta and its places are, as for the tests."""

GRAPHS: Final = Path(".build/roads")
PLOT: Final = Path(".build/bench/slot-search-growth.svg")
CROWD: Final = 32
SIZES: Final = ((50, 14), (100, 30), (250, 30), (500, 30), (1000, 30))
TRIALS: Final = 40
INSERTED: Final = 100
STRANGE: Final = 20
"""Places that the roads were never asked about; each takes long."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report; `cpu` are the server's milliseconds a call."""

    work: str
    p50: float
    p99: float
    per_second: float
    cpu: float


class Searcher:
    """Searches of one world, sent to one geo process."""

    def __init__(self, stack: Stack, world: World, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self.stub: Any = LedgerServiceStub(self._channel)
        self._tokens = ServiceTokens("booking", stack.urls.service_key)
        self.world = world

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of a call as booking."""
        return (("authorization", f"Bearer {self._tokens.mint(self.world.tenant, cast(Caller, None))}"),)

    def question(self, home: int, agents: Sequence[str], days: int, limit: int = 10) -> Any:
        """A search from the first morning on."""
        here, begins = LatLng.from_key(home), self.world.begins
        return ledger.SearchSlotsRequest(
            point=travel.Point(latitude=here.lat, longitude=here.lng),
            duration=Duration(seconds=45 * 60),
            windows=[window(begins, begins + timedelta(days=days))],
            as_of=stamp(begins - timedelta(hours=6)),
            agent_ids=agents,
            limit=limit,
            granularity=Duration(seconds=300),
        )

    def call(self, agents: int, days: int, homes: Sequence[int] = (), limit: int = 10) -> Call:
        """The search over the first agents and days, at one home after the other."""
        chosen = self.world.agents[:agents]
        asked = [self.question(home, chosen, days, limit) for home in homes or self.world.homes]

        async def search(number: int) -> object:
            return await self.stub.SearchSlots(asked[number % len(asked)], metadata=self.metadata, timeout=30)

        return search

    async def warm(self, agents: int, days: int) -> None:
        """Some agents after others, so that no single call has to read all of them."""
        for at in range(0, agents, 50):
            some = self.world.agents[at : at + 50]
            question = self.question(self.world.homes[0], some, days)
            await self.stub.SearchSlots(question, metadata=self.metadata, timeout=30)
        await closed_loop(self.call(agents, days), clients=1, calls=20)


def window(start: datetime, end: datetime) -> Any:
    """A window of the contract."""
    return travel.TimeWindow(start=stamp(start), end=stamp(end))


def stamp(moment: datetime) -> Any:
    """An instant of the contract."""
    return Timestamp(seconds=int(moment.timestamp()))


async def measured(work: str, call: Call, pid: int, *, alone: int = 300, crowd: int = 1500) -> Row:
    """The call from one client, then from a crowd, with what the server's process used."""
    await closed_loop(call, clients=4, calls=max(20, alone // 4))
    one = await closed_loop(call, clients=1, calls=alone)
    before = cpu_seconds(pid)
    many = await closed_loop(call, clients=CROWD, calls=crowd)
    cpu = (cpu_seconds(pid) - before) / crowd * 1000
    return Row(work, one.p50, one.quantile(0.99), many.per_second, cpu)


@asynccontextmanager
async def searching(stack: Stack, world: World, roads: str = "") -> AsyncIterator[tuple[Searcher, Replica]]:
    """A geo process with these roads, and searches of the world in it."""
    async with replica(stack, roads) as served:
        searcher = Searcher(stack, world, served.target)
        try:
            yield searcher, served
        finally:
            await searcher.close()


# --- the rows ---------------------------------------------------------------------------------------------


async def with_matrix(stack: Stack) -> list[Row]:
    """50 agents, 14 days, 8 visits a day; every drive in a matrix file. While the process checks what it
    found at its start, and afterwards."""
    rng = np.random.default_rng(1)
    places = [LatLng(45.07 + a, 7.69 + b).key for a, b in rng.uniform(-0.15, 0.15, (300, 2))]
    file = Path(stack.options.state) / "matrix.csv"
    measure = Estimate().measure
    await asyncio.to_thread(_write_matrix, file, places, await _all_drives(places, measure))
    roads = agendas.Roads(measure, "bench", "MATRIX")
    world = await agendas.fill(
        stack.urls.admin_database, "ten_bench_matrix", (50, 14, 8), agendas.among(places), roads
    )
    async with searching(stack, world, f"matrix:{file}") as (searcher, served):
        await searcher.warm(50, 14)
        work, call = "50 x 14 x 8, matrix in memory", searcher.call(50, 14)
        early = await measured(f"{work}, just started", call, served.pid)
        work += "" if await calm(served.pid) else ", still checking"
        return [early, await measured(work, call, served.pid)]


async def on_roads(stack: Stack, out: Console) -> list[Row]:
    """The same on the roads and places of Malta, asked about for the first time and again."""
    extract = ROADS_DATA / "malta.osm.pbf"
    if not extract.is_file():
        out.print(f"no real roads: {extract} is not there")
        return []
    folder = GRAPHS / "malta"
    await asyncio.to_thread(build, extract, folder, out.print)
    engine = osrm_in_process(folder / "roads")
    places = agendas.places_of(ROADS_DATA / "malta-places.csv")
    roads = agendas.Roads(engine.measure, engine.version, "ROAD")
    near = agendas.among(places)
    world = await agendas.fill(stack.urls.admin_database, "ten_bench_roads", (50, 14, 8), near, roads)
    async with searching(stack, world, str((folder / "roads").resolve())) as (searcher, served):
        await searcher.warm(50, 14)
        at_rest = "" if await calm(served.pid) else ", still checking"
        work = f"50 x 14 x 8, roads, places asked about before{at_rest}"
        again = await measured(work, searcher.call(50, 14, world.homes[:STRANGE]), served.pid, crowd=500)
        strange = [int(place) for place in np.random.default_rng(2).permutation(places)[:STRANGE]]
        first = await _each_once("50 x 14 x 8, roads, places never asked about", searcher, strange, served)
        return [again, first]


async def _each_once(work: str, searcher: Searcher, homes: Sequence[int], served: Replica) -> Row:
    before = cpu_seconds(served.pid)
    sample = await closed_loop(searcher.call(50, 14, homes), clients=1, calls=len(homes))
    cpu = (cpu_seconds(served.pid) - before) / len(homes) * 1000
    return Row(work, sample.p50, sample.quantile(0.99), sample.per_second, cpu)


async def by_size(stack: Stack, out: Console) -> tuple[list[Row], str]:
    """From 50 agents and 14 days to 1,000 and 30, on the estimate; the last one's memory in words."""
    estimate = Estimate()
    roads = agendas.Roads(estimate.measure, estimate.version, "ESTIMATE")
    began = time.monotonic()
    world = await agendas.fill(
        stack.urls.admin_database, "ten_bench_large", (1000, 30, 8), agendas.anywhere(), roads
    )
    out.print(f"1,000 agendas of 30 days written in {time.monotonic() - began:.0f} s")
    rows = []
    async with searching(stack, world) as (searcher, served):
        idle = served.megabytes
        for agents, days in SIZES:
            began = time.monotonic()
            await searcher.warm(agents, days)
            out.print(f"{agents} x {days}: in memory after {time.monotonic() - began:.1f} s")
            work = f"{agents:,} x {days} x 8, estimate"
            call = searcher.call(agents, days)
            rows.append(await measured(work, call, served.pid, alone=100, crowd=max(100, 75_000 // agents)))
        async for line in insertion(searcher, stack.urls.admin_database):
            out.print(line)
        memory = (
            f"memory with 240,000 visits and their bases: {served.megabytes:.0f} MB, at most "
            f"{served.most_megabytes:.0f} MB; {idle:.0f} MB of it before the first search"
        )
    return rows, memory


async def replicas(stack: Stack) -> str:
    """How long after its commit in one process a hold is seen by searches in another, in words."""
    estimate = Estimate()
    roads = agendas.Roads(estimate.measure, estimate.version, "ESTIMATE")
    world = await agendas.fill(
        stack.urls.admin_database, "ten_bench_pair", (10, 14, 2), agendas.anywhere(), roads
    )
    writer = Searcher(stack, world, stack.urls.targets["geo"])
    took = []
    async with searching(stack, world) as (reader, _):
        await reader.warm(10, 14)
        for number in range(TRIALS):
            took += [await _seen(writer, reader, world.homes[number % len(world.homes)])]
    await writer.close()
    return (
        f"a hold seen by another replica's searches after p50 {np.median(took):.1f} ms, "
        f"at most {max(took):.1f} ms ({TRIALS} holds, from the answer of the one to the answer of the other)"
    )


async def _seen(writer: Searcher, reader: Searcher, home: int) -> float:
    question = writer.question(home, writer.world.agents, 14, limit=1)
    question.as_of.CopyFrom(stamp(datetime.now(UTC)))  # the hold has to count
    (slot,) = (await writer.stub.SearchSlots(question, metadata=writer.metadata)).slots
    plan = ledger.StopPlan(
        agent_id=slot.agent_id, window=travel.TimeWindow(start=slot.start, end=slot.end), point=question.point
    )
    request = ledger.HoldStopRequest(hold_id=f"hld_{uuid.uuid4().hex}", plan=plan, ttl=Duration(seconds=600))
    await writer.stub.HoldStop(request, metadata=writer.metadata, timeout=10)
    began = time.perf_counter()
    while True:
        found = await reader.stub.SearchSlots(question, metadata=reader.metadata, timeout=10)
        if [(other.agent_id, other.start) for other in found.slots] != [(slot.agent_id, slot.start)]:
            return (time.perf_counter() - began) * 1000


# --- one best insertion, beside solvers ------------------------------------------------------------------


async def insertion(searcher: Searcher, database: str) -> AsyncIterator[str]:
    """One best insertion into any of 100 agents' days, ours and the peers', in words."""
    world, home = searcher.world, searcher.world.homes[0]
    asked = searcher.question(home, world.agents[:INSERTED], 1, limit=1)
    asked.granularity.seconds = 0

    async def best(_: int) -> Any:
        return await searcher.stub.SearchSlots(asked, metadata=searcher.metadata, timeout=30)

    await closed_loop(best, clients=1, calls=30)
    ours = await closed_loop(best, clients=1, calls=200)
    added = (await best(0)).slots[0].added_travel.seconds
    yield f"one best insertion into {INSERTED} agents' days: {ours.p50:.2f} ms over gRPC, {added} s added"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtests.bench.insertion", stdin=PIPE, stdout=PIPE
    )
    problem = json.dumps(await _problem(database, world, home))
    told, _ = await process.communicate(problem.encode())
    for peer, answer in json.loads(told).items():
        if isinstance(answer, str):
            yield f"  {peer}: {answer}"
        else:
            share = ours.p50 / answer[0]
            yield f"  {peer}: {answer[0]:.0f} ms, {answer[1]} s added; ours / theirs = {share:.4f}"


async def _problem(database: str, world: World, home: int) -> dict[str, Any]:
    """The first day of the agents as it is in the ledger, for solvers."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT agent_id, kind, place, extract(epoch FROM starts_at - %(begins)s)::int,"
            " extract(epoch FROM ends_at - starts_at)::int FROM geo.stops"
            " WHERE tenant_id = %(tenant)s AND agent_id = ANY(%(agents)s) AND starts_at < %(until)s"
            " ORDER BY agent_id, starts_at",
            {
                "begins": world.begins,
                "tenant": world.tenant,
                "agents": world.agents[:INSERTED],
                "until": world.begins + timedelta(days=1),
            },
        ).fetchall()
    places = sorted({row[2] for row in rows} | {home})
    at = {place: number for number, place in enumerate(places)}
    keys = Places.of(np.array(places, dtype=np.int64))
    table = [(await Estimate().measure(Places.single(place), keys))[0] for place in places]
    seconds = np.stack(table)
    np.fill_diagonal(seconds, 0)
    return {
        "seconds_between": seconds.tolist(),
        "bases": [at[row[2]] for row in rows if row[1] == "DAY_START"],
        "days": [
            [[at[row[2]], row[3], row[4]] for row in day if row[1] == "HOLD"]
            for _, day in groupby(rows, key=itemgetter(0))
        ],
        "place": at[home],
        "seconds": 45 * 60,
        "opens": agendas.OPENS * 3600,
        "closes": agendas.CLOSES * 3600,
    }


async def _all_drives(places: Sequence[int], measure: agendas.Measure) -> list[tuple[int, int, int, int]]:
    pairs = np.array([(a, b) for a in places for b in places if a != b], dtype=np.int64)
    seconds, metres = await measure(Places.of(pairs[:, 0]), Places.of(pairs[:, 1]))
    return [tuple(row) for row in np.column_stack([pairs, seconds, metres]).tolist()]


def _write_matrix(file: Path, places: Sequence[int], drives: list[tuple[int, int, int, int]]) -> None:
    at = {place: LatLng.from_key(place) for place in places}
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("from_lat", "from_lng", "to_lat", "to_lng", "seconds", "metres"))
        for origin, target, seconds, metres in drives:
            rows.writerow((at[origin].lat, at[origin].lng, at[target].lat, at[target].lng, seconds, metres))


# --- the report -------------------------------------------------------------------------------------------


PARTS: Final = ("matrix", "roads", "sizes", "replicas")


async def run(stack: Stack, yardstick: Row, parts: Collection[str], out: Console) -> None:
    """The rows of these parts beside the echo of the same run."""
    rows, words = [yardstick], []
    if "matrix" in parts:
        rows += await with_matrix(stack)
    if "roads" in parts:
        rows += await on_roads(stack, out)
    if "sizes" in parts:
        sizes, memory = await by_size(stack, out)
        points = [(agents * days, row.p50, row.cpu) for (agents, days), row in zip(SIZES, sizes, strict=True)]
        words += [memory, f"growth with agents x days: {growth.plot(points, PLOT)}"]
        rows += sizes
    if "replicas" in parts:
        words.append(await replicas(stack))
    out.print(table(rows))
    for line in words:
        out.print(line)


def table(rows: list[Row]) -> Table:
    """The report for a terminal; the first row is the yardstick."""
    shown = Table(title=f"slot search over gRPC; crowd = {CROWD} clients on the same machine")
    for heading in ("work", "p50 ms", "p99 ms", "a second", "of echo", "server CPU ms", "echo's CPU / it"):
        shown.add_column(heading, justify="left" if heading == "work" else "right")
    for row in rows:
        cells = (f"{row.p50:.2f}", f"{row.p99:.2f}", f"{row.per_second:.0f}")
        ratios = f"{row.per_second / rows[0].per_second:.2f}", f"{rows[0].cpu / row.cpu:.2f}"
        shown.add_row(row.work, *cells, ratios[0], f"{row.cpu:.2f}", ratios[1])
    return shown


async def _alone(parts: Collection[str], out: Console) -> None:
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        async with echo.served() as (call, pid):
            yardstick = await measured("bare gRPC echo, 200 bytes", call, pid)
        async with Stack(StackOptions.for_tests(Path(folder) / "state")) as stack:
            await run(stack, yardstick, parts, out)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Measure slot search by size and roads.")
    words.add_argument("parts", nargs="*", choices=PARTS, help="all of them without a word")
    uvloop.run(_alone(words.parse_args().parts or PARTS, Console(width=140)))
