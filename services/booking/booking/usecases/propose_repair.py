"""What to change on an agent's day that went wrong, and whom to call first (GEO-31). Writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from booking.domain.appointment import Appointment
from booking.domain.contact import Contact
from booking.domain.reach import Reach
from booking.storage import appointments, campaigns, contacts, folder
from booking.storage.folder import Filter
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.repair_ports import FoundMove, FoundRepair, FoundUnplaced, RepairQuery, Rounds
from kit.db.uow import Tx
from kit.rpc.context import caller
from kit.values.window import Window

_AROUND: Final = timedelta(days=8)
"""Appointments so far from what happened may be on the same shift: those that touch count as one."""

_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Repaired:
    """An appointment as it is booked, who is visited, and what becomes of it."""

    appointment: Appointment
    contact: Contact
    move: FoundMove


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An appointment that has no place any more; `refusals` are geo's messages."""

    appointment: Appointment
    contact: Contact
    refusals: Sequence[Any]


@dataclass(frozen=True, slots=True)
class ProposedRepair:
    """The plan, with those to be called; `found` is geo's answer."""

    repaired: Sequence[Repaired]
    unplaced: Sequence[Unplaced]
    holds_in_the_way: int
    found: FoundRepair


async def propose_repair(desk: Desk, rounds: Rounds, query: RepairQuery) -> ProposedRepair:
    """The smallest change that keeps the most promises; a helper takes over what is of a campaign of theirs.

    Raises NotFound, OUT_OF_SCOPE for an appointment of a campaign out of reach, OUTSIDE_SHIFT where no shift
    is hit, Unavailable.
    """
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        eligible = await _eligible(tx, query)
    found = await rounds.repair(tenant, replace(query, eligible=eligible))
    async with desk.db.uow(tenant) as tx:
        repaired = [
            Repaired(*await _visit(tx, move.appointment_id), move)
            for move in found.moves
            if _is_appointment(move.appointment_id)
        ]
        lost = [one for one in found.unplaced if _is_appointment(one.reference)]
        unplaced = [Unplaced(*await _visit(tx, one.reference), one.refusals) for one in lost]
    return ProposedRepair(repaired, unplaced, _holds(found), found)


async def _eligible(tx: Tx, query: RepairQuery) -> Mapping[str, Sequence[str]]:
    """The helpers who work for the campaign of each of the agent's appointments around what happened."""
    if not query.helpers:
        return {}
    around = await _around(tx, query)
    found = await folder.page(
        tx, Filter(Reach(whole=True), around.start, "", query.agent_id), (around.start, ""), _MOST
    )
    near = [one for one in found if one.window.start < around.end]
    works = {one.campaign_id: await _agents(tx, one.campaign_id) for one in near}
    return {
        one.appointment_id: [agent for agent in query.helpers if agent in works[one.campaign_id]]
        for one in near
    }


async def _around(tx: Tx, query: RepairQuery) -> Window:
    happened = query.happened
    if isinstance(happened, timedelta):
        now = (await tx.now()).replace(microsecond=0)
        happened = Window(now, now + happened)
    return Window(happened.start - _AROUND, happened.end + _AROUND)


async def _agents(tx: Tx, campaign_id: str) -> frozenset[str]:
    return frozenset((await campaigns.get(tx, campaign_id)).agent_ids)


async def _visit(tx: Tx, appointment_id: str) -> tuple[Appointment, Contact]:
    appointment = await appointments.get(tx, appointment_id)
    reach().require_campaign(appointment.campaign_id)
    return appointment, await contacts.get(tx, appointment.contact_id)


def _holds(found: FoundRepair) -> int:
    references: Iterable[FoundUnplaced | FoundMove] = (*found.unplaced, *found.moves)
    names = [one.reference if isinstance(one, FoundUnplaced) else one.appointment_id for one in references]
    return sum(not _is_appointment(name) for name in names)


def _is_appointment(reference: str) -> bool:
    return reference.startswith("apt_")
