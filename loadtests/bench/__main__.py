"""`make bench`: suggestions and bookings on the demo data, beside a bare gRPC echo of the same run.

Everything runs on this machine, the clients too: compare ratios, not machines.
"""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
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


@asynccontextmanager
async def echo_server(port: int) -> AsyncIterator[Call]:
    """The yardstick in a process of its own; gives the call."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "loadtests.bench.echo", str(port))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            method: Any = channel.unary_unary(echo.METHOD)
            payload = b"x" * 200
            yield lambda _number: method(payload)
    finally:
        process.terminate()
        await process.wait()


async def run(console: Console) -> list[Row]:
    """The whole report."""
    with tempfile.TemporaryDirectory(prefix="giro-bench-") as folder:
        os.chmod(folder, 0o755)
        options = StackOptions.for_tests(Path(folder) / "state", durable=True)
        async with echo_server(_free_port()) as call:
            rows = [await measure("bare gRPC echo, 200 bytes", call)]
        console.print("starting the services and loading the demo data")
        async with Stack(options) as stack:
            bench = await giro.prepare(stack)
            for work, method in bench.suggestions():
                console.print(f"measuring: {work}")
                rows.append(await measure(work, method))
            rows += await _bookings(bench, console)
            await bench.close()
        return rows


async def _bookings(bench: "giro.Bench", console: Console) -> list[Row]:
    rows = []
    for work, method, calls in bench.bookings():
        console.print(f"measuring: {work}")
        rows.append(await measure(work, method, calls=calls))
    return rows


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    out = Console(width=120)
    out.print(table(uvloop.run(run(out))))
    out.print(solver.table(uvloop.run(solver.run(out))))
