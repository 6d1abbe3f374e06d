"""The processes of a stack as one kind of thing: start until ready, stop; a guard brings them back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from allinone.errors import StartFailed
from allinone.process import Process, tail
from allinone.readiness import Probe, until_ready

READY_SECONDS = 90.0
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 60.0


class Child(Protocol):
    """What a stack starts and stops. `process` is what runs now, None before the first start."""

    @property
    def process(self) -> Process | None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass
class Served:
    """A service or Envoy: a process and the probe that says when it serves."""

    process: Process
    probe: Probe

    async def start(self) -> None:
        await self.process.start()
        await until_ready(self.process, self.probe, seconds=READY_SECONDS)

    async def stop(self) -> None:
        await self.process.stop()


Report = Callable[[str], None]


async def guard(name: str, child: Child, report: Report) -> None:
    """Waits for the child to die, says so with the end of its log, starts it again: slower each time."""
    pause = FIRST_PAUSE
    while child.process is not None:
        since = time.monotonic()
        code = await child.process.wait()
        if time.monotonic() - since > HEALTHY_SECONDS:
            pause = FIRST_PAUSE
        report(f"{name} ended with code {code}; starting it again in {pause:.1f} s. The end of its log:")
        report(tail(child.process.log))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
        await _again(name, child.start, report)


async def _again(name: str, start: Callable[[], Awaitable[None]], report: Report) -> None:
    try:
        await start()
    except StartFailed as failed:
        report(str(failed))
    else:
        report(f"{name} serves again")
