"""Gives each of two appointments to the other's agent, both or none (R-083)."""

from dataclasses import dataclass

from booking.domain import errors
from booking.domain.appointment import Appointment, Card
from booking.storage import appointments
from booking.usecases.apply_repair import ApplyRepair, WantedMove, apply_repair
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.repair_ports import Rounds
from kit.db.claims import Claim
from kit.errors import FieldViolation, GiroError
from kit.rpc.context import caller

_FIELDS = ("appointment_id", "other_appointment_id")


@dataclass(frozen=True, slots=True)
class SwapAppointments:
    """(id, version) of both; a version of 0: whatever is there."""

    first: tuple[str, int]
    second: tuple[str, int]
    claim: Claim


async def swap_appointments(desk: Desk, rounds: Rounds, command: SwapAppointments) -> list[Card]:
    """Both after it, in the order asked, at the times they had; the same again for the same claim.

    Raises InvalidInput naming `other_appointment_id` when one agent has both, AGENT_NOT_IN_CAMPAIGN, ABSENT,
    STALE_VERSION, WRONG_STATE, CHANGE_IN_PROGRESS, the ledger's refusals, Unavailable.
    """
    first, second = await _both(desk, command)
    moves = (_move(first, second, command.first[1]), _move(second, first, command.second[1]))
    try:
        return await apply_repair(desk, rounds, ApplyRepair(moves, (), "swapped", command.claim))
    except GiroError as refusal:
        raise _in_our_words(refusal) from refusal


async def _both(desk: Desk, command: SwapAppointments) -> list[Appointment]:
    found = []
    async with desk.db.uow(caller().tenant) as tx:
        for field, (appointment_id, _) in zip(_FIELDS, (command.first, command.second), strict=True):
            appointment = await appointments.find(tx, appointment_id)
            if appointment is None:
                raise errors.not_found("appointment", field)
            reach().require_campaign(appointment.campaign_id)
            found.append(appointment)
    return found


def _move(appointment: Appointment, other: Appointment, version: int) -> WantedMove:
    """The version that was read counts when none was seen: the other's agent belongs to it."""
    seen = version or appointment.version
    return WantedMove(appointment.appointment_id, other.agent_id, appointment.window.start, seen)


def _in_our_words(error: GiroError) -> GiroError:
    if any(found.field.endswith(".start") for found in error.violations):  # it would stay where it is
        return errors.invalid(_FIELDS[1], "has the same agent: postpone one instead")
    violations = [
        FieldViolation(_FIELDS[1] if found.field.startswith("moves[1]") else _FIELDS[0], found.description)
        if found.field.startswith("moves[")
        else found
        for found in error.violations
    ]
    return type(error)(error.reason, error.message, metadata=error.metadata, violations=violations)
