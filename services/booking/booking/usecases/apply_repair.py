"""Moves and cancels several appointments in one step, all or none (GEO-31).

Every appointment records its step as pending; geo makes all moves and frees what is cancelled in one
transaction, under the moves' ids; then all appointments follow in one. Once geo has made it there is only
forward; until then one of its moves, settled, refuses all of it for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment, Card, Change, Move, MoveKind, State, require_movable
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Reservation
from booking.domain.policies import require_reassignable
from booking.domain.refusal import Refusal
from booking.domain.repair import GIVING_UP, GivenUp, Repair, decided, require_distinct, require_planned
from booking.storage import appointments, repairs
from booking.usecases import aftermath, claimed, move_stop, record
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS, StopMove
from booking.usecases.reach import reach
from booking.usecases.record import Begun
from booking.usecases.repair_ports import Rounds
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id

_NO_LEAD = timedelta(), None


@dataclass(frozen=True, slots=True)
class WantedMove:
    """An appointment's new agent and start; its length stays. `version` 0: whatever is there."""

    appointment_id: str
    agent_id: str
    start: datetime
    version: int


@dataclass(frozen=True, slots=True)
class WantedCancellation:
    """An appointment to cancel. `version` 0: whatever is there."""

    appointment_id: str
    version: int


@dataclass(frozen=True, slots=True)
class ApplyRepair:
    """What to change together, and why. `of_plan`: nobody was called, so nothing may leave what was promised
    (GEO-27)."""

    moves: tuple[WantedMove, ...]
    cancellations: tuple[WantedCancellation, ...]
    note: str
    claim: Claim
    of_plan: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """A repair under way, and the stops that it needs."""

    repair: Repair
    plans: Sequence[StopMove]


async def apply_repair(desk: Desk, rounds: Rounds, command: ApplyRepair) -> list[Card]:
    """The appointments after it, moved ones first, in the order asked.

    Raises InvalidInput naming the field, STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS,
    AGENT_NOT_IN_CAMPAIGN, LEAD_TIME for a start that is past, the ledger's refusals, and Unavailable when the
    outcome is not known yet.
    """
    require_distinct(
        [move.appointment_id for move in command.moves],
        [one.appointment_id for one in command.cancellations],
    )
    begun = await _begin(desk, command)
    return begun if isinstance(begun, list) else await _carry_out(desk, rounds, begun, command.claim)


async def _begin(desk: Desk, command: ApplyRepair) -> _Pending | list[Card]:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await _earlier(desk, tx)
        found = await _locked(tx, command)
        await failpoint("booking.repair.before_decide")
        repair = _repair(command, found)
        if command.of_plan:
            now = await tx.now()
            for at, move in enumerate(repair.moves):
                require_planned(found[move.appointment_id], move, now, f"moves[{at}].start")
        plans = await _plans(desk, tx, repair, found)
        await failpoint("booking.repair.before_pending")
        await repairs.begin(tx, repair, command.claim.key)
        for step in repair.steps:
            await record.note(tx, step.move_id, record.by_caller(command.note))
        tx.refer(repair.repair_id)
        if plans:
            return _Pending(repair, plans)
        return await _decide(tx, repair, {})  # what is cancelled alone needs nothing of geo beforehand


async def _earlier(desk: Desk, tx: Tx) -> _Pending | list[Card]:
    """The first answer to this transaction's claim, or else the repair that it began."""
    if tx.first_answer is not None:
        return repairs.cards_of(tx.first_answer)
    repair = await repairs.get(tx, tx.claim_ref) if tx.claim_ref else None
    if repair is None:
        raise claimed.in_flight()
    plans = []
    for move in repair.moves:
        appointment = await appointments.get(tx, move.appointment_id)
        plans.append(
            _plan(await move_stop.grounds_of(desk, tx, appointment, move.agent_id), move, appointment)
        )
    return _Pending(repair, plans)


async def _locked(tx: Tx, command: ApplyRepair) -> dict[str, Appointment]:
    """The appointments, locked in the order of their ids, so that two repairs never deadlock."""
    versions = {move.appointment_id: move.version for move in command.moves}
    versions |= {one.appointment_id: one.version for one in command.cancellations}
    found = {}
    for appointment_id in sorted(versions):
        found[appointment_id] = appointment = await appointments.lock(tx, appointment_id)
        reach().require_campaign(appointment.campaign_id)
        require_movable(appointment, versions[appointment_id])
    return found


def _repair(command: ApplyRepair, found: Mapping[str, Appointment]) -> Repair:
    moves = [_move(wanted, found[wanted.appointment_id], at) for at, wanted in enumerate(command.moves)]
    given_up = [GivenUp(new_id(GIVING_UP), one.appointment_id) for one in command.cancellations]
    return Repair(new_id("rep"), command.note, (*moves, *given_up))


def _move(wanted: WantedMove, appointment: Appointment, at: int) -> Move:
    present, start = appointment.window, wanted.start
    same_agent = wanted.agent_id == appointment.agent_id
    if same_agent and start == present.start:
        raise errors.invalid(f"moves[{at}].start", "is where the appointment is already")
    kind = MoveKind.POSTPONE if same_agent else MoveKind.REASSIGN
    window = type(present)(start, start + present.duration)
    return Move(new_id("mov"), wanted.appointment_id, kind, wanted.agent_id, window)


