"""Scheduled procedures: what agents asked for with their outcomes is done once a version of an appointment.

A procedure is due by its row. Its requests are claimed with SKIP LOCKED, so that several workers share them:
many at once for recalls, which end in the transaction that makes them, and one by one for what geo has to be
asked about. Such a request is bound to its move or new card in the transaction that begins it, and ends in
the one that decides it. What a crash leaves is settled by the reconciler: done, or waiting again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from booking.domain import errors
from booking.domain.appointment import LIVE, Appointment, Move, MoveKind
from booking.domain.decision import Decision, SlotSource
from booking.domain.itinerary import StopPlan
from booking.domain.policies import require_refixable
from booking.domain.refix_modes import Procedure, Work
from booking.domain.refix_writes import Refix
from booking.storage import appointments, moves, policies, refix_requests
from booking.storage.bookings import Booking
from booking.storage.refix_requests import RefixRequest
from booking.usecases import move_stop, record
from booking.usecases.desk import Desk
from booking.usecases.refix import new_card
from booking.usecases.refix.exceptions import Failure, raise_exception
from booking.usecases.refix.make_recalls import make_recalls
from booking.usecases.refix.new_card import Successor
from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, RuleViolated
from kit.failpoints import failpoint
from kit.values.ids import new_id

_log = telemetry.logger(__name__)

worked_total: Final = Counter(
    "giro_booking_refix_requests_total", "Requests that scheduled procedures worked", ["kind", "outcome"]
)

_PROCEDURES = 100
_BATCH = 200
_AT_ONCE = 8
"""Requests in work at the same time."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One try at one request. The claim is this try's own, so that no worker waits for another's."""

    desk: Desk
    tenant: str
    procedure: Procedure
    request: RefixRequest
    claim: Claim


async def run_procedures(desk: Desk) -> int:
    """One round over all tenants: what is due is worked until nothing waits; how many requests."""
    async with desk.db.worker() as tx:
        found = await policies.due(tx, _PROCEDURES, sandbox=desk.db.sandbox)
    return sum([await run_procedure(desk, tenant, procedure_id) for tenant, procedure_id in found])


async def run_procedure(desk: Desk, tenant: str, procedure_id: str) -> int:
    """One run of one procedure, which is then due an interval later; how many requests were looked at."""
    async with desk.db.uow(tenant) as tx:
        procedure = (await policies.procedures(tx))[procedure_id]
    worked, last = 0, ""
    while procedure.active:
        async with desk.db.uow(tenant) as tx:
            found = await refix_requests.waiting(tx, procedure.outcome_state_ids, last, _BATCH)
        if not found:
            break
        if procedure.kind is Work.RECALL:
            _count(procedure, await make_recalls(desk, tenant, procedure_id, found))
        else:
            await _work_all([_Job(desk, tenant, procedure, request, _claim(request)) for request in found])
        worked, last = worked + len(found), found[-1].refix_id
    async with desk.db.uow(tenant) as tx:
        await policies.ran(tx, procedure_id)
    return worked


def _claim(request: RefixRequest) -> Claim:
    return Claim(f"refix:{request.refix_id}:{new_id('try')}", b"")


async def _work_all(jobs: Sequence[_Job]) -> None:
    """A bounded number at once, and all of them even when one has a defect."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(job: _Job) -> None:
        async with slots:
            await _counted(job)

    await asyncio.gather(*(one(job) for job in jobs))


async def _counted(job: _Job) -> None:
    try:
        outcome = await _WORK[job.procedure.kind](job)
    except Exception as error:
        outcome = "error"
        _log.warning("refix_waits", id=job.request.refix_id, error=str(error))
    _count(job.procedure, {outcome: 1})


def _count(procedure: Procedure, outcomes: Mapping[str, int]) -> None:
    for outcome, number in outcomes.items():
        worked_total.labels(kind=procedure.kind.value, outcome=outcome).inc(number)


async def _move(job: _Job) -> str:
    """R-060: the same card at the agent's date."""
    try:
        begun = await _begin_move(job)
    except RuleViolated as refusal:
        return await _excepted(job, refusal)
    if begun is None:
        return "skipped"
    move, plan = begun
    await failpoint("booking.procedure.after_pending")
    pending = move_stop.PendingMove(move, plan, promised_anew=True)
    stop = await move_stop.swap(job.desk, job.tenant, pending)
    await failpoint("booking.procedure.after_move")
    if isinstance(stop, GiroError):
        return await _excepted(job, stop, move.move_id)
    await move_stop.follow(job.desk, job.tenant, move, stop)
    return "moved"


async def _begin_move(job: _Job) -> tuple[Move, StopPlan] | None:
    async with job.desk.db.uow(job.tenant, job.claim) as tx:
        appointment = await _taken(tx, job)
        if appointment is None:
            return None
        planned = await _plan(job, tx, appointment)
        plan = planned.plan
        writes = await _writes(job, tx, appointment, state_id=job.procedure.state_id)
        move_id = new_id("mov")
        move = Move(move_id, appointment.appointment_id, MoveKind.REFIX, plan.agent_id, plan.window, writes)
        await moves.begin(tx, move, job.claim.key)
        await record.note(tx, move_id, await _why(job, tx, appointment, planned))
        await refix_requests.start(tx, job.request, move_id)
        await failpoint("booking.procedure.before_commit")
    return move, plan


