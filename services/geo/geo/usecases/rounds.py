"""What planning a day, a tour and a repair have in common: a draft of visits and duties, solved, and believed
only
after the ledger's own code found nothing against it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from typing import Any, Final

from geo.domain import errors
from geo.domain.agenda import Agenda
from geo.domain.duties import DutyView, duties, ledgers_verdict, promised_drives
from geo.domain.legs import LegBook, MissingLegs, Pair, free_leg
from geo.domain.plan import Plan as StopPlan
from geo.domain.stop import NOWHERE, Stop, StopKind
from geo.domain.tours import (
    ANYWHERE,
    NO_WAY,
    Duty,
    Option,
    Plan,
    Problem,
    Refusal,
    Short,
    Span,
    Times,
    Visit,
    illegal,
    nearest,
    refusals,
    timed,
)
from geo.storage import agendas, owners
from geo.usecases.ledger import Ledger, fuller
from geo.usecases.solver_ports import Done, Job, Progress, Solver
from kit.errors import InvalidInput, Reason, RuleViolated
from kit.values.window import Window

MOST_PLACES: Final = 250
"""Different places in one problem; the drives between all of them are asked for."""

MOST_REFUSALS: Final = 20
"""Told for one visit: 200 visits with 700 shifts each would be more than an answer may hold."""

_LOOK_BACK: Final = timedelta(days=2)
_ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class Planner:
    """What the planning use cases work with."""

    ledger: Ledger
    solver: Solver


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds to search, the seed, and whether only searches are wanted that repeat themselves."""

    seconds: float = 5.0
    seed: int = 0
    reproducible: bool = False


USUAL: Final = Budget()


@dataclass(frozen=True, slots=True)
class Scene:
    """The agents' duties as they are booked at one instant, and the plans of their appointments by id."""

    now: datetime
    agendas: Mapping[str, Agenda]
    views: tuple[DutyView, ...]
    plans: Mapping[str, StopPlan]

    def able(self, skills: Sequence[str]) -> tuple[int, ...]:
        """Duties of agents with all these skills."""
        return tuple(n for n, view in enumerate(self.views) if set(skills) <= view.agenda.skills)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A visit of a draft. `place` is a place's key; `booked` is where the ledger has it, with its duty."""

    reference: str
    place: int
    duration: int
    buffer: int
    options: tuple[Option, ...]
    weight: int | None
    rank: int | None = None
    pinned: bool = False
    booked: tuple[int, Stop] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem before the drives are known. `extra` are absences that the plan has to respect, by agent."""

    scene: Scene
    wanted: tuple[Wanted, ...]
    travel_limit: int | None = None
    extra: Mapping[str, Stop] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A visit that is placed anew; `option` is the one taken, in the order of its options."""

    wanted: Wanted
    agent_id: str
    window: Window
    option: int
    previous_agent_id: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A visit without a place, why the nearest duties refuse it, and how many more do."""

    wanted: Wanted
    refusals: tuple[tuple[DutyView, Refusal], ...]
    more: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan that was checked; seconds of driving before and after, and the version of the legs."""

    changes: tuple[Change, ...]
    left_out: tuple[LeftOut, ...]
    travel_before: int
    travel_after: int
    proved: bool
    by_time: bool
    travel_version: str


async def read_scene(planner: Planner, tenant: str, agent_ids: Sequence[str], span: Window) -> Scene:
    """Reads in one short transaction. Raises NotFound for an agent that the tenant does not have."""
    async with planner.ledger.db.uow(tenant) as tx:
        now = await tx.now()
        found = await agendas.read_agendas(tx, agent_ids, min(now, span.start) - _LOOK_BACK)
        for agent_id in agent_ids:
            if agent_id not in found:
                raise errors.not_found("agent", agent_id, "agent_ids")
        views = tuple(view for agent_id in agent_ids for view in duties(found[agent_id], span, now))
        ids = [stop.owner_id for view in views for stop in view.visits if stop.owner_id is not None]
        return Scene(now, found, views, await owners.plans(tx, ids))


def as_booked(scene: Scene, number: int, stop: Stop) -> Wanted:
    """A visit of the ledger, pinned where it is."""
    start, end = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    plan = scene.plans.get(stop.owner_id or "")
    return Wanted(
        reference=stop.owner_id or stop.stop_id,
        place=stop.place,
        duration=end - start,
        buffer=stop.buffer if plan is None else plan.buffer,
        options=(Option(((start, end),), (number,)),),
        weight=None,
        pinned=True,
        booked=(number, stop),
    )


