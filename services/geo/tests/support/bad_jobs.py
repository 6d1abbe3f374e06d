"""Jobs for the tests of the worker host: good ones and every kind of bad one."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Final

from geo.solver.frames import Document
from geo.solver.worker import Job, Run


def _echo(problem: Document, run: Run) -> Document:
    return {"said": problem["say"], "seed": run.seed, "pid": os.getpid()}


def _count(problem: Document, run: Run) -> Document:
    for number in range(problem["to"]):
        run.tell({"number": number})
        time.sleep(0.11)
    return {"pid": os.getpid()}


def _hang(_problem: Document, run: Run) -> Document:
    run.tell({"hangs": os.getpid()})
    while True:
        time.sleep(1)


def _die(problem: Document, _run: Run) -> Document:
    os.kill(os.getpid(), getattr(signal, problem["signal"]))
    return {}


def _leave(_problem: Document, _run: Run) -> Document:
    os._exit(3)


def _eat(_problem: Document, _run: Run) -> Document:
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))


def _raise(problem: Document, _run: Run) -> Document:
    raise RuntimeError(problem["words"])


def _babble(_problem: Document, _run: Run) -> Document:
    """What libraries print must not get between the frames."""
    print("printed", flush=True)
    os.write(1, b"written\n")
    sys.stdout.flush()
    return {"pid": os.getpid()}


def _too_much(_problem: Document, _run: Run) -> Document:
    return {"answer": [{1, 2, 3}]}


JOBS: Final[Mapping[str, Job]] = {
    "echo": _echo,
    "count": _count,
    "hang": _hang,
    "die": _die,
    "leave": _leave,
    "eat": _eat,
    "raise": _raise,
    "babble": _babble,
    "too_much": _too_much,
}
