"""Several appointments' stops in one transaction, each for itself: what does not fit spoils no other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from geo.domain.chain import around
from geo.domain.owner import Owner
from geo.domain.plan import Plan, Reserved
from geo.domain.rework import Rework
from geo.domain.stop import Stop, StopKind
from geo.storage import owners
from geo.storage.rewrite import Changes
from geo.usecases import agendas, visits
from geo.usecases.admission import admitted
from geo.usecases.agendas import REFUSALS
from geo.usecases.ledger import Desk, Draft, Ledger, write
from geo.usecases.reserve_stop import ReserveStop, owner_of, repeated
from geo.usecases.visits import Span
from kit.errors import GiroError, InvalidInput, Reason

Outcome = Reserved | GiroError


async def reserve_each(ledger: Ledger, tenant: str, commands: Sequence[ReserveStop]) -> list[Outcome]:
    """For each, in the order asked, the stop after all of them, or what refused it, or the first answer when
    its id was used before.

    Each is judged by what those before it have left, as if they came one by one. A refused id stays free, as
    with `reserve_stop`. Raises InvalidInput for an appointment that is named twice, for a hold and for a
    suggested start.
    """
    require_plain(commands)

    async def decide(desk: Desk) -> Draft[list[Outcome]]:
        return await _decided(desk, commands)

    return await write(ledger, tenant, "reserve_each", {each.plan.agent_id for each in commands}, decide)


def require_plain(commands: Sequence[ReserveStop]) -> None:
    """Raises InvalidInput for an appointment that is named twice, for a hold and for a suggested start."""
    for position, command in enumerate(commands):
        for name, given in (("hold_id", command.hold_id), ("slot", command.certified)):
            if given:
                text = "is not taken where several stops are made at once"
                raise InvalidInput(Reason.INVALID_FIELD, text, field=f"stops[{position}].{name}")
    if len({command.appointment_id for command in commands}) < len(commands):
        text = "names something for the second time"
        raise InvalidInput(Reason.INVALID_FIELD, text, field="appointment_id")


@dataclass(slots=True)
class _Work:
    """The agendas as the stops made so far have left them."""

    desk: Desk
    agendas: dict[str, Rework]
    made: dict[str, tuple[Stop, Plan]] = field(default_factory=dict)
    """By appointment."""


async def _decided(desk: Desk, commands: Sequence[ReserveStop]) -> Draft[list[Outcome]]:
    known = await owners.find_all(desk.tx, [command.appointment_id for command in commands])
    outcomes = {
        command.appointment_id: _repeated(known[command.appointment_id], command)
        for command in commands
        if command.appointment_id in known
    }
    fresh = [command for command in commands if command.appointment_id not in known]
    work = await _opened(desk, fresh)
    outcomes |= await _made(work, fresh)
    changes = _changes(work, fresh) if work.made else None
    return Draft([outcomes[command.appointment_id] for command in commands], changes)


def _repeated(earlier: Owner, command: ReserveStop) -> Outcome:
    try:
        return repeated(earlier, command)
    except REFUSALS as refusal:
        return refusal


async def _opened(desk: Desk, commands: Sequence[ReserveStop]) -> _Work:
    touched: dict[str, list[Span]] = defaultdict(list)
    for command in commands:
        shift = agendas.shift_in(desk, command.plan)
        if shift is not None:
            touched[command.plan.agent_id].append(visits.span_of(shift))
    return _Work(desk, await agendas.opened(desk, touched))


async def _made(work: _Work, commands: Sequence[ReserveStop]) -> dict[str, Outcome]:
    """Makes them one after the other. Raises MissingLegs with what all of them lack."""
    asked = {command.appointment_id: command for command in commands}
    plans = {name: command.plan for name, command in asked.items()}
    refused = await agendas.refusals(work.desk, plans, lambda name: _make(work, asked[name]))
    return {name: refused.get(name) or _reserved(work, command) for name, command in asked.items()}


async def _make(work: _Work, command: ReserveStop) -> None:
    """Makes one stop on the agendas as they stand. Raises what refuses it, or MissingLegs; then they stay."""
    desk, plan = work.desk, command.plan
    agent = desk.agent(plan.agent_id, "plan.agent_id")
    coming = [made for _, made in work.made.values()]
    shift = await admitted(desk, agent, plan, (), coming)
    stop = visits.visit_stop(StopKind.APPOINTMENT, command.appointment_id, plan, agent)
    agenda = work.agendas[plan.agent_id]
    work.agendas[plan.agent_id] = agendas.with_visit(desk, (plan.agent_id, agenda), stop, shift)
    work.made[command.appointment_id] = stop, plan


def _reserved(work: _Work, command: ReserveStop) -> Reserved:
    stop, plan = work.made[command.appointment_id]
    return Reserved(command.appointment_id, plan, *around(work.agendas[plan.agent_id].stops, stop.stop_id))


def _changes(work: _Work, commands: Sequence[ReserveStop]) -> Changes:
    splices = {agent_id: agenda.whole() for agent_id, agenda in work.agendas.items()}
    changes = visits.changes(work.desk, {name: found for name, found in splices.items() if found.changes})
    made = [command for command in commands if command.appointment_id in work.made]
    return replace(changes, taken=tuple(owner_of(command, _reserved(work, command)) for command in made))
