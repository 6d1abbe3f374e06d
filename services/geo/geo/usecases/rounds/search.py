"""A draft, solved, and believed only after the ledger's own code found nothing against it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any

from geo.domain.tours import Plan, Refusal, illegal, refusals
from geo.usecases.rounds.draft import Draft
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.problem import Posed, drives, posed, relies_on_promises
from geo.usecases.rounds.proposal import Proposal, Reasons, proposal
from geo.usecases.rounds.verdict import against
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
    cares = (False, True) if relies_on_promises(draft, books) else (False,)
    first: Posed | None = None
    for number, careful in enumerate(cares):
        asked = await asyncio.to_thread(posed, draft, books, careful=careful)
        first = first or asked
        stage = _Stage(asked, replace(budget, seconds=budget.seconds / len(cares)), number, len(cares))
        async with aclosing(_searched(planner, tenant, stage)) as told:
            async for one in told:
                yield one
                if isinstance(one, Proposal):
                    return
    assert first is not None
    yield await _as_booked(planner, tenant, first)


async def _searched(
    planner: Planner, tenant: str, stage: _Stage
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress, and the proposal unless the ledger has something against it."""
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
                found = await _believed(planner, tenant, asked, one.document)
                if found is not None:
                    yield found
                return
            yield stage.told(one)


async def _believed(
    planner: Planner, tenant: str, asked: Posed, answer: Mapping[str, Any]
) -> Proposal | None:
    plan = Plan(tuple(tuple((int(v), int(o)) for v, o in stops) for stops in answer["rounds"]))
    if illegal(asked.problem, plan) is not None or await against(planner, tenant, asked, plan) is not None:
        return None
    found = proposal(asked, plan, _told(answer["refusals"]))
    return replace(found, proved=bool(answer["proved"]), by_time=bool(answer["by_time"]))


async def _as_booked(planner: Planner, tenant: str, asked: Posed) -> Proposal:
    """What is booked, as far as it can stay; the ledger has to take that as well."""
    reason = await against(planner, tenant, asked, asked.start)
    if reason is not None:
        raise RuleViolated(reason, "no plan was found that the ledger would take")
    return proposal(asked, asked.start, await asyncio.to_thread(_reasons, asked, asked.start))


def _told(document: Mapping[str, Sequence[Sequence[Any]]]) -> Reasons:
    """As the worker found them, by trying every place with the same exact code."""
    return {
        int(visit): [Refusal(int(duty), Reason(reason), int(seconds)) for duty, reason, seconds in found]
        for visit, found in document.items()
    }


def _reasons(asked: Posed, plan: Plan) -> Reasons:
    return {visit: refusals(asked.problem, plan, visit) for visit in plan.left_out(asked.problem)}
