"""Worker processes for the service: a job that crashes, hangs or eats memory costs its own call alone
(GEO-22).

Workers are processes started afresh (no fork: the service has threads of gRPC), one job at a time each, and
kept warm between jobs. Jobs are awaited, never computed, on the event loop.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter

from geo.solver import frames
from geo.solver.frames import Document, FrameError
from geo.usecases.solver_ports import Done, Job, Told
from geo.usecases.solver_ports import Progress as Progressed
from kit import telemetry
from kit.errors import Reason, Unavailable

_lost: Final = Counter(
    "giro_geo_solver_workers_lost_total", "Solver workers that died or were killed", ["cause"]
)
_log = telemetry.logger("geo.solver")

_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How many workers, how much of what each may have, and how many calls may wait for one.

    `grace` is how long (seconds) after its budget a job may still take to finish; `start_seconds` how long a
    new worker may take to take its first job. `jobs` names the module with the jobs.
    """

    workers: int = 1
    memory_mb: int = 1024
    waiting: int = 8
    grace: float = 15.0
    start_seconds: float = 60.0
    jobs: str = "geo.solver.jobs"


class _Lost(Exception):
    """The worker is gone, or is to go."""

    def __init__(self, cause: str, *, started: bool) -> None:
        super().__init__(cause)
        self.cause, self.started = cause, started


@dataclass(slots=True, eq=False)
class _Worker:
    process: Process

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def say(self, document: Document) -> None:
        assert self.process.stdin is not None
        if self.process.stdin.is_closing():  # its end is not reaped yet; uvloop would raise a RuntimeError
            raise BrokenPipeError
        self.process.stdin.write(frames.pack(document))
        await self.process.stdin.drain()

    async def hear(self) -> dict[str, object]:
        assert self.process.stdout is not None
        return await frames.read(self.process.stdout)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.shield(self.process.wait())


@dataclass(slots=True)
class WorkerPool:
    """`usecases.solver_ports.Solver` over worker processes."""

    options: PoolOptions = field(default_factory=PoolOptions)
    _idle: list[_Worker] = field(default_factory=list)
    _all: set[_Worker] = field(default_factory=set)
    _places: asyncio.Semaphore = field(init=False)
    _waiting: int = 0

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.options.workers)

    @property
    def pids(self) -> list[int]:
        """The processes there are."""
        return [worker.process.pid for worker in self._all]

    @property
    def busy(self) -> int:
        """Workers that are at a job."""
        return len(self._all) - len(self._idle)

    async def solve(self, job: Job) -> AsyncGenerator[Told, None]:
        """Progress while it runs, then `Done`. Closing the generator ends the job at once.

        Raises Unavailable (SOLVER_UNAVAILABLE, with the cause): no workers, too many calls waiting, or a
        worker that died, took too long or refused the job.
        """
        await self._wait_for_a_place()
        try:
            async with aclosing(self._retried(job)) as told:
                async for one in told:
                    yield one
        finally:
            self._places.release()

    async def stop(self) -> None:
        """Kills every worker."""
        for worker in list(self._all):
            await self._discard(worker)

    async def _wait_for_a_place(self) -> None:
        if self.options.workers == 0:
            raise _unavailable("no workers are configured")
        if self._places.locked() and self._waiting >= self.options.waiting:
            raise _unavailable("too many calls are waiting")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def _retried(self, job: Job) -> AsyncGenerator[Told, None]:
        """A worker that was found dead before it took the job is no fault of the job."""
        for last in (False, True):
            try:
                async with aclosing(self._once(job)) as told:
                    async for one in told:
                        yield one
                return
            except _Lost as lost:
                _lost.labels(lost.cause.split(":")[0]).inc()
                _log.warning("solver worker lost", cause=lost.cause, job=job.name)
                if lost.started or last:
                    raise _unavailable(lost.cause) from None

    async def _once(self, job: Job) -> AsyncGenerator[Told, None]:
        worker = await self._worker()
        clean = False
        try:
            await self._hand_over(worker, job)
            deadline = asyncio.get_running_loop().time() + job.seconds + self.options.grace
            while True:
                told = await _heard(worker, deadline)
                if isinstance(told, Done):
                    clean = True
                    break
                yield told
        finally:
            if clean:
                self._idle.append(worker)
            else:
                await self._discard(worker)
        yield told

    async def _hand_over(self, worker: _Worker, job: Job) -> None:
        order = {
            "job": job.name,
            "problem": job.problem,
            "seconds": job.seconds,
            "hard_seconds": job.seconds + 2 * self.options.grace,
            "seed": job.seed,
        }
        try:
            async with asyncio.timeout(self.options.start_seconds):
                await worker.say(order)
                await worker.hear()
        except (ConnectionError, asyncio.IncompleteReadError):
            raise _Lost(await _how_it_ended(worker), started=False) from None
        except (TimeoutError, FrameError) as error:
            raise _Lost(f"did not start: {error}", started=False) from None

    async def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            self._all.discard(worker)
        started = _Worker(await self._process())
        self._all.add(started)
        return started

    async def _process(self) -> Process:
        options = self.options
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "geo.solver.worker", options.jobs, str(options.memory_mb), str(os.getpid())),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )

    async def _discard(self, worker: _Worker) -> None:
        self._all.discard(worker)
        await worker.kill()


async def _heard(worker: _Worker, deadline: float) -> Told:
    try:
        async with asyncio.timeout_at(deadline):
            said = await worker.hear()
    except TimeoutError:
        raise _Lost("took too long", started=True) from None
    except asyncio.IncompleteReadError:
        raise _Lost(await _how_it_ended(worker), started=True) from None
    except FrameError as error:
        raise _Lost(f"spoke nonsense: {error}", started=True) from None
    return _told(said)


def _told(said: dict[str, object]) -> Told:
    match said:
        case {"kind": "progress", "progress": dict(progress)}:
            return Progressed(progress)
        case {"kind": "done", "answer": dict(answer), "cpu_seconds": float(cpu_seconds)}:
            return Done(answer, cpu_seconds)
        case {"kind": "failed", "cause": str(cause)}:
            raise _Lost(f"failed: {cause}", started=True)
    raise _Lost(f"spoke nonsense: {said.get('kind')}", started=True)


async def _how_it_ended(worker: _Worker) -> str:
    try:
        async with asyncio.timeout(1):
            code = await worker.process.wait()
    except TimeoutError:
        return "closed its output"
    return f"died: {signal.Signals(-code).name}" if code < 0 else f"died: exit code {code}"


def _unavailable(cause: str) -> Unavailable:
    return Unavailable(
        Reason.SOLVER_UNAVAILABLE, f"the solver gave no answer: {cause}", metadata={"cause": cause}
    )
