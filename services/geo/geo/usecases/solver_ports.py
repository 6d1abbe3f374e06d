"""What the use cases need from the solver: jobs that run elsewhere, tell how it goes, and may fail alone."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """A problem document for a named job, with seconds of time and a seed."""

    name: str
    problem: Mapping[str, Any]
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A job's answer; nothing in it is believed before it was checked.

    `cpu_seconds` is what the search really had of its time: less than the budget on a busy machine.
    """

    document: Mapping[str, Any]
    cpu_seconds: float = 0.0


Told = Progress | Done


class Solver(Protocol):
    """Runs jobs outside this process."""

    def solve(self, job: Job) -> AsyncGenerator[Told, None]:
        """Progress, then `Done`. Closing the generator ends the job.

        Raises Unavailable (SOLVER_UNAVAILABLE) when there is no answer; nothing else is touched by that.
        """
        ...
