"""The solver's row of `make bench`: public VRPTW instances, distance alone (DIMACS), seconds of a core.

python -m loadtests.bench.solver [--seconds 30] [--seed 1] [--engine auto] [NAME ...]

The budget counts the processor's time and not the clock's: a busy machine takes longer and finds the same.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from geo.solver.benchmark import text
from geo.solver.benchmark.instance import faults
from geo.solver.benchmark.job import solve
from geo.solver.frames import Document
from geo.solver.pool import PoolOptions, WorkerPool
from geo.solver.worker import Run
from geo.usecases.solver_ports import Done, Job

INSTANCES: Final = Path(__file__).resolve().parents[2] / "services/geo/tests/solver/instances"
BEST_KNOWN: Final = {
    "c101": 827.3,
    "c104": 822.9,
    "c201": 589.1,
    "r101": 1637.7,
    "r112": 948.6,
    "r201": 1143.2,
    "rc101": 1619.8,
    "rc208": 776.1,
}
"""Where they are from is told beside the instances."""

PATIENCE: Final = 1800.0
"""Seconds by the clock that a budget of the processor's may take."""


@dataclass(frozen=True, slots=True)
class Row:
    """One instance: what was found, and how many seconds of a core the search had."""

    name: str
    vehicles: int
    distance: float
    cpu_seconds: float

    @property
    def gap(self) -> float:
        """Per cent above the best known distance."""
        return (self.distance / BEST_KNOWN[self.name] - 1) * 100


def of_a_core(problem: Document, run: Run) -> Document:
    """The service's own job, with its time counted by the processor."""
    return solve(problem, replace(run, clock=time.process_time))


JOBS: Final = {"benchmark": of_a_core}
"""For the workers."""


async def run(
    console: Console,
    names: Sequence[str] = tuple(BEST_KNOWN),
    *,
    seconds: float = 30.0,
    seed: int = 1,
    engine: str = "auto",
) -> list[Row]:
    """One instance after the other. Raises AssertionError for an answer that is not legal."""
    pool = WorkerPool(PoolOptions(memory_mb=2048, grace=PATIENCE, jobs="loadtests.bench.solver"))
    try:
        rows = []
        for name in names:
            console.print(f"solving {name} for {seconds:g} s")
            rows.append(await _solved(pool, name, Job("benchmark", {"engine": engine}, seconds, seed)))
            console.print(f"{rows[-1].distance:.1f}, {rows[-1].gap:.2f} % above the best known")
        return rows
    finally:
        await pool.stop()


async def _solved(pool: WorkerPool, name: str, job: Job) -> Row:
    instance = text.solomon((INSTANCES / f"{name}.txt").read_text())
    problem = {**job.problem, "instance": instance.document}
    async with aclosing(pool.solve(Job(job.name, problem, job.seconds, job.seed))) as told:
        async for one in told:
            if isinstance(one, Done):
                routes = one.document["routes"]
                assert routes is not None
                assert not faults(instance, routes)
                distance = instance.distance(routes) / instance.scale
                return Row(name, len(routes), distance, one.cpu_seconds)
    raise AssertionError("a job ends with an answer or an error")


def table(rows: list[Row]) -> Table:
    """The report for a terminal."""
    shown = Table(title="VRPTW, 100 customers, one core, distance alone")
    for heading in ("instance", "vehicles", "distance", "best known", "gap %", "s on a core"):
        shown.add_column(heading, justify="left" if heading == "instance" else "right")
    for row in rows:
        cells = (row.name, f"{row.vehicles}", f"{row.distance:.1f}", f"{BEST_KNOWN[row.name]:.1f}")
        shown.add_row(*cells, f"{row.gap:.2f}", f"{row.cpu_seconds:.1f}")
    shown.add_row("mean", "", "", "", f"{sum(row.gap for row in rows) / len(rows):.2f}", "")
    return shown


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Solve public VRPTW instances and print the gaps.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the instances; all without any")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["auto", "pyvrp", "ortools"], default="auto")
    asked = parser.parse_args()
    out = Console(width=120)
    some = tuple(asked.names or BEST_KNOWN)
    found = asyncio.run(run(out, some, seconds=asked.seconds, seed=asked.seed, engine=asked.engine))
    out.print(table(found))
