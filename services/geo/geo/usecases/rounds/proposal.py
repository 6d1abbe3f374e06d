"""What a plan changes, what it leaves out, and why: the answer of the planning use cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from geo.domain.duties import DutyView
from geo.domain.matrix import version_of_all
from geo.domain.tours import Plan, Problem, Refusal, Times, nearest, timed
from geo.usecases.rounds.draft import Draft, Wanted
from geo.usecases.rounds.problem import Posed
from kit.values.window import Window

MOST_REFUSALS: Final = 20
"""Told for one visit: 200 visits with 700 shifts each would be more than an answer may hold."""

Reasons = Mapping[int, Sequence[Refusal]]
"""Why visits, by position, are left out."""


@dataclass(frozen=True, slots=True)
class Change:
    """A visit that is placed anew; `option` is the one taken, in the order of its options, and `duty` the
    shift."""

    wanted: Wanted
    agent_id: str
    window: Window
    option: int
    duty: int
    previous_agent_id: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A visit without a place, why the nearest duties refuse it, and how many more do. `shiftless` are the
    agents who have no shift for it at all."""

    wanted: Wanted
    refusals: tuple[tuple[DutyView, Refusal], ...]
    more: int
    shiftless: tuple[str, ...] = ()


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


def proposal(posed: Posed, plan: Plan, reasons: Reasons, driven: tuple[int, int]) -> Proposal:
    """The proposal that a plan is, with nothing claimed about how good it is. `driven`: seconds before and
    after, as the ledger has them."""
    out = [_left_out(posed.draft, visit, reasons.get(visit, ())) for visit in plan.left_out(posed.problem)]
    return Proposal(
        changes=tuple(changes(posed, plan)),
        left_out=tuple(out),
        travel_before=driven[0],
        travel_after=driven[1],
        proved=False,
        by_time=False,
        travel_version=version_of_all(book.version for book in posed.books.values()),
    )


def _left_out(draft: Draft, visit: int, found: Sequence[Refusal]) -> LeftOut:
    """One reason for each duty: why it is closed to the visit, or else what its round says."""
    wanted = draft.wanted[visit]
    closed = {duty: Refusal(duty, reason, 0) for duty, reason in wanted.closed}
    every = list(({one.duty: one for one in found} | closed).values())
    near = nearest(every, MOST_REFUSALS)
    idle = wanted.shiftless[: MOST_REFUSALS - len(near)]
    more = len(every) - len(near) + len(wanted.shiftless) - len(idle)
    return LeftOut(wanted, tuple((draft.scene.views[one.duty], one) for one in near), more, idle)


def changes(posed: Posed, plan: Plan) -> list[Change]:
    """Visits that are elsewhere or at another time than booked, by duty and time."""
    draft, problem = posed.draft, posed.problem
    found = []
    for number, stops in enumerate(plan.rounds):
        for (visit, option), start in zip(stops, _starts(draft, problem, plan, number), strict=True):
            wanted = draft.wanted[visit]
            begin = datetime.fromtimestamp(start, UTC)
            window = Window(begin, begin + timedelta(seconds=wanted.duration))
            agent_id = draft.scene.views[number].agenda.agent_id
            if not _as_before(draft, wanted, agent_id, window):
                before = "" if wanted.booked is None else draft.scene.views[wanted.booked[0]].agenda.agent_id
                found.append(Change(wanted, agent_id, window, option, number, before))
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
