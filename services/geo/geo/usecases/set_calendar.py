"""Replacing an agent's calendar."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import Calendar, ConcreteShift, frame_to_add, shift_of, shifts_between
from geo.domain.chain import Segment, splice
from geo.domain.stop import DAY_FRAME, PLACELESS, VISITS, Stop
from geo.usecases import visits
from geo.usecases.ledger import Desk, Draft, Ledger, write
from kit.values.ids import new_id
from kit.values.window import Window

_SECOND: Final = timedelta(seconds=1)
_FAR: Final = timedelta(days=36525)


async def set_calendar(ledger: Ledger, tenant: str, agent_id: str, calendar: Calendar) -> Agent:
    """The agent with the new calendar. Day frames without visits go; they come anew with the next visit.

    Where the visits of the shift under way are over, what is to come of its frame comes at once, since the
    next visit finds a shift that has visits. Raises CALENDAR_IN_USE when a visit that is not over would lie
    in another shift or in none, and when the base could not be reached any more from the last one.
    """

    async def decide(desk: Desk) -> Draft[Agent]:
        agent = desk.agent(agent_id)
        since = _since((agent.calendar, calendar), desk.now)
        segment = await desk.segment(agent_id, since, since + _FAR)
        kept = _shifts_in_use(segment, agent.calendar, calendar, desk.now)
        return _replace(desk, (agent, calendar), segment, kept)

    return await write(ledger, tenant, "set_calendar", [agent_id], decide)


def _since(calendars: Sequence[Calendar], now: datetime) -> datetime:
    """The start of the shift under way in any of the calendars, or now."""
    around = [shift for one in calendars for shift in shifts_between(one, now, now + _SECOND)]
    return min([now, *(shift.start - _SECOND for shift in around)]).replace(microsecond=0)


def _shifts_in_use(segment: Segment, old: Calendar, new: Calendar, now: datetime) -> list[ConcreteShift]:
    """The shifts with visits, equal in both calendars; those whose visits are over need not be."""
    kept, blocked = [], []
    for stop in _visits(segment, now):
        window = Window(stop.starts_at, stop.ends_at)
        present, future = shift_of(old, window), shift_of(new, window)
        if present is not None and present == future:
            kept.append(present)
        elif stop.ends_at > now:
            blocked.append(stop.owner_id or stop.stop_id)
    if blocked:
        raise errors.calendar_in_use(blocked)
    return kept


def _visits(segment: Segment, now: datetime) -> list[Stop]:
    there = [linked.stop for linked in segment.stops]
    if segment.before is not None:
        there.append(segment.before.stop)
    gone = {stop.stop_id for stop in segment.expired(now)}
    return [stop for stop in there if stop.kind in VISITS and stop.stop_id not in gone]


def _replace(
    desk: Desk, change: tuple[Agent, Calendar], segment: Segment, kept: Sequence[ConcreteShift]
) -> Draft[Agent]:
    agent, calendar = change
    idle = {
        linked.stop.stop_id: linked.stop
        for linked in segment.stops
        if linked.stop.kind in DAY_FRAME and not _belongs_to(linked.stop, kept)
    }
    begun = [shift for shift in shifts_between(calendar, desk.now, desk.now + _SECOND) if shift not in kept]
    rest = [stop for shift in begun for stop in _rest_of_frame(segment, set(idle), shift, desk.now)]
    stays = {stop.stop_id for stop in rest if _is_there(stop, idle.get(stop.stop_id))}
    leaving = (idle.keys() - stays) | {stop.stop_id for stop in segment.expired(desk.now)}
    coming = [_anew(stop, leaving) for stop in rest if stop.stop_id not in stays]
    found = splice(segment, desk.book(agent.agent_id), remove=leaving, insert=coming)
    if found.refusals:
        done = [stop for refusal in found.refusals for stop in (refusal.earlier, refusal.later)]
        raise errors.calendar_in_use(stop.owner_id for stop in done if stop.owner_id)
    changes = visits.changes(desk, {agent.agent_id: found})
    changed = replace(agent, calendar=calendar)
    return Draft(changed, replace(changes, calendars={agent.agent_id: calendar}))


def _rest_of_frame(
    segment: Segment, leaving: Collection[str], shift: ConcreteShift, now: datetime
) -> list[Stop]:
    """What is to come of the frame of a shift under way that has visits, all of them over."""
    there = [linked.stop for linked in segment.stops if linked.stop.stop_id not in leaving]
    if segment.before is not None:
        there.append(segment.before.stop)
    over = [stop for stop in there if stop.kind in VISITS]
    if not any(shift.start <= stop.starts_at < shift.end for stop in over):
        return []
    others = [stop for stop in there if stop.kind not in VISITS]
    return [stop for stop in frame_to_add(shift, others) if stop.starts_at >= now]


def _is_there(stop: Stop, present: Stop | None) -> bool:
    """Whether a part of the frame stands as it is to be; a break's place is the chain's business."""
    if present is not None and stop.kind in PLACELESS:
        return present == replace(stop, place=present.place)
    return present == stop


def _anew(stop: Stop, leaving: Collection[str]) -> Stop:
    """A part of the frame; with an id of its own where it takes the place of one with the same."""
    return replace(stop, stop_id=new_id("stp")) if stop.stop_id in leaving else stop


def _belongs_to(stop: Stop, shifts: Sequence[ConcreteShift]) -> bool:
    return any(
        shift.start - _SECOND <= stop.starts_at and stop.ends_at <= shift.end + _SECOND for shift in shifts
    )
