"""What the ledger's own code says to a plan."""

from collections.abc import Sequence
from typing import Final

from geo.domain.agenda import Agenda
from geo.domain.duties import ledgers_verdict, live
from geo.domain.legs import LegBook, MissingLegs
from geo.domain.plan_limits import Coming, Stays, forbidden
from geo.domain.stop import Stop, StopKind
from geo.domain.tours import Plan
from geo.usecases.ledger import Books
from geo.usecases.rounds.planner import Planner
from geo.usecases.rounds.problem import Posed
from geo.usecases.rounds.proposal import Change, changes
from kit.errors import Reason, Unavailable

_ATTEMPTS: Final = 4


async def against(planner: Planner, tenant: str, posed: Posed, plan: Plan) -> Reason | None:
    """What the ledger has against a plan, agent by agent; None when it would take all of it.

    Agents of each mode are judged by legs of the one version that the plan rests on. Raises Unavailable
    (TRAVEL_UNAVAILABLE) where the travel data changed meanwhile.
    """
    books = dict(posed.books)
    for _ in range(_ATTEMPTS):
        try:
            return _judged(posed, plan, books)
        except MissingLegs as missing:
            more = await planner.ledger.travel.of(missing.mode).legs(tenant, missing.pairs)
            books[missing.mode] = _together(books[missing.mode], more)
    return Reason.TRAVEL_UNAVAILABLE


def _together(book: LegBook, more: LegBook) -> LegBook:
    if more.version != book.version:
        message = "the travel data changed while this was planned; ask again"
        metadata = {"planned_with": book.version, "now": more.version}
        raise Unavailable(Reason.TRAVEL_UNAVAILABLE, message, metadata=metadata)
    return book.extended(more)


def _judged(posed: Posed, plan: Plan, books: Books) -> Reason | None:
    """The first reason of the first agent that has one. Raises MissingLegs."""
    found = changes(posed, plan)
    left = {posed.draft.wanted[visit].reference for visit in plan.left_out(posed.problem)}
    leaving = {change.wanted.reference for change in found} | left
    for agent_id, agenda in posed.draft.scene.agendas.items():
        book = books[agenda.mode]
        gone = {stop.stop_id for stop in _booked(posed, agent_id, leaving)}
        verdict = ledgers_verdict(agenda, posed.draft.scene.now, book, gone, _coming(posed, agenda, found))
        if verdict.refusals:
            return verdict.refusals[0].reason
        there = [link.stop for link in live(agenda, posed.draft.scene.now)]
        stops = Stays(there, [stop for stop in there if stop.stop_id not in gone])
        rule = forbidden(agenda, stops, _visits(agenda, found), book)
        if rule is not None:
            return rule
    return None


def _visits(agenda: Agenda, found: Sequence[Change]) -> list[Coming]:
    """What comes to an agent, as zones and quotas see it."""
    return [
        Coming(change.window, change.wanted.place, change.wanted.postcode)
        for change in found
        if change.agent_id == agenda.agent_id
    ]


def _booked(posed: Posed, agent_id: str, references: set[str]) -> list[Stop]:
    """The stops that an agent has of these visits."""
    views = posed.draft.scene.views
    booked = [w.booked for w in posed.draft.wanted if w.booked and w.reference in references]
    return [stop for duty, stop in booked if views[duty].agenda.agent_id == agent_id]


def _coming(posed: Posed, agenda: Agenda, found: Sequence[Change]) -> list[Stop]:
    coming = [_stop(change, agenda) for change in found if change.agent_id == agenda.agent_id]
    return coming + [stop for who, stop in posed.draft.extra.items() if who == agenda.agent_id]


def _stop(change: Change, agenda: Agenda) -> Stop:
    wanted = change.wanted
    return Stop(
        stop_id=f"plan@{wanted.reference}",
        kind=StopKind.APPOINTMENT,
        starts_at=change.window.start,
        ends_at=change.window.end,
        place=wanted.place,
        buffer=max(agenda.buffer, wanted.buffer),
        owner_id=wanted.reference,
    )
