"""Instances solved by OR-Tools' routing library. Imported inside a worker alone."""

from collections.abc import Callable, Iterator
from typing import Any

from ortools.constraint_solver import pywrapcp

from geo.solver import ortools_settings
from geo.solver.benchmark.instance import Instance
from geo.solver.worker import Run


def solve(instance: Instance, run: Run, tell: Callable[[int], None]) -> list[list[int]] | None:
    """Routes of the best answer found in the run's time; None when there is none."""
    manager = pywrapcp.RoutingIndexManager(len(instance.travel), instance.vehicles, 0)
    routing = pywrapcp.RoutingModel(manager)
    routing.SetArcCostEvaluatorOfAllVehicles(_matrix(routing, [list(row) for row in instance.travel]))
    _add_time(instance, manager, routing)
    load = routing.RegisterUnaryTransitVector(list(instance.demand))
    routing.AddDimension(load, 0, instance.capacity, True, "load")  # noqa: FBT003 - the library's own
    routing.AddAtSolutionCallback(lambda: tell(routing.CostVar().Max()))
    routing.solver().ReSeed(run.seed)
    found = routing.SolveWithIteratedLocalSearch(ortools_settings.iterated(run.seconds_left))
    if found is None:
        return None
    routes = [list(_route(manager, routing, found, vehicle)) for vehicle in range(instance.vehicles)]
    return [route for route in routes if route]


def _add_time(instance: Instance, manager: Any, routing: Any) -> None:
    moving = [
        [service + leg for leg in row] for service, row in zip(instance.service, instance.travel, strict=True)
    ]
    horizon = max(instance.due)
    routing.AddDimension(_matrix(routing, moving), horizon, horizon, False, "time")  # noqa: FBT003
    time = routing.GetDimensionOrDie("time")
    for place in range(1, len(instance.travel)):
        cumul = time.CumulVar(manager.NodeToIndex(place))
        cumul.SetRange(instance.ready[place], instance.due[place])
    for vehicle in range(instance.vehicles):
        time.CumulVar(routing.Start(vehicle)).SetMin(instance.ready[0])
        time.CumulVar(routing.End(vehicle)).SetMax(instance.due[0])


def _matrix(routing: Any, rows: list[list[int]]) -> int:
    return int(routing.RegisterTransitMatrix(rows))


def _route(manager: Any, routing: Any, found: Any, vehicle: int) -> Iterator[int]:
    at = found.Value(routing.NextVar(routing.Start(vehicle)))
    while not routing.IsEnd(at):
        yield int(manager.IndexToNode(at))
        at = found.Value(routing.NextVar(at))
