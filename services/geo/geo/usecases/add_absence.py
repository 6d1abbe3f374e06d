"""Blocking an agent's time."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.calendar import blocked_time, shifts_between
from geo.domain.chain import Refusal, Segment, Splice, splice
from geo.domain.owner import Owner, OwnerKind
from geo.domain.plan import Absence
from geo.domain.stop import DAY_FRAME, NOWHERE, Stop, StopKind
from geo.storage import owners
from geo.storage.documents import absence_document, absence_of
from geo.usecases import visits
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.visits import Span
from kit.errors import GiroError, Reason
from kit.values.ids import new_id
from kit.values.window import Window

_SECOND: Final = timedelta(seconds=1)
_TRAVEL: Final = {Reason.TRAVEL_IN, Reason.TRAVEL_OUT, Reason.UNREACHABLE}


@dataclass(frozen=True, slots=True)
class AddAbsence:
    """Block this time of an agent."""

    agent_id: str
    window: Window
    note: str
    request_id: str

    @property
    def absence(self) -> Absence:
        """The absence; its id follows from the request's, so that a repetition finds it."""
        digest = hashlib.sha256(f"absence {self.request_id}".encode()).hexdigest()
        return Absence(f"abs_{digest[:32]}", self.agent_id, self.window, self.note)


async def add_absence(ledger: Ledger, tenant: str, command: AddAbsence) -> Absence:
    """The absence. The parts of day frames that it meets go.

    Raises CALENDAR_IN_USE, naming the owners of the visits and absences inside; TRAVEL_OUT when the next stop
    could not be reached any more from where the absence is spent.
    """
    absence = command.absence

    async def decide(desk: Desk) -> Draft[Absence]:
        earlier = (await owners.find(desk.tx, absence.absence_id)).get(absence.absence_id)
        if earlier is not None:
            return Draft(_repeated(earlier, absence))
        found = await _block(desk, desk.agent(command.agent_id), absence)
        changes = visits.changes(desk, {command.agent_id: found})
        return Draft(absence, replace(changes, taken=(_owner(absence),)))

    return await write(ledger, tenant, "add_absence", [command.agent_id], decide)


def _repeated(earlier: Owner, absence: Absence) -> Absence:
    if earlier.request != absence_document(absence):
        raise errors.reused("request_id")
    return absence_of(earlier.answer)


def _owner(absence: Absence) -> Owner:
    document: dict[str, Any] = absence_document(absence)
    return Owner(absence.absence_id, OwnerKind.ABSENCE, absence.agent_id, request=document, answer=document)


async def _block(desk: Desk, agent: Agent, absence: Absence) -> Splice:
    blocked = blocked_time(agent.calendar, absence.window)
    stop = Stop(
        stop_id=new_id("stp"),
        kind=StopKind.ABSENCE,
        starts_at=blocked.start,
        ends_at=blocked.end,
        place=NOWHERE,
        owner_id=absence.absence_id,
    )
    span = shifts_span(agent, absence.window)
    segment = await desk.segment(agent.agent_id, span.lo, span.hi)
    book = desk.book(agent.agent_id)
    found = splice(segment, book, remove=_leaving(desk, segment, blocked), insert=[stop])
    if found.refusals:
        raise _refused(agent.agent_id, absence.absence_id, found.refusals)
    return found


def shifts_span(agent: Agent, window: Window) -> Span:
    """The window with the shifts that it touches, their bases included."""
    span = Span(window.start, window.end)
    for shift in shifts_between(agent.calendar, window.start - _SECOND, window.end + _SECOND):
        span |= visits.span_of(shift)
    return span


def _leaving(desk: Desk, segment: Segment, blocked: Window) -> set[str]:
    frame = {
        linked.stop.stop_id
        for linked in segment.stops
        if linked.stop.kind in DAY_FRAME
        and linked.stop.starts_at < blocked.end
        and blocked.start < linked.stop.ends_at
    }
    return frame | {stop.stop_id for stop in segment.expired(desk.now)}


def _refused(agent_id: str, absence_id: str, refusals: Collection[Refusal]) -> GiroError:
    if any(refusal.reason in _TRAVEL for refusal in refusals):
        return errors.refused(agent_id, refusals)
    met = [stop.owner_id for refusal in refusals for stop in (refusal.earlier, refusal.later)]
    return errors.calendar_in_use(owner for owner in met if owner and owner != absence_id)
