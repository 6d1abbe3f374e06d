"""Moves flexible appointments within what was promised, in one step or not at all (GEO-27, ADR 0041)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from booking.domain.appointment import Card
from booking.storage import appointments
from booking.usecases.apply_repair import ApplyRepair, WantedMove, apply_repair
from booking.usecases.desk import Desk
from booking.usecases.repair_ports import Rounds
from kit.db.claims import Claim
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class PlannedStart:
    """An appointment's new start, by the version that the plan was made for; agent and length stay."""

    appointment_id: str
    start: datetime
    version: int


async def apply_plan(
    desk: Desk, rounds: Rounds, moves: Sequence[PlannedStart], claim: Claim
) -> Sequence[Card]:
    """The appointments after it, in the order asked; the same again for the same claim.

    Raises STALE_VERSION for one that has changed since, OUTSIDE_WINDOWS for one that is fixed, has begun or
    would leave what was promised, and as `apply_repair`.
    """
    async with desk.db.uow(caller().tenant) as tx:
        agents = await appointments.agents(tx, [move.appointment_id for move in moves])
    # an agent that changes meanwhile comes with another version, and nobody's appointment is found by nobody
    wanted = tuple(
        WantedMove(move.appointment_id, agents.get(move.appointment_id, ""), move.start, move.version)
        for move in moves
    )
    return await apply_repair(desk, rounds, ApplyRepair(wanted, (), "", claim, of_plan=True))
