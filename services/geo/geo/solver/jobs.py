"""What a worker can do, by name."""

from collections.abc import Mapping
from typing import Final

from geo.solver.benchmark import job as benchmark
from geo.solver.plan import job as plan
from geo.solver.worker import Job

JOBS: Final[Mapping[str, Job]] = {"benchmark": benchmark.solve, "plan": plan.solve}
