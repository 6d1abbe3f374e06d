"""One more geo process beside the stack's own, with roads of its own; what it has used of the machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from allinone import environment
from allinone.stack import Stack
from loadtests.bench.echo import free_port

READY_SECONDS = 120
CALM_SECONDS = 90
CALM_SHARE = 0.05
_MEGABYTE = 1024


@dataclass(frozen=True, slots=True)
class Replica:
    """A running process."""

    target: str
    pid: int

    @property
    def megabytes(self) -> float:
        """Memory resident now."""
        return _status(self.pid, "VmRSS") / _MEGABYTE

    @property
    def most_megabytes(self) -> float:
        """The most that it ever had, or had since `count_most_anew`."""
        return _status(self.pid, "VmHWM") / _MEGABYTE

    def count_most_anew(self) -> None:
        """From now on `most_megabytes` is the most since now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@asynccontextmanager
async def replica(stack: Stack, roads: str = "") -> AsyncIterator[Replica]:
    """Serves from the stack's database until left."""
    made = environment.of_process("geo", os.environ, stack.installation)
    port = free_port()
    made |= {"GIRO_GEO_PORT": str(port), "GIRO_GEO_METRICS_PORT": "0", "GIRO_ROADS": roads}
    file = stack.log(f"geo-{port}")
    with file.open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "geo", "serve", env=made, stdout=log, stderr=log
        )
    try:
        target = f"127.0.0.1:{port}"
        try:
            async with grpc.aio.insecure_channel(target) as channel:
                await asyncio.wait_for(channel.channel_ready(), READY_SECONDS)
        except TimeoutError:
            raise RuntimeError(f"geo does not serve: {file.read_text()[-2000:]}") from None
        yield Replica(target, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def calm(pid: int) -> bool:
    """Waits until a process that nobody asks has gone through the checks that follow a start: until it uses
    less than a twentieth of a core. False for one that still uses more after a while."""
    for _ in range(CALM_SECONDS):
        before = cpu_seconds(pid)
        await asyncio.sleep(1)
        if cpu_seconds(pid) - before < CALM_SHARE:
            return True
    return False


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} tells no {name}")
