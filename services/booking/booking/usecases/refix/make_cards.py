"""New cards that a procedure makes at agents' dates (R-066), one by one: each is reserved at geo by itself.

A request is bound to its new card in the transaction that begins it, and ends in the one that decides it.
"""

from dataclasses import dataclass

from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.storage import appointments, policies, refix_requests
from booking.storage.bookings import Booking
from booking.storage.refix_requests import RefixRequest
from booking.usecases import move_stop
from booking.usecases.refix import new_card
from booking.usecases.refix.exceptions import Failure, raise_exception
from booking.usecases.refix.new_card import Successor
from booking.usecases.refix.procedure import Run, planned, why, writes
from booking.usecases.refix.taking import take
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, RuleViolated
from kit.failpoints import failpoint
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class _Job:
    """One try at one request. The claim is this try's own, so that no worker waits for another's."""

    run: Run
    request: RefixRequest
    claim: Claim


async def make_card(run: Run, request: RefixRequest) -> str:
    """The outcome: a new card at the agent's date; the procedure's state goes on the old one (R-067)."""
    job = _Job(run, request, Claim(f"refix:{request.refix_id}:{new_id('try')}", b""))
    try:
        booking = await _begin(job)
    except RuleViolated as refusal:
        return await _excepted(job, refusal)
    if booking is None:
        return "skipped"
    await failpoint("booking.procedure.after_pending")
    stop = await new_card.reserve(run.desk, run.tenant, booking)
    if isinstance(stop, GiroError):
        return await _excepted(job, stop, booking.appointment.appointment_id)
    await new_card.supersede(run.desk, run.tenant, booking, stop)
    return "superseded"


async def _begin(job: _Job) -> Booking | None:
    run = job.run
    async with run.desk.db.uow(run.tenant, job.claim) as tx:
        old = await _taken(tx, job)
        if old is None:
            return None
        grounds = await move_stop.grounds_of(run.desk, tx, old, old.agent_id)
        plan = planned(grounds, old, job.request).plan
        policy = await policies.load(tx, old.campaign_id)
        wanted = Successor(
            plan,
            writes(run, policy, (old, job.request), on_new=True),
            linked=True,  # CC0036C counts no more than the others do
            now=await tx.now(),
            decision=why(run, policy, old.outcome_state_id, grounds),
        )
        booking = await new_card.begin(tx, old, wanted, job.claim.key)
        await refix_requests.start(tx, job.request, booking.appointment.appointment_id)
        await failpoint("booking.procedure.before_commit")
    return booking


async def _taken(tx: Tx, job: _Job) -> Appointment | None:
    """The locked appointment of a request that is this worker's now; None when there is nothing to do.

    Raises STALE_VERSION where it is not known whether the date counts, for people to decide. One that
    somebody changes at this moment is passed over and looked at again in the next run.
    """
    taken = await take(tx, [job.request])
    if taken.overtaken:
        raise errors.date_overtaken()
    return taken.work[0][0] if taken.work else None


async def _excepted(job: _Job, refusal: GiroError, change_id: str = "") -> str:
    run = job.run
    async with run.desk.db.uow(run.tenant) as tx:
        appointment = await appointments.get(tx, job.request.appointment_id)
    failure = Failure(run.procedure.procedure_id, job.request, change_id, refusal)
    await raise_exception(run.desk, run.tenant, appointment, failure)
    return "exception"
