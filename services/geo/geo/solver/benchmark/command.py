"""`python -m geo solve FILE`: solves a public instance on this machine and prints the routes.

It runs in a worker process like every other job: with its time, its seed and its memory, and it can be
interrupted.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from geo.solver.benchmark import text
from geo.solver.benchmark.instance import Instance, Routes, faults
from geo.solver.benchmark.text import BadInstance
from geo.solver.pool import PoolOptions, WorkerPool
from geo.usecases.solver_ports import Done, Job
from kit.errors import InvalidInput, Reason

READERS: Final = {"homberger": text.solomon, "solomon": text.solomon, "tsptw": text.tsptw}
LONGEST_SECONDS: Final = 24 * 3600
_BAR: Final = 30
_PATIENCE: Final = 90.0
"""Seconds for what comes before and after the search, on a machine that may be busy."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said."""

    file: Path
    form: str
    seconds: float
    seed: int
    engine: str
    memory_mb: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the instance")
    parser.add_argument("--format", choices=sorted(READERS), default="solomon", dest="form")
    parser.add_argument("--seconds", type=_seconds, default=30.0, help="time to search, on one core")
    parser.add_argument("--seed", type=_seed, default=1, help="of the search's random numbers")
    parser.add_argument("--engine", choices=["auto", "pyvrp", "ortools"], default="auto")
    parser.add_argument("--memory-mb", type=int, default=2048, help="what the search may take")


def run(asked: Asked) -> int:
    """Prints the answer. 0: legal routes; 1: none found. Raises GiroError for bad files and lost workers."""
    instance = _read(asked)
    answer = asyncio.run(_solved(asked, instance))
    routes: Routes | None = answer["routes"]
    if routes is None:
        sys.stdout.write(f"{_title(asked, instance)}\nno legal answer was found in {asked.seconds:g} s\n")
        return 1
    broken = faults(instance, routes)
    if broken:  # the worker checked as well; the answer has come through a pipe since
        raise AssertionError(broken)
    had = f"{asked.seconds:g} s ({answer['cpu_seconds']:.1f} s on a core)"
    engine = f"{answer['engine']}, {had}, seed {asked.seed}"
    sys.stdout.write(_shown(asked, instance, routes, engine))
    return 0


def _read(asked: Asked) -> Instance:
    try:
        return READERS[asked.form](asked.file.read_text(errors="replace"))
    except OSError as error:
        raise InvalidInput(Reason.INVALID_FIELD, f"{asked.file}: {error.strerror}", field="file") from None
    except BadInstance as error:
        message = f"{asked.file} is no instance in the {asked.form} format: {error}"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="file") from None


async def _solved(asked: Asked, instance: Instance) -> dict[str, Any]:
    pool = WorkerPool(PoolOptions(memory_mb=asked.memory_mb, grace=_PATIENCE))
    problem = {"instance": instance.document, "engine": asked.engine}
    try:
        async with aclosing(pool.solve(Job("benchmark", problem, asked.seconds, asked.seed))) as told:
            async for one in told:
                if isinstance(one, Done):
                    _draw(sys.stderr, "")
                    return {**one.document, "cpu_seconds": one.cpu_seconds}
                _draw(sys.stderr, _bar(one.document["share"], one.document["best"] / instance.scale))
    finally:
        await pool.stop()
    raise AssertionError("a job ends with an answer or an error")


def _bar(share: float, best: float) -> str:
    full = round(share * _BAR)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {share:4.0%}  best {best:.1f}"


def _draw(to: TextIO, line: str) -> None:
    """One line that is written over and over, for people only."""
    if to.isatty():
        to.write(f"\r\033[K{line}")
        to.flush()


def _title(asked: Asked, instance: Instance) -> str:
    return f"{instance.name or asked.file.name}: {instance.customers} customers"


def _shown(asked: Asked, instance: Instance, routes: Routes, engine: str) -> str:
    decimals = 1 if instance.scale > 1 else 0
    lines = [
        _title(asked, instance),
        f"engine    {engine}",
        f"vehicles  {len(routes)}",
        f"distance  {instance.distance(routes) / instance.scale:.{decimals}f}",
    ]
    lines += [f"route {number:3d}  {_told(instance, route)}" for number, route in enumerate(routes, 1)]
    return "\n".join(lines) + "\n"


def _told(instance: Instance, route: Sequence[int]) -> str:
    """The customers by their numbers in the file."""
    return " ".join(str(customer + instance.first) for customer in route)


def _seconds(word: str) -> float:
    value = float(word)
    if not 0 < value <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most {LONGEST_SECONDS}")
    return value


def _seed(word: str) -> int:
    value = int(word)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError("must be from 0 to 2147483647")
    return value
