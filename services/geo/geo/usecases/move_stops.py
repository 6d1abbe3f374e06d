"""Several moves, and the freeing of what was given up, in one transaction or not at all (GEO-31)."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from geo import events
from geo.domain import errors
from geo.domain.chain import Splice, around
from geo.domain.errors import StartAgain
from geo.domain.owner import Ending, Move, Owner, OwnerKind
from geo.domain.plan import Plan, Reserved
from geo.domain.stop import Stop, StopKind
from geo.storage import owners, stops
from geo.storage.documents import reserved_document, reserved_of
from geo.storage.rewrite import Changes
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.move_stop import MoveStop
from geo.usecases.together import AgendaChange, Lacking, woven
from kit.db.uow import Tx
from kit.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class MoveStops:
    """Give up the stops of these appointments for their plans'; free those of `settled` for ever, which their
    owners have given up before, together with these moves at the latest."""

    moves: tuple[MoveStop, ...]
    settled: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """What has to be equal, besides each move, when the same ids are asked for again."""
        return {"moves": sorted(move.move_id for move in self.moves), "settled": sorted(self.settled)}

    def document_of(self, move: MoveStop) -> dict[str, Any]:
        """What is kept with one of the moves."""
        return {**move.document, "together": self.document}

    @property
    def appointments(self) -> tuple[str, ...]:
        """All that lose their present stop."""
        return (*(move.appointment_id for move in self.moves), *self.settled)


async def move_stops(ledger: Ledger, tenant: str, command: MoveStops) -> list[Reserved]:
    """The stops after the moves, in their order, or the first answers when all were made before.

    Infeasible: nothing at all is written. Raises as `move_stop`: SETTLED where one of the moves was;
    REQUEST_ID_REUSED as well where only some of them were made before, or others with them.
    """
    _check(command)

    async def find(tx: Tx) -> Collection[str]:
        found = {move.plan.agent_id for move in command.moves}
        for appointment in command.appointments:
            owner = (await owners.find(tx, appointment)).get(appointment)
            if owner is not None and owner.ending is None and owner.agent_id is not None:
                found.add(owner.agent_id)
        return found

    async def decide(desk: Desk) -> Draft[list[Reserved]]:
        earlier = [await owners.find_move(desk.tx, move.move_id) for move in command.moves]
        if any(earlier):
            return Draft(_repeated(earlier, command))
        return await _swap(desk, command)

    return await write(ledger, tenant, "move_stops", find, decide)


def _repeated(earlier: Sequence[Move | None], command: MoveStops) -> list[Reserved]:
    """The first answers, when all was asked before as it is asked now. A move that was abandoned comes first:
    its owner has decided that none of them is made."""
    if any(move is not None and not move.applied for move in earlier):
        raise errors.settled("move_id")
    answers = []
    for move, asked in zip(earlier, command.moves, strict=True):
        if move is None or move.request != command.document_of(asked):
            raise errors.reused("move_id")
        answers.append(reserved_of(move.answer))
    return answers


def _check(command: MoveStops) -> None:
    """Raises InvalidInput for an appointment or a move that is named twice, and for a suggested start, which
    rests on an agenda where nothing else changes."""
    for position, move in enumerate(command.moves):
        if move.certified is not None:
            text = "is not taken where several stops change at once"
            raise InvalidInput(Reason.INVALID_FIELD, text, field=f"moves[{position}].slot")
    for field_, names in (
        ("appointment_id", list(command.appointments)),
        ("move_id", [move.move_id for move in command.moves]),
    ):
        if len(set(names)) < len(names):
            raise InvalidInput(Reason.INVALID_FIELD, "names something for the second time", field=field_)


async def _swap(desk: Desk, command: MoveStops) -> Draft[list[Reserved]]:
    agendas: dict[str, AgendaChange] = defaultdict(AgendaChange)
    settled: dict[str, str] = {}
    before: dict[str, Plan | None] = {}
    for appointment in command.appointments:
        found = await _present(desk, appointment)
        if found is None and appointment in command.settled:
            continue  # freed before, by the event of its end or the reconciler
        if found is None:
            raise errors.settled("appointment_id")
        owner, stop = found
        agent_id = owner.agent_id or ""
        agendas[agent_id].leaving.append(stop)
        before[appointment] = owner.plan
        if appointment in command.settled:
            settled[appointment] = agent_id
    plans = {move.move_id: move.keeping(before[move.appointment_id]) for move in command.moves}
    coming = await _coming(desk, command.moves, plans, agendas)
    woven_ = await woven(desk, agendas)
    splices = {agent_id: visits.feasible(agent_id, found) for agent_id, found in woven_.items()}
    return _draft(desk, command, (splices, coming), settled)


async def _coming(
    desk: Desk, moves: Sequence[MoveStop], plans: Mapping[str, Plan], agendas: dict[str, AgendaChange]
) -> dict[str, tuple[Stop, Plan]]:
    """The stops that the moves make, by move, entered with the agendas. Raises what admits none of them, and
    MissingLegs with what all of that lacks."""
    coming: dict[str, tuple[Stop, Plan]] = {}
    lacking = Lacking()
    for at, move in enumerate(moves):
        plan = plans[move.move_id]
        agent = desk.agent(plan.agent_id, "plan.agent_id")
        others = [plans[one.move_id] for one in moves[:at]]
        shift = await lacking.of(admitted(desk, agent, plan, agendas[agent.agent_id].owners, others))
        if shift is not None:
            stop = visits.visit_stop(StopKind.APPOINTMENT, move.appointment_id, plan, agent)
            agendas[agent.agent_id].coming.append((stop, shift))
            coming[move.move_id] = stop, plan
    lacking.require_none()
    return coming


async def _present(desk: Desk, appointment: str) -> tuple[Owner, Stop] | None:
    """The owner and the stop of an appointment, None when it was settled. Raises NotFound, StartAgain."""
    owner: Owner | None = (await owners.find(desk.tx, appointment)).get(appointment)
    if owner is None or owner.kind is not OwnerKind.APPOINTMENT:
        raise errors.not_found("appointment", appointment, "appointment_id")
    if owner.ending is not None:
        return None
    taken = await stops.of_owner(desk.tx, appointment)
    if taken is None or taken.agent_id != owner.agent_id or taken.agent_id not in desk.asked:
        raise StartAgain
    return owner, taken.linked.stop


def _draft(
    desk: Desk,
    command: MoveStops,
    woven: tuple[Mapping[str, Splice], Mapping[str, tuple[Stop, Plan]]],
    settled: Mapping[str, str],
) -> Draft[list[Reserved]]:
    splices, coming = woven
    answers = []
    for move in command.moves:
        stop, plan = coming[move.move_id]
        chain = splices[plan.agent_id].chain
        answers.append(Reserved(move.appointment_id, plan, *around(chain, stop.stop_id)))
    moved = tuple(
        Move(
            move.move_id,
            applied=True,
            appointment_id=move.appointment_id,
            request=command.document_of(move),
            answer=reserved_document(answer),
        )
        for move, answer in zip(command.moves, answers, strict=True)
    )
    replanned = {move.appointment_id: coming[move.move_id][1] for move in command.moves}
    changes = replace(_freed(desk, splices, settled), moved=moved, replanned=replanned)
    return Draft(answers, changes)


def _freed(desk: Desk, splices: Mapping[str, Splice], settled: Mapping[str, str]) -> Changes:
    """The changes of the agendas, with the tombstones and events of what is given up."""
    changes = visits.changes(desk, splices)
    ended = dict.fromkeys(settled, Ending.RELEASED)
    told = [
        partial(events.stop_released, appointment_id=appointment, agent_id=agent_id)
        for appointment, agent_id in settled.items()
    ]
    return replace(changes, ended={**changes.ended, **ended}, tell=(*changes.tell, *told))
