"""Swapping an appointment's stop for another, on the same agent or not, in one transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from geo.domain import errors
from geo.domain.certificate import Certified
from geo.domain.chain import Splice, around
from geo.domain.errors import StartAgain
from geo.domain.owner import Move, Owner, OwnerKind
from geo.domain.plan import Plan, Reserved
from geo.domain.stop import Stop, StopKind
from geo.storage import owners, stops
from geo.storage.documents import plan_document, reserved_document, reserved_of
from geo.storage.stops import Taken
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.removals import take_out
from geo.usecases.visits import Span
from kit.db.uow import Tx


@dataclass(frozen=True, slots=True)
class MoveStop:
    """Give up the appointment's stop for this plan's.

    An arrival window that was promised before stays, and the new start has to lie in it, unless the plan has
    one of its own or the customer agreed to the new start (`promised_anew`). `certified`: only if the slot is
    still what it was when it was suggested, with the present stop on its agenda (GEO-28).
    """

    move_id: str
    appointment_id: str
    plan: Plan
    promised_anew: bool = False
    certified: Certified | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What has to be equal when the same id is asked for again."""
        anew = {"promised_anew": True} if self.promised_anew else {}
        return {"appointment_id": self.appointment_id, "plan": plan_document(self.plan), **anew}

    def keeping(self, before: Plan | None) -> Plan:
        """Where it goes, with the promise that stays from the plan before."""
        if self.promised_anew or self.plan.arrival is not None or before is None:
            return self.plan
        return replace(self.plan, arrival=before.arrival)


async def move_stop(ledger: Ledger, tenant: str, command: MoveStop) -> Reserved:
    """The stop after the move, or the first answer when the move was made before.

    Infeasible: nothing moves, and what refuses a visit is raised (see `hold_stop`); SLOT_TOKEN_STALE and
    SLOT_TOKEN_EXPIRED for a suggestion that counts no more. Raises SETTLED for a move or an appointment that
    was settled, NotFound for an appointment never heard of, REQUEST_ID_REUSED.
    """

    async def find(tx: Tx) -> Collection[str]:
        owner = (await owners.find(tx, command.appointment_id)).get(command.appointment_id)
        source = owner.agent_id if owner is not None and owner.ending is None else None
        return {command.plan.agent_id} | ({source} if source else set())

    async def decide(desk: Desk) -> Draft[Reserved]:
        earlier = await owners.find_move(desk.tx, command.move_id)
        if earlier is not None:
            return Draft(repeated(earlier, command))
        return await _swap(desk, command, await _owner(desk, command))

    return await write(ledger, tenant, "move_stop", find, decide)


def repeated(earlier: Move, command: MoveStop) -> Reserved:
    """The first answer of a move that was made. Raises SETTLED, REQUEST_ID_REUSED."""
    if not earlier.applied:
        raise errors.settled("move_id")
    if earlier.request != command.document:
        raise errors.reused("move_id")
    return reserved_of(earlier.answer)


async def _owner(desk: Desk, command: MoveStop) -> Owner:
    owner = (await owners.find(desk.tx, command.appointment_id)).get(command.appointment_id)
    if owner is None or owner.kind is not OwnerKind.APPOINTMENT:
        raise errors.not_found("appointment", command.appointment_id, "appointment_id")
    if owner.ending is not None:
        raise errors.settled("appointment_id")
    return owner


async def _swap(desk: Desk, command: MoveStop, owner: Owner) -> Draft[Reserved]:
    plan = command.keeping(owner.plan)
    agent = desk.agent(plan.agent_id, "plan.agent_id")
    stop = visits.visit_stop(StopKind.APPOINTMENT, command.appointment_id, plan, agent)
    certified = command.certified
    if owner.agent_id == plan.agent_id:
        splices = await _on_one_agent(desk, plan, stop, certified)
    else:
        source, removal = await take_out(desk, owner)
        shift = await admitted(desk, agent, plan)
        coming = await visits.put_in_as_certified(desk, stop, shift, plan.agent_id, certified)
        splices = {source: removal, plan.agent_id: coming}
    return _draft(desk, (command, plan), stop, splices)


async def _on_one_agent(desk: Desk, plan: Plan, stop: Stop, certified: Certified | None) -> dict[str, Splice]:
    """Removal and insertion in one splice over all that lies between, since they may be neighbours.

    What was suggested was found beside the present stop, so the certificate is held against the agenda that
    has it.
    """
    agent_id, appointment = plan.agent_id, stop.owner_id or ""
    shift = await admitted(desk, desk.agent(agent_id), plan, {appointment})
    if certified is not None:
        await visits.put_in_as_certified(desk, stop, shift, agent_id, certified)
    old = await _present(desk, appointment, agent_id)
    span = visits.span_of(shift) | Span(old.linked.stop.starts_at, old.linked.stop.ends_at)
    segment = await desk.segment(agent_id, span.lo, span.hi)
    leaving = {old.linked.stop.stop_id}
    return {
        agent_id: visits.feasible(agent_id, visits.weave_in(desk, (agent_id, segment), stop, shift, leaving))
    }


async def _present(desk: Desk, appointment: str, agent_id: str) -> Taken:
    taken = await stops.of_owner(desk.tx, appointment)
    if taken is None or taken.agent_id != agent_id:
        raise StartAgain
    return taken


def _draft(
    desk: Desk, asked: tuple[MoveStop, Plan], stop: Stop, splices: Mapping[str, Splice]
) -> Draft[Reserved]:
    command, plan = asked
    found = splices[plan.agent_id]
    reserved = Reserved(command.appointment_id, plan, *around(found.chain, stop.stop_id))
    answer = reserved_document(reserved)
    move = Move(
        command.move_id,
        applied=True,
        appointment_id=command.appointment_id,
        request=command.document,
        answer=answer,
    )
    changes = visits.changes(desk, splices)
    replanned = {command.appointment_id: plan}
    return Draft(reserved, replace(changes, moved=(move,), replanned=replanned))
