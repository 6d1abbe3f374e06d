"""Writes what became of a visit (R-035, R-036); only its agent's outcome makes it HELD (R-018).

What is HELD is over for everybody but a supervisor, who may correct it: with a reason, beside the first word.
"""

from dataclasses import dataclass
from datetime import datetime

from booking import events
from booking.domain import errors
from booking.domain import outcomes as rules
from booking.domain.appointment import LIVE, Appointment, Card, Change, State, corrected, with_outcome
from booking.domain.history import Entry, HistoryKind
from booking.domain.outcomes import OutcomeState, Recall, Written
from booking.domain.refix_modes import Mode, Work
from booking.events.kept import read
from booking.storage import (
    answers,
    appointment_events,
    appointments,
    history,
    outcomes,
    policies,
    refix_requests,
)
from booking.usecases import aftermath, claimed, record
from booking.usecases.aftermath import Owed
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.sight import as_seen
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """`version` 0: whatever is there. `correction`: of a visit that is HELD; its note is the reason."""

    appointment_id: str
    state_id: str
    written: Written
    version: int
    claim: Claim
    correction: bool = False


async def set_outcome(desk: Desk, command: SetOutcome) -> Appointment:
    """The appointment with its outcome, as the caller may see it; the same again for the same claim.

    Raises NotFound naming `state_id`, MANDATORY_MISSING, FIELD_HIDDEN, InvalidInput naming what does not fit,
    SUPERSEDED, STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS.
    """
    if command.correction and not command.written.note.strip():
        raise errors.invalid("reason", "is blank")
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            first = _first(tx.first_answer)
            return as_seen(first, await outcomes.state_or_none(tx, first.outcome_state_id))
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        await failpoint("booking.outcome.before_decide")
        state = await outcomes.state(tx, command.state_id)
        change = await _decide(tx, command, appointment, state)
        await _save(tx, command, change, state)
        await _refix(tx, change.after, state)
        tx.answer(answers.from_card(Card(change.after)))
        await failpoint("booking.outcome.before_commit")
    await failpoint("booking.outcome.after_commit")
    return as_seen(change.after, state)


def _first(answer: bytes | None) -> Appointment:
    if answer is None:
        raise claimed.in_flight()
    return answers.card(answer).appointment


async def _decide(tx: Tx, command: SetOutcome, appointment: Appointment, state: OutcomeState) -> Change:
    known = await outcomes.characteristics(tx)
    outcome = rules.outcome(state, command.written, known)
    now = await tx.now()
    rules.require_ahead(outcome.refix_at, now)
    if command.correction:
        return corrected(appointment, command.version, outcome, await _before_held(tx, appointment), now)
    return with_outcome(appointment, command.version, outcome, now)


async def _before_held(tx: Tx, appointment: Appointment) -> State:
    """What it was before it was held, by its events; TO_CONFIRM where they do not go back that far, since
    nothing tells then that it was confirmed."""
    kept = await appointment_events.of(tx, [appointment.appointment_id])
    states = [read(each.event, each.payload, each.personal).after.state for each in kept]
    return next((state for state in reversed(states) if state in LIVE), State.TO_CONFIRM)


async def _save(tx: Tx, command: SetOutcome, change: Change, state: OutcomeState) -> None:
    after, corrects = change.after, change.before.outcome_state_id if command.correction else ""
    await appointments.save(tx, change)
    facts = dict(command.written.characteristics)
    if corrects:
        facts[rules.CORRECTS] = corrects
    if after.refix_at is not None:
        facts[rules.REFIX_AT] = after.refix_at.isoformat()
    entry = Entry(
        appointment_id=after.appointment_id,
        kind=HistoryKind.OUTCOME,
        at=after.updated_at,
        actor_id=caller().subject,
        version=after.version,
        state_id=state.state_id,
        note=command.written.note,
        facts=facts,
    )
    await history.add(tx, entry)
    decision = record.by_caller(
        "correction" if corrects else "", record.rule("outcome_state", state.state_id, state)
    )
    await record.keep(tx, events.outcome_set(tx, after, state.result, corrects), decision)
    await aftermath.close(tx, after.appointment_id)


async def _refix(tx: Tx, appointment: Appointment, state: OutcomeState) -> None:
    """What the state asks for: a recall (R-035), or what a procedure makes of the agent's date (R-060).

    A mode of no procedure makes the recall of a state with a date at once (R-031); without any mode the date
    waits for a procedure to be switched on.
    """
    if not state.refixes:
        return
    mode = (await policies.load(tx, appointment.campaign_id)).mode_of(state)
    by_procedure = mode is None or mode.procedure is not Work.NONE
    if state.recall is Recall.NONE or (state.refix and by_procedure):
        await refix_requests.add(tx, appointment)
        return
    due_at, private = await _due(tx, appointment, state, mode), state.recall is Recall.PRIVATE
    await aftermath.open_recalls(tx, [Owed(appointment, due_at, private)])


async def _due(tx: Tx, appointment: Appointment, state: OutcomeState, mode: Mode | None) -> datetime:
    """The mode's own delay, else the date that the agent named, else the list state's delay."""
    if mode is not None and mode.recall_delay is not None:
        return appointment.updated_at + mode.recall_delay
    if appointment.refix_at is not None:
        return appointment.refix_at
    return appointment.updated_at + (await outcomes.list_states(tx))[state.list_state].default_delay
