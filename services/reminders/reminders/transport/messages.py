"""The domain's values as messages of the contract."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from giro.reminders.v1 import reminders_pb2 as pb
from reminders.domain import errors
from reminders.domain.numbers import CallerNumber
from reminders.storage.attempts import Attempt
from reminders.storage.opt_outs import OptOut
from reminders.storage.played import SandboxMessage
from reminders.usecases.read_reminders import Explained, Report, Shown, ShownPlan
from reminders.usecases.sandbox import Played
from reminders.usecases.set_parameter import ShownParameter


def plan(found: ShownPlan) -> pb.ListRemindersResponse:
    """Reminders of an appointment."""
    colour = pb.Colour.Value(f"COLOUR_{found.colour or 'UNSPECIFIED'}")
    return pb.ListRemindersResponse(reminders=map(reminder, found.reminders), colour=colour)


def reminder(found: Shown) -> pb.Reminder:
    """A reminder with its attempts."""
    of = found.reminder
    return pb.Reminder(
        reminder_id=of.reminder_id,
        offset=Duration(seconds=int(of.offset.total_seconds())),
        start=_stamp(of.start),
        due_at=_stamp(of.due_at),
        next_at=_stamp(of.run_at),
        time_zone=of.zone,
        state=pb.ReminderState.Value(f"REMINDER_STATE_{of.state}"),
        outcome=of.outcome,
        reason=of.reason,
        attempts=map(_attempt, found.attempts),
    )


def explained(found: Explained) -> pb.ExplainCallResponse:
    """A reminder with its decisions."""
    decisions = [pb.Decision(at=_stamp(each.at), what=each.what, path=each.path) for each in found.decisions]
    return pb.ExplainCallResponse(reminder=reminder(found.shown), decisions=decisions)


def report(found: Report) -> pb.ReportRemindersResponse:
    """Counts."""
    return pb.ReportRemindersResponse(
        reminders=_counts(found.reminders), attempts=_counts(found.attempts), charged=found.charged
    )


def parameter(found: ShownParameter) -> pb.ReminderParameter:
    """A parameter in text."""
    return pb.ReminderParameter(
        name=found.name, value=found.value, source=found.source.name, description=found.description
    )


def number(found: CallerNumber) -> pb.CallerNumber:
    """A number that contacts see; its code stays here."""
    return pb.CallerNumber(
        number_id=found.number_id,
        branch_id=found.branch_id,
        phone=found.phone,
        state=pb.CallerNumberState.Value(f"CALLER_NUMBER_STATE_{found.state}"),
    )


def opt_out(found: OptOut) -> pb.OptOut:
    """A number that is not to be called, with the evidence."""
    return pb.OptOut(
        opt_out_id=found.opt_out_id,
        phone=found.phone,
        since=_stamp(found.since),
        attempt_id=found.attempt_id,
        provider_reference=found.provider_reference,
        noted_by=found.noted_by,
    )


def played(found: Played) -> pb.PlayRemindersResponse:
    """What was played."""
    return pb.PlayRemindersResponse(
        now=_stamp(found.now),
        steps=found.steps,
        attempts=_counts(found.attempts),
        unfinished=found.unfinished,
    )


def sandbox_message(found: SandboxMessage) -> pb.SandboxMessage:
    """A message that would have gone out."""
    return pb.SandboxMessage(
        recipient=found.recipient,
        language=found.language,
        subject=found.subject,
        body=found.body,
        sent_at=_stamp(found.sent_at),
    )


def instant(stamp: Timestamp, field: str) -> datetime:
    """An instant between the years 1971 and 2199. Raises InvalidInput naming the field."""
    if not 31_536_000 <= stamp.seconds < 7_258_118_400 or not 0 <= stamp.nanos < 1_000_000_000:
        raise errors.invalid(field, "must be between the years 1971 and 2199")
    return stamp.ToDatetime(tzinfo=UTC)


def span(duration: Duration, field: str) -> timedelta:
    """A length in whole seconds, of at most ten years either way. Raises InvalidInput naming the field."""
    if duration.nanos:
        raise errors.invalid(field, "must be in whole seconds")
    if abs(duration.seconds) > 315_360_000:
        raise errors.invalid(field, "is too long")
    return timedelta(seconds=duration.seconds)


def _counts(found: Mapping[str, int]) -> list[pb.Count]:
    return [pb.Count(what=what, count=found[what]) for what in sorted(found)]


def _attempt(found: Attempt) -> pb.Attempt:
    return pb.Attempt(
        attempt_id=found.attempt_id,
        number=found.number,
        channel=found.channel,
        state=found.state,
        ending=found.ending or "",
        digit=found.digit or "",
        caller=found.caller,
        asked_at=_stamp(found.asked_at),
        answered_at=None if found.answered_at is None else _stamp(found.answered_at),
        ended_at=None if found.ended_at is None else _stamp(found.ended_at),
    )


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
