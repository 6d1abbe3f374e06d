"""Plans by OR-Tools' routing library, from a first plan. Imported inside a worker alone.

A visit is one node for each of its options, of which at most one is taken; the option's cost is added to the
drive to it. The model is a little looser than the ledger (see `_add_blocks`). What comes out is a proposal:
rounds are timed exactly before they count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ortools.constraint_solver import pywrapcp

from geo.domain.tours import MUST, NO_WAY, Plan, Problem, Round, Stop
from geo.solver import ortools_settings
from geo.solver.worker import Run

_FAR = 10**7
"""Seconds of a drive that there is no road for: no round has room for it."""


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The model's nodes: one for each option of each visit, then the duties' origins and targets."""

    stops: tuple[Stop, ...]
    places: tuple[int, ...]
    duties: int

    @classmethod
    def of(cls, problem: Problem) -> "_Nodes":
        stops = [(v, o) for v, visit in enumerate(problem.visits) for o in range(len(visit.options))]
        places = [problem.visits[visit].place for visit, _ in stops]
        ends = [duty.origin for duty in problem.duties] + [duty.target for duty in problem.duties]
        return cls(tuple(stops), tuple(places + ends), len(problem.duties))

    @property
    def starts(self) -> list[int]:
        return [len(self.stops) + duty for duty in range(self.duties)]

    @property
    def ends(self) -> list[int]:
        return [len(self.stops) + self.duties + duty for duty in range(self.duties)]


def proposed(problem: Problem, start: Plan, run: Run, tell: Callable[[], None]) -> tuple[Round, ...] | None:
    """Rounds that OR-Tools would drive, found from `start` in the time that is left; None when it has none.
    `tell` is called at each solution on the way."""
    nodes = _Nodes.of(problem)
    manager = pywrapcp.RoutingIndexManager(len(nodes.places), nodes.duties, nodes.starts, nodes.ends)
    routing = pywrapcp.RoutingModel(manager)
    _add_costs(problem, nodes, routing)
    _add_time(problem, nodes, manager, routing)
    _add_travel(problem, nodes, routing)
    _add_choices(problem, nodes, manager, routing)
    routing.solver().ReSeed(run.seed)
    parameters = ortools_settings.guided(run.seconds_left)
    routing.AddAtSolutionCallback(tell)
    routing.CloseModelWithParameters(parameters)
    at = {stop: node for node, stop in enumerate(nodes.stops)}
    routes = [[manager.NodeToIndex(at[stop]) for stop in stops] for stops in start.rounds]
    first = routing.ReadAssignmentFromRoutes(routes, True)  # noqa: FBT003 - the library's own
    if first is None:
        return None
    found = routing.SolveFromAssignmentWithParameters(first, parameters)
    if found is None:
        return None
    return tuple(tuple(_round(nodes, manager, routing, found, duty)) for duty in range(nodes.duties))


def _add_costs(problem: Problem, nodes: _Nodes, routing: Any) -> None:
    extra = [problem.visits[visit].options[option].cost for visit, option in nodes.stops]
    extra += [0] * (2 * nodes.duties)
    costs = {
        table: routing.RegisterTransitMatrix(
            [
                [_seconds(problem, table, (a, b)) + more for b, more in zip(nodes.places, extra, strict=True)]
                for a in nodes.places
            ]
        )
        for table in range(len(problem.drives))
    }
    for number, duty in enumerate(problem.duties):
        routing.SetArcCostEvaluatorOfVehicle(costs[duty.table], number)


def _seconds(problem: Problem, table: int, pair: tuple[int, int]) -> int:
    drive = problem.drive(*pair, table)
    return _FAR if drive == NO_WAY else drive


