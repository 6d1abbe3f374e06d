"""The job `benchmark`: an instance, solved by the first engine that finds a legal answer."""

from dataclasses import replace

from geo.solver.benchmark.instance import Instance, Routes, faults
from geo.solver.frames import Document
from geo.solver.worker import Run

_LAST_RESORT = 0.25
"""Part of the time kept for the second engine where one vehicle has to meet every window."""


def solve(problem: Document, run: Run) -> Document:
    """`routes` (None: no legal answer found) and `engine`."""
    instance = Instance.of(problem["instance"])
    wanted = problem["engine"]
    if wanted != "auto":
        return _answer(wanted, _legal(instance, _with(wanted, instance, run)))
    spare = run.seconds * _LAST_RESORT if instance.vehicles == 1 else 0.0
    routes = _legal(instance, _with("pyvrp", instance, replace(run, seconds=run.seconds - spare)))
    if routes is None and spare:
        return _answer("ortools", _legal(instance, _with("ortools", instance, run)))
    return _answer("pyvrp", routes)


def _with(engine: str, instance: Instance, run: Run) -> Routes | None:
    def tell(best: int) -> None:
        run.tell({"share": 1 - run.seconds_left / run.seconds, "best": best, "engine": engine})

    if engine == "pyvrp":
        from geo.solver.benchmark import with_pyvrp

        return with_pyvrp.solve(instance, run, tell)
    from geo.solver.benchmark import with_ortools

    return with_ortools.solve(instance, run, tell)


def _legal(instance: Instance, routes: Routes | None) -> Routes | None:
    return None if routes is None or faults(instance, routes) else routes


def _answer(engine: str, routes: Routes | None) -> Document:
    return {"engine": engine, "routes": None if routes is None else [list(route) for route in routes]}
