"""Several moves in one transaction, each for itself: what cannot be moved is refused and spoils no other."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from geo.domain import errors
from geo.domain.chain import around, splice
from geo.domain.errors import StartAgain
from geo.domain.owner import Move, Owner, OwnerKind
from geo.domain.plan import Plan, Reserved
from geo.domain.rework import Rework
from geo.domain.stop import Stop, StopKind
from geo.storage import owners, stops
from geo.storage.documents import reserved_document
from geo.storage.rewrite import Changes
from geo.usecases import agendas, visits
from geo.usecases.admission import admitted
from geo.usecases.agendas import REFUSALS
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.move_stop import MoveStop, repeated
from geo.usecases.visits import Span
from kit.db.uow import Tx
from kit.errors import GiroError, InvalidInput, Reason

Outcome = Reserved | GiroError


async def move_each(ledger: Ledger, tenant: str, moves: Sequence[MoveStop]) -> list[Outcome]:
    """For each move, in the order asked, the stop after all of them, or what refused it.

    Each is judged by what those before it have left, as if they came one by one. A refused one is abandoned
    in the same commit: it never will be made. Raises InvalidInput for an appointment or a move that is named
    twice and for a suggested start.
    """
    _check(moves)

    async def find(tx: Tx) -> Collection[str]:
        found = await owners.find_all(tx, [move.appointment_id for move in moves])
        present = {owner.agent_id for owner in found.values() if owner.ending is None and owner.agent_id}
        return {move.plan.agent_id for move in moves} | present

    async def decide(desk: Desk) -> Draft[list[Outcome]]:
        return await _decided(desk, moves)

    return await write(ledger, tenant, "move_each", find, decide)


def _check(moves: Sequence[MoveStop]) -> None:
    for position, move in enumerate(moves):
        if move.certified is not None:
            text = "is not taken where several stops change at once"
            raise InvalidInput(Reason.INVALID_FIELD, text, field=f"moves[{position}].slot")
    for name in ("appointment_id", "move_id"):
        if len({getattr(move, name) for move in moves}) < len(moves):
            raise InvalidInput(Reason.INVALID_FIELD, "names something for the second time", field=name)


@dataclass(slots=True)
class _Work:
    """What the moves are made on, and what has been made of them so far."""

    desk: Desk
    owners: Mapping[str, Owner]
    present: Mapping[str, tuple[str, Stop]]
    """By appointment the agent and the stop of before."""
    agendas: dict[str, Rework] = field(default_factory=dict)
    made: dict[str, tuple[Stop, Plan]] = field(default_factory=dict)
    """By appointment."""

    @property
    def coming(self) -> list[Plan]:
        """The plans of those that were made."""
        return [plan for _, plan in self.made.values()]


async def _decided(desk: Desk, moves: Sequence[MoveStop]) -> Draft[list[Outcome]]:
    earlier = await owners.find_moves(desk.tx, [move.move_id for move in moves])
    fresh = [move for move in moves if move.move_id not in earlier]
    outcomes = {
        move.move_id: _repeated(earlier[move.move_id], move) for move in moves if move.move_id in earlier
    }
    changes = None
    if fresh:
        work = await _opened(desk, fresh)
        made = await _made(work, fresh)
        outcomes |= made
        changes = _changes(work, [(move, made[move.move_id]) for move in fresh])
    return Draft([outcomes[move.move_id] for move in moves], changes)


def _repeated(earlier: Move, move: MoveStop) -> Outcome:
    try:
        return repeated(earlier, move)
    except REFUSALS as refusal:
        return refusal


async def _opened(desk: Desk, moves: Sequence[MoveStop]) -> _Work:
    """What the moves are about, and of each agenda the stretch that they touch."""
    appointments = [move.appointment_id for move in moves]
    work = _Work(
        desk, await owners.find_all(desk.tx, appointments), await stops.of_owners(desk.tx, appointments)
    )
    touched: dict[str, list[Span]] = defaultdict(list)
    for agent_id, stop in work.present.values():
        touched[agent_id].append(Span(stop.starts_at, stop.ends_at))
    for move in moves:
        shift = agendas.shift_in(desk, move.plan)
        if shift is not None:
            touched[move.plan.agent_id].append(visits.span_of(shift))
    work.agendas = await agendas.opened(desk, touched)
    return work


async def _made(work: _Work, moves: Sequence[MoveStop]) -> dict[str, Outcome]:
    """Makes them one after the other. Raises MissingLegs with what all of them lack."""
    asked = {move.move_id: move for move in moves}
    plans = {name: move.plan for name, move in asked.items()}
    refused = await agendas.refusals(work.desk, plans, lambda name: _make(work, asked[name]))
    return {name: refused.get(name) or _reserved(work, move) for name, move in asked.items()}


async def _make(work: _Work, move: MoveStop) -> None:
    """Makes one move on the agendas as they stand. Raises what refuses it, or MissingLegs; then they stay."""
    desk, appointment = work.desk, move.appointment_id
    owner = _owner(work, move)
    source, old = work.present.get(appointment, ("", None))
    if old is None or source != owner.agent_id or source not in desk.asked:
        raise StartAgain
    plan = move.keeping(owner.plan)
    agent = desk.agent(plan.agent_id, "plan.agent_id")
    stop = visits.visit_stop(StopKind.APPOINTMENT, appointment, plan, agent)
    shift = await admitted(desk, agent, plan, {*work.made, appointment}, work.coming)
    left = _without(desk, source, work.agendas[source], old)
    made = {**work.agendas, source: left}
    made[plan.agent_id] = agendas.with_visit(desk, (plan.agent_id, made[plan.agent_id]), stop, shift)
    work.agendas = made
    work.made[appointment] = stop, plan


def _owner(work: _Work, move: MoveStop) -> Owner:
    owner = work.owners.get(move.appointment_id)
    if owner is None or owner.kind is not OwnerKind.APPOINTMENT:
        raise errors.not_found("appointment", move.appointment_id, "appointment_id")
    if owner.ending is not None:
        raise errors.settled("appointment_id")
    return owner


def _without(desk: Desk, agent_id: str, agenda: Rework, stop: Stop) -> Rework:
    """The agenda without a stop, which never fails. Raises StartAgain where it is there no more."""
    if not agenda.has(stop.stop_id):
        raise StartAgain
    part = agenda.part(stop.starts_at, stop.ends_at, desk.now)
    found = splice(part.segment, desk.book(agent_id), remove={stop.stop_id})
    return agenda.after(part, visits.feasible(agent_id, found))


def _reserved(work: _Work, move: MoveStop) -> Reserved:
    stop, plan = work.made[move.appointment_id]
    return Reserved(move.appointment_id, plan, *around(work.agendas[plan.agent_id].stops, stop.stop_id))


def _changes(work: _Work, outcomes: Sequence[tuple[MoveStop, Outcome]]) -> Changes:
    splices = {agent_id: agenda.whole() for agent_id, agenda in work.agendas.items()}
    changes = visits.changes(work.desk, {name: found for name, found in splices.items() if found.changes})
    moved = tuple(_move(move, outcome) for move, outcome in outcomes)
    return replace(changes, moved=moved, replanned={name: plan for name, (_, plan) in work.made.items()})


def _move(move: MoveStop, outcome: Outcome) -> Move:
    if isinstance(outcome, GiroError):
        return Move(move.move_id, applied=False)
    return Move(
        move.move_id,
        applied=True,
        appointment_id=move.appointment_id,
        request=move.document,
        answer=reserved_document(outcome),
    )
