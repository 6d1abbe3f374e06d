"""Agendas that several changes are made on in memory, before what has come out is written as one."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import combinations

from geo.domain.calendar import ConcreteShift, shift_of
from geo.domain.legs import MissingLegs, Pair, free_leg
from geo.domain.modes import TravelMode
from geo.domain.plan import Plan
from geo.domain.rework import Rework
from geo.domain.stop import Stop
from geo.usecases import visits
from geo.usecases.ledger import Desk
from geo.usecases.visits import Span
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotFound, RuleViolated

REFUSALS = (RuleViolated, AlreadyExists, NotFound, InvalidInput)
"""What concerns one change alone; any other error concerns all of them, and nothing is written."""


async def opened(desk: Desk, touched: Mapping[str, Sequence[Span]]) -> dict[str, Rework]:
    """Of each agent's agenda the stretch that these spans touch."""
    agendas = {}
    for agent_id, spans in touched.items():
        lo, hi = min(span.lo for span in spans), max(span.hi for span in spans)
        agendas[agent_id] = Rework.of(await desk.segment(agent_id, lo, hi))
    return agendas


def shift_in(desk: Desk, plan: Plan) -> ConcreteShift | None:
    """The shift that the plan lies in; None where there is none, or no such agent."""
    agent = desk.agents.get(plan.agent_id)
    return None if agent is None else shift_of(agent.calendar, plan.window)


def with_visit(desk: Desk, where: tuple[str, Rework], stop: Stop, shift: ConcreteShift) -> Rework:
    """An agent's agenda with a visit in one of its shifts. Raises what refuses it, and MissingLegs."""
    agent_id, agenda = where
    span = visits.span_of(shift)
    part = agenda.part(span.lo, span.hi, desk.now)
    woven = visits.weave_in(desk, (agent_id, part.segment), stop, shift)
    return agenda.after(part, visits.feasible(agent_id, woven))


async def refusals(
    desk: Desk, plans: Mapping[str, Plan], make: Callable[[str], Awaitable[None]]
) -> dict[str, GiroError]:
    """What refused which, by id, when what comes to these plans is made one after the other.

    Raises MissingLegs with what all of them lack of one mode's drives.
    """
    refused: dict[str, GiroError] = {}
    missing: dict[TravelMode, set[Pair]] = defaultdict(set)
    for name in plans:
        try:
            await make(name)
        except REFUSALS as refusal:
            refused[name] = refusal
        except MissingLegs as lacking:
            missing[lacking.mode] |= lacking.pairs
    for mode, pairs in missing.items():
        raise MissingLegs(pairs | between(desk, list(plans.values()), mode), mode)
    return refused


def between(desk: Desk, plans: Sequence[Plan], mode: TravelMode) -> set[Pair]:
    """Drives between what comes to one shift: which of them are needed depends on which plans are refused."""
    coming: dict[tuple[str, datetime], list[Plan]] = {}
    for plan in sorted(plans, key=_start):
        shift = shift_in(desk, plan)
        if shift is not None and desk.agent(plan.agent_id).mode is mode:
            coming.setdefault((plan.agent_id, shift.start), []).append(plan)
    pairs = {(a.place, b.place) for each in coming.values() for a, b in combinations(each, 2)}
    return {pair for pair in pairs if free_leg(*pair) is None}


def _start(plan: Plan) -> datetime:
    return plan.window.start