async def _plans(desk: Desk, tx: Tx, repair: Repair, found: Mapping[str, Appointment]) -> list[StopMove]:
    now = await tx.now()
    plans = []
    for at, move in enumerate(repair.moves):
        appointment = found[move.appointment_id]
        grounds = await move_stop.grounds_of(desk, tx, appointment, move.agent_id)
        if move.kind is MoveKind.REASSIGN and not grounds.agent_works:
            raise errors.agent_not_in_campaign(move.agent_id, f"moves[{at}].agent_id")
        require_reassignable(now, appointment, move.window.start, _NO_LEAD)
        grounds.absences.require_none(move.agent_id, move.window)
        plans.append(_plan(grounds, move, appointment))
    return plans


def _plan(grounds: Grounds, move: Move, appointment: Appointment) -> StopMove:
    start = move.window.start
    # whoever is to be visited outside of what was promised has been called first (GEO-31)
    anew = not appointment.keeps_promise(start)
    plan = move_stop.plan_of(grounds, appointment, move.agent_id, start, anew=anew)
    return StopMove(move.move_id, move.appointment_id, plan, anew)


async def _carry_out(desk: Desk, rounds: Rounds, pending: _Pending, claim: Claim) -> list[Card]:
    repair = pending.repair
    await failpoint("booking.repair.after_pending")
    try:
        stops = await _swapped(desk, rounds, pending)
    except Unavailable as unknown:
        raise claimed.outcome_unknown(unknown) from unknown
    if isinstance(stops, GiroError):
        if await drop(desk, caller().tenant, repair.repair_id, Refusal.of(stops)):
            raise stops
        return await _first_answer(desk, claim)
    await failpoint("booking.repair.after_move")
    cards = await follow(desk, caller().tenant, repair, stops)
    if cards is None:
        return await _first_answer(desk, claim)
    await failpoint("booking.repair.after_commit")
    return cards


async def _swapped(desk: Desk, rounds: Rounds, pending: _Pending) -> Sequence[Reservation] | GiroError:
    """The stops, or the refusal, which then holds for good: a late copy of the call is refused too."""
    tenant = caller().tenant
    try:
        return await rounds.move_all(tenant, pending.plans, pending.repair.given_up)
    except REFUSALS as refusal:
        made = await settled(desk, tenant, pending.repair)
        return refusal if made is None else made


async def settled(desk: Desk, tenant: str, repair: Repair) -> Sequence[Reservation] | None:
    """The stops of a repair that geo has made; None: it has not and never will, because its first move never
    will."""
    stops = []
    for move in repair.moves:
        stop = await desk.ledger.settle_move(tenant, move.move_id)
        if stop is None:
            return None
        stops.append(stop)
    return stops


async def follow(desk: Desk, tenant: str, repair: Repair, stops: Sequence[Reservation]) -> list[Card] | None:
    """Applies a repair that geo has made; None when that was done already."""
    async with desk.db.uow(tenant) as tx:
        by_id = {stop.appointment_id: stop for stop in stops}
        cards = await _decide(tx, repair, by_id)
        await failpoint("booking.repair.before_commit")
    return cards or None


async def _decide(tx: Tx, repair: Repair, stops: Mapping[str, Reservation]) -> list[Card]:
    """All changes with their events and the answer; nothing when it is decided already."""
    found = {key: await appointments.lock(tx, key) for key in repair.appointment_ids}
    claim_key = await repairs.apply(tx, repair.repair_id)
    if claim_key is None:
        return []
    promised = {appointment_id: stop.plan.arrival for appointment_id, stop in stops.items()}
    changes = decided(repair, found, promised, await tx.now())
    for change in sorted(changes, key=_campaign_first):
        if not await appointments.save(tx, change):
            raise RuntimeError(f"{change.before.appointment_id} changed while {repair.repair_id} was pending")
        await _settle(tx, change)
    cards = [await _told(tx, step, change, stops) for step, change in zip(repair.steps, changes, strict=True)]
    await tx.answer_claim(claim_key, repairs.answer(cards))
    return cards


async def _settle(tx: Tx, change: Change) -> None:
    """A repair looks at the day: where a visit gets another start, its agent's date is not judged by that."""
    if change.after.state is State.CANCELLED:
        await aftermath.close(tx, change.after.appointment_id)
    elif change.after.window.start == change.before.window.start:
        await aftermath.keep(tx, change)
    else:
        await aftermath.close_calls(tx, change.after.appointment_id)


def _campaign_first(change: Change) -> tuple[str, str]:
    """Campaigns' rows are locked in the order of their ids, so that two repairs never deadlock."""
    return change.before.campaign_id, change.before.appointment_id


async def _told(tx: Tx, step: Move | GivenUp, change: Change, stops: Mapping[str, Reservation]) -> Card:
    if isinstance(step, GivenUp):
        await record.keep(tx, events.cancelled(tx, change.after), Begun(step.move_id))
        return Card(change.after)
    stop = stops[step.appointment_id]
    await record.keep(tx, events.moved(tx, step.kind, change), Begun(step.move_id, stop))
    return Card(change.after, stop.leg_before, stop.leg_after)


async def drop(desk: Desk, tenant: str, repair_id: str, refusal: Refusal) -> bool:
    """Forgets a repair that geo will never make; False when it is decided already."""
    async with desk.db.uow(tenant) as tx:
        claim_key = await repairs.drop(tx, repair_id, refusal)
        if claim_key is None:
            return False
        await tx.answer_claim(claim_key, repairs.refusal(refusal))
    return True


async def _first_answer(desk: Desk, claim: Claim) -> list[Card]:
    async with desk.db.uow(caller().tenant, claim) as tx:
        if tx.first_answer is None:
            raise claimed.in_flight()
        return repairs.cards_of(tx.first_answer)
