"""What reminders publishes, on `giro.evt.<tenant>.reminders.v1.<event>`, in order per appointment."""

from dataclasses import dataclass
from datetime import date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from giro.reminders.v1 import reminders_events_pb2 as pb
from giro.reminders.v1 import reminders_pb2 as common
from kit.db.uow import Tx
from reminders.domain.colours import Colour
from reminders.domain.reminder import Answer, Visit
from reminders.domain.timing import DropReason

COLOURED = "appointment_coloured"
DROPPED = "reminder_dropped"
CALL_SETTLED = "call_settled"
LIMIT_REACHED = "daily_limit_reached"
WRONG_NUMBER = "wrong_number"
OPTED_OUT = "opted_out"


@dataclass(frozen=True, slots=True)
class Coloured:
    """A colour of an appointment, and the answer that made it."""

    colour: Colour | None
    revision: int
    at: datetime
    answer: Answer | None = None
    attempt_id: str = ""


@dataclass(frozen=True, slots=True)
class SettledCall:
    """What is charged, or not, with the evidence."""

    attempt_id: str
    reminder_id: str
    kind: str
    charged: bool
    caller: str
    provider_reference: str
    asked_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    digit: str


def coloured(tx: Tx, visit: Visit, change: Coloured) -> None:
    """The colour changed, or an answer was given again."""
    message = pb.AppointmentColoured(
        appointment_id=visit.appointment_id,
        start=_instant(visit.start),
        colour=common.Colour.Value(f"COLOUR_{change.colour or 'UNSPECIFIED'}"),
        answer=common.Answer.Value(f"ANSWER_{change.answer.name if change.answer else 'UNSPECIFIED'}"),
        attempt_id=change.attempt_id,
        revision=change.revision,
        happened_at=_instant(change.at),
    )
    tx.emit(COLOURED, visit.appointment_id, message)


def dropped(tx: Tx, visit: Visit, reminder_id: str, reason: DropReason, at: datetime) -> None:
    """A rule drops a reminder."""
    message = pb.ReminderDropped(
        reminder_id=reminder_id,
        appointment_id=visit.appointment_id,
        reason=reason.value,
        happened_at=_instant(at),
    )
    tx.emit(DROPPED, visit.appointment_id, message)


def call_settled(tx: Tx, visit: Visit, call: SettledCall) -> None:
    """A call has ended."""
    message = pb.CallSettled(
        attempt_id=call.attempt_id,
        reminder_id=call.reminder_id,
        appointment_id=visit.appointment_id,
        campaign_id=visit.campaign_id,
        kind=call.kind,
        charged=call.charged,
        caller=call.caller,
        provider_reference=call.provider_reference,
        asked_at=_instant(call.asked_at),
        answered_at=_instant(call.answered_at) if call.answered_at else None,
        ended_at=_instant(call.ended_at),
        digit=call.digit,
    )
    tx.emit(CALL_SETTLED, visit.appointment_id, message)


def limit_reached(tx: Tx, visit: Visit, day: date, limit: int) -> None:
    """No more calls on this day; told once a day."""
    message = pb.DailyLimitReached(day=day.isoformat(), limit=limit, campaign_id=visit.campaign_id)
    tx.emit(LIMIT_REACHED, visit.appointment_id, message)


def wrong_number(tx: Tx, visit: Visit) -> None:
    """The contact's number does not exist."""
    message = pb.WrongNumber(
        appointment_id=visit.appointment_id, campaign_id=visit.campaign_id, start=_instant(visit.start)
    )
    tx.emit(WRONG_NUMBER, visit.appointment_id, message)


def opted_out(tx: Tx, opt_out_id: str, attempt_id: str, at: datetime) -> None:
    """A number is not to be called any more. The number itself stays here."""
    message = pb.OptedOut(opt_out_id=opt_out_id, attempt_id=attempt_id, happened_at=_instant(at))
    tx.emit(OPTED_OUT, opt_out_id, message)


def _instant(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
