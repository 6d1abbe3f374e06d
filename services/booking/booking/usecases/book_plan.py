"""Books the new visits of a plan in one step: all of them, or none (GEO-21, ADR 0050).

All are committed as PENDING with their units, then the ledger is asked once for all of their stops, which it
makes in one transaction or not at all, then one transaction decides all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from booking.domain import errors
from booking.domain.appointment import Appointment, NewCard, pending
from booking.domain.grounds import Grounds
from booking.domain.policies import require_allowed
from booking.domain.promise import PromiseKind, of_visit
from booking.domain.refusal import Refusal
from booking.domain.series import Conflict, Series, SeriesState
from booking.storage import campaigns, series
from booking.usecases import claimed
from booking.usecases.booked_together import Asked, as_answered, decide, plans, take
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS, NewStop
from booking.usecases.reach import reach
from booking.usecases.repair_ports import Rounds
from booking.usecases.telling import require_agents_shown
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import FieldViolation, GiroError, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id
from kit.values.window import Window


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit that nobody has yet; the place is the contact's. `promise` None: the start, or the campaign's
    arrival window."""

    campaign_id: str
    contact_id: str
    agent_id: str
    start: datetime
    duration: timedelta
    note: str = ""
    promise: PromiseKind | None = None


async def book_plan(
    desk: Desk, rounds: Rounds, visits: Sequence[PlannedVisit], claim: Claim
) -> list[Appointment]:
    """The appointments, TO_CONFIRM, in the order asked; the same again for the same claim.

    Raises what would refuse a booking of one of them, naming it (`visits[2]`); SETTLED when nobody finished
    it in time; Unavailable when the outcome is not known yet: the same request may be repeated.
    """
    begun = await _begin(desk, visits, claim)
    if begun.state is SeriesState.PENDING:
        await failpoint("booking.book_plan.after_pending")
        asked = await _reserve(desk, rounds, begun)
        await failpoint("booking.book_plan.after_reserve")
        begun = await decide(desk, begun.series_id, claim, asked)
    if begun.state is SeriesState.REFUSED:
        raise begun.conflicts[0].refusal.error()
    return [each for _, each in begun.appointments]


async def _begin(desk: Desk, visits: Sequence[PlannedVisit], claim: Claim) -> Series:
    async with desk.db.uow(caller().tenant, claim) as tx:
        if tx.claim_ref is not None:
            return await as_answered(tx, tx.claim_ref)
        made = Series(new_id("ser"), None, SeriesState.PENDING)
        grounds = [await _grounds(desk, tx, at, visit) for at, visit in enumerate(visits)]
        appointments = [_judged(at, visit, grounds[at]) for at, visit in enumerate(visits)]
        await failpoint("booking.book_plan.before_decide")
        # agendas are shared by now; campaigns are locked after all of them, by id (ADR 0030)
        for at, appointment in sorted(enumerate(appointments), key=_campaign_first):
            try:
                await take(tx, made.series_id, appointment, grounds[at])
            except GiroError as refusal:
                raise _naming(refusal, at) from refusal
        made = replace(made, appointments=list(enumerate(appointments, 1)))
        await series.begin(tx, made)
        tx.refer(made.series_id)
    return made


def _campaign_first(numbered: tuple[int, Appointment]) -> tuple[str, int]:
    at, appointment = numbered
    return appointment.campaign_id, at


async def _grounds(desk: Desk, tx: Tx, at: int, visit: PlannedVisit) -> Grounds:
    try:
        reach().require_campaign(visit.campaign_id)
    except GiroError as refusal:
        raise _naming(refusal, at) from refusal
    found = await campaigns.grounds_to_book(
        tx, visit.campaign_id, visit.agent_id, visit.contact_id, sandbox=desk.db.sandbox
    )
    if found is None:
        raise errors.not_found("campaign", f"visits[{at}].campaign_id")
    return found


def _judged(at: int, visit: PlannedVisit, grounds: Grounds) -> Appointment:
    """The appointment, which policy allows. Raises what refuses it, naming the visit."""
    try:
        require_agents_shown(grounds)
        require_allowed(grounds.now, visit.start, grounds.terms)
        return _appointment(visit, grounds)
    except GiroError as refusal:
        raise _naming(refusal, at) from refusal


def _appointment(visit: PlannedVisit, grounds: Grounds) -> Appointment:
    window = Window(visit.start, visit.start + visit.duration)
    plan = grounds.plan(visit.agent_id, window, grounds.required_contact_point())
    kind, local = visit.promise, grounds.campaign.time_zone
    promise = None if kind is None else of_visit(kind, window, local)
    new = NewCard(new_id("apt"), visit.campaign_id, visit.contact_id, caller().subject, visit.note)
    return pending(new, plan, grounds.now, promise)


async def _reserve(desk: Desk, rounds: Rounds, begun: Series) -> Asked:
    """What the ledger says of all of them together. Raises Unavailable when it did not say."""
    wanted = await plans(desk, begun)
    ids = [each.appointment_id for _, each in begun.appointments]
    stops = [NewStop(one, wanted[number]) for number, one in enumerate(ids, 1)]
    try:
        made = await rounds.reserve_all(caller().tenant, stops)
    except REFUSALS as refusal:
        at = _at_fault(refusal)
        named = refusal if at is None else _naming(refusal, at)
        _, first = begun.appointments[at or 0]
        return Asked([Conflict((at or 0) + 1, first.window.start, Refusal.of(named))], {})
    except Unavailable as unknown:
        raise claimed.outcome_unknown(unknown) from unknown
    return Asked((), dict(zip(ids, made, strict=True)))


def _at_fault(refusal: GiroError) -> int | None:
    """Which of the stops, in the ledger's words `stops[2].plan`; None where it names none."""
    for named in refusal.violations:
        if named.field.startswith("stops["):
            return int(named.field.removeprefix("stops[").partition("]")[0])
    return None


def _naming(refusal: GiroError, at: int) -> GiroError:
    """The same refusal, with the visit that it is about."""
    inner = [one for one in refusal.violations if not one.field.startswith("stops[")]
    named = [FieldViolation(f"visits[{at}].{one.field}", one.description) for one in inner]
    whole = FieldViolation(f"visits[{at}]", refusal.message)
    return type(refusal)(
        refusal.reason, refusal.message, metadata=refusal.metadata, violations=named or [whole]
    )
