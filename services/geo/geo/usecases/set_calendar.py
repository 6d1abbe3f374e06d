"""Replacing an agent's calendar."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import Calendar, ConcreteShift, shift_of, shifts_between
from geo.domain.chain import Segment, splice
from geo.domain.stop import DAY_FRAME, VISITS, Stop
from geo.usecases import visits
from geo.usecases.ledger import Desk, Draft, Ledger, write
from kit.db.uow import Tx
from kit.values.window import Window

_SECOND: Final = timedelta(seconds=1)
_FAR: Final = timedelta(days=36525)


async def set_calendar(ledger: Ledger, tenant: str, agent_id: str, calendar: Calendar) -> Agent:
    """The agent with the new calendar. Day frames without visits go; they come anew with the next visit.

    Raises CALENDAR_IN_USE when a visit that is not over would lie in another shift or in none.
    """

    async def find(_: Tx) -> Collection[str]:
        return (agent_id,)

    async def decide(desk: Desk) -> Draft[Agent]:
        agent = desk.agent(agent_id)
        since = _since(agent.calendar, desk.now)
        segment = await desk.segment(agent_id, since, since + _FAR)
        kept = _shifts_in_use(segment, agent.calendar, calendar, desk.now)
        return _replace(desk, (agent, calendar), segment, kept)

    return await write(ledger, tenant, "set_calendar", find, decide)


def _since(calendar: Calendar, now: datetime) -> datetime:
    """The start of the shift under way, or now."""
    around = shifts_between(calendar, now, now + _SECOND)
    return min([now, *(shift.start - _SECOND for shift in around)]).replace(microsecond=0)


def _shifts_in_use(segment: Segment, old: Calendar, new: Calendar, now: datetime) -> list[ConcreteShift]:
    """The shifts with visits that are not over, equal in both calendars."""
    kept, blocked = [], []
    for stop in _visits(segment, now):
        window = Window(stop.starts_at, stop.ends_at)
        present, future = shift_of(old, window), shift_of(new, window)
        if present is None or present != future:
            blocked.append(stop.owner_id or stop.stop_id)
        else:
            kept.append(present)
    if blocked:
        raise errors.calendar_in_use(blocked)
    return kept


def _visits(segment: Segment, now: datetime) -> list[Stop]:
    there = [linked.stop for linked in segment.stops]
    if segment.before is not None:
        there.append(segment.before.stop)
    gone = {stop.stop_id for stop in segment.expired(now)}
    return [stop for stop in there if stop.kind in VISITS and stop.ends_at > now and stop.stop_id not in gone]


def _replace(
    desk: Desk, change: tuple[Agent, Calendar], segment: Segment, kept: Sequence[ConcreteShift]
) -> Draft[Agent]:
    agent, calendar = change
    idle = {
        linked.stop.stop_id
        for linked in segment.stops
        if linked.stop.kind in DAY_FRAME and not _belongs_to(linked.stop, kept)
    }
    expired = {stop.stop_id for stop in segment.expired(desk.now)}
    found = splice(segment, desk.book, remove=idle | expired)
    changes = visits.changes(desk, {agent.agent_id: found})
    changed = replace(agent, calendar=calendar)
    return Draft(changed, replace(changes, calendars={agent.agent_id: calendar}), found.wanted)


def _belongs_to(stop: Stop, shifts: Sequence[ConcreteShift]) -> bool:
    return any(
        shift.start - _SECOND <= stop.starts_at and stop.ends_at <= shift.end + _SECOND for shift in shifts
    )
