"""A draft, solved, and believed only after the ledger's own code found nothing against it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any

from geo.domain.tours import Plan, Refusal, illegal, refusals
from geo.usecases.rounds.bands import NONE, bands, without
from geo.usecases.rounds.draft import Draft
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.problem import Posed, drives, posed, relies_on_promises
from geo.usecases.rounds.proposal import Proposal, Reasons, proposal
from geo.usecases.rounds.verdict import Verdict, against
from geo.usecases.solver_ports import Done, Job, Progress
from kit.errors import Reason, RuleViolated


@dataclass(frozen=True, slots=True)
class _Stage:
    """One search of those that a call may take: the first is number 0."""

    posed: Posed
    budget: Budget
    number: int
    of: int

    def told(self, progress: Progress) -> Progress:
        """The progress of all stages."""
        share = (self.number + progress.document["share"]) / self.of
        return Progress({**progress.document, "share": share})


async def planned(
    planner: Planner, tenant: str, draft: Draft, budget: Budget
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress while the solver runs, then the checked proposal. Closing the generator ends the search.

    Raises InvalidInput (too many places), RuleViolated where even what is booked cannot be driven,
    Unavailable.
    """
    books = await drives(planner, tenant, draft)
    found = bands(draft, books)
    draft = without(draft, found.never)
    tries = _tries(relies_on_promises(draft, books), found.perhaps)
    taken, careful = NONE, False
    first: Posed | None = None
    for number in range(tries):
        if number and number == tries - 1:
            taken, careful = taken | found.perhaps, True
        asked = await asyncio.to_thread(posed, without(draft, taken), books, careful=careful)
        first = first or asked
        stage = _Stage(asked, replace(budget, seconds=budget.seconds / tries), number, tries)
        async with aclosing(_searched(planner, tenant, stage)) as told:
            async for one in told:
                if isinstance(one, Verdict):
                    taken, careful = taken | one.outside, careful or not one.outside
                    continue
                yield one
                if isinstance(one, Proposal):
                    return
    assert first is not None
    yield await _as_booked(planner, tenant, first)


def _tries(promises: bool, perhaps: frozenset[tuple[int, int]]) -> int:
    """Searches that may be needed: on trust; where what stays decides what is in a band, without the visits
    that turned out not to be; and by what is certain alone."""
    return 3 if perhaps else 2 if promises else 1


async def _searched(
    planner: Planner, tenant: str, stage: _Stage
) -> AsyncGenerator[Progress | Proposal | Verdict, None]:
    """Progress, and the proposal, or what the ledger has against it."""
    asked = stage.posed
    document = {
        "problem": asdict(asked.problem),
        "start": [[list(stop) for stop in stops] for stops in asked.start.rounds],
        "orderly": stage.budget.reproducible,
    }
    job = Job("plan", document, stage.budget.seconds, stage.budget.seed)
    async with aclosing(planner.solver.solve(job)) as told:
        async for one in told:
            if isinstance(one, Done):
                yield await _believed(planner, tenant, stage, one.document)
                return
            yield stage.told(one)


async def _believed(
    planner: Planner, tenant: str, stage: _Stage, answer: Mapping[str, Any]
) -> Proposal | Verdict:
    asked = stage.posed
    plan = Plan(tuple(tuple((int(v), int(o)) for v, o in stops) for stops in answer["rounds"]))
    if illegal(asked.problem, plan) is not None:
        return Verdict(Reason.SOLVER_UNAVAILABLE)
    verdict = await against(planner, tenant, asked, plan)
    before, after = verdict.driven
    if verdict.reason is not None or (asked.draft.never_more and after > before):
        return verdict
    found = proposal(asked, plan, _told(answer["refusals"]), verdict.driven)
    # a later search is kept from plans that may be possible
    proved = bool(answer["proved"]) and stage.number == 0
    return replace(found, proved=proved, by_time=bool(answer["by_time"]))


async def _as_booked(planner: Planner, tenant: str, asked: Posed) -> Proposal:
    """What is booked, as far as it can stay; the ledger has to take that as well."""
    verdict = await against(planner, tenant, asked, asked.start)
    if verdict.reason is not None:
        raise RuleViolated(verdict.reason, "no plan was found that the ledger would take")
    reasons = await asyncio.to_thread(_reasons, asked, asked.start)
    return proposal(asked, asked.start, reasons, verdict.driven)


def _told(document: Mapping[str, Sequence[Sequence[Any]]]) -> Reasons:
    """As the worker found them, by trying every place with the same exact code."""
    return {
        int(visit): [Refusal(int(duty), Reason(reason), int(seconds)) for duty, reason, seconds in found]
        for visit, found in document.items()
    }


def _reasons(asked: Posed, plan: Plan) -> Reasons:
    return {visit: refusals(asked.problem, plan, visit) for visit in plan.left_out(asked.problem)}
