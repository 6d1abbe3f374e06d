"""A worker that crashes, hangs or eats memory costs that call alone (GEO-22)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.solver_ports import Done, Job, Progress
from kit.errors import Reason, Unavailable

JOBS = "services.geo.tests.support.bad_jobs"
pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """One worker, little memory, short waits."""
    made = WorkerPool(PoolOptions(workers=1, memory_mb=256, waiting=1, grace=0.5, jobs=JOBS))
    yield made
    await made.stop()


async def answer(pool: WorkerPool, name: str, seconds: float = 30.0, **problem: Any) -> dict[str, Any]:
    async with aclosing(pool.solve(Job(name, problem, seconds, seed=7))) as told:
        async for one in told:
            if isinstance(one, Done):
                return dict(one.document)
    raise AssertionError("no answer")


async def refused(pool: WorkerPool, name: str, seconds: float = 30.0, **problem: Any) -> str:
    with pytest.raises(Unavailable) as caught:
        await answer(pool, name, seconds, **problem)
    assert caught.value.reason is Reason.SOLVER_UNAVAILABLE
    return str(caught.value.metadata["cause"])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_worker_answers_and_is_kept_warm(pool: WorkerPool) -> None:
    first = await answer(pool, "echo", say="ja, später")
    assert first["said"] == "ja, später"
    assert first["seed"] == 7
    assert (await answer(pool, "echo", say="x"))["pid"] == first["pid"] != os.getpid()


async def test_progress_comes_before_the_answer(pool: WorkerPool) -> None:
    async with aclosing(pool.solve(Job("count", {"to": 3}, 5.0, 1))) as solving:
        told = [one async for one in solving]
    assert [one.document["number"] for one in told if isinstance(one, Progress)] == [0, 1, 2]
    assert isinstance(told[-1], Done)


@pytest.mark.parametrize(
    ("name", "problem", "cause"),
    [
        ("die", {"signal": "SIGSEGV"}, "died: SIGSEGV"),
        ("die", {"signal": "SIGKILL"}, "died: SIGKILL"),
        ("die", {"signal": "SIGABRT"}, "died: SIGABRT"),
        ("leave", {}, "died: exit code 3"),
        ("eat", {}, "died: SIGKILL"),
        ("raise", {"words": "no such thing"}, "failed: RuntimeError: no such thing"),
        ("too_much", {}, "died: exit code 1"),
        ("nobody's", {}, 'failed: KeyError: "nobody\'s"'),
    ],
)
async def test_what_goes_wrong_costs_that_call_alone(
    pool: WorkerPool, name: str, problem: dict[str, Any], cause: str
) -> None:
    assert await refused(pool, name, **problem) == cause
    assert (await answer(pool, "echo", say=1))["said"] == 1


async def test_a_job_that_hangs_is_killed_when_its_time_and_the_grace_are_over(pool: WorkerPool) -> None:
    await answer(pool, "echo", say=1)
    (pid,) = pool.pids
    began = time.monotonic()
    assert await refused(pool, "hang", seconds=0.2) == "took too long"
    assert time.monotonic() - began < 20
    assert not _is_running(pid)
    assert (await answer(pool, "echo", say=2))["pid"] != pid


async def test_kill_9_from_outside_while_a_job_runs(pool: WorkerPool) -> None:
    solving = pool.solve(Job("hang", {}, 30.0, 1))
    first = await anext(solving)
    assert isinstance(first, Progress)
    os.kill(first.document["hangs"], signal.SIGKILL)
    with pytest.raises(Unavailable, match="SIGKILL"):
        await anext(solving)
    assert (await answer(pool, "echo", say=1))["said"] == 1


async def test_kill_9_between_jobs_is_not_noticed_by_callers(pool: WorkerPool) -> None:
    first = (await answer(pool, "echo", say=1))["pid"]
    os.kill(first, signal.SIGKILL)
    assert (await answer(pool, "echo", say=2))["pid"] != first


async def test_a_caller_that_leaves_ends_the_job_at_once(pool: WorkerPool) -> None:
    solving = pool.solve(Job("hang", {}, 60.0, 1))
    first = await anext(solving)
    assert isinstance(first, Progress)
    await solving.aclose()
    assert not _is_running(first.document["hangs"])
    assert (await answer(pool, "echo", say=1))["said"] == 1


async def test_a_cancelled_caller_ends_the_job_at_once(pool: WorkerPool) -> None:
    await answer(pool, "echo", say=1)
    (pid,) = pool.pids
    task = asyncio.create_task(answer(pool, "hang", seconds=60.0))
    while not pool.busy:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _is_running(pid)
    assert (await answer(pool, "echo", say=1))["said"] == 1


async def test_calls_wait_for_a_place_and_too_many_are_refused(pool: WorkerPool) -> None:
    holder = pool.solve(Job("hang", {}, 60.0, 1))
    await anext(holder)
    waiting = asyncio.create_task(answer(pool, "echo", say="at last"))
    await asyncio.sleep(0)
    assert await refused(pool, "echo", say=2) == "too many calls are waiting"
    await holder.aclose()
    assert (await waiting)["said"] == "at last"


async def test_without_workers_every_call_is_refused() -> None:
    assert await refused(WorkerPool(PoolOptions(workers=0)), "echo") == "no workers are configured"


async def test_jobs_that_cannot_be_imported_are_told() -> None:
    pool = WorkerPool(PoolOptions(jobs="geo.solver.nobodys"))
    try:
        assert await refused(pool, "echo") == "died: exit code 1"
    finally:
        await pool.stop()


async def test_what_libraries_print_does_not_get_between_the_frames(pool: WorkerPool) -> None:
    assert "pid" in await answer(pool, "babble")


async def test_stopping_leaves_no_process(pool: WorkerPool) -> None:
    await answer(pool, "echo", say=1)
    (pid,) = pool.pids
    await pool.stop()
    assert not _is_running(pid)


async def test_the_service_itself_imports_no_solver() -> None:
    code = "import sys, geo.app, geo.__main__; sys.exit(bool({'ortools', 'pyvrp'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: ASYNC221


async def test_workers_die_with_the_service(tmp_path: Any) -> None:
    script = tmp_path / "service.py"
    script.write_text(
        "import asyncio, os, signal\n"
        "from geo.solver.pool import PoolOptions, WorkerPool\n"
        "from geo.usecases.solver_ports import Job\n"
        "async def main():\n"
        f"    pool = WorkerPool(PoolOptions(jobs={JOBS!r}))\n"
        "    async for one in pool.solve(Job('hang', {}, 60.0, 1)):\n"
        "        print(one.document['hangs'], flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, script], capture_output=True, text=True, check=False, env=_with_root()
    )
    worker = int(done.stdout)
    for _ in range(6000):
        if not _is_running(worker):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the worker outlived the service")


def _with_root() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.getcwd()}
