"""Chooses agents, days and times for visits that have none yet."""

from collections.abc import AsyncGenerator, Set
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from geo.domain.tours import Option
from geo.usecases.optimize_day import clipped
from geo.usecases.rounds.draft import Draft, Wanted, as_booked
from geo.usecases.rounds.planner import USUAL, Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.rounds.scene import Scene, read_scene
from geo.usecases.rounds.search import planned
from geo.usecases.solver_ports import Progress
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

LONGEST_SPAN_DAYS: Final = 14
WEIGHTS: Final = {1: 20_000, 2: 50_000, 3: 100_000, 4: 250_000, 5: 1_000_000}
"""Seconds of driving that a visit of each priority is worth."""


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A visit to place; `windows` empty: anywhere in the span. Seconds; `place` is a place's key."""

    reference: str
    place: int
    duration: int
    windows: tuple[Window, ...] = ()
    skills: tuple[str, ...] = ()
    buffer: int = 0
    priority: int = 3
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class PlanTour:
    """The visits, who could do them, and when."""

    visits: tuple[OpenVisit, ...]
    agent_ids: tuple[str, ...]
    span: Window
    travel_limit: int | None = None
    budget: Budget = USUAL


async def plan_tour(
    planner: Planner, tenant: str, command: PlanTour
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress, then the proposal; what is booked stays as it is. Raises NotFound, InvalidInput,
    Unavailable."""
    _check_names(command)
    scene = await read_scene(planner, tenant, command.agent_ids, command.span)
    booked = [
        as_booked(scene, number, stop) for number, view in enumerate(scene.views) for stop in view.visits
    ]
    _check_free(command, {one.reference for one in booked})
    wanted = [_wanted(scene, command, visit) for visit in command.visits]
    draft = Draft(scene, (*booked, *wanted), command.travel_limit)
    async with aclosing(planned(planner, tenant, draft, command.budget)) as told:
        async for one in told:
            yield one


def _check_names(command: PlanTour) -> None:
    seen: set[str] = set()
    for index, visit in enumerate(command.visits):
        if visit.reference in seen:
            field = f"visits[{index}].reference"
            raise InvalidInput(Reason.INVALID_FIELD, "names a visit for the second time", field=field)
        seen.add(visit.reference)


def _check_free(command: PlanTour, booked: Set[str]) -> None:
    """A visit named as something booked would pass for that one being moved, and the ledger's check would
    overlook it."""
    for index, visit in enumerate(command.visits):
        if visit.reference in booked:
            field = f"visits[{index}].reference"
            raise InvalidInput(Reason.INVALID_FIELD, "is the id of a visit that is booked", field=field)


def _wanted(scene: Scene, command: PlanTour, visit: OpenVisit) -> Wanted:
    last = max([command.span.end, *(view.shift.end for view in scene.views)])
    windows = visit.windows or (Window(command.span.start, last),)
    takes = visit.skills, visit.place, visit.postcode
    return Wanted(
        visit.reference,
        visit.place,
        visit.duration,
        visit.buffer,
        (Option(clipped(windows, scene.now), scene.able(*takes)),),
        WEIGHTS[visit.priority],
        postcode=visit.postcode,
        closed=scene.closed(*takes),
        shiftless=scene.shiftless,
    )
