"""What the ledger's own code says to a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from geo.domain.agenda import Agenda
from geo.domain.duties import driven, ledgers_verdict, live
from geo.domain.legs import LegBook, MissingLegs
from geo.domain.plan_limits import Coming, Stays, out_of_zone, too_many
from geo.domain.stop import Stop, StopKind
from geo.domain.tours import Plan
from geo.usecases.ledger import Books
from geo.usecases.rounds.planner import Planner
from geo.usecases.rounds.problem import Posed
from geo.usecases.rounds.proposal import Change, changes
from kit.errors import Reason, Unavailable

_ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ledger has against a plan; `reason` None when it would take all of it.

    `outside` are visits that the plan puts where no zone of the agent holds them, with their duties. `driven`
    are the seconds before and after, over the shifts looked at (0 where there is a reason).
    """

    reason: Reason | None = None
    outside: frozenset[tuple[int, int]] = frozenset()
    driven: tuple[int, int] = (0, 0)


async def against(planner: Planner, tenant: str, posed: Posed, plan: Plan) -> Verdict:
    """What the ledger has against a plan, agent by agent.

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
    return Verdict(Reason.TRAVEL_UNAVAILABLE)


def _together(book: LegBook, more: LegBook) -> LegBook:
    if more.version != book.version:
        message = "the travel data changed while this was planned; ask again"
        metadata = {"planned_with": book.version, "now": more.version}
        raise Unavailable(Reason.TRAVEL_UNAVAILABLE, message, metadata=metadata)
    return book.extended(more)


def _judged(posed: Posed, plan: Plan, books: Books) -> Verdict:
    """The first reason of the first agent that has one, and all visits out of zone. Raises MissingLegs."""
    found = changes(posed, plan)
    left = {posed.draft.wanted[visit].reference for visit in plan.left_out(posed.problem)}
    leaving = {change.wanted.reference for change in found} | left
    each = [
        _of_agent(posed, agenda, books[agenda.mode], (found, leaving))
        for agenda in posed.draft.scene.agendas.values()
    ]
    reasons = [one.reason for one in each if one.reason is not None]
    outside = frozenset(pair for one in each for pair in one.outside)
    if reasons:
        return Verdict(reasons[0], outside)
    return Verdict(driven=(sum(one.driven[0] for one in each), sum(one.driven[1] for one in each)))


def _of_agent(
    posed: Posed, agenda: Agenda, book: LegBook, moved: tuple[Sequence[Change], set[str]]
) -> Verdict:
    """What is against an agent's part; `moved` are the changes, and the visits that leave. Raises
    MissingLegs."""
    found, leaving = moved
    now = posed.draft.scene.now
    gone = {stop.stop_id for stop in _booked(posed, agenda.agent_id, leaving)}
    splice = ledgers_verdict(agenda, now, book, gone, _coming(posed, agenda, found))
    there = [link.stop for link in live(agenda, now)]
    stops = Stays(there, [stop for stop in there if stop.stop_id not in gone])
    mine = [change for change in found if change.agent_id == agenda.agent_id]
    outside = _outside(posed, agenda, stops.staying, mine, book)
    if splice.refusals:
        return Verdict(splice.refusals[0].reason, outside)
    if outside:
        return Verdict(Reason.OUTSIDE_ZONE, outside)
    if any(too_many(agenda, stops, [_visit(change) for change in mine])):
        return Verdict(Reason.QUOTA)
    shifts = [view.shift for view in posed.draft.scene.views if view.agenda.agent_id == agenda.agent_id]
    as_it_is = ledgers_verdict(agenda, now, book, set(), ())
    return Verdict(driven=(driven(shifts, as_it_is.chain), driven(shifts, splice.chain)))


def _outside(
    posed: Posed, agenda: Agenda, staying: Sequence[Stop], mine: Sequence[Change], book: LegBook
) -> frozenset[tuple[int, int]]:
    at = {wanted.reference: position for position, wanted in enumerate(posed.draft.wanted)}
    return frozenset(
        (at[change.wanted.reference], change.duty)
        for change in mine
        if out_of_zone(agenda, staying, _visit(change), book)
    )


def _visit(change: Change) -> Coming:
    """A visit that comes, as zones and quotas see it."""
    return Coming(change.window, change.wanted.place, change.wanted.postcode)


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
