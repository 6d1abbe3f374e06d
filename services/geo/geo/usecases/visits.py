"""Putting a visit on an agent's agenda, as holding, reserving and moving have in common."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from geo import events
from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import ConcreteShift, frame_to_add
from geo.domain.certificate import Certified, changed
from geo.domain.chain import Segment, Splice, splice
from geo.domain.owner import Ending
from geo.domain.plan import Plan
from geo.domain.stop import Stop, StopKind
from geo.storage.rewrite import Changes
from geo.usecases.ledger import Desk
from kit.db.uow import Tx
from kit.errors import RuleViolated
from kit.values.ids import new_id

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an agent's time to look at."""

    lo: datetime
    hi: datetime

    def __or__(self, other: "Span") -> "Span":
        return Span(min(self.lo, other.lo), max(self.hi, other.hi))


def visit_stop(kind: StopKind, owner_id: str, plan: Plan, agent: Agent) -> Stop:
    """The stop that a plan asks for, with the longer of the agent's and the service's buffer."""
    return Stop(
        stop_id=new_id("stp"),
        kind=kind,
        starts_at=plan.window.start,
        ends_at=plan.window.end,
        place=plan.place,
        buffer=max(agent.buffer, plan.buffer),
        owner_id=owner_id,
        arrival=plan.arrival,
    )


def span_of(shift: ConcreteShift) -> Span:
    """A shift with its bases."""
    return Span(shift.start - _SECOND, shift.end)


async def put_in(desk: Desk, stop: Stop, shift: ConcreteShift, agent_id: str) -> Splice:
    """The splice that puts a visit into a shift. Raises what refuses it, and MissingLegs."""
    span = span_of(shift)
    segment = await desk.segment(agent_id, span.lo, span.hi)
    return feasible(agent_id, weave_in(desk, (agent_id, segment), stop, shift))


async def put_in_as_certified(
    desk: Desk, stop: Stop, shift: ConcreteShift, agent_id: str, certified: Certified | None
) -> Splice:
    """As `put_in`; a start that was suggested only where all that its certificate names is as it was.

    Raises SLOT_TOKEN_EXPIRED and SLOT_TOKEN_STALE besides what refuses a visit (GEO-28). Taken time stays
    SLOT_TAKEN.
    """
    if certified is None:
        return await put_in(desk, stop, shift, agent_id)
    if desk.now >= certified.expires_at:
        raise errors.slot_token_expired(certified.expires_at)
    try:
        found = await put_in(desk, stop, shift, agent_id)
    except RuleViolated as refused:
        short = refused.metadata.get("short_seconds")
        raise errors.slot_token_stale(agent_id, refused.reason, short) from refused
    change = changed(certified.certificate, found, stop.stop_id, shift.end)
    if change is not None:
        raise errors.slot_token_stale(agent_id, change)
    return found


def weave_in(
    desk: Desk, where: tuple[str, Segment], stop: Stop, shift: ConcreteShift, leaving: Collection[str] = ()
) -> Splice:
    """A visit put into an agent's segment that was read; expired holds leave, and these stops. Raises
    MissingLegs."""
    agent_id, segment = where
    gone = {expired.stop_id for expired in segment.expired(desk.now)} | set(leaving)
    present = [linked.stop for linked in segment.stops if linked.stop.stop_id not in gone]
    if segment.before is not None:
        present.append(segment.before.stop)
    return splice(segment, desk.book(agent_id), remove=gone, insert=[stop, *frame_to_add(shift, present)])


def feasible(agent_id: str, found: Splice) -> Splice:
    """The splice itself. Raises the first thing that refuses it."""
    if found.refusals:
        raise errors.refused(agent_id, found.refusals)
    return found


def changes(desk: Desk, splices: Mapping[str, Splice]) -> Changes:
    """What these splices, by agent, change; holds in them whose time is up end, and it is told."""
    ended: dict[str, Ending] = {}
    tell: list[Callable[[Tx], object]] = []
    for agent_id, found in splices.items():
        for stop in found.removed:
            if stop.owner_id is not None and stop.expires_at is not None and stop.expires_at <= desk.now:
                ended[stop.owner_id] = Ending.EXPIRED
                tell.append(hold_ended(stop.owner_id, agent_id, Ending.EXPIRED))
    return Changes(splices=splices, ended=ended, tell=tell)


def hold_ended(hold_id: str, agent_id: str, how: Ending) -> Callable[[Tx], object]:
    """The event of a hold's end, to be told with a change."""
    return partial(events.hold_ended, hold_id=hold_id, agent_id=agent_id, how=how)
