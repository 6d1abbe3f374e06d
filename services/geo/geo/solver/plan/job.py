"""The job `plan`: a problem of rounds, solved and explained.

1. few visits to place: all plans are tried, and the best is the best there is;
2. else ruin and recreate with the seed, which is legal at every step;
3. with time left, OR-Tools goes on from there, and counts only where its rounds are timed exactly and cost
less.
"""

from dataclasses import asdict
from typing import Any, Final

from geo.domain.tours import Duty, Option, Plan, Problem, Visit, cost, illegal, refusals, timed
from geo.solver.frames import Document
from geo.solver.plan import search
from geo.solver.plan.search import Found, Rounds
from geo.solver.worker import Run

_SHARE_OF_ORTOOLS: Final = 0.4
_SHORTEST: Final = 0.05


def solve(problem: Document, run: Run) -> Document:
    """Takes `problem` and `start` (rounds that can be driven); gives the plan and why visits were left
    out."""
    asked = problem_of(problem["problem"])
    start = plan_of(problem["start"])
    found, engine = _found(asked, start, run, orderly=bool(problem["orderly"]))
    fault = illegal(asked, found.plan)
    if fault is not None:
        raise AssertionError(fault)
    return {
        "rounds": [[list(stop) for stop in stops] for stops in found.plan.rounds],
        "cost": found.cost,
        "proved": found.proved,
        "by_time": found.by_time,
        "engine": engine,
        "refusals": {
            str(visit): [[one.duty, one.reason, one.seconds] for one in refusals(asked, found.plan, visit)]
            for visit in found.plan.left_out(asked)
        },
    }


def _found(problem: Problem, start: Plan, run: Run, *, orderly: bool) -> tuple[Found, str]:
    """`orderly`: only searches whose result does not depend on the clock, as far as time allows."""

    part = 1.0 if orderly else 1 - _SHARE_OF_ORTOOLS

    def tell(best: int, share: float) -> None:
        run.tell({"share": part * share, "best": best})

    free = search.free_visits(problem)
    if len(free) <= search.FEW:
        proved = search.best_of_all(problem, start, free)
        if proved is not None:
            return proved, "all"
    keep = 0.0 if orderly else run.seconds * _SHARE_OF_ORTOOLS
    first = search.improved(problem, start, free, Run(run.seconds - keep, run.seed, run.tell), tell)
    if orderly or run.seconds_left < _SHORTEST:
        return first, "insertion"
    return _with_ortools(problem, first, run)


def _with_ortools(problem: Problem, first: Found, run: Run) -> tuple[Found, str]:
    from geo.solver.plan import with_ortools

    left = run.seconds_left

    def tell() -> None:
        done = 1 - _SHARE_OF_ORTOOLS * run.seconds_left / left
        run.tell({"share": done, "best": first.cost})

    rounds = with_ortools.proposed(problem, first.plan, run, tell)
    plan = first.plan if rounds is None else _driven(problem, rounds)
    price = cost(problem, plan)
    if price is None or price >= first.cost or illegal(problem, plan) is not None:
        return Found(first.plan, first.cost, by_time=True), "insertion"
    return Found(plan, price, by_time=True), "ortools"


def _driven(problem: Problem, rounds: tuple[tuple[tuple[int, int], ...], ...]) -> Plan:
    """The rounds, and where one cannot be driven as proposed, as many of its stops as can."""
    kept: list[tuple[tuple[int, int], ...]] = []
    for duty, stops in zip(problem.duties, rounds, strict=True):
        good: tuple[tuple[int, int], ...] = ()
        for stop in stops:
            if hasattr(timed(problem, duty, (*good, stop)), "starts"):
                good = (*good, stop)
        kept.append(good)
    made = Rounds.of(problem, Plan(tuple(kept)))
    for visit in sorted(made.left_out):
        found = made.best_place(visit, lambda: False)
        if found is not None and found[0] < made.weight(visit):
            made.put_in(visit, found[1], found[2])
    return made.plan


# --- documents


def problem_document(problem: Problem) -> dict[str, Any]:
    """For a worker."""
    return asdict(problem)


def _duty(document: Document) -> Duty:
    rooms = tuple((begin, end, most) for begin, end, most in document["rooms"])
    return Duty(**{**document, "blocks": _pairs(document["blocks"]), "rooms": rooms})


def problem_of(document: Document) -> Problem:
    """From a worker's job."""
    return Problem(
        visits=tuple(_visit(one) for one in document["visits"]),
        duties=tuple(_duty(one) for one in document["duties"]),
        drives=tuple(tuple(tuple(row) for row in table) for table in document["drives"]),
    )


def plan_of(rounds: list[list[list[int]]]) -> Plan:
    """From rounds of [visit, option]."""
    return Plan(tuple(_pairs(stops) for stops in rounds))


def _visit(document: Document) -> Visit:
    options = tuple(
        Option(_pairs(one["windows"]), tuple(one["duties"]), one["cost"]) for one in document["options"]
    )
    return Visit(**{**document, "options": options})


def _pairs(rows: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((row[0], row[1]) for row in rows)
