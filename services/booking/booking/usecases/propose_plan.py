"""Re-orders the flexible appointments of some days within what was promised (GEO-27). Writes nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.contact import Contact
from booking.storage import appointments, campaigns, contacts
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.repair_ports import FoundMove, FoundRepair, PlanQuery, Rounds
from kit.db.uow import Tx
from kit.errors import NotFound
from kit.rpc.context import caller
from kit.values.days import days_window, parse_day
from kit.values.window import Window

MOST_FLEXIBLE: Final = 200
"""Flexible appointments of one plan."""

_MOST_WINDOWS: Final = 14
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class ProposePlan:
    """Whose days, by the calendar of the first agent."""

    agent_ids: Sequence[str]
    first_day: str
    days: int
    keep_order: bool
    frozen_until: datetime | None
    search_time: timedelta
    seed: int


@dataclass(frozen=True, slots=True)
class ProposedPlan:
    """The moves with those who are visited, how many were flexible, and geo's answer."""

    visits: Sequence[tuple[Appointment, Contact, FoundMove]]
    flexible: int
    found: FoundRepair


async def propose_plan(desk: Desk, rounds: Rounds, command: ProposePlan) -> ProposedPlan:
    """Travel is never more than before, and what is not flexible, or out of the caller's reach, stays.

    Nothing is planned where the agent or the contact is away.

    Raises NotFound naming `agent_ids`, InvalidInput naming `first_day` or `agent_ids` (more than 200 flexible
    appointments), Unavailable.
    """
    tenant = caller().tenant
    span = await _span(desk, tenant, command)
    async with desk.db.uow(tenant) as tx:
        windows = await _promised(desk, tx, command.agent_ids, span)
    found = await _planned(rounds, tenant, command, (span, windows))
    async with desk.db.uow(tenant) as tx:
        visits = [await _visit(tx, move) for move in found.moves]
    return ProposedPlan(visits, len(windows), found)


async def _span(desk: Desk, tenant: str, command: ProposePlan) -> Window:
    if not set(command.agent_ids) <= await desk.agents.known(tenant):
        raise errors.not_found("agent", "agent_ids")
    zone = ZoneInfo(await desk.agents.zone(tenant, command.agent_ids[0]))
    first = parse_day(command.first_day, "first_day")
    last = first + timedelta(days=max(command.days, 1) - 1)
    return days_window(first, last, zone, "first_day")


async def _promised(
    desk: Desk, tx: Tx, agent_ids: Sequence[str], span: Window
) -> Mapping[str, Sequence[Window]]:
    """What is left of each promise without the times that somebody is away."""
    every = await appointments.flexible(tx, agent_ids, span, MOST_FLEXIBLE + 1)
    if len(every) > MOST_FLEXIBLE:
        raise errors.invalid("agent_ids", f"have more than {MOST_FLEXIBLE} flexible appointments then")
    people = defaultdict[str, list[Appointment]](list)
    for one in every:
        if reach().covers(one.campaign_id):
            people[one.campaign_id].append(one)
    found: dict[str, Sequence[Window]] = {}
    for campaign_id, visits in people.items():
        contact_ids = {one.contact_id for one in visits}
        read = await campaigns.grounds_to_suggest(tx, campaign_id, contact_ids, sandbox=desk.db.sandbox)
        for one in visits:
            if read is not None and one.promise is not None:
                absences = read.of(one.contact_id).absences
                found[one.appointment_id] = absences.left_for(one.agent_id, [one.promise.window])
    return {key: sorted(left)[:_MOST_WINDOWS] for key, left in found.items() if left}


async def _planned(
    rounds: Rounds, tenant: str, command: ProposePlan, of: tuple[Window, Mapping[str, Sequence[Window]]]
) -> FoundRepair:
    """geo's plan; asked again without what is not on a shift of these days any more."""
    span, windows = of
    for _ in range(_TRIES):
        query = PlanQuery(
            agent_ids=command.agent_ids,
            span=span,
            flexible=windows,
            keep_order=command.keep_order,
            frozen_until=command.frozen_until,
            search_time=command.search_time,
            seed=command.seed,
        )
        try:
            return await rounds.optimize(tenant, query)
        except NotFound as gone:
            left = {key: one for at, (key, one) in enumerate(windows.items()) if not _names(gone, at)}
            if len(left) == len(windows):
                raise
            windows = left
    raise errors.change_in_progress()


def _names(gone: NotFound, at: int) -> bool:
    return any(one.field == f"flexible[{at}].appointment_id" for one in gone.violations)


async def _visit(tx: Tx, move: FoundMove) -> tuple[Appointment, Contact, FoundMove]:
    appointment = await appointments.get(tx, move.appointment_id)
    return appointment, await contacts.get(tx, appointment.contact_id), move
