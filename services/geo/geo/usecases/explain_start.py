"""Why a start cannot be had, and the smallest changes that would open it (GEO-10, GEO-29).

The judge is the one that a booking passes. Other starts and other agents are proposed by slot search, which
is exact but may be behind by a moment; each of them is judged on the ledger before it is told. What a
postponed neighbour would open is tried on the chain itself: first the move alone, then the visit; at most
MOST_TRIALS times. An explanation is a read: it looks at what is committed, and neither locks nor writes.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import islice

from geo.domain.calendar import ConcreteShift, shift_of
from geo.domain.chain import Segment, Splice
from geo.domain.legs import MissingLegs, Pair
from geo.domain.plan import Plan
from geo.domain.slot_search import Slot
from geo.domain.starts import StartChoice
from geo.domain.stop import LinkedStop, Stop, StopKind
from geo.storage import owners
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.ledger import Desk, Draft, Ledger, look
from geo.usecases.search_slots import SearchSlots, SlotSearch
from kit.errors import GiroError, Reason, RuleViolated, Unavailable
from kit.values.window import Window

MOST_AGENTS = 3
"""Other agents that are told at most, those with the least added travel."""
MOST_TRIALS = 720
"""Postponements that are tried at most, of all neighbours together, the shortest first."""
_EVERY_GAP = 10_000
_MINUTE = 60


class ChangeKind(StrEnum):
    """What would have to be otherwise."""

    LATER = "LATER"
    EARLIER = "EARLIER"
    AGENT = "AGENT"
    POSTPONE = "POSTPONE"


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason against a start; `short_seconds` is None where it has no amount."""

    reason: Reason
    short_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change that opens the start; all else stays.

    LATER, EARLIER: the visit begins `seconds` away from where it was asked, at `start`. AGENT: `agent_id`
    comes at the start asked. POSTPONE: `appointment_id` begins `seconds` later, at `start`.
    """

    kind: ChangeKind
    start: datetime
    seconds: int = 0
    agent_id: str = ""
    appointment_id: str = ""


@dataclass(frozen=True, slots=True)
class ExplainStart:
    """The start asked for, and what may be changed about it.

    `windows` are where another start may lie, `agent_ids` who else may come, `postpone_up_to` seconds how far
    a neighbour may be moved. Starts lie on multiples of `granularity` seconds after the full hour. `refused`:
    something else speaks against the start, so that changes are wanted even where it fits, and no neighbour
    is moved for it.
    """

    plan: Plan
    windows: tuple[Window, ...]
    agent_ids: tuple[str, ...]
    as_of: datetime
    granularity: int = 0
    postpone_up_to: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """The reasons, none where the start fits, and the changes: other starts, other agents, neighbours.

    `left_out` are the ids, in order, of other agents whose roads did not answer: nothing is told of them.
    """

    grounds: tuple[Ground, ...]
    changes: tuple[Change, ...] = ()
    left_out: tuple[str, ...] = ()


async def explain_start(ledger: Ledger, search: SlotSearch, tenant: str, asked: ExplainStart) -> Explained:
    """Raises NotFound for an unknown agent, InvalidInput, and Unavailable where the agent's own roads do not
    answer; other agents whose roads do not are left out."""
    grounds, moves = await look(ledger, tenant, [asked.plan.agent_id], partial(_judged, asked))
    if not grounds and not asked.refused:
        return Explained(())
    others, left_out = await _other_agents(search, tenant, asked)
    slots = [*await _other_starts(search, tenant, asked), *others]
    proposed = [change async for change in _open(ledger, tenant, asked, slots, left_out)]
    return Explained(grounds, (*proposed, *moves), tuple(sorted(left_out)))


async def _judged(asked: ExplainStart, desk: Desk) -> Draft[tuple[tuple[Ground, ...], tuple[Change, ...]]]:
    desk.agent(asked.plan.agent_id, "plan.agent_id")
    grounds = await _grounds(desk, asked.plan)
    moves = await _moves(desk, asked) if grounds and not asked.refused else ()
    return Draft((grounds, moves))


async def _grounds(desk: Desk, plan: Plan) -> tuple[Ground, ...]:
    """Everything that a booking would be refused for, the first as it would be told."""
    agent = desk.agent(plan.agent_id)
    try:
        shift = await admitted(desk, agent, plan)
    except RuleViolated as refused:
        return (_ground(refused),)
    span = visits.span_of(shift)
    segment = await desk.segment(plan.agent_id, span.lo, span.hi)
    found = visits.weave_in(desk, (agent.agent_id, segment), _visit(desk, plan), shift)
    return tuple(dict.fromkeys(Ground(one.reason, one.short_seconds) for one in found.refusals))


def _ground(refused: GiroError) -> Ground:
    short = refused.metadata.get("short_seconds")
    return Ground(refused.reason, None if short is None else int(short))


def _visit(desk: Desk, plan: Plan) -> Stop:
    return visits.visit_stop(StopKind.APPOINTMENT, "explained", plan, desk.agent(plan.agent_id))


# --- neighbours


async def _moves(desk: Desk, asked: ExplainStart) -> tuple[Change, ...]:
    """For each neighbouring appointment the least postponement that opens the start."""
    agent = desk.agent(asked.plan.agent_id)
    shift = shift_of(agent.calendar, asked.plan.window)
    step = asked.granularity or _MINUTE
    if shift is None or asked.postpone_up_to < step or not await _for_neighbours(desk, asked.plan):
        return ()
    found, missing = dict[str, Change](), set[Pair]()
    neighbours = await _neighbours(desk, asked.plan, shift)
    postponed = range(step, asked.postpone_up_to + 1, step)
    trials = ((by, one) for by in postponed for one in neighbours if one[0].stop.stop_id not in found)
    for seconds, (neighbour, segment) in islice(trials, MOST_TRIALS):
        try:
            opened = await _opens(desk, asked.plan, segment, neighbour, seconds)
        except MissingLegs as lacking:
            missing |= lacking.pairs
            continue
        if opened is not None:
            found[neighbour.stop.stop_id] = opened
    if missing:
        raise MissingLegs(missing, agent.mode)
    return tuple(sorted(found.values(), key=lambda change: (change.seconds, change.start)))


async def _for_neighbours(desk: Desk, plan: Plan) -> bool:
    """Whether a neighbour may stand in the way: of the rules, moving one helps with QUOTA alone."""
    try:
        await admitted(desk, desk.agent(plan.agent_id), plan)
    except RuleViolated as refused:
        return refused.reason is Reason.QUOTA
    return True


async def _neighbours(desk: Desk, plan: Plan, shift: ConcreteShift) -> list[tuple[LinkedStop, Segment]]:
    """The appointments that the visit would meet, and the ones right before and right after it, each with the
    part of the chain that moving it within its own shift and putting the visit into this one changes."""
    span, calendar = visits.span_of(shift), desk.agent(plan.agent_id).calendar
    segment = await desk.segment(plan.agent_id, span.lo, span.hi)
    found = []
    for linked in _next_to(segment, plan.window, desk.now):
        own = shift_of(calendar, Window(linked.stop.starts_at, linked.stop.ends_at))
        if own is not None:  # else its calendar has changed, and it cannot be moved
            both = span | visits.span_of(own)
            chain = segment if both == span else await desk.segment(plan.agent_id, both.lo, both.hi)
            found.append((linked, chain))
    return found


def _next_to(segment: Segment, window: Window, now: datetime) -> list[LinkedStop]:
    visits_there = [linked for linked in segment.stops if linked.stop.kind is StopKind.APPOINTMENT]
    before = [linked for linked in visits_there if linked.stop.ends_at <= window.start][-1:]
    after = [linked for linked in visits_there if linked.stop.starts_at >= window.end][:1]
    met = [
        linked
        for linked in visits_there
        if linked.stop.starts_at < window.end and window.start < linked.stop.ends_at
    ]
    return [linked for linked in (*before, *met, *after) if linked.stop.starts_at > now]


async def _opens(
    desk: Desk, plan: Plan, segment: Segment, neighbour: LinkedStop, seconds: int
) -> Change | None:
    """The postponement, if it can be made and the visit fits then. Raises MissingLegs."""
    stop, by = neighbour.stop, timedelta(seconds=seconds)
    owner = (await owners.find(desk.tx, stop.owner_id or "")).get(stop.owner_id or "")
    if owner is None or owner.plan is None:
        return None
    window = Window(stop.starts_at + by, stop.ends_at + by)
    there = replace(owner.plan, window=window, arrival=stop.arrival)
    moved = await _moved(desk, there, segment, stop)
    if moved is None or moved.refusals:
        return None
    after = Segment(segment.before, moved.chain)
    try:
        shift = await admitted(desk, desk.agent(plan.agent_id), plan, {stop.owner_id or ""}, [there])
    except RuleViolated:
        return None
    if visits.weave_in(desk, (plan.agent_id, after), _visit(desk, plan), shift).refusals:
        return None
    return Change(
        ChangeKind.POSTPONE, window.start, seconds, plan.agent_id, appointment_id=stop.owner_id or ""
    )


async def _moved(desk: Desk, there: Plan, segment: Segment, stop: Stop) -> Splice | None:
    """The chain with the neighbour at its new time, within its own promise; None outside its shift."""
    agent = desk.agent(there.agent_id)
    try:
        shift = await admitted(desk, agent, there, leaving={stop.owner_id or ""})
    except RuleViolated:
        return None
    if shift_of(agent.calendar, Window(stop.starts_at, stop.ends_at)) != shift:
        return None
    again = replace(stop, stop_id="moved", starts_at=there.window.start, ends_at=there.window.end)
    return visits.weave_in(desk, (agent.agent_id, segment), again, shift, {stop.stop_id})


# --- other starts and agents


Proposed = tuple[ChangeKind, Slot]


async def _open(
    ledger: Ledger, tenant: str, asked: ExplainStart, proposed: Sequence[Proposed], left_out: set[str]
) -> AsyncIterator[Change]:
    """Those of the proposed that a booking would be granted; other agents whose roads stopped answering
    meanwhile join those that are left out."""
    for kind, slot in proposed:
        start = datetime.fromtimestamp(slot.start, UTC)
        plan = replace(asked.plan, agent_id=slot.agent_id, window=_window(asked.plan, start))
        try:
            grounds = await look(ledger, tenant, [slot.agent_id], partial(_fits, plan))
        except Unavailable as failure:
            if kind is not ChangeKind.AGENT or failure.reason is not Reason.TRAVEL_UNAVAILABLE:
                raise
            left_out.add(slot.agent_id)
            continue
        if not grounds:
            seconds = abs(slot.start - int(asked.plan.window.start.timestamp()))
            yield Change(kind, start, seconds, slot.agent_id)


async def _fits(plan: Plan, desk: Desk) -> Draft[tuple[Ground, ...]]:
    return Draft(await _grounds(desk, plan))


def _window(plan: Plan, start: datetime) -> Window:
    return Window(start, start + plan.window.duration)


async def _other_starts(search: SlotSearch, tenant: str, asked: ExplainStart) -> Sequence[Proposed]:
    """The nearest start before and the nearest one after, with the same agent."""
    start, second = asked.plan.window.start, timedelta(seconds=1)
    before = _cut(asked.windows, None, start - second + asked.plan.window.duration)
    after = _cut(asked.windows, start + second, None)
    found: list[Proposed] = []
    for kind, windows in ((ChangeKind.LATER, after), (ChangeKind.EARLIER, before)):
        slots, _ = await _slots(search, tenant, asked, windows, (asked.plan.agent_id,))
        nearest = min(slots, key=lambda slot: abs(slot.start - start.timestamp()), default=None)
        found += [(kind, nearest)] if nearest is not None else []
    return sorted(found, key=lambda one: abs(one[1].start - start.timestamp()))


async def _other_agents(
    search: SlotSearch, tenant: str, asked: ExplainStart
) -> tuple[Sequence[Proposed], set[str]]:
    """Other agents at the same start, least added travel first; and those whose roads do not answer."""
    others = tuple(agent for agent in asked.agent_ids if agent != asked.plan.agent_id)
    window = asked.plan.window
    if not others:
        return (), set()
    exact = replace(asked, granularity=0)
    try:
        slots, left_out = await _slots(search, tenant, exact, (window,), others)
    except Unavailable as failure:
        if failure.reason is not Reason.TRAVEL_UNAVAILABLE:
            raise
        return (), set(others)
    return [(ChangeKind.AGENT, slot) for slot in slots[:MOST_AGENTS]], set(left_out)


async def _slots(
    search: SlotSearch,
    tenant: str,
    asked: ExplainStart,
    windows: tuple[Window, ...],
    agent_ids: tuple[str, ...],
) -> tuple[list[Slot], Sequence[str]]:
    """The slots in order, and who was left out."""
    if not windows:
        return [], ()
    plan = asked.plan
    found = await search.search(
        tenant,
        SearchSlots(
            place=plan.place,
            duration=int(plan.window.duration.total_seconds()),
            windows=windows,
            as_of=asked.as_of,
            agent_ids=agent_ids,
            skills=frozenset(plan.skills),
            buffer=plan.buffer,
            granularity=asked.granularity,
            limit=_EVERY_GAP,
            starts=frozenset({StartChoice.NEAREST}),
            near=(plan.window.start,),
            postcode=plan.postcode,
        ),
    )
    return [slot for slot, _ in found.slots], found.left_out


def _cut(windows: Sequence[Window], start: datetime | None, end: datetime | None) -> tuple[Window, ...]:
    """The windows from `start` on and up to `end`."""
    spans = [
        (max(window.start, start or window.start), min(window.end, end or window.end)) for window in windows
    ]
    return tuple(Window(low, high) for low, high in spans if low < high)
