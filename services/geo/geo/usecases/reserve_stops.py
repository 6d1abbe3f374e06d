"""Several new stops in one transaction, all of them or none: a plan's visits, as they were planned."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from geo.domain import errors
from geo.domain.calendar import ConcreteShift
from geo.domain.chain import Splice, around
from geo.domain.owner import Owner
from geo.domain.plan import Reserved
from geo.domain.stop import Stop, StopKind
from geo.storage import owners
from geo.usecases import visits
from geo.usecases.admission import admitted
from geo.usecases.agendas import REFUSALS
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.reserve_each import require_plain
from geo.usecases.reserve_stop import ReserveStop, owner_of, repeated
from geo.usecases.together import AgendaChange, Lacking, woven
from kit.errors import FieldViolation, GiroError


async def reserve_stops(ledger: Ledger, tenant: str, commands: Sequence[ReserveStop]) -> list[Reserved]:
    """The stops after all of them, in their order, or the first answers when all were made before.

    They are looked at together: a stop that could be reached over another one of them only is no fault.
    Infeasible: nothing at all is written, and the refusal names a stop at fault (`stops[2].plan`) where it is
    one of these. Raises as `reserve_stop`; SETTLED where one of the ids was, REQUEST_ID_REUSED where only
    some of them were used before; InvalidInput for an appointment that is named twice, for a hold and for a
    suggested start.
    """
    require_plain(commands)

    async def decide(desk: Desk) -> Draft[list[Reserved]]:
        known = await owners.find_all(desk.tx, [command.appointment_id for command in commands])
        return Draft(_repeated(known, commands)) if known else await _afresh(desk, commands)

    return await write(ledger, tenant, "reserve_stops", {each.plan.agent_id for each in commands}, decide)


def _repeated(known: Mapping[str, Owner], commands: Sequence[ReserveStop]) -> list[Reserved]:
    """The first answers, when all was asked before as it is asked now. One that was settled comes first: its
    owner has given all of them up."""
    if any(owner.ending is not None for owner in known.values()):
        raise errors.settled("appointment_id")
    if len(known) < len(commands):
        raise errors.reused("appointment_id")
    return [repeated(known[command.appointment_id], command) for command in commands]


async def _afresh(desk: Desk, commands: Sequence[ReserveStop]) -> Draft[list[Reserved]]:
    agendas: dict[str, AgendaChange] = defaultdict(AgendaChange)
    coming: dict[str, Stop] = {}
    lacking = Lacking()
    for at, command in enumerate(commands):
        shift = await lacking.of(_admitted(desk, commands, at))
        if shift is None:
            continue
        agent_id, plan = command.plan.agent_id, command.plan
        stop = visits.visit_stop(StopKind.APPOINTMENT, command.appointment_id, plan, desk.agent(agent_id))
        agendas[agent_id].coming.append((stop, shift))
        coming[command.appointment_id] = stop
    lacking.require_none()
    splices = await woven(desk, agendas)
    for agent_id, found in splices.items():
        _require_feasible(agent_id, found, list(coming.values()))
    answers = [_reserved(command, splices, coming) for command in commands]
    taken = tuple(map(owner_of, commands, answers))
    return Draft(answers, replace(visits.changes(desk, splices), taken=taken))


async def _admitted(desk: Desk, commands: Sequence[ReserveStop], at: int) -> ConcreteShift:
    plan = commands[at].plan
    try:
        agent = desk.agent(plan.agent_id)
        return await admitted(desk, agent, plan, (), [command.plan for command in commands[:at]])
    except REFUSALS as refusal:
        raise _naming(refusal, at) from refusal


def _require_feasible(agent_id: str, found: Splice, coming: Sequence[Stop]) -> None:
    """Raises what refuses an agenda, naming the stop that comes, the later one where both do."""
    try:
        visits.feasible(agent_id, found)
    except REFUSALS as refusal:
        pair = found.refusals[0].later, found.refusals[0].earlier
        at = next((coming.index(stop) for stop in pair if stop in coming), None)
        raise refusal if at is None else _naming(refusal, at) from refusal


def _naming(refusal: GiroError, at: int) -> GiroError:
    fault = FieldViolation(f"stops[{at}].plan", refusal.message)
    return type(refusal)(refusal.reason, refusal.message, metadata=refusal.metadata, violations=[fault])


def _reserved(command: ReserveStop, splices: Mapping[str, Splice], coming: Mapping[str, Stop]) -> Reserved:
    chain = splices[command.plan.agent_id].chain
    return Reserved(
        command.appointment_id, command.plan, *around(chain, coming[command.appointment_id].stop_id)
    )
