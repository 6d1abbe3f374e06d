"""Re-orders flexible appointments within what was promised (GEO-21, GEO-23, GEO-27)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from geo.domain import errors
from geo.domain.duties import by_owner
from geo.domain.stop import Stop
from geo.domain.tours import Option, Span
from geo.usecases.rounds.draft import Draft, Wanted, as_booked, needs
from geo.usecases.rounds.planner import USUAL, Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.rounds.scene import Scene, read_scene
from geo.usecases.rounds.search import planned
from geo.usecases.solver_ports import Progress
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

LONGEST_SPAN_DAYS: Final = 7


class Relax(StrEnum):
    """What may change after the frozen time, from least to most."""

    NONE = "NONE"
    TIMES = "TIMES"
    SEQUENCE = "SEQUENCE"
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class OptimizeDay:
    """`flexible` are the appointments that may move, each with the windows that were promised."""

    agent_ids: tuple[str, ...]
    span: Window
    flexible: Mapping[str, tuple[Window, ...]]
    frozen_until: datetime | None = None
    relax: Relax = Relax.SEQUENCE
    travel_limit: int | None = None
    budget: Budget = USUAL


async def optimize_day(
    planner: Planner, tenant: str, command: OptimizeDay
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress, then the proposal: what is not flexible is as it was, and travel is not more than before.

    Raises NotFound for an agent, or for a flexible appointment that is not on these duties.
    """
    scene = await read_scene(planner, tenant, command.agent_ids, command.span)
    draft = Draft(scene, tuple(_wanted(scene, command)), command.travel_limit, never_more=True)
    async with aclosing(planned(planner, tenant, draft, command.budget)) as told:
        async for one in told:
            yield one


def _wanted(scene: Scene, command: OptimizeDay) -> list[Wanted]:
    booked = by_owner(scene.views)
    for index, appointment in enumerate(command.flexible):
        if appointment not in booked:
            field = f"flexible[{index}].appointment_id"
            raise errors.not_found("appointment", appointment, field)
    found = []
    for number, view in enumerate(scene.views):
        for rank, stop in enumerate(view.visits):
            windows = command.flexible.get(stop.owner_id or "")
            as_it_is = as_booked(scene, number, stop)
            if command.relax is Relax.TIMES:  # those that stay hold the others to the order as well
                as_it_is = replace(as_it_is, rank=rank)
            found.append(as_it_is if windows is None else _flexible(scene, command, as_it_is, windows))
    return found


def _flexible(scene: Scene, command: OptimizeDay, as_it_is: Wanted, windows: Sequence[Window]) -> Wanted:
    """The visit with what may change about it; pinned when it starts before the frozen time."""
    assert as_it_is.booked is not None
    number, stop = as_it_is.booked
    frozen = max(scene.now, command.frozen_until or scene.now)
    spans = as_promised(stop, clipped(windows, frozen))
    if stop.starts_at < frozen or command.relax is Relax.NONE or not spans:
        return as_it_is
    able = scene.able(*needs(scene, as_it_is.reference, stop))
    options = _options(scene, command.relax, (number, stop), (spans, able))
    return replace(as_it_is, options=options, pinned=False)


def _options(
    scene: Scene, relax: Relax, booked: tuple[int, Stop], within: tuple[tuple[Span, ...], tuple[int, ...]]
) -> tuple[Option, ...]:
    """Within the promise; and as it is booked now, should that lie outside."""
    number, stop = booked
    spans, able = within
    duties = {
        Relax.TIMES: (number,),
        Relax.SEQUENCE: tuple(n for n in able if _same_agent(scene, n, number)),
        Relax.ALL: able,
    }[relax]
    now = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    return Option(spans, duties or (number,)), Option((now,), (number,))


def _same_agent(scene: Scene, one: int, other: int) -> bool:
    return scene.views[one].agenda.agent_id == scene.views[other].agenda.agent_id


def as_promised(stop: Stop, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """What is left of the spans for a visit that starts within its promised arrival window (BK-39)."""
    if stop.arrival is None:
        return spans
    first = int(stop.arrival.start.timestamp())
    last = int((stop.arrival.end + (stop.ends_at - stop.starts_at)).timestamp())
    kept = [(max(start, first), min(end, last)) for start, end in spans]
    return tuple((start, end) for start, end in kept if start < end)


def clipped(windows: Sequence[Window], since: datetime) -> tuple[Span, ...]:
    """The windows from an instant on, as Unix seconds. Raises InvalidInput for windows out of order."""
    for earlier, later in pairwise(windows):
        if later.start < earlier.end:
            raise InvalidInput(Reason.INVALID_FIELD, "windows must be in order and apart", field="windows")
    spans = [(max(window.start, since), window.end) for window in windows]
    return tuple((int(start.timestamp()), int(end.timestamp())) for start, end in spans if start < end)
