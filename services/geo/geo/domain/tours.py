"""Rounds of visits, planned and checked by the ledger's own rule in whole seconds (R-087).

A duty is one shift of one agent. A break or an absence is taken where the stop before it ends, so the drive
to a visit, with its buffer, comes wholly after it. Everything is pure and exact; instants are Unix seconds,
places are positions in `Problem.drives`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kit.errors import Reason

ANYWHERE: Final = -1
"""No place: the drive from or to it takes no time."""

NO_WAY: Final = -1
"""In `drives`: no road leads there."""

Span = tuple[int, int]

_NO_WISHES: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Option:
    """A way to place a visit: within one of the windows, on one of the duties, at a cost in seconds of
    driving."""

    windows: tuple[Span, ...]
    duties: tuple[int, ...]
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to place. `weight` is what leaving it out costs; None: it has to be placed.

    `options` are in order of preference. `rank`: visits of one duty that have one keep to that order. A
    pinned visit stays on the round that it is on.
    """

    visit_id: str
    place: int
    duration: int
    buffer: int
    options: tuple[Option, ...]
    weight: int | None
    rank: int | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """A shift: from `opens` to `closes`, the agent being free at `origin` from `ready` on and having to reach
    `target` by `deadline`. `blocks` are breaks and absences in order. `travel_limit`: seconds. `table`: the
    one of `Problem.drives` that its drives are in, by how the agent travels."""

    agent_id: str
    opens: int
    closes: int
    origin: int
    ready: int
    target: int
    deadline: int
    blocks: tuple[Span, ...]
    buffer: int
    travel_limit: int | None = None
    rooms: tuple[tuple[int, int, int], ...] = ()
    """Days with the visits that may begin on each: from, to, how many."""
    table: int = 0


Table = tuple[tuple[int, ...], ...]
"""Seconds of every drive from a place (row) to another (column); NO_WAY: none."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Visits, duties, and the drives of each way to travel that the duties have."""

    visits: tuple[Visit, ...]
    duties: tuple[Duty, ...]
    drives: tuple[Table, ...]

    def drive(self, from_place: int, to_place: int, table: int = 0) -> int:
        """Seconds; NO_WAY where no road leads there."""
        if ANYWHERE in (from_place, to_place):
            return 0
        return self.drives[table][from_place][to_place]


Stop = tuple[int, int]
"""A visit on a round: its position in `Problem.visits`, and the option that is taken."""

Round = tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """Why a round is none: the reason, the position of the stop (the round's length: getting to the target),
    and the
    seconds that are missing (0 where there is no amount)."""

    reason: Reason
    at: int
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """The earliest starts of a round's visits, and the seconds driven."""

    starts: tuple[int, ...]
    travel: int


@dataclass(frozen=True, slots=True)
class _State:
    """Where the agent is: free at a place from an instant on, after so many seconds of driving."""

    free: int
    place: int
    travel: int


def timed(
    problem: Problem, duty: Duty, stops: Sequence[Stop], wishes: Mapping[int, int] = _NO_WISHES
) -> Times | Short:
    """The earliest starts of a round, or the first thing that forbids it. Starting earlier never makes
    anything worse, so a round is possible exactly when its earliest starts are. With `wishes`, by visit, none
    starts before its own.
    """
    state = _State(duty.ready, duty.origin, 0)
    starts = []
    for at, (visit, option) in enumerate(stops):
        wanted = problem.visits[visit], problem.visits[visit].options[option], wishes.get(visit, 0)
        found = _next(problem, duty, state, wanted)
        if isinstance(found, Short):
            return Short(found.reason, at, found.seconds)
        start, state = found
        starts.append(start)
        if duty.rooms and _crowded(duty, starts):
            return Short(Reason.QUOTA, at)
    if not _in_order(problem, stops):
        return Short(Reason.OUTSIDE_WINDOWS, len(stops))
    return _homeward(problem, duty, state, tuple(starts))


def _crowded(duty: Duty, starts: Sequence[int]) -> bool:
    return any(sum(begin <= start < end for start in starts) > most for begin, end, most in duty.rooms)


def _in_order(problem: Problem, stops: Sequence[Stop]) -> bool:
    ranks = [rank for visit, _ in stops if (rank := problem.visits[visit].rank) is not None]
    return ranks == sorted(ranks)


def _next(
    problem: Problem, duty: Duty, state: _State, wanted: tuple[Visit, Option, int]
) -> tuple[int, _State] | Short:
    visit, option, wish = wanted
    drive = problem.drive(state.place, visit.place, duty.table)
    if drive == NO_WAY:
        return Short(Reason.UNREACHABLE, 0)
    drive_in = drive + max(duty.buffer, visit.buffer)
    start = _earliest(duty, (state.free, drive_in, max(duty.opens, wish)), visit.duration, option)
    if isinstance(start, Short):
        return start
    travel = state.travel + drive
    if duty.travel_limit is not None and travel > duty.travel_limit:
        return Short(Reason.TRAVEL_LIMIT, 0, travel - duty.travel_limit)
    return start, _State(start + visit.duration, visit.place, travel)


