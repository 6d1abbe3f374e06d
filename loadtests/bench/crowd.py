"""Very many agents asked at once: what that takes, and how long another tenant waits meanwhile.

`python -m loadtests.bench.crowd [--agents 10000] [--days 30] [--visits 2]`; no part of `make bench`, since
writing the agendas takes minutes. One client of the large tenant asks about all agents at once, cold and
warm, over a week and all days, with and without reasons, and for the best slot of each agent and day; beside
it a small tenant searches its own 20 agents without a pause.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from geo.travel.estimate import Estimate
from giro.geo.v1 import ledger_pb2 as ledger
from kit.values.latlng import LatLng
from loadtests.bench import agendas
from loadtests.bench.agendas import World
from loadtests.bench.replica import Replica, cpu_seconds
from loadtests.bench.slots import Searcher, searching, stamp, window

NEIGHBOUR: Final = (20, 14, 8)
"""Agents, days and visits a day of the tenant beside the large one."""
PATIENCE: Final = 600


@dataclass(frozen=True, slots=True)
class Line:
    """One call of the large tenant, and the neighbour's calls while it ran, in milliseconds."""

    work: str
    answer: str
    seconds: float
    cpu: float
    megabytes: float
    neighbour: list[float]


class Crowd:
    """The large tenant and its neighbour, at one geo process."""

    def __init__(self, large: Searcher, small: Searcher, served: Replica) -> None:
        self._large, self._small, self._served = large, small, served

    async def line(self, work: str, call: Awaitable[str]) -> Line:
        """The call, with the neighbour searching until it ends."""
        self._served.count_most_anew()
        began, before = time.perf_counter(), cpu_seconds(self._served.pid)
        done, waits = asyncio.ensure_future(call), list[float]()
        while not done.done():
            waits.append(await self._neighbour())
        seconds, cpu = time.perf_counter() - began, cpu_seconds(self._served.pid) - before
        return Line(work, await done, seconds, cpu, self._served.most_megabytes, waits)

    async def alone(self, calls: int = 200) -> list[float]:
        """The neighbour's calls with nobody beside it."""
        return [await self._neighbour() for _ in range(calls)]

    async def _neighbour(self) -> float:
        world, began = self._small.world, time.perf_counter()
        question = self._small.question(world.homes[0], world.agents, NEIGHBOUR[1])
        await self._small.stub.SearchSlots(question, metadata=self._small.metadata, timeout=PATIENCE)
        return (time.perf_counter() - began) * 1000

    async def search(self, days: int, *, explain: bool = False) -> str:
        """All agents over so many days."""
        question = self._question(days)
        question.explain = explain
        return await self._told("SearchSlots", question)

    async def detours(self, days: int) -> str:
        """The best slot of every agent on each day."""
        question, begins = self._question(days), self._large.world.begins
        del question.windows[:]
        midnights = [begins + timedelta(days=day) for day in range(days + 1)]
        question.windows.extend(map(window, midnights, midnights[1:]))
        return await self._told("FindDetours", ledger.FindDetoursRequest(search=question))

    def _question(self, days: int) -> Any:
        world = self._large.world
        here = LatLng.from_key(world.homes[0])
        question = self._large.question(world.homes[0], world.agents, days)
        question.as_of.CopyFrom(stamp(world.begins))  # so that the days asked for are all that are counted
        question.point.latitude, question.point.longitude = here.lat, here.lng
        question.duration.CopyFrom(Duration(seconds=45 * 60))
        return question

    async def _told(self, method: str, request: Any) -> str:
        call = getattr(self._large.stub, method)
        try:
            answer = await call(request, metadata=self._large.metadata, timeout=PATIENCE)
        except grpc.aio.AioRpcError as refused:
            return f"{refused.code().name}: {refused.details()}"
        if method == "FindDetours":
            return f"{len(answer.detours)} detours"
        return f"{len(answer.slots)} slots, {len(answer.refused)} refused"


async def run(size: tuple[int, int, int], out: Console) -> None:
    """Writes the agendas, asks, and prints the report."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        async with Stack(StackOptions.for_tests(Path(folder) / "state")) as stack:
            await measured(stack, size, out)


async def measured(stack: Stack, size: tuple[int, int, int], out: Console) -> None:
    """The report on a stack that runs."""
    large, small = await _worlds(stack, size, out)
    async with searching(stack, large) as (searcher, served):
        neighbour = Searcher(stack, small, served.target)
        crowd = Crowd(searcher, neighbour, served)
        await neighbour.warm(NEIGHBOUR[0], NEIGHBOUR[1])
        idle, quiet = served.megabytes, await crowd.alone()
        agents, days, _ = size
        lines = []
        for work, call in (
            (f"{agents:,} x 7, cold", crowd.search(7)),
            (f"{agents:,} x 7, again", crowd.search(7)),
            (f"{agents:,} x {days}, first", crowd.search(days)),
            (f"{agents:,} x {days}, again", crowd.search(days)),
            (f"{agents:,} x {days}, reasons", crowd.search(days, explain=True)),
            (f"{agents:,} x 7, detours", crowd.detours(7)),
            (f"{agents:,} x {days}, detours", crowd.detours(days)),
            (f"{agents:,} x 365", crowd.search(365)),
        ):
            lines.append(await crowd.line(work, call))
            out.print(lines[-1].work, lines[-1].answer, f"{lines[-1].seconds:.1f} s")
        await neighbour.close()
        out.print(table(quiet, lines))
        out.print(f"memory: {idle:.0f} MB before, {served.megabytes:.0f} MB after")


async def _worlds(stack: Stack, size: tuple[int, int, int], out: Console) -> tuple[World, World]:
    estimate = Estimate()
    roads = agendas.Roads(estimate.measure, estimate.version, "ESTIMATE")
    database, began = stack.urls.admin_database, time.monotonic()
    large = await agendas.fill(database, "ten_bench_crowd", size, agendas.anywhere(), roads)
    small = await agendas.fill(database, "ten_bench_beside", NEIGHBOUR, agendas.anywhere(), roads)
    out.print(f"{size[0]:,} agendas of {size[1]} days written in {time.monotonic() - began:.0f} s")
    return large, small


def table(quiet: list[float], lines: list[Line]) -> Table:
    """The report for a terminal; the first row is the neighbour alone."""
    shown = Table(title="very many agents at once, and a neighbour of 20 agents x 14 days")
    for heading in ("work", "answer", "s", "CPU s", "most MB", "neighbour p50 ms", "p99", "longest"):
        shown.add_column(heading, justify="left" if heading in ("work", "answer") else "right")
    shown.add_row("nobody beside", "", "", "", "", *_waits(quiet))
    for line in lines:
        figures = f"{line.seconds:.1f}", f"{line.cpu:.1f}", f"{line.megabytes:.0f}"
        shown.add_row(line.work, line.answer, *figures, *_waits(line.neighbour))
    return shown


def _waits(milliseconds: list[float]) -> tuple[str, str, str]:
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{ordered[len(ordered) // 2]:.1f}", f"{p99:.0f}", f"{ordered[-1]:.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask about very many agents at once, beside another tenant.")
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--visits", type=int, default=2)
    asked = parser.parse_args()
    uvloop.run(run((asked.agents, asked.days, asked.visits), Console(width=170)))
