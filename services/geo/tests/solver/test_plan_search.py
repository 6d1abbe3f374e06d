"""Rounds against brute force: legal always, the best where few visits are free, the same for the same
seed."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise, permutations, product
from multiprocessing import get_context
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.domain.tours import (
    ANYWHERE,
    MUST,
    NO_WAY,
    Duty,
    Option,
    Plan,
    Problem,
    Short,
    Times,
    Visit,
    cost,
    illegal,
    insertions,
    refusals,
    timed,
)
from geo.solver.plan import job, search
from geo.solver.worker import Run
from kit.errors import Reason

HORIZON = 40


def solved(
    problem: Problem, seconds: float = 1.0, seed: int = 1, *, orderly: bool = True
) -> tuple[Plan, dict]:  # type: ignore[type-arg]
    document = {
        "problem": job.problem_document(problem),
        "start": [[] for _ in problem.duties],
        "orderly": orderly,
    }
    answer = dict(job.solve(document, Run(seconds, seed, lambda _progress: None)))
    return job.plan_of(answer["rounds"]), answer


@st.composite
def problems(draw: st.DrawFn, most_visits: int = 4, most_duties: int = 2) -> Problem:
    """Small worlds: asymmetric drives that break the triangle, roads that are missing, blocks, bases,
    limits."""
    visits = draw(st.integers(1, most_visits))
    places = visits + 1
    drive = st.one_of(st.integers(0, 9), st.just(NO_WAY))
    rows = draw(st.lists(st.lists(drive, min_size=places, max_size=places), min_size=places, max_size=places))
    drives = tuple(tuple(0 if a == b else rows[a][b] for b in range(places)) for a in range(places))
    slower = tuple(
        tuple(s if s == NO_WAY or a == b else min(9, s + 2) for b, s in enumerate(row))
        for a, row in enumerate(drives)
    )
    duties = tuple(draw(_duties()) for _ in range(draw(st.integers(1, most_duties))))
    duties = tuple(replace(duty, table=draw(st.sampled_from((0, 1)))) for duty in duties)
    made = tuple(draw(_visits(f"v{number}", number + 1, len(duties))) for number in range(visits))
    return Problem(made, duties, (drives, slower))


@st.composite
def _duties(draw: st.DrawFn) -> Duty:
    opens = draw(st.integers(0, 10))
    closes = opens + draw(st.integers(5, HORIZON - 10))
    block = draw(st.none() | st.tuples(st.integers(opens, closes - 1), st.integers(1, 6)))
    blocks = () if block is None else ((block[0], min(closes, block[0] + block[1])),)
    origin, target = draw(st.sampled_from([0, ANYWHERE])), draw(st.sampled_from([0, ANYWHERE]))
    limit = draw(st.none() | st.integers(0, 30))
    return Duty("agent", opens, closes, origin, opens, target, closes, blocks, draw(st.integers(0, 2)), limit)


@st.composite
def _visits(draw: st.DrawFn, name: str, place: int, duties: int) -> Visit:
    options = tuple(
        Option(draw(_windows()), tuple(draw(st.sets(st.integers(0, duties - 1)))), draw(st.integers(0, 5)))
        for _ in range(draw(st.integers(1, 2)))
    )
    return Visit(
        name, place, draw(st.integers(1, 6)), draw(st.integers(0, 3)), options, draw(st.integers(1, 60))
    )


@st.composite
def _windows(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    first = draw(st.integers(0, 20))
    length = draw(st.integers(1, 20))
    gap, second = draw(st.integers(1, 5)), draw(st.integers(0, 10))
    one = (first, first + length)
    return (one,) if second == 0 else (one, (one[1] + gap, one[1] + gap + second))


def slow_times(problem: Problem, duty: Duty, stops: tuple[tuple[int, int], ...]) -> list[int] | None:
    """The earliest starts, second by second, by the rule as it is written; None when there are none.

    Whoever can start at some instant loses nothing by it, so taking the first instant that fits is enough.
    """
    free, place, travel, starts = duty.ready, duty.origin, 0, []
    for visit_at, option_at in stops:
        visit = problem.visits[visit_at]
        drive = problem.drive(place, visit.place, duty.table)
        if drive == NO_WAY:
            return None
        start = next((s for s in range(3 * HORIZON) if _fits(duty, visit, option_at, (free, drive), s)), None)
        travel += drive
        if start is None or (duty.travel_limit is not None and travel > duty.travel_limit):
            return None
        starts.append(start)
        free, place = start + visit.duration, visit.place
    return starts if not starts or _gets_home(problem, duty, (free, place, travel)) else None


def _fits(duty: Duty, visit: Visit, option: int, came: tuple[int, int], start: int) -> bool:
    free, drive = came
    end = start + visit.duration
    if not (duty.opens <= start and end <= duty.closes):
        return False
    if not any(opens <= start and end <= closes for opens, closes in visit.options[option].windows):
        return False
    between = [block for block in duty.blocks if block[1] > free and block[0] < end]
    if any(begin < end and start < stop for begin, stop in between):
        return False
    leaves = max([free, *(stop for _, stop in between)])
    return leaves + drive + max(duty.buffer, visit.buffer) <= start


def _gets_home(problem: Problem, duty: Duty, last: tuple[int, int, int]) -> bool:
    free, place, travel = last
    if duty.target == ANYWHERE:
        return True
    drive = problem.drive(place, duty.target, duty.table)
    leaves = max([free, *(stop for begin, stop in duty.blocks if begin < duty.deadline)])
    in_time = drive != NO_WAY and leaves + drive <= duty.deadline
    return in_time and (duty.travel_limit is None or travel + drive <= duty.travel_limit)


def all_plans(problem: Problem) -> Iterator[Plan]:
    """Every plan there is, legal or not."""
    ways = [
        [None, *((o, d) for o, option in enumerate(visit.options) for d in option.duties)]
        for visit in problem.visits
    ]
    for chosen in product(*ways):
        by_duty: list[list[tuple[int, int]]] = [[] for _ in problem.duties]
        for visit, way in enumerate(chosen):
            if way is not None:
                by_duty[way[1]].append((visit, way[0]))
        for orders in product(*(permutations(stops) for stops in by_duty)):
            yield Plan(tuple(orders))


def slow_cost(problem: Problem, plan: Plan) -> int | None:
    """Cost of a plan by `slow_times`."""
    total = sum(problem.visits[visit].weight or MUST for visit in plan.left_out(problem))
    for duty, stops in zip(problem.duties, plan.rounds, strict=True):
        if slow_times(problem, duty, stops) is None:
            return None
        total += _travel(problem, duty, stops)
        total += sum(problem.visits[visit].options[option].cost for visit, option in stops)
    return total


def _travel(problem: Problem, duty: Duty, stops: tuple[tuple[int, int], ...]) -> int:
    if not stops:
        return 0
    places = [duty.origin, *(problem.visits[visit].place for visit, _ in stops), duty.target]
    return sum(problem.drive(a, b, duty.table) for a, b in pairwise(places))


@settings(max_examples=150, deadline=None)
@given(problems())
def test_rounds_are_timed_as_second_by_second(problem: Problem) -> None:
    for number, duty in enumerate(problem.duties):
        here = [
            (v, o)
            for v, visit in enumerate(problem.visits)
            for o, c in enumerate(visit.options)
            if number in c.duties
        ]
        for stops in permutations(here, min(2, len(here))):
            if len({visit for visit, _ in stops}) < len(stops):
                continue
            fast, slow = timed(problem, duty, stops), slow_times(problem, duty, stops)
            assert (list(fast.starts) if isinstance(fast, Times) else None) == slow


@settings(max_examples=40, deadline=None)
@given(problems(most_visits=3))
def test_few_visits_get_the_best_plan_there_is(problem: Problem) -> None:
    plan, answer = solved(problem)
    assert illegal(problem, plan) is None
    prices = [price for tried in all_plans(problem) if (price := slow_cost(problem, tried)) is not None]
    assert cost(problem, plan) == answer["cost"] == min(prices)
    assert answer["proved"]


@settings(max_examples=40, deadline=None)
@given(problems(most_visits=7, most_duties=3), st.integers(0, 3))
def test_more_visits_get_a_legal_plan_and_the_same_for_the_same_seed(problem: Problem, seed: int) -> None:
    plan, answer = solved(problem, 0.25, seed)
    assert illegal(problem, plan) is None
    assert cost(problem, plan) == slow_cost(problem, plan) == answer["cost"]
    if not answer["by_time"]:
        assert solved(problem, 0.25, seed)[0] == plan


@settings(max_examples=40, deadline=None)
@given(problems())
def test_a_visit_is_left_out_only_where_no_place_is_possible_or_worth_it(problem: Problem) -> None:
    plan, answer = solved(problem)
    for visit in plan.left_out(problem):
        told = answer["refusals"][str(visit)]
        possible = [
            where
            for where in insertions(problem, plan, visit)
            if slow_times(problem, problem.duties[where[1]], _put(plan.rounds[where[1]], visit, where))
            is not None
        ]
        assert bool(told) == (not possible and any(o.duties for o in problem.visits[visit].options))
        assert {duty for duty, _, _ in told} <= {
            d for option in problem.visits[visit].options for d in option.duties
        }


def _put(
    stops: tuple[tuple[int, int], ...], visit: int, where: tuple[int, int, int]
) -> tuple[tuple[int, int], ...]:
    option, _, position = where
    return (*stops[:position], (visit, option), *stops[position:])


def _one_duty(**changes: object) -> Duty:
    usual = {"blocks": (), "buffer": 0, "travel_limit": None, "origin": 0, "target": 0}
    return Duty(
        **{"agent_id": "a", "opens": 0, "closes": 100, "ready": 0, "deadline": 100, **usual, **changes}
    )  # type: ignore[arg-type]


def _world(duty: Duty, drive: int = 10, *visits: Visit) -> Problem:
    made = visits or (Visit("v", 1, 20, 0, (Option(((0, 100),), (0,)),), 1000),)
    places = len(made) + 1
    drives = tuple(tuple(0 if a == b else drive for b in range(places)) for a in range(places))
    return Problem(made, (duty,), (drives,))


@pytest.mark.parametrize(
    ("duty", "drive", "told"),
    [
        (_one_duty(), 40, None),
        (_one_duty(), 41, (Reason.TRAVEL_OUT, 2)),
        (_one_duty(target=ANYWHERE), 80, None),
        (_one_duty(target=ANYWHERE), 81, (Reason.OUTSIDE_WINDOWS, 1)),
        (_one_duty(blocks=((30, 40),)), 11, None),
        (_one_duty(blocks=((10, 60),)), 10, None),
        (_one_duty(blocks=((10, 61),)), 10, (Reason.TRAVEL_OUT, 1)),
        (_one_duty(travel_limit=20), 10, None),
        (_one_duty(travel_limit=19), 10, (Reason.TRAVEL_LIMIT, 1)),
        (_one_duty(), NO_WAY, (Reason.UNREACHABLE, 0)),
        (_one_duty(buffer=40, target=ANYWHERE), 40, None),
        (_one_duty(buffer=41, target=ANYWHERE), 40, (Reason.OUTSIDE_WINDOWS, 1)),
    ],
)
def test_boundaries_and_the_reasons_for_a_no(duty: Duty, drive: int, told: tuple[Reason, int] | None) -> None:
    problem = _world(duty, drive)
    _, answer = solved(problem)
    refused = answer["refusals"].get("0", [])
    assert [(Reason(reason), seconds) for _, reason, seconds in refused] == ([] if told is None else [told])


def test_what_is_dearer_to_leave_out_is_placed() -> None:
    window = (Option(((0, 60),), (0,)),)
    problem = _world(_one_duty(), 15, Visit("a", 1, 20, 0, window, 100), Visit("b", 2, 20, 0, window, 5000))
    plan, _ = solved(problem)
    assert [problem.visits[visit].visit_id for visit in plan.left_out(problem)] == ["a"]


def test_a_ranked_order_is_kept() -> None:
    anywhere = (Option(((0, 100),), (0,)),)
    made = tuple(Visit(f"v{n}", n + 1, 5, 0, anywhere, 10_000, rank=n) for n in range(4))
    drives = tuple(tuple(abs(a * 7 % 5 - b * 7 % 5) for b in range(5)) for a in range(5))
    problem = Problem(made, (_one_duty(),), (drives,))
    plan, _ = solved(problem)
    assert [visit for visit, _ in plan.rounds[0]] == [0, 1, 2, 3]


@pytest.mark.parametrize("visits", [30, 60])
def test_or_tools_goes_on_from_the_insertions_and_its_rounds_count_only_when_they_are_legal(
    visits: int,
) -> None:
    # in a process of its own, as in the service: beside the road engine's library OR-Tools aborts
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        other.submit(_or_tools_goes_on, visits).result(timeout=60)


def _or_tools_goes_on(visits: int) -> None:
    from geo.solver.plan import with_ortools

    random = Random(5)
    points = [(random.random() * 40, random.random() * 40) for _ in range(visits + 1)]
    drives = tuple(
        tuple(int(60 * ((a - c) ** 2 + (b - d) ** 2) ** 0.5) for c, d in points) for a, b in points
    )
    hour = 3600
    duties = tuple(
        Duty("a", 8 * hour, 18 * hour, 0, 8 * hour, 0, 18 * hour, ((12 * hour, 13 * hour),), 300)
        for _ in range(6)
    )
    made = []
    for number in range(visits):
        start = random.randint(8, 14) * hour
        option = Option(((start, start + 3 * hour),), tuple(range(6)))
        made.append(Visit(f"v{number}", number + 1, 1800, 0, (option,), 20_000))
    problem = Problem(tuple(made), duties, (drives,))
    start = Plan(tuple(() for _ in duties))
    first = search.improved(
        problem, start, search.free_visits(problem), Run(0.3, 1, _nobody), lambda *_: None
    )
    found, engine = job._with_ortools(problem, first, Run(1.0, 1, _nobody))
    assert engine in {"insertion", "ortools"}
    assert illegal(problem, found.plan) is None
    assert found.cost == cost(problem, found.plan) <= first.cost
    proposed = with_ortools.proposed(problem, first.plan, Run(0.5, 1, _nobody), lambda: None)
    assert proposed is not None
    assert illegal(problem, job._driven(problem, proposed)) is None


def _nobody(_progress: object) -> None:
    pass


def test_refusals_are_empty_where_there_is_a_place() -> None:
    problem = _world(_one_duty())
    assert refusals(problem, Plan(((),)), 0) == []
    assert isinstance(timed(problem, problem.duties[0], ((0, 0),)), Times)
    assert isinstance(timed(_world(_one_duty(), 41), problem.duties[0], ((0, 0),)), Short)