def _earliest(duty: Duty, when: tuple[int, int, int], duration: int, option: Option) -> int | Short:
    """The earliest start: in the shift, in a window, and with no block between or inside. `when`: the instant
    from
    which the agent is free, the drive with its buffer, the first instant that is wanted."""
    free, drive, first = when
    latest = option.windows[-1][1] if option.windows else duty.opens
    while True:
        wanted = max(free + drive, first)
        start = _in_window(wanted, duration, option.windows)
        if start is None:
            return Short(Reason.OUTSIDE_WINDOWS, 0, max(0, wanted + duration - latest))
        if start + duration > duty.closes:
            return Short(Reason.TRAVEL_IN, 0, start + duration - duty.closes)
        block = next((b for b in duty.blocks if b[1] > free and b[0] < start + duration), None)
        if block is None:
            return start
        free = block[1]


def _in_window(wanted: int, duration: int, windows: Sequence[Span]) -> int | None:
    for opens, closes in windows:
        start = max(wanted, opens)
        if start + duration <= closes:
            return start
    return None


def _homeward(problem: Problem, duty: Duty, state: _State, starts: tuple[int, ...]) -> Times | Short:
    """Getting to the target, after the blocks that are left."""
    if not starts or duty.target == ANYWHERE:
        return Times(starts, state.travel)
    drive = problem.drive(state.place, duty.target, duty.table)
    if drive == NO_WAY:
        return Short(Reason.UNREACHABLE, len(starts))
    free = max([state.free, *(end for begin, end in duty.blocks if begin < duty.deadline)])
    if free + drive > duty.deadline:
        return Short(Reason.TRAVEL_OUT, len(starts), free + drive - duty.deadline)
    travel = state.travel + drive
    if duty.travel_limit is not None and travel > duty.travel_limit:
        return Short(Reason.TRAVEL_LIMIT, len(starts), travel - duty.travel_limit)
    return Times(starts, travel)


# --- whole plans


@dataclass(frozen=True, slots=True)
class Plan:
    """One round a duty, in the duties' order, and the visits that are on none of them."""

    rounds: tuple[Round, ...]

    def left_out(self, problem: Problem) -> list[int]:
        """Visits on no round."""
        placed = {visit for stops in self.rounds for visit, _ in stops}
        return [visit for visit in range(len(problem.visits)) if visit not in placed]


MUST: Final = 10**11
"""What leaving out a visit that has to be placed counts as."""


def cost(problem: Problem, plan: Plan) -> int | None:
    """Seconds driven, the costs of the options taken and of what is left out; None when a round is none."""
    total = sum(_weight(problem.visits[visit]) for visit in plan.left_out(problem))
    for duty, stops in zip(problem.duties, plan.rounds, strict=True):
        times = timed(problem, duty, stops)
        if isinstance(times, Short):
            return None
        total += times.travel + sum(problem.visits[visit].options[option].cost for visit, option in stops)
    return total


def _weight(visit: Visit) -> int:
    return MUST if visit.weight is None else visit.weight


def illegal(problem: Problem, plan: Plan) -> str | None:
    """Why a plan is none; None when it is legal. What has to be placed is placed."""
    placed = [visit for stops in plan.rounds for visit, _ in stops]
    if len(plan.rounds) != len(problem.duties) or len(set(placed)) != len(placed):
        return "a visit comes twice"
    for number, stops in enumerate(plan.rounds):
        for visit, option in stops:
            if number not in problem.visits[visit].options[option].duties:
                return f"{problem.visits[visit].visit_id} may not be on duty {number}"
    if cost(problem, plan) is None:
        return "a round cannot be driven"
    missing = [problem.visits[visit] for visit in plan.left_out(problem)]
    return next((f"{visit.visit_id} has to be placed" for visit in missing if visit.weight is None), None)


def insertions(problem: Problem, plan: Plan, visit: int) -> Iterator[tuple[int, int, int]]:
    """Every (option, duty, position) at which a visit could be put into a plan, possible or not."""
    for number, option in enumerate(problem.visits[visit].options):
        for duty in option.duties:
            for position in range(len(plan.rounds[duty]) + 1):
                yield number, duty, position


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a visit cannot be put on a duty, and by how many seconds the nearest place fails."""

    duty: int
    reason: Reason
    seconds: int


def refusals(problem: Problem, plan: Plan, visit: int) -> list[Refusal]:
    """For each duty that a left-out visit could be on, why no place in its round is possible: the nearest
    miss.

    Every place is tried with the rounds as they are. Empty when some place is possible after all.
    """
    nearest: dict[int, Refusal] = {}
    for option, duty, position in insertions(problem, plan, visit):
        stops = plan.rounds[duty]
        tried = timed(problem, problem.duties[duty], (*stops[:position], (visit, option), *stops[position:]))
        if isinstance(tried, Times):
            return []
        found = Refusal(duty, _blamed(tried, position), tried.seconds)
        if duty not in nearest or _distance(found) < _distance(nearest[duty]):
            nearest[duty] = found
    return [nearest[duty] for duty in sorted(nearest)]


def nearest(found: Sequence[Refusal], most: int) -> list[Refusal]:
    """Those that fail by least, in the order of the duties."""
    return sorted(sorted(found, key=_distance)[:most], key=lambda refusal: refusal.duty)


def _blamed(short: Short, position: int) -> Reason:
    """What fails after the visit that was put in fails because of the drive from it."""
    late = short.reason in (Reason.OUTSIDE_WINDOWS, Reason.TRAVEL_IN)
    return Reason.TRAVEL_OUT if late and short.at > position else short.reason


def _distance(refusal: Refusal) -> tuple[bool, bool, int]:
    """A full day outranks what the drives say, as in the ledger."""
    return refusal.reason is not Reason.QUOTA, refusal.seconds == 0, refusal.seconds
