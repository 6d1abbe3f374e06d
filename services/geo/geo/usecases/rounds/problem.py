"""From a draft to a problem: the drives between its places, and what is booked as the plan to start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from geo.domain.duties import DutyView, live, promised_drives
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.modes import TravelMode
from geo.domain.plan_limits import room
from geo.domain.profile import FREE_FLOW
from geo.domain.stop import NOWHERE, VISITS
from geo.domain.tours import ANYWHERE, NO_WAY, Duty, Plan, Problem, Short, Span, Times, Visit, timed
from geo.usecases.ledger import Books
from geo.usecases.rounds.draft import Draft
from geo.usecases.rounds.planner import Planner
from kit.errors import InvalidInput, Reason, RuleViolated

MOST_PLACES: Final = 250
"""Different places in one problem; the drives between all of them are asked for."""


@dataclass(frozen=True, slots=True)
class Posed:
    """A draft as a problem, the plan that is booked, and the drives that both rest on."""

    draft: Draft
    problem: Problem
    start: Plan
    books: Books


async def drives(planner: Planner, tenant: str, draft: Draft) -> Books:
    """The drives between all places by each mode that the agents have, asked for outside of any transaction.

    Their versions are those of the answers: `version` may still name roads that have died since, while a
    tenant that allows it gets estimates. Raises InvalidInput (too many places), Unavailable.
    """
    keys = _places(draft)
    if len(keys) > MOST_PLACES:
        message = f"there are {len(keys)} different places, and {MOST_PLACES} can be planned at once"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="visits")
    pairs = [pair for pair in permutations(keys, 2) if free_leg(*pair) is None]
    found = {}
    for mode in _modes(draft):
        travel = planner.ledger.travel.of(mode)
        found[mode] = (
            await travel.legs(tenant, pairs) if pairs else LegBook(await travel.version(tenant), mode=mode)
        )
    return found


def _modes(draft: Draft) -> list[TravelMode]:
    """How the agents travel; the order is that of the problem's tables."""
    return sorted({agenda.mode for agenda in draft.scene.agendas.values()})


def _places(draft: Draft) -> list[int]:
    ends = {place for view in draft.scene.views for place in (view.origin, view.target)}
    return sorted((ends | {wanted.place for wanted in draft.wanted}) - {NOWHERE})


def posed(draft: Draft, books: Books, *, careful: bool) -> Posed:
    """The problem of a draft.

    Stops that follow each other and stay keep the drive they were promised, which may be shorter than what
    the data in use tells. A problem knows places and not which stops stay: `careful` counts on the promises
    to stops that cannot be moved alone; otherwise all count, and the ledger may refuse what comes of it.
    Raises RuleViolated where what is pinned cannot be driven.
    """
    problem = _problem(draft, books, careful=careful)
    return Posed(draft, problem, _start(draft, problem), books)


def relies_on_promises(draft: Draft, books: Books) -> bool:
    """Whether some drive was promised that is shorter than what the data in use tells."""
    places = set(_places(draft))
    for mode in _modes(draft):
        for pair, seconds in _promised(draft, mode, careful=False).items():
            if free_leg(*pair) is None and places.issuperset(pair):
                told = _told(draft, books[mode], pair)
                if told is None or seconds < told:
                    return True
    return False


def _promised(draft: Draft, mode: TravelMode, *, careful: bool) -> dict[Pair, int]:
    """What was promised to agents of this mode."""
    movable = {w.booked[1].stop_id for w in draft.wanted if w.booked and not w.pinned}
    promised: dict[Pair, int] = {}
    for agenda in draft.scene.agendas.values():
        if agenda.mode is not mode:
            continue
        for leaving in (movable,) if careful else (movable, frozenset[str]()):
            for pair, seconds in promised_drives(agenda, draft.scene.now, leaving).items():
                promised[pair] = min(seconds, promised.get(pair, seconds))
    return promised


def _problem(draft: Draft, books: Books, *, careful: bool) -> Problem:
    keys = _places(draft)
    at = {key: index for index, key in enumerate(keys)} | {NOWHERE: ANYWHERE}
    tables = []
    for mode in _modes(draft):
        book, promised = books[mode], _promised(draft, mode, careful=careful)
        tables.append(tuple(tuple(_seconds(draft, book, promised, (a, b)) for b in keys) for a in keys))
    visits = tuple(
        Visit(
            w.reference, at[w.place], w.duration, w.buffer, w.options, w.weight, rank=w.rank, pinned=w.pinned
        )
        for w in draft.wanted
    )
    return Problem(visits, tuple(_duty(draft, view, at) for view in draft.scene.views), tuple(tables))


