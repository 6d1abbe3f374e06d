"""What to change on an agent's day that went wrong, and whom to call first (GEO-31). Writes nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from booking.domain.appointment import Appointment
from booking.domain.contact import Contact
from booking.domain.grounds import Grounds
from booking.domain.reach import Reach
from booking.storage import appointments, campaigns, contacts, folder
from booking.storage.folder import Filter
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.repair_ports import (
    FoundMove,
    FoundRefusal,
    FoundRepair,
    FoundUnplaced,
    RepairQuery,
    Rounds,
)
from kit.db.uow import Tx
from kit.errors import RuleViolated
from kit.rpc.context import caller
from kit.values.window import Window

_AROUND: Final = timedelta(days=8)
"""Appointments so far from what happened may be on the same shift: those that touch count as one."""

_MOST: Final = 200

_TRIES: Final = 3
"""How often geo is asked; whoever is away at the end is told."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """An appointment as it is booked, who is visited, and what becomes of it."""

    appointment: Appointment
    contact: Contact
    move: FoundMove


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An appointment that has no place any more."""

    appointment: Appointment
    contact: Contact
    refusals: Sequence[FoundRefusal]


@dataclass(frozen=True, slots=True)
class ProposedRepair:
    """The plan, with those to be called; `found` is geo's answer."""

    repaired: Sequence[Repaired]
    unplaced: Sequence[Unplaced]
    holds_in_the_way: int
    found: FoundRepair


async def propose_repair(desk: Desk, rounds: Rounds, query: RepairQuery) -> ProposedRepair:
    """The smallest change that keeps the most promises; a helper takes over what is of a campaign of theirs.

    geo knows nothing of who cannot come or be visited (R-014), so it is asked again without a helper who is
    away where it was to come; what is then still in such a time has no place, and is told with the reason.

    Raises NotFound, OUT_OF_SCOPE for an appointment of a campaign out of reach, OUTSIDE_SHIFT where no shift
    is hit, Unavailable.
    """
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        near = await _near(desk, tx, query)
    eligible = {one: list(near.helpers(one, query.helpers)) for one in near.appointments}
    for _ in range(_TRIES):
        found = await rounds.repair(tenant, replace(query, eligible=eligible if query.helpers else {}))
        away = near.away(found.moves)
        helpers = [move for move in found.moves if move.appointment_id in away and near.is_helpers(move)]
        if not helpers:
            break
        eligible = {**eligible, **{move.appointment_id: _others(eligible, move) for move in helpers}}
    return await _told(desk, replace(found, **_without(found, away)))


def _others(eligible: Mapping[str, Sequence[str]], move: FoundMove) -> list[str]:
    return [agent for agent in eligible[move.appointment_id] if agent != move.agent_id]


async def _told(desk: Desk, found: FoundRepair) -> ProposedRepair:
    async with desk.db.uow(caller().tenant) as tx:
        repaired = [
            Repaired(*await _visit(tx, move.appointment_id), move)
            for move in found.moves
            if _is_appointment(move.appointment_id)
        ]
        lost = [one for one in found.unplaced if _is_appointment(one.reference)]
        unplaced = [Unplaced(*await _visit(tx, one.reference), one.refusals) for one in lost]
    return ProposedRepair(repaired, unplaced, _holds(found), found)


def _without(found: FoundRepair, away: Mapping[str, FoundRefusal]) -> dict[str, Any]:
    lost = [FoundUnplaced(reference, (refusal,)) for reference, refusal in away.items()]
    kept = [move for move in found.moves if move.appointment_id not in away]
    return {"moves": kept, "unplaced": [*found.unplaced, *lost]} if away else {}


@dataclass(frozen=True, slots=True)
class _Near:
    """The agent's appointments around what happened, by id, and what each is judged by."""

    appointments: Mapping[str, Appointment]
    grounds: Mapping[str, Grounds]

    def helpers(self, appointment_id: str, asked: Sequence[str]) -> Iterable[str]:
        """Those who work for its campaign and are there when it is booked."""
        grounds, window = self.grounds[appointment_id], self.appointments[appointment_id].window
        away = grounds.absences.away_in([window])
        return (agent for agent in asked if agent in grounds.campaign.agent_ids and agent not in away)

    def is_helpers(self, move: FoundMove) -> bool:
        """Whether it goes to another agent."""
        return move.agent_id != self.appointments[move.appointment_id].agent_id

    def away(self, moves: Sequence[FoundMove]) -> Mapping[str, FoundRefusal]:
        """Why they cannot be, by appointment: of those that go where somebody is away."""
        found = {}
        for move in moves:
            grounds = self.grounds.get(move.appointment_id)
            try:
                if grounds is not None:
                    grounds.absences.require_none(move.agent_id, move.window)
            except RuleViolated as refused:
                found[move.appointment_id] = FoundRefusal(move.agent_id, refused.reason.value)
        return found


async def _near(desk: Desk, tx: Tx, query: RepairQuery) -> _Near:
    around = await _around(tx, query)
    page = await folder.page(
        tx, Filter(Reach(whole=True), around.start, "", query.agent_id), (around.start, ""), _MOST
    )
    near = {one.appointment_id: one for one in page if one.window.start < around.end}
    people = defaultdict[str, set[str]](set)
    for one in near.values():
        people[one.campaign_id].add(one.contact_id)
    read = {
        campaign_id: await campaigns.grounds_to_suggest(tx, campaign_id, contacts, sandbox=desk.db.sandbox)
        for campaign_id, contacts in people.items()
    }
    grounds = {key: found.of(one.contact_id) for key, one in near.items() if (found := read[one.campaign_id])}
    return _Near(near, grounds)


async def _around(tx: Tx, query: RepairQuery) -> Window:
    happened = query.happened
    if isinstance(happened, timedelta):
        now = (await tx.now()).replace(microsecond=0)
        happened = Window(now, now + happened)
    return Window(happened.start - _AROUND, happened.end + _AROUND)


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
