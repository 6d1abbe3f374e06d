"""A worker process: `python -m geo.solver.worker JOBS MEMORY_MB`, spoken to over its standard input and
output.

It takes one job at a time and imports what a job needs when that job comes. It dies with the service
(PDEATHSIG), when a job does not end (SIGALRM), and when it wants more memory than it may have.
"""

import ctypes
import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NoReturn

from geo.solver import frames
from geo.solver.frames import Document

NICENESS: Final = 5
"""A worker gives way to the calls that somebody waits for."""

_PR_SET_PDEATHSIG: Final = 1
_NO_MORE_THAN_EVERY: Final = 0.1


@dataclass(slots=True)
class Run:
    """What a job may use: seconds of time by `clock`, a seed, and a way to tell how it is going."""

    seconds: float
    seed: int
    tell: Callable[[Document], None]
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds_left(self) -> float:
        """Seconds until the job has to be done; never negative."""
        return max(0.0, self.seconds - (self.clock() - self.began))


Job = Callable[[Document, Run], Document]
"""Solves a problem document within the run's seconds and gives the answer's document."""


def main() -> None:
    """Works until the service closes the pipe."""
    jobs_module, memory_mb, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    say = _private_output()
    _die_with(parent)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    jobs: Mapping[str, Job] = importlib.import_module(jobs_module).JOBS
    _serve(jobs, sys.stdin.buffer, say)


def _serve(jobs: Mapping[str, Job], source: BinaryIO, say: BinaryIO) -> None:
    while (order := frames.read_blocking(source)) is not None:
        _send(say, {"kind": "started"})
        signal.setitimer(signal.ITIMER_REAL, float(order["hard_seconds"]))
        _send(say, _answer(jobs, order, say))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(jobs: Mapping[str, Job], order: Document, say: BinaryIO) -> Document:
    run = Run(float(order["seconds"]), int(order["seed"]), _teller(say))
    began = time.process_time()
    try:
        answer = jobs[order["job"]](order["problem"], run)
        return {"kind": "done", "answer": answer, "cpu_seconds": time.process_time() - began}
    except MemoryError:
        _give_up()
    except Exception as error:  # whatever it is, it costs this call alone
        return {"kind": "failed", "cause": f"{type(error).__name__}: {error}"[:500]}


def _give_up() -> NoReturn:
    """What is left of the memory is in no known state: the process ends, and a new one takes its place."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def _teller(say: BinaryIO) -> Callable[[Document], None]:
    """Tells at most ten times a second, so that a fast search is not slowed by telling."""
    last = 0.0

    def tell(progress: Document) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _NO_MORE_THAN_EVERY:
            last = now
            _send(say, {"kind": "progress", "progress": progress})

    return tell


def _send(say: BinaryIO, document: Document) -> None:
    say.write(frames.pack(document))
    say.flush()


def _private_output() -> BinaryIO:
    """The pipe to the service; what libraries print goes to standard error instead."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "wb")


def _die_with(parent: int) -> None:
    """Linux: SIGKILL when the service ends, however it does."""
    libc: Any = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that was asked for
        sys.exit(0)


if __name__ == "__main__":
    main()