def _seconds(draft: Draft, book: LegBook, promised: Mapping[Pair, int], pair: Pair) -> int:
    """What the data in use tells, or what was promised where that is less: a pair that stays keeps its
    leg."""
    if free_leg(*pair) is not None:
        return 0
    told = _told(draft, book, pair)
    known = [seconds for seconds in (told, promised.get(pair)) if seconds is not None]
    return min(known, default=NO_WAY)


def _told(draft: Draft, book: LegBook, pair: Pair) -> int | None:
    """Seconds of a drive; None without a way. A problem knows no hours: where drives take another time at
    each, they take what they would at the slowest of all the duties', so that no plan is too tight."""
    leg, shifts = book.leg(pair), [view.shift for view in draft.scene.views]
    if leg is None or leg.profile is None or not shifts:
        return None if leg is None else leg.seconds
    first, last = min(shift.start for shift in shifts), max(shift.end for shift in shifts)
    slowest = leg.profile.slowest_between(int(first.timestamp()), int(last.timestamp()))
    return -(-leg.free * FREE_FLOW // slowest)


def _duty(draft: Draft, view: DutyView, at: Mapping[int, int]) -> Duty:
    extra = draft.extra.get(view.agenda.agent_id)
    blocks = list(view.blocks)
    if extra is not None:
        blocks.append((int(extra.starts_at.timestamp()), int(extra.ends_at.timestamp())))
    return Duty(
        agent_id=view.agenda.agent_id,
        opens=int(view.shift.start.timestamp()),
        closes=int(view.shift.end.timestamp()),
        origin=at[view.origin],
        ready=view.ready,
        target=at[view.target],
        deadline=view.deadline,
        blocks=_united(blocks),
        buffer=view.agenda.buffer,
        travel_limit=draft.travel_limit,
        rooms=tuple(_rooms(draft, view)),
        table=_modes(draft).index(view.agenda.mode),
    )


def _rooms(draft: Draft, view: DutyView) -> list[tuple[int, int, int]]:
    visits = [link.stop for link in live(view.agenda, draft.scene.now) if link.stop.kind in VISITS]
    return room(view.agenda, visits, view.shift.window, {stop.stop_id for stop in view.visits})


def _united(blocks: Sequence[Span]) -> tuple[Span, ...]:
    """Blocks in order, those that touch or meet as one."""
    made: list[Span] = []
    for begin, end in sorted(blocks):
        if made and begin <= made[-1][1]:
            made[-1] = made[-1][0], max(end, made[-1][1])
        else:
            made.append((begin, end))
    return tuple(made)


def _start(draft: Draft, problem: Problem) -> Plan:
    """What is booked, as far as it can be driven in the booked order within the options given.

    Raises RuleViolated where what is pinned cannot be.
    """
    rounds = tuple(_first_round(draft, problem, number) for number in range(len(problem.duties)))
    return Plan(rounds)


def _first_round(draft: Draft, problem: Problem, number: int) -> tuple[tuple[int, int], ...]:
    booked = [
        (w.booked[1].starts_at, at) for at, w in enumerate(draft.wanted) if w.booked and w.booked[0] == number
    ]
    here = [at for _, at in sorted(booked)]
    fixed = tuple((at, 0) for at in here if problem.visits[at].pinned)
    found = timed(problem, problem.duties[number], fixed)
    if isinstance(found, Short):
        agent_id = problem.duties[number].agent_id
        metadata: dict[str, object] = {"agent_id": agent_id, "short_seconds": found.seconds}
        raise RuleViolated(found.reason, "what is booked and stays cannot be driven", metadata=metadata)
    stops = fixed
    for at in here:
        if not problem.visits[at].pinned:
            stops = _joined(draft, problem, number, stops, at)
    return stops


def _joined(
    draft: Draft, problem: Problem, number: int, stops: tuple[tuple[int, int], ...], visit: int
) -> tuple[tuple[int, int], ...]:
    """The round with a booked visit at its place in time, by the first option that works; without it
    otherwise."""
    for option, choice in enumerate(problem.visits[visit].options):
        order = sorted([*stops, (visit, option)], key=lambda stop: _booked_start(draft, stop[0]))
        if number in choice.duties and isinstance(timed(problem, problem.duties[number], order), Times):
            return tuple(order)
    return stops


def _booked_start(draft: Draft, visit: int) -> float:
    booked = draft.wanted[visit].booked
    return 0.0 if booked is None else booked[1].starts_at.timestamp()
