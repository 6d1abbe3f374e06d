"""One best insertion into any of many agents' days, by solvers asked the same from present routes.

Reads the problem from stdin as JSON and writes what each peer took; a process of its own, since OR-Tools
aborts beside the road engine's library. VROOM (`pyvroom`, no dependency of the product) is in `.build/peers`,
where `tools/peers.sh` puts it.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

ROUNDS = 5
PEERS_FOLDER: Final = Path(__file__).resolve().parents[2] / ".build" / "peers"


@dataclass(frozen=True, slots=True)
class Problem:
    """Seconds between places; each agent's base with the visits of its day as (place, start, seconds).

    The new visit lasts `seconds`, at `place`, at any time of the shift from `opens` to `closes`.
    """

    seconds_between: Any
    bases: list[int]
    days: list[list[list[int]]]
    place: int
    seconds: int
    opens: int
    closes: int

    @property
    def driven(self) -> int:
        """Seconds driven before the insertion."""
        total = 0
        for base, day in zip(self.bases, self.days, strict=True):
            line = [base, *(visit[0] for visit in day), base]
            total += sum(int(self.seconds_between[a, b]) for a, b in pairwise(line))
        return total


def by_vroom(problem: Problem) -> Callable[[], int]:
    """A call that gives the seconds driven in all. Raises ImportError where VROOM is not installed."""
    vroom: Any = importlib.import_module("vroom")

    def solve() -> int:
        asked = vroom.Input()
        asked.set_durations_matrix(profile="car", matrix_input=problem.seconds_between.astype(np.uint32))
        number = 0
        for agent, (base, day) in enumerate(zip(problem.bases, problem.days, strict=True)):
            steps: list[Any] = [vroom.VehicleStepStart()]
            for place, start, seconds in day:
                number += 1
                skills = {agent + 1}
                job = vroom.Job(
                    number, place, default_service=seconds, skills=skills, time_windows=[[start, start]]
                )
                asked.add_job(job)
                steps.append(vroom.VehicleStepSingle(number))
            steps.append(vroom.VehicleStepEnd())
            asked.add_vehicle(
                vroom.Vehicle(
                    agent + 1,
                    start=base,
                    end=base,
                    skills={agent + 1},
                    time_window=[problem.opens, problem.closes],
                    steps=steps,
                )
            )
        asked.add_job(vroom.Job(number + 1, problem.place, default_service=problem.seconds))
        return int(asked.solve(exploration_level=0, nb_threads=1).summary.cost)

    return solve


def by_ortools(problem: Problem) -> Callable[[], int]:
    """A call that gives the seconds driven in all, first solution without local search."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    nodes = [visit for day in problem.days for visit in day]
    places = [*problem.bases, *(visit[0] for visit in nodes), problem.place]
    stays = [0] * len(problem.bases) + [visit[2] for visit in nodes] + [problem.seconds]
    drives = problem.seconds_between[np.ix_(places, places)]
    time_of = drives + np.array(stays)[:, None]

    def solve() -> int:
        agents = len(problem.bases)
        ends = list(range(agents))
        manager = pywrapcp.RoutingIndexManager(len(places), agents, ends, ends)
        model = pywrapcp.RoutingModel(manager)
        model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(drives.tolist()))
        day = problem.closes
        model.AddDimension(model.RegisterTransitMatrix(time_of.tolist()), day, day, False, "time")  # noqa: FBT003
        clock = model.GetDimensionOrDie("time")
        at = agents
        for agent, visits in enumerate(problem.days):
            clock.CumulVar(model.Start(agent)).SetMin(problem.opens)
            for _, start, _ in visits:
                index = manager.NodeToIndex(at)
                clock.CumulVar(index).SetRange(start, start)
                model.VehicleVar(index).SetValue(agent)
                at += 1
        settings = pywrapcp.DefaultRoutingSearchParameters()
        settings.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
        settings.solution_limit = 1
        found = model.SolveWithParameters(settings)
        return int(found.ObjectiveValue()) if found else -1

    return solve


PEERS = {"VROOM": by_vroom, "OR-Tools": by_ortools}


def main() -> None:
    """The command."""
    sys.path.append(str(PEERS_FOLDER))  # behind everything of ours
    told = json.load(sys.stdin)
    problem = Problem(**{**told, "seconds_between": np.array(told["seconds_between"])})
    answers: dict[str, Any] = {}
    for name, prepare in PEERS.items():
        try:
            solve = prepare(problem)
        except ImportError as missing:
            answers[name] = f"not measured: {missing}"
            continue
        took, driven = [], 0
        for _ in range(ROUNDS):
            began = time.perf_counter()
            driven = solve()
            took.append((time.perf_counter() - began) * 1000)
        answers[name] = [median(took), driven - problem.driven]
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