async def planned(
    planner: Planner, tenant: str, draft: Draft, budget: Budget
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress while the solver runs, then the checked proposal. Closing the generator ends the search.

    Raises InvalidInput (too many places), RuleViolated where even what is booked cannot be driven,
    Unavailable.
    """
    book = await _drives(planner, tenant, draft)
    problem = await asyncio.to_thread(_problem, draft, book)
    start = _start(draft, problem)
    document = {
        "problem": asdict(problem),
        "start": [[list(stop) for stop in stops] for stops in start.rounds],
        "orderly": budget.reproducible,
    }
    job = Job("plan", document, budget.seconds, budget.seed)
    async with aclosing(planner.solver.solve(job)) as told:
        async for one in told:
            if isinstance(one, Done):
                yield await _believed(planner, tenant, (draft, problem, start, book), one.document)
                return
            yield one


# --- the problem


async def _drives(planner: Planner, tenant: str, draft: Draft) -> LegBook:
    """The drives between all places, asked for outside of any transaction.

    Its version is that of the answer: `version` may still name roads that have died since, while a tenant
    that allows it gets estimates.
    """
    keys = _places(draft)
    if len(keys) > MOST_PLACES:
        message = f"there are {len(keys)} different places, and {MOST_PLACES} can be planned at once"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="visits")
    pairs = [pair for pair in permutations(keys, 2) if free_leg(*pair) is None]
    travel = planner.ledger.travel
    return await travel.legs(tenant, pairs) if pairs else LegBook(await travel.version(tenant))


def _places(draft: Draft) -> list[int]:
    ends = {place for view in draft.scene.views for place in (view.origin, view.target)}
    return sorted((ends | {wanted.place for wanted in draft.wanted}) - {NOWHERE})


def _problem(draft: Draft, book: LegBook) -> Problem:
    keys = _places(draft)
    at = {key: index for index, key in enumerate(keys)} | {NOWHERE: ANYWHERE}
    promised: dict[Pair, int] = {}
    for agenda in draft.scene.agendas.values():
        promised |= promised_drives(agenda)
    drives = tuple(tuple(_seconds(book, promised, (a, b)) for b in keys) for a in keys)
    visits = tuple(
        Visit(
            w.reference, at[w.place], w.duration, w.buffer, w.options, w.weight, rank=w.rank, pinned=w.pinned
        )
        for w in draft.wanted
    )
    return Problem(visits, tuple(_duty(draft, view, at) for view in draft.scene.views), drives)


def _seconds(book: LegBook, promised: Mapping[Pair, int], pair: Pair) -> int:
    """What the data in use tells, or what was promised where that is less: a pair that stays keeps its
    leg."""
    if free_leg(*pair) is not None:
        return 0
    leg = book.leg(pair)
    known = [seconds for seconds in (leg.seconds if leg else None, promised.get(pair)) if seconds is not None]
    return min(known, default=NO_WAY)


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
    )


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


# --- the answer


Posed = tuple[Draft, Problem, Plan, LegBook]


async def _believed(planner: Planner, tenant: str, posed: Posed, answer: Mapping[str, Any]) -> Proposal:
    """The proposal, once nothing is found against it; else what is booked stays as it is."""
    _, problem, start, _ = posed
    plan = Plan(tuple(tuple((int(v), int(o)) for v, o in stops) for stops in answer["rounds"]))
    if illegal(problem, plan) is not None or await _against(planner, tenant, posed, plan) is not None:
        plan = start
    as_solved = plan is not start
    if as_solved:
        reasons = _told(answer["refusals"])
    else:
        reasons = await asyncio.to_thread(_reasons, problem, plan)
    found = _proposal(posed, plan, reasons)
    return replace(
        found, proved=bool(answer["proved"]) and as_solved, by_time=bool(answer["by_time"]) and as_solved
    )


Reasons = Mapping[int, Sequence[Refusal]]


def _told(document: Mapping[str, Sequence[Sequence[Any]]]) -> Reasons:
    """As the worker found them, by trying every place with the same exact code."""
    return {
        int(visit): [Refusal(int(duty), Reason(reason), int(seconds)) for duty, reason, seconds in found]
        for visit, found in document.items()
    }


def _reasons(problem: Problem, plan: Plan) -> Reasons:
    return {visit: refusals(problem, plan, visit) for visit in plan.left_out(problem)}


def _proposal(posed: Posed, plan: Plan, reasons: Reasons) -> Proposal:
    draft, problem, start, book = posed
    out = [_left_out(draft, visit, reasons.get(visit, ())) for visit in plan.left_out(problem)]
    return Proposal(
        changes=tuple(_changes(draft, problem, plan)),
        left_out=tuple(out),
        travel_before=_travel(problem, start),
        travel_after=_travel(problem, plan),
        proved=False,
        by_time=False,
        travel_version=book.version,
    )


def _left_out(draft: Draft, visit: int, found: Sequence[Refusal]) -> LeftOut:
    told = nearest(found, MOST_REFUSALS)
    refused = tuple((draft.scene.views[one.duty], one) for one in told)
    return LeftOut(draft.wanted[visit], refused, len(found) - len(told))


def _travel(problem: Problem, plan: Plan) -> int:
    times = [timed(problem, duty, stops) for duty, stops in zip(problem.duties, plan.rounds, strict=True)]
    return sum(found.travel for found in times if isinstance(found, Times))


def _changes(draft: Draft, problem: Problem, plan: Plan) -> list[Change]:
    """Visits that are elsewhere or at another time than booked, by duty and time."""
    found = []
    for number, stops in enumerate(plan.rounds):
        for (visit, option), start in zip(stops, _starts(draft, problem, plan, number), strict=True):
            wanted = draft.wanted[visit]
            begin = datetime.fromtimestamp(start, UTC)
            window = Window(begin, begin + timedelta(seconds=wanted.duration))
            agent_id = draft.scene.views[number].agenda.agent_id
            if not _as_before(draft, wanted, agent_id, window):
                before = "" if wanted.booked is None else draft.scene.views[wanted.booked[0]].agenda.agent_id
                found.append(Change(wanted, agent_id, window, option, before))
    return found


def _as_before(draft: Draft, wanted: Wanted, agent_id: str, window: Window) -> bool:
    if wanted.booked is None:
        return False
    number, stop = wanted.booked
    same_agent = draft.scene.views[number].agenda.agent_id == agent_id
    return same_agent and (stop.starts_at, stop.ends_at) == (window.start, window.end)


def _starts(draft: Draft, problem: Problem, plan: Plan, number: int) -> tuple[int, ...]:
    """Starts of a round: the booked ones where they can stay or become later, else the earliest."""
    stops, duty = plan.rounds[number], problem.duties[number]
    wishes = {
        visit: int(booked[1].starts_at.timestamp())
        for visit, _ in stops
        if (booked := draft.wanted[visit].booked) is not None
    }
    for found in (timed(problem, duty, stops, wishes), timed(problem, duty, stops)):
        if isinstance(found, Times):
            return found.starts
    raise AssertionError("a legal plan can be timed")


async def _against(planner: Planner, tenant: str, posed: Posed, plan: Plan) -> Reason | None:
    """What the ledger's own code has against a plan, agent by agent; None when it would take all of it."""
    draft, problem, _, book = posed
    changes = _changes(draft, problem, plan)
    moved = {change.wanted.reference for change in changes}
    moved |= {draft.wanted[visit].reference for visit in plan.left_out(problem)}
    for agent_id, agenda in draft.scene.agendas.items():
        gone = {
            w.booked[1].stop_id
            for w in draft.wanted
            if w.booked
            and w.reference in moved
            and draft.scene.views[w.booked[0]].agenda.agent_id == agent_id
        }
        coming = [_stop(change, agenda) for change in changes if change.agent_id == agent_id]
        coming += [stop for who, stop in draft.extra.items() if who == agent_id]
        for _ in range(_ATTEMPTS):
            try:
                verdict = ledgers_verdict(agenda, draft.scene.now, book, gone, coming)
                break
            except MissingLegs as missing:
                book = await fuller(book, missing.pairs, partial(planner.ledger.travel.legs, tenant))
        else:
            return Reason.TRAVEL_UNAVAILABLE
        if verdict.refusals:
            return verdict.refusals[0].reason
    return None


def _stop(change: Change, agenda: Agenda) -> Stop:
    wanted = change.wanted
    return Stop(
        stop_id=f"plan@{wanted.reference}",
        kind=StopKind.APPOINTMENT,
        starts_at=change.window.start,
        ends_at=change.window.end,
        place=wanted.place,
        buffer=max(agenda.buffer, wanted.buffer),
        owner_id=wanted.reference,
    )
