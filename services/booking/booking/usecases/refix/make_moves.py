"""Moves that a procedure makes to agents' dates (R-060), many at once, each for itself (ADR 0033).

The requests of a chunk are bound to their moves in one transaction; geo moves each agent's stops in one; then
those that it has moved are followed, and the refused ones given up, in one again. What a crash leaves in
between is settled by the reconciler, move by move: followed, or waiting again. A refused one is told with
alternatives by itself, in a transaction of its own; until then it waits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from booking.domain.appointment import Appointment, Move, MoveKind, moved_to
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Reservation, StopPlan
from booking.domain.refix_writes import Refix
from booking.domain.refusal import Refusal
from booking.storage import appointments, moves, refix_requests, waitlist
from booking.storage.refix_requests import RefixRequest
from booking.usecases import aftermath, move_stop, record
from booking.usecases.ports import StopMove
from booking.usecases.record import Begun
from booking.usecases.refix.chunks import Answer, answered, basis_of, in_chunks, note_why
from booking.usecases.refix.procedure import (
    Refused,
    Run,
    overtaken,
    planned,
    tell,
    writes,
)
from booking.usecases.refix.taking import Taken, take
from kit.db.uow import Tx
from kit.errors import GiroError, RuleViolated
from kit.failpoints import failpoint
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class _Moving:
    """A request with its appointment as it was, the move that it is bound to, and the stop it needs."""

    appointment: Appointment
    request: RefixRequest
    move: Move
    plan: StopPlan


async def make_moves(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    """How many requests had which outcome. One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """

    async def chunk(some: Sequence[RefixRequest]) -> Mapping[str, int]:
        return await _chunk(run, some)

    return await in_chunks(run, requests, chunk)


async def _chunk(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    taken, moving, untimely = await _begin(run, requests)
    await failpoint("booking.procedure.after_pending")
    outcomes = await _swapped(run, moving)
    await failpoint("booking.procedure.after_move")
    made = [(item, stop) for item, stop in outcomes if not isinstance(stop, GiroError)]
    refused = [(item, refusal) for item, refusal in outcomes if isinstance(refusal, GiroError)]
    given_up = await _decide(run, made, refused)
    await failpoint("booking.procedure.after_commit")
    told = await tell(run, [*overtaken(taken), *untimely, *given_up])
    found = {"moved": len(made), "skipped": taken.gone, "waits": taken.waits}
    return Counter(told) + Counter({**found, "error": len(moving) - len(outcomes)})


async def _begin(
    run: Run, requests: Sequence[RefixRequest]
) -> tuple[Taken, Sequence[_Moving], Sequence[Refused]]:
    moving, refused = [], []
    async with run.desk.db.uow(run.tenant) as tx:
        taken = await take(tx, requests)
        basis = await basis_of(run, tx, [appointment for appointment, _ in taken.work])
        for appointment, request in taken.work:
            try:
                plan = _planned(basis.grounds_of(appointment), appointment, request)
            except RuleViolated as refusal:
                refused.append(Refused(appointment, request, refusal))
            else:
                wanted = writes(run, basis.policies[appointment.campaign_id], (appointment, request))
                moving.append(_Moving(appointment, request, _move(appointment, plan, wanted), plan))
        if moving:  # the requests are worked by these moves, which are pending from now on
            await moves.begin_all(tx, [item.move for item in moving])
            await note_why(run, tx, basis, [(item.appointment, item.move.move_id) for item in moving])
            await refix_requests.start_all(tx, {item.request.refix_id: item.move.move_id for item in moving})
        await failpoint("booking.procedure.before_commit")
    return taken, moving, refused


def _planned(grounds: Grounds, appointment: Appointment, request: RefixRequest) -> StopPlan:
    return planned(grounds, move_stop.at_contact(appointment, grounds), request).plan


def _move(appointment: Appointment, plan: StopPlan, wanted: Refix) -> Move:
    spelled = replace(wanted, postcode=plan.postcode)
    return Move(
        new_id("mov"), appointment.appointment_id, MoveKind.REFIX, plan.agent_id, plan.window, spelled
    )


async def _swapped(run: Run, moving: Sequence[_Moving]) -> Sequence[tuple[_Moving, Answer]]:
    """What became of each of those of which that is known."""

    async def ask(items: Sequence[_Moving]) -> Sequence[Answer]:
        wanted = [
            StopMove(item.move.move_id, item.move.appointment_id, item.plan, promised_anew=True)
            for item in items
        ]
        return await run.desk.ledger.move_each(run.tenant, wanted)

    return await answered(moving, lambda item: item.plan.agent_id, ask)


async def _decide(
    run: Run,
    made: Sequence[tuple[_Moving, Reservation]],
    refused: Sequence[tuple[_Moving, GiroError]],
) -> Sequence[Refused]:
    """Follows what geo has made and gives up what it never will; the latter, of what nobody else decided."""
    if not made and not refused:
        return ()
    async with run.desk.db.uow(run.tenant) as tx:
        ids = [item.move.appointment_id for item, _ in (*made, *refused)]
        found = await appointments.lock_all(tx, ids)
        if made:
            await _follow(tx, made, found)
        why_not = {item.move.move_id: Refusal.of(refusal) for item, refusal in refused}
        dropped = await moves.drop_all(tx, why_not) if refused else frozenset()
        await refix_requests.again(tx, sorted(dropped))
        await failpoint("booking.refix.before_commit")
    return [
        Refused(item.appointment, replace(item.request, attempt=item.request.attempt + 1), refusal)
        for item, refusal in refused
        if item.move.move_id in dropped
    ]


async def _follow(
    tx: Tx, made: Sequence[tuple[_Moving, Reservation]], found: Mapping[str, Appointment]
) -> None:
    applied = await moves.apply_all(tx, [item.move.move_id for item, _ in made])
    now = await tx.now()
    done = [(item.move, stop) for item, stop in made if item.move.move_id in applied]
    if not done:
        return
    changes = [(moved_to(found[move.appointment_id], move, now, stop.plan), move) for move, stop in done]
    people = {(change.before.campaign_id, change.before.contact_id) for change, _ in changes}
    await waitlist.serve_all(tx, people)
    if not await appointments.save_moved(tx, [change for change, _ in changes]):
        raise RuntimeError("an appointment changed while its move was pending")
    told = await aftermath.refixed(tx, changes)
    begun = [Begun(move.move_id, stop) for move, stop in done]
    await record.keep_all(tx, list(zip(told, begun, strict=True)))
