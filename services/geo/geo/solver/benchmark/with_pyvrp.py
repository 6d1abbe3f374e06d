"""Instances solved by PyVRP's iterated local search. Imported inside a worker alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyvrp

from geo.solver.benchmark.instance import Instance
from geo.solver.worker import Run


def solve(instance: Instance, run: Run, tell: Callable[[int], None]) -> list[list[int]] | None:
    """Routes of the best legal answer found in the run's time; None when there is none."""
    result = pyvrp.solve(
        _data(instance),
        stop=lambda best: _tells(tell, best) or run.seconds_left <= 0,
        seed=run.seed,
        collect_stats=False,
        display=False,
    )
    if not result.is_feasible():
        return None
    return [[visit.idx + 1 for visit in route if visit.is_client()] for route in result.best.routes()]


def _tells(tell: Callable[[int], None], best: int) -> bool:
    tell(best)
    return False


def _data(instance: Instance) -> pyvrp.ProblemData:
    places = range(len(instance.travel))
    travel: Any = np.array(instance.travel, dtype=np.int64)
    clients = [
        pyvrp.Client(
            location=at,
            delivery=[instance.demand[at]],
            service_duration=instance.service[at],
            tw_early=instance.ready[at],
            tw_late=instance.due[at],
        )
        for at in places[1:]
    ]
    return pyvrp.ProblemData(
        locations=[pyvrp.Location(0, 0) for _ in places],
        clients=clients,
        depots=[pyvrp.Depot(location=0, tw_early=instance.ready[0], tw_late=instance.due[0])],
        vehicle_types=[pyvrp.VehicleType(instance.vehicles, [instance.capacity])],
        distance_matrices=[travel],
        duration_matrices=[travel],
    )
