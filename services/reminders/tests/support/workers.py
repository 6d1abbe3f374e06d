"""Workers as processes of their own, forked from one that has loaded everything: they start at once."""

import asyncio
import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from kit import failpoints
from reminders.__main__ import main


def start(made: Mapping[str, str], failpoint: str = "") -> BaseProcess:
    """A worker with this environment, which kills itself at a failpoint."""
    armed = {"GIRO_FAILPOINTS": f"{failpoint}=kill"} if failpoint else {}
    process = _context().Process(target=_work, args=({**made, **armed},), daemon=True)
    process.start()
    return process


async def ended(process: BaseProcess, seconds: float) -> int | None:
    """Its exit code; negative for the signal that killed it. None when it has not ended in time."""
    await asyncio.to_thread(process.join, seconds)
    return process.exitcode


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["reminders.__main__"])
    return context


def _work(made: Mapping[str, str]) -> None:
    os.environ.update(made)
    failpoints.arm_from_environment(os.environ)
    main(["work"])
