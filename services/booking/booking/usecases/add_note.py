"""Adds a note to an appointment, whatever its state; on a locked card supervisors only (R-041, R-059)."""

from dataclasses import dataclass
from datetime import datetime

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment, require_writable
from booking.domain.history import Entry, HistoryKind
from booking.storage import answers, appointments, history
from booking.usecases import claimed
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from kit.db.claims import Claim
from kit.failpoints import failpoint
from kit.rpc.context import caller

_SUPERVISOR = "AGENT_SUPERVISOR"


@dataclass(frozen=True, slots=True)
class AddNote:
    """What to note."""

    appointment_id: str
    text: str
    claim: Claim


async def add_note(desk: Desk, command: AddNote) -> Entry:
    """The note as it stands in the history; the same again for the same claim.

    The version of the appointment stays. Raises NotFound, SUPERSEDED, InvalidInput naming `text`.
    """
    if not command.text.strip():
        raise errors.invalid("text", "is blank")
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            if tx.first_answer is None:
                raise claimed.in_flight()
            return answers.entry(tx.first_answer)
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        _require_notable(appointment)
        entry = await history.add(tx, _entry(command, appointment, await tx.now()))
        events.noted(tx, appointment, entry.at)
        tx.answer(answers.from_entry(entry))
        await failpoint("booking.note.before_commit")
    return entry


def _require_notable(appointment: Appointment) -> None:
    if not reach_as(_SUPERVISOR).covers(appointment.campaign_id):
        require_writable(appointment)


def _entry(command: AddNote, appointment: Appointment, now: datetime) -> Entry:
    return Entry(
        appointment_id=appointment.appointment_id,
        kind=HistoryKind.NOTE,
        at=now,
        actor_id=caller().subject,
        version=appointment.version,
        note=command.text,
    )
