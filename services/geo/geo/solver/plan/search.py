"""Plans by insertion: all of them where there are few visits, else ruin and recreate with a seed.

Every candidate is timed exactly, so what comes out is legal. A search that ends by its count of steps gives
the same plan for the same seed on every machine; one that ends by time says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from random import Random
from typing import Final

from geo.domain.tours import MUST, Plan, Problem, Round, Short, insertions, timed
from geo.solver.worker import Run

STEPS_PER_SECOND: Final = 200
_STEPS_A_WORD: Final = 8
"""Steps after which it is told how far the search is; the worker passes on ten words a second."""
FEW: Final = 4
MOST_PLANS: Final = 20_000
_MOST_RUINED: Final = 12
_BLINK: Final = 0.1
_HEAT: Final = 0.02
_AT_RANDOM: Final = 0.3
_MOST_REMEMBERED: Final = 200_000

Tell = Callable[[int, float], None]
Place = tuple[int, int, int]
"""Option, duty, position."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plan with its cost. `proved`: no plan is better. `by_time`: the search was cut off by the clock."""

    plan: Plan
    cost: int
    proved: bool = False
    by_time: bool = False


@dataclass(slots=True)
class Rounds:
    """A plan under work: rounds with their costs, so that a change of one round is a change of one figure."""

    problem: Problem
    rounds: list[Round]
    costs: list[int]
    left_out: set[int]
    tried: dict[tuple[int, Round], int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, plan: Plan) -> "Rounds":
        """Raises ValueError for a plan with a round that cannot be driven."""
        made = cls(problem, list(plan.rounds), [], set(plan.left_out(problem)))
        for duty, stops in enumerate(plan.rounds):
            price = made.price(duty, stops)
            if price is None:
                raise ValueError(f"round {duty} cannot be driven")
            made.costs.append(price)
        return made

    @property
    def total(self) -> int:
        """As `tours.cost`."""
        return sum(self.costs) + sum(self.weight(visit) for visit in self.left_out)

    @property
    def plan(self) -> Plan:
        """As it stands."""
        return Plan(tuple(self.rounds))

    def copy(self) -> "Rounds":
        """Another, which shares what was timed already."""
        return Rounds(self.problem, list(self.rounds), list(self.costs), set(self.left_out), self.tried)

    def weight(self, visit: int) -> int:
        """What leaving a visit out costs."""
        weight = self.problem.visits[visit].weight
        return MUST if weight is None else weight

    def price(self, duty: int, stops: Round) -> int | None:
        """Cost of a round; None when it cannot be driven."""
        key = duty, stops
        if key not in self.tried:
            if len(self.tried) > _MOST_REMEMBERED:
                self.tried.clear()
            self.tried[key] = self._timed(duty, stops)
        return self.tried[key]

    def take_out(self, visit: int) -> None:
        """Takes a visit off its round. Where the drive that is left takes longer than the way over it, the
        round
        may be impossible without it, and it stays."""
        for duty, stops in enumerate(self.rounds):
            if any(stop[0] == visit for stop in stops):
                rest = tuple(stop for stop in stops if stop[0] != visit)
                price = self.price(duty, rest)
                if price is not None:
                    self._set(duty, rest, price)
                    self.left_out.add(visit)
                return

    def put_in(self, visit: int, where: Place, price: int) -> None:
        """Puts a visit somewhere; `price` is the round's cost with it."""
        self._set(where[1], with_stop(self.rounds[where[1]], visit, where), price)
        self.left_out.discard(visit)

    def best_place(self, visit: int, skip: Callable[[], bool]) -> tuple[int, Place, int] | None:
        """(added cost, place, the round's cost) of the cheapest possible place that is not skipped, or
        None."""
        best = None
        for where in insertions(self.problem, self.plan, visit):
            duty = where[1]
            price = None if skip() else self.price(duty, with_stop(self.rounds[duty], visit, where))
            if price is not None and (best is None or price - self.costs[duty] < best[0]):
                best = price - self.costs[duty], where, price
        return best

    def _set(self, duty: int, stops: Round, price: int) -> None:
        self.rounds[duty], self.costs[duty] = stops, price

    def _timed(self, duty: int, stops: Round) -> int | None:
        times = timed(self.problem, self.problem.duties[duty], stops)
        if isinstance(times, Short):
            return None
        return times.travel + sum(self.problem.visits[visit].options[option].cost for visit, option in stops)


