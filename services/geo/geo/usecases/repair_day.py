"""The smallest change of a day that keeps the most promises, after a delay, an absence or a breakdown
(GEO-31).

A visit that nobody can reach any more is left out before one is moved outside of its promise, that before one
changes its agent, that before one moves inside its promise, little before far, and only then driving counts:
what the delay does not touch stays where it is. Visits that have begun, and those of helpers, stay.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from geo.domain import errors
from geo.domain.duties import DutyView, by_owner
from geo.domain.stop import NOWHERE, Stop, StopKind
from geo.domain.tours import Option, Span
from geo.usecases.optimize_day import clipped
from geo.usecases.rounds.draft import Draft, Wanted, as_booked, needs
from geo.usecases.rounds.planner import Budget, Planner
from geo.usecases.rounds.proposal import Proposal
from geo.usecases.rounds.scene import Scene, read_scene
from geo.usecases.rounds.search import planned
from geo.usecases.solver_ports import Progress
from kit.errors import InvalidInput, Reason, RuleViolated
from kit.values.window import Window

LOST: Final = 100_000_000
CALLS: Final = (2_000_000, 2_048_000, 2_144_000)
OTHER_AGENT: Final = 120_000
MOVES: Final = (50_000, 60_000, 70_000)
"""Seconds of driving that these count as: a lost visit; a call for a visit that comes a little later, up to
two hours later, or at any time of the day; another agent; another time inside the promise that is a little
off, up to two hours off, or any. No order of a day's visits saves the driving of one such move."""

PROMISE_KEPT: Final = 8
"""Options before this one keep the promise; those from it on need a call."""

FARTHEST: Final = timedelta(days=62)
LONGEST: Final = timedelta(days=31)
"""How far from now the time away may be, and how long it or a delay: all shifts in it are looked at."""

QUICK: Final = Budget(seconds=3.0)
"""Somebody waits for it: 5 s with all that is around the search."""

LOST_HOLD: Final = 1_000_000
"""As above, for a hold: it gives way to a visit, and its operator asks anew."""

