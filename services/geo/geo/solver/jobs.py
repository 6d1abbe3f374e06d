"""What a worker can do, by name."""

from collections.abc import Mapping
from typing import Final

from geo.solver.benchmark import job as benchmark
from geo.solver.worker import Job

JOBS: Final[Mapping[str, Job]] = {"benchmark": benchmark.solve}