async def _make_card(job: _Job) -> str:
    """R-066: a new card at the agent's date; the procedure's state goes on the old one (R-067)."""
    try:
        booking = await _begin_card(job)
    except RuleViolated as refusal:
        return await _excepted(job, refusal)
    if booking is None:
        return "skipped"
    await failpoint("booking.procedure.after_pending")
    stop = await new_card.reserve(job.desk, job.tenant, booking)
    if isinstance(stop, GiroError):
        return await _excepted(job, stop, booking.appointment.appointment_id)
    await new_card.supersede(job.desk, job.tenant, booking, stop)
    return "superseded"


async def _begin_card(job: _Job) -> Booking | None:
    async with job.desk.db.uow(job.tenant, job.claim) as tx:
        old = await _taken(tx, job)
        if old is None:
            return None
        planned = await _plan(job, tx, old)
        writes = await _writes(job, tx, old, old_state_id=job.procedure.state_id)
        why = await _why(job, tx, old, planned)
        linked = True  # CC0036C counts no more than the others do
        wanted = Successor(planned.plan, writes, linked, await tx.now(), why)
        booking = await new_card.begin(tx, old, wanted, job.claim.key)
        await refix_requests.start(tx, job.request, booking.appointment.appointment_id)
        await failpoint("booking.procedure.before_commit")
    return booking


async def _taken(tx: Tx, job: _Job) -> Appointment | None:
    """The locked appointment of a request that is this worker's now; None when there is nothing to do.

    The outcome spoke of one version of the appointment, which the changes that keep the date take along. Of
    another version it is not known whether the date counts: raises STALE_VERSION, for people to decide. One
    that somebody changes at this moment is passed over (so that no run waits for an operator, who may wait
    for the request in turn) and looked at again in the next run.
    """
    request = await refix_requests.take(tx, job.request)
    found = await appointments.lock_free(tx, [job.request.appointment_id]) if request else {}
    appointment = found.get(job.request.appointment_id)
    if request is None or appointment is None:
        return None
    if appointment.state not in LIVE:
        await refix_requests.end(tx, request.refix_id, "OBSOLETE")
        return None
    if appointment.move_id is not None:
        raise errors.change_in_progress()
    if appointment.version != request.version:
        raise errors.date_overtaken()
    return appointment


async def _plan(job: _Job, tx: Tx, appointment: Appointment) -> move_stop.Planned:
    """The stop at the agent's date. Raises AGENT_NOT_IN_CAMPAIGN, LEAD_TIME once the date is past, or too
    near where postponements keep a lead time (R-011)."""
    grounds = await move_stop.grounds_of(job.desk, tx, appointment, appointment.agent_id)
    if not grounds.agent_works:
        raise errors.agent_not_in_campaign(appointment.agent_id)
    require_refixable(grounds.now, job.request.refix_at, grounds.parameters.lead_time_of_postponement)
    return move_stop.new_plan(grounds, appointment, appointment.agent_id, job.request.refix_at, anew=True)


async def _why(job: _Job, tx: Tx, appointment: Appointment, planned: move_stop.Planned) -> Decision:
    """What the procedure decides upon: itself, the outcome, the mode, and the parameters."""
    policy = await policies.load(tx, appointment.campaign_id)
    row = record.rule("procedure", job.procedure.procedure_id, job.procedure)
    return record.by_policy(
        record.procedure(job.procedure.procedure_id),
        policy.parameters,
        move_stop.ASKED,
        planned.grounds.campaign,
        rules=(*record.refix_rules(policy, appointment.outcome_state_id), row),
        slot_source=SlotSource.AGENTS_DATE,
    )


async def _writes(
    job: _Job, tx: Tx, appointment: Appointment, *, state_id: str = "", old_state_id: str = ""
) -> Refix:
    policy = await policies.load(tx, appointment.campaign_id)
    mode = policy.mode_of(policy.states.get(appointment.outcome_state_id))
    return Refix(
        actor_id=f"procedure:{job.procedure.procedure_id}",
        owner_id=appointment.operator_id,
        mode_id=mode.mode_id if mode else "",
        state_id=state_id,
        old_state_id=old_state_id,
        refix_id=job.request.refix_id,
    )


async def _excepted(job: _Job, refusal: GiroError, change_id: str = "") -> str:
    async with job.desk.db.uow(job.tenant) as tx:
        appointment = await appointments.get(tx, job.request.appointment_id)
    failure = Failure(job.procedure.procedure_id, job.request, change_id, refusal)
    await raise_exception(job.desk, job.tenant, appointment, failure)
    return "exception"


_WORK: Final = {Work.MOVE: _move, Work.NEW_CARD: _make_card}