_LITTLE: Final = timedelta(minutes=30)
_SOME: Final = timedelta(hours=2)
_LONGEST_SHIFT: Final = timedelta(days=8)
"""Shifts that touch count as one, up to a week of them."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RepairDay:
    """Either the agent is free by `delay` seconds later than booked, or away in `unavailable`.

    `promised` says more than the booked time for some appointments; `tolerance` is in seconds.
    `eligible` are the only agents who may take an appointment over, for those that are named.
    """

    agent_id: str
    delay: int = 0
    unavailable: Window | None = None
    helpers: tuple[str, ...] = ()
    promised: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    tolerance: int = 0
    eligible: Mapping[str, frozenset[str]] = field(default_factory=dict)
    budget: Budget = QUICK


async def repair_day(
    planner: Planner, tenant: str, command: RepairDay
) -> AsyncGenerator[Progress | Proposal, None]:
    """Progress, then the proposal.

    Raises InvalidInput for what happened too far from now or takes too long, NotFound, RuleViolated
    (OUTSIDE_SHIFT) where no shift is hit.
    """
    scene, happening = await _scene(planner, tenant, command)
    hit = [n for n, view in enumerate(scene.views) if _is_hit(view, command.agent_id, happening)]
    if not hit:
        raise RuleViolated(
            Reason.OUTSIDE_SHIFT, "no shift of the agent is hit", metadata={"agent_id": command.agent_id}
        )
    draft = _draft(scene, command, happening, hit)
    async with aclosing(planned(planner, tenant, draft, command.budget)) as told:
        async for one in told:
            yield one


async def _scene(planner: Planner, tenant: str, command: RepairDay) -> tuple[Scene, Window]:
    """The shifts around what happened, and when the agent is away."""
    async with planner.ledger.db.uow(tenant) as tx:
        now = (await tx.now()).replace(microsecond=0)
    happening = _happening(command, now)
    around = Window(happening.start - _LONGEST_SHIFT, happening.end + _SECOND)
    agents = {command.agent_id: "agent_id"} | dict.fromkeys(
        (one for one in command.helpers if one != command.agent_id), "helper_agent_ids"
    )
    scene = await read_scene(planner, tenant, agents, around)
    return replace(scene, views=tuple(v for v in scene.views if _meets(v.shift.window, happening))), happening


def _happening(command: RepairDay, now: datetime) -> Window:
    """When the agent is away, or the delay from now on. Raises InvalidInput, naming the field."""
    away = command.unavailable
    field = "delay" if away is None else "unavailable"
    length = timedelta(seconds=command.delay) if away is None else away.duration
    if length > LONGEST:
        raise InvalidInput(Reason.INVALID_FIELD, f"must be at most {LONGEST.days} days", field=field)
    if away is None:
        return Window(now, now + length)
    if away.start - now > FARTHEST or now - away.end > FARTHEST:
        raise InvalidInput(Reason.INVALID_FIELD, f"must be within {FARTHEST.days} days of now", field=field)
    return away


def _meets(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end


def _is_hit(view: DutyView, agent_id: str, happening: Window) -> bool:
    return view.agenda.agent_id == agent_id and _meets(view.shift.window, happening)


def _draft(scene: Scene, command: RepairDay, happening: Window, hit: Sequence[int]) -> Draft:
    booked = by_owner(scene.views)
    for index, appointment in enumerate(command.promised):
        if appointment not in booked:
            raise errors.not_found("appointment", appointment, f"promised[{index}].appointment_id")
    wanted = [
        _wanted(scene, command, happening, (number, stop))
        if number in hit
        else as_booked(scene, number, stop)
        for number, view in enumerate(scene.views)
        for stop in view.visits
    ]
    blocked = _blocked(scene, command, happening, hit)
    return Draft(scene, tuple(wanted), extra={} if blocked is None else {command.agent_id: blocked})


def _under_way(stop: Stop, now: datetime) -> bool:
    return stop.starts_at <= now


def _running(scene: Scene, hit: Sequence[int]) -> Stop | None:
    """The visit that the agent is at now."""
    visits = [stop for number in hit for stop in scene.views[number].visits]
    return next((stop for stop in visits if stop.starts_at <= scene.now < stop.ends_at), None)


def _blocked(scene: Scene, command: RepairDay, happening: Window, hit: Sequence[int]) -> Stop | None:
    """The time away, or the delay, as an absence. What is past stays as it was."""
    running = _running(scene, hit)
    if command.unavailable is None:
        start = _free_otherwise(scene, hit, running)
        end = start + timedelta(seconds=command.delay)
    else:
        start, end = max(happening.start, _whole_second(scene.now)), happening.end
        start = start if running is None else max(start, running.ends_at)
    if start >= end:
        return None
    return Stop("plan@away", StopKind.ABSENCE, start, end, NOWHERE, owner_id="plan@away")


def _free_otherwise(scene: Scene, hit: Sequence[int], running: Stop | None) -> datetime:
    """When the agent would be free without the delay: at the end of the visit that is on; on the way to the
    next one, when that drive had to begin; else now."""
    if running is not None:
        return running.ends_at
    stops = scene.views[hit[0]].agenda.stops
    coming = {
        stop.stop_id for number in hit for stop in scene.views[number].visits if stop.starts_at > scene.now
    }
    following = next((link for link in stops if link.stop.stop_id in coming), None)
    if following is None or following.leg is None:
        return _whole_second(scene.now)
    ahead = timedelta(seconds=following.leg.seconds + following.stop.buffer)
    return min(_whole_second(scene.now), following.stop.starts_at - ahead)


def _whole_second(moment: datetime) -> datetime:
    return moment if not moment.microsecond else moment.replace(microsecond=0) + _SECOND


def _wanted(scene: Scene, command: RepairDay, happening: Window, booked: tuple[int, Stop]) -> Wanted:
    number, stop = booked
    as_it_is = as_booked(scene, number, stop)
    if _under_way(stop, scene.now):
        return as_it_is
    if stop.kind is StopKind.HOLD:
        return replace(as_it_is, weight=LOST_HOLD, pinned=False)
    options = _options(scene, command, booked, as_it_is.reference)
    eligible = command.eligible.get(as_it_is.reference)
    closed = [
        (duty, reason)
        for duty, reason in scene.closed(*needs(scene, as_it_is.reference, stop))
        if duty != number and (eligible is None or scene.views[duty].agenda.agent_id in eligible)
    ]
    idle = [one for one in scene.shiftless if eligible is None or one in eligible]
    return replace(
        as_it_is,
        options=options,
        weight=LOST,
        pinned=False,
        closed=tuple(closed),
        shiftless=tuple(idle),
    )


def _options(
    scene: Scene, command: RepairDay, booked: tuple[int, Stop], reference: str
) -> tuple[Option, ...]:
    """As booked, or anywhere in the promise, by the same agent; the same by another; then later and later
    that day by the same, by another."""
    number, stop = booked
    promised = command.promised.get(reference) or (_promise(stop),)
    patience = timedelta(seconds=command.tolerance)
    spans = clipped((*promised[:-1], Window(promised[-1].start, promised[-1].end + patience)), scene.now)
    eligible = command.eligible.get(reference)
    others = tuple(
        n
        for n in scene.able(*needs(scene, reference, stop))
        if n != number and (eligible is None or scene.views[n].agenda.agent_id in eligible)
    )
    later = _later(scene, stop, (number, *others))
    calls = [
        Option((span,), duties, price + cost)
        for span, price in later
        for duties, cost in (((number,), 0), (others, OTHER_AGENT))
    ]
    kept = [
        Option(within, duties if within else (), price + cost)
        for duties, cost in (((number,), 0), (others, OTHER_AGENT))
        for within, price in _kept(stop, spans)
    ]
    return (*kept, *calls)


def _kept(stop: Stop, promised: tuple[Span, ...]) -> list[tuple[tuple[Span, ...], int]]:
    """As it is booked, at no price; then the promise, near that time first. One that allows nothing more
    than the one before it is empty."""
    start, end = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    found: list[tuple[tuple[Span, ...], int]] = [(((start, end),), 0)]
    last = found[0][0]
    for off, price in zip((_LITTLE, _SOME, _LONGEST_SHIFT), MOVES, strict=True):
        around = start - int(off.total_seconds()), end + int(off.total_seconds())
        within = _cut(promised, around)
        found.append((() if within == last else within, price))
        last = within
    return found


def _cut(spans: tuple[Span, ...], around: Span) -> tuple[Span, ...]:
    kept = [(max(start, around[0]), min(end, around[1])) for start, end in spans]
    return tuple((start, end) for start, end in kept if start < end)


def _promise(stop: Stop) -> Window:
    """What a visit lies in that keeps its promise: the arrival window, or else the exact start (BK-39)."""
    if stop.arrival is None:
        return Window(stop.starts_at, stop.ends_at)
    return Window(stop.arrival.start, stop.arrival.end + (stop.ends_at - stop.starts_at))


def _later(scene: Scene, stop: Stop, duties: Sequence[int]) -> list[tuple[Span, int]]:
    """From when it is booked (or now) to the end of the last of these shifts: little later first."""
    start = max(scene.now, stop.starts_at)
    last = max(scene.views[number].shift.end for number in duties)
    ends = [min(last, stop.ends_at + patience) for patience in (_LITTLE, _SOME)] + [last]
    first = int(start.timestamp())
    spans = [((first, int(end.timestamp())), price) for end, price in zip(ends, CALLS, strict=True)]
    return [(span, price) for span, price in spans if span[0] < span[1]]
