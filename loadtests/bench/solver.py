"""The solver's row of `make bench`: public VRPTW instances, one core, distance alone (DIMACS).

python -m loadtests.bench.solver [--seconds 30] [--seed 1] [--engine auto]
"""

import argparse
import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from geo.solver.benchmark import text
from geo.solver.benchmark.instance import faults
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.solver_ports import Done, Job

INSTANCES: Final = Path(__file__).resolve().parents[2] / "services/geo/tests/solver/instances"
BEST_KNOWN: Final = {"r101": 1637.7, "r112": 948.6, "rc101": 1619.8, "rc208": 776.1}
"""Where they are from is told beside the instances."""


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


async def run(console: Console, *, seconds: float = 30.0, seed: int = 1, engine: str = "auto") -> list[Row]:
    """One instance after the other. Raises AssertionError for an answer that is not legal."""
    pool = WorkerPool(PoolOptions(memory_mb=2048, grace=60.0))
    try:
        rows = []
        for name in BEST_KNOWN:
            console.print(f"solving {name} for {seconds:g} s")
            rows.append(await _solved(pool, name, Job("benchmark", {"engine": engine}, seconds, seed)))
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
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["auto", "pyvrp", "ortools"], default="auto")
    asked = parser.parse_args()
    out = Console(width=120)
    found = asyncio.run(run(out, seconds=asked.seconds, seed=asked.seed, engine=asked.engine))
    out.print(table(found))
