"""Giving an agent's blocked time back."""

from collections.abc import Sequence
from dataclasses import replace

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import day_frame, shifts_between
from geo.domain.chain import Segment, Splice, splice
from geo.domain.errors import StartAgain
from geo.domain.legs import LegBook
from geo.domain.owner import Ending, Owner, OwnerKind
from geo.domain.stop import VISITS, Stop, StopKind
from geo.storage import owners, stops
from geo.usecases import visits
from geo.usecases.add_absence import shifts_span
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.removals import agent_of
from kit.values.window import Window


async def remove_absence(ledger: Ledger, tenant: str, absence_id: str) -> None:
    """Frees it; one that was removed before is no error. Raises NotFound for an id never heard of.

    Where its shifts have visits, each part of the day frame that it displaced comes back if it fits: bases
    before breaks (R-088), since a break that has no room is a matter of minutes and a base one of the road.
    """

    async def decide(desk: Desk) -> Draft[None]:
        owner = (await owners.find(desk.tx, absence_id)).get(absence_id)
        if owner is None or owner.kind is not OwnerKind.ABSENCE:
            raise errors.not_found("absence", absence_id, "absence_id")
        return Draft(None) if owner.ending is not None else await _free(desk, owner)

    await write(ledger, tenant, "remove_absence", agent_of(absence_id), decide)


async def _free(desk: Desk, owner: Owner) -> Draft[None]:
    agent = desk.agent(owner.agent_id or "")
    taken = await stops.of_owner(desk.tx, owner.owner_id)
    if taken is None:
        raise StartAgain
    found = await _unblock(desk, agent, taken.linked.stop)
    changes = visits.changes(desk, {agent.agent_id: found})
    ended = {**changes.ended, owner.owner_id: Ending.RELEASED}
    return Draft(None, replace(changes, ended=ended))


async def _unblock(desk: Desk, agent: Agent, absence: Stop) -> Splice:
    window = Window(absence.starts_at, absence.ends_at)
    span = shifts_span(agent, window)
    segment = await desk.segment(agent.agent_id, span.lo, span.hi)
    leaving = {absence.stop_id} | {stop.stop_id for stop in segment.expired(desk.now)}
    book = desk.book(agent.agent_id)
    return _with_what_fits(book, segment, leaving, _displaced(agent, window, segment, leaving))


def _with_what_fits(book: LegBook, segment: Segment, leaving: set[str], back: Sequence[Stop]) -> Splice:
    """Without what leaves, and with each of these stops that fits beside those that came before it."""
    restored = splice(segment, book, remove=leaving, insert=back)
    if not restored.refusals:
        return restored
    kept: list[Stop] = []
    found = splice(segment, book, remove=leaving)
    for part in sorted(back, key=lambda stop: (stop.kind is StopKind.BREAK, stop.starts_at)):
        tried = splice(segment, book, remove=leaving, insert=[*kept, part])
        if not tried.refusals:
            kept.append(part)
            found = tried
    return found


def _displaced(agent: Agent, window: Window, segment: Segment, leaving: set[str]) -> list[Stop]:
    """The parts of the day frames that are missing in shifts with visits."""
    there = [linked.stop for linked in segment.stops if linked.stop.stop_id not in leaving]
    ids = {stop.stop_id for stop in there}
    absences = [stop for stop in there if stop.kind is StopKind.ABSENCE]
    return [
        part
        for shift in shifts_between(agent.calendar, window.start, window.end)
        if any(stop.kind in VISITS and shift.start <= stop.starts_at < shift.end for stop in there)
        for part in day_frame(shift)
        if part.stop_id not in ids
        and not any(part.starts_at < one.ends_at and one.starts_at < part.ends_at for one in absences)
    ]