def with_stop(stops: Round, visit: int, where: Place) -> Round:
    """The round with a visit at (option, duty, position)."""
    option, _, position = where
    return (*stops[:position], (visit, option), *stops[position:])


def free_visits(problem: Problem) -> list[int]:
    """Visits that are not pinned."""
    return [at for at, visit in enumerate(problem.visits) if not visit.pinned]


def best_of_all(problem: Problem, start: Plan, free: Sequence[int]) -> Found | None:
    """The best plan, by trying all; None when there are too many to try."""
    rounds = Rounds.of(problem, start)
    for visit in free:
        rounds.take_out(visit)
    if not set(free) <= rounds.left_out:
        return None
    best: Found | None = None
    for number, tried in enumerate(_all(rounds, free)):
        if number >= MOST_PLANS:
            return None
        if best is None or tried.total < best.cost:
            best = Found(tried.plan, tried.total, proved=True)
    return best


def _all(rounds: Rounds, free: Sequence[int]) -> Iterator[Rounds]:
    if not free:
        yield rounds
        return
    yield from _all(rounds, free[1:])
    for where in insertions(rounds.problem, rounds.plan, free[0]):
        price = rounds.price(where[1], with_stop(rounds.rounds[where[1]], free[0], where))
        if price is not None:
            placed = rounds.copy()
            placed.put_in(free[0], where, price)
            yield from _all(placed, free[1:])


def improved(problem: Problem, start: Plan, free: Sequence[int], run: Run, tell: Tell) -> Found:
    """Ruin and recreate from a plan that can be driven, annealed. The result is never worse than the
    start."""
    random = Random(run.seed)  # noqa: S311 - no secret
    here = Rounds.of(problem, start)
    best = here.copy()
    steps = int(STEPS_PER_SECOND * run.seconds) if free else 0
    heat = max(1.0, _HEAT * sum(here.costs))
    for step in range(steps):
        if run.seconds_left <= 0:
            return Found(best.plan, best.total, by_time=True)
        there = here.copy()
        for visit in _ruined(problem, free, random):
            there.take_out(visit)
        _recreate(there, random, _BLINK if step else 0.0)
        worse_at_most = -heat * (1 - step / steps) * log(1.0 - random.random())
        if there.total < here.total + worse_at_most:
            here = there
        if here.total < best.total:
            best = here.copy()
        if step % _STEPS_A_WORD == 0:
            tell(best.total, step / steps)
    return Found(best.plan, best.total)


def _recreate(rounds: Rounds, random: Random, blink: float) -> None:
    """Puts in what is left out, the dearest to leave out first, each at its cheapest place; a place is
    overlooked now
    and then, which leads out of dead ends."""
    waiting = sorted(rounds.left_out)
    random.shuffle(waiting)
    waiting.sort(key=lambda visit: -rounds.weight(visit))
    for visit in waiting:
        found = rounds.best_place(visit, lambda: random.random() < blink)
        if found is not None and found[0] < rounds.weight(visit):
            rounds.put_in(visit, found[1], found[2])


def _ruined(problem: Problem, free: Sequence[int], random: Random) -> list[int]:
    """Some visits near each other, or some at random."""
    count = random.randint(1, min(len(free), _MOST_RUINED))
    if random.random() < _AT_RANDOM:
        return random.sample(list(free), count)
    place = problem.visits[random.choice(free)].place
    near = sorted(
        free, key=lambda visit: (problem.drive(place, problem.visits[visit].place), random.random())
    )
    return near[:count]
