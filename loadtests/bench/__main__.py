"""`make bench`: suggestions and bookings on the demo data, beside a bare gRPC echo of the same run; then the
solver on public instances.

Everything runs on this machine, the clients too: compare ratios, not machines.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from allinone.stack import Stack, StackOptions
from loadtests.bench import echo, giro, solver
from loadtests.bench.loop import Call, Sample, closed_loop

WARM_UP = 200
CALLS = 2_000
CROWD = 32


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: one client alone, and a crowd of them."""

    work: str
    alone: Sample
    crowd: Sample


async def measure(work: str, call: Call, *, calls: int = CALLS) -> Row:
    """Warms up, then runs the call from one client and from a crowd."""
    await closed_loop(call, clients=4, calls=WARM_UP)
    alone = await closed_loop(call, clients=1, calls=calls // 4)
    crowd = await closed_loop(call, clients=CROWD, calls=calls)
    return Row(work, alone, crowd)


async def run(console: Console, calls: int = CALLS) -> list[Row]:
    """The whole report; `calls` of the crowd for each line but those of bookings, which run out of slots."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        options = StackOptions.for_tests(Path(folder) / "state", durable=True)
        async with echo.served() as (call, _):
            rows = [await measure("bare gRPC echo, 200 bytes", call, calls=calls)]
        console.print("starting the services and loading the demo data")
        async with Stack(options) as stack:
            bench = await giro.prepare(stack)
            for work, method in bench.suggestions():
                console.print(f"measuring: {work}")
                rows.append(await measure(work, method, calls=calls))
            rows += await _bookings(bench, console)
            await bench.close()
        return rows


async def _bookings(bench: "giro.Bench", console: Console) -> list[Row]:
    rows = []
    for work, method, calls in bench.bookings():
        console.print(f"measuring: {work}")
        rows.append(await measure(work, method, calls=calls))
    return rows


def table(rows: list[Row]) -> Table:
    """The report for a terminal."""
    shown = Table(title=f"medians of one run; crowd = {CROWD} clients on the same machine")
    for heading in ("work", "p50 ms", "p99 ms", "a second (crowd)", "of echo", "p50 ms (crowd)", "refused"):
        shown.add_column(heading, justify="left" if heading == "work" else "right")
    yardstick = rows[0].crowd.per_second
    for row in rows:
        shown.add_row(
            row.work,
            f"{row.alone.p50:.2f}",
            f"{row.alone.quantile(0.99):.2f}",
            f"{row.crowd.per_second:.0f}",
            f"{row.crowd.per_second / yardstick:.2f}",
            f"{row.crowd.p50:.1f}",
            str(sum(row.crowd.refusals.values()) + sum(row.alone.refusals.values())),
        )
    return shown


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure suggestions, bookings and the solver.")
    parser.add_argument("--calls", type=int, default=CALLS, help="of the crowd, for each line")
    parser.add_argument("--solver-seconds", type=float, default=30.0, help="of a core, for each instance")
    asked = parser.parse_args()
    out = Console(width=120)
    out.print(table(uvloop.run(run(out, asked.calls))))
    out.print(solver.table(uvloop.run(solver.run(out, seconds=asked.solver_seconds))))