def _add_time(problem: Problem, nodes: _Nodes, manager: Any, routing: Any) -> None:
    base, last = _horizon(problem)
    stays = [problem.visits[visit].duration for visit, _ in nodes.stops] + [0] * (2 * nodes.duties)
    transits = {
        kind: _transits(problem, nodes, routing, stays, kind)
        for kind in {(duty.table, duty.buffer) for duty in problem.duties}
    }
    by_duty = [transits[duty.table, duty.buffer] for duty in problem.duties]
    routing.AddDimensionWithVehicleTransits(by_duty, last - base, last - base, False, "time")  # noqa: FBT003
    time = routing.GetDimensionOrDie("time")
    for node, (visit, option) in enumerate(nodes.stops):
        cumul = time.CumulVar(manager.NodeToIndex(node))
        _allow(cumul, problem.visits[visit].options[option].windows, problem.visits[visit].duration, base)
    for number, duty in enumerate(problem.duties):
        time.CumulVar(routing.Start(number)).SetMin(max(0, duty.ready - base))
        time.CumulVar(routing.End(number)).SetMax(duty.deadline - base)
    _add_blocks(problem, routing, time, base, [*stays[: len(nodes.stops)], *[0] * nodes.duties])


def _transits(problem: Problem, nodes: _Nodes, routing: Any, stays: list[int], kind: tuple[int, int]) -> int:
    """The stay at one node, then the drive to the other with the buffer kept before it; targets have none.
    `kind`: the table of drives, and the agent's buffer."""
    table, buffer = kind
    kept = [max(buffer, problem.visits[visit].buffer) for visit, _ in nodes.stops] + [0] * (2 * nodes.duties)
    rows = [
        [stay + _seconds(problem, table, (a, b)) + more for b, more in zip(nodes.places, kept, strict=True)]
        for a, stay in zip(nodes.places, stays, strict=True)
    ]
    return int(routing.RegisterTransitMatrix(rows))


def _add_blocks(problem: Problem, routing: Any, time: Any, base: int, stays: list[int]) -> None:
    """Breaks and absences: no visit meets them. (The library would let one fall into a drive; the ledger does
    not.)"""
    for number, duty in enumerate(problem.duties):
        blocks = [
            routing.solver().FixedInterval(begin - base, end - begin, f"block {number}")
            for begin, end in duty.blocks
            if begin >= base
        ]
        if blocks:
            time.SetBreakIntervalsOfVehicle(blocks, number, stays)


def _horizon(problem: Problem) -> tuple[int, int]:
    opens = min(duty.opens for duty in problem.duties) - 86_400
    closes = max(max(duty.closes, min(duty.deadline, duty.closes + 86_400)) for duty in problem.duties)
    return opens, closes


def _allow(cumul: Any, windows: tuple[tuple[int, int], ...], duration: int, base: int) -> None:
    starts = [
        (opens - base, closes - duration - base) for opens, closes in windows if closes - opens >= duration
    ]
    if not starts:
        cumul.SetValue(0)
        return
    cumul.SetRange(max(0, starts[0][0]), starts[-1][1])
    for (_, last), (first, _) in pairwise(starts):
        if last + 1 <= first - 1:
            cumul.RemoveInterval(last + 1, first - 1)


def _add_travel(problem: Problem, nodes: _Nodes, routing: Any) -> None:
    limits = [_FAR if duty.travel_limit is None else duty.travel_limit for duty in problem.duties]
    if min(limits) == _FAR:
        return
    drives = [
        routing.RegisterTransitMatrix(
            [[_seconds(problem, table, (a, b)) for b in nodes.places] for a in nodes.places]
        )
        for table in range(len(problem.drives))
    ]
    routing.AddDimensionWithVehicleTransitAndCapacity(
        [drives[duty.table] for duty in problem.duties],
        0,
        limits,
        True,  # noqa: FBT003
        "travel",
    )


def _add_choices(problem: Problem, nodes: _Nodes, manager: Any, routing: Any) -> None:
    at = {stop: node for node, stop in enumerate(nodes.stops)}
    for number, visit in enumerate(problem.visits):
        group = [manager.NodeToIndex(at[number, option]) for option in range(len(visit.options))]
        routing.AddDisjunction(group, MUST if visit.weight is None else visit.weight, 1)
        for index, option in zip(group, visit.options, strict=True):
            # SetAllowedVehiclesForIndex raises TypeError in 9.15
            routing.VehicleVar(index).SetValues([-1, *option.duties])


def _round(nodes: _Nodes, manager: Any, routing: Any, found: Any, duty: int) -> Iterator[Stop]:
    at = found.Value(routing.NextVar(routing.Start(duty)))
    while not routing.IsEnd(at):
        yield nodes.stops[manager.IndexToNode(at)]
        at = found.Value(routing.NextVar(at))
