"""Outcomes and history as messages of the contract, and back."""

from dataclasses import replace
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from booking.domain.appointment import Appointment
from booking.domain.history import Entry
from booking.domain.outcomes import Characteristic, Kind, ListState, OutcomeState, Recall, Result, Written
from booking.transport import fields
from booking.transport.messages import timestamp
from booking.usecases.add_note import AddNote
from booking.usecases.set_outcome import SetOutcome
from giro.booking.v1 import booking_pb2
from giro.booking.v1 import outcomes_pb2 as pb


def to_list_state(request: pb.UpsertListStateRequest) -> ListState:
    """A list state to make."""
    delay = fields.span(request.default_delay, "default_delay")
    return ListState(request.code, request.display_name, delay)


def list_state(found: ListState) -> pb.ListState:
    """A list state."""
    return pb.ListState(
        code=found.code, display_name=found.display_name, default_delay=_duration(found.default_delay)
    )


def to_characteristic(request: pb.UpsertCharacteristicRequest) -> Characteristic:
    """A characteristic to make."""
    kind = pb.CharacteristicKind.Name(request.kind).removeprefix("CHARACTERISTIC_KIND_")
    return Characteristic(request.characteristic_id, request.display_name, Kind(kind), tuple(request.choices))


def characteristic(found: Characteristic) -> pb.Characteristic:
    """A characteristic."""
    return pb.Characteristic(
        characteristic_id=found.characteristic_id,
        display_name=found.display_name,
        kind=pb.CharacteristicKind.Value(f"CHARACTERISTIC_KIND_{found.kind}"),
        choices=found.choices,
    )


def to_state(request: pb.UpsertOutcomeStateRequest) -> OutcomeState:
    """An outcome state to make."""
    recall = pb.RecallOption.Name(request.recall).removeprefix("RECALL_OPTION_")
    return OutcomeState(
        state_id=request.state_id,
        display_name=request.display_name,
        result=Result(pb.VisitResult.Name(request.result).removeprefix("VISIT_RESULT_")),
        list_state=request.list_state,
        recall=Recall.NONE if recall == "UNSPECIFIED" else Recall(recall),
        mandatory=tuple(request.mandatory),
        visible=tuple(request.visible),
        refix=request.refix,
        note_required=request.note_required,
    )


def state(found: OutcomeState) -> pb.OutcomeState:
    """An outcome state."""
    return pb.OutcomeState(
        state_id=found.state_id,
        display_name=found.display_name,
        result=pb.VisitResult.Value(f"VISIT_RESULT_{found.result}"),
        list_state=found.list_state,
        recall=pb.RecallOption.Value(f"RECALL_OPTION_{found.recall}"),
        mandatory=found.mandatory,
        visible=found.visible,
        refix=found.refix,
        note_required=found.note_required,
    )


def to_outcome(request: pb.SetOutcomeRequest) -> SetOutcome:
    """An outcome to set."""
    return _to_outcome(request, request.note)


def to_correction(request: pb.CorrectOutcomeRequest) -> SetOutcome:
    """An outcome to set in a wrong one's place."""
    return replace(_to_outcome(request, request.reason), correction=True)


def _to_outcome(request: pb.SetOutcomeRequest | pb.CorrectOutcomeRequest, note: str) -> SetOutcome:
    refix_at = fields.instant(request.refix_at, "refix_at") if request.HasField("refix_at") else None
    values = [(each.characteristic_id, each.value) for each in request.characteristics]
    return SetOutcome(
        appointment_id=request.appointment_id,
        state_id=request.state_id,
        written=Written(values, note, refix_at),
        version=request.version,
        claim=fields.claim(request, request.request_id),
    )


def outcome(found: Appointment) -> pb.Outcome:
    """What became of a visit."""
    return pb.Outcome(
        appointment_id=found.appointment_id,
        version=found.version,
        state_id=found.outcome_state_id,
        appointment_state=booking_pb2.AppointmentState.Value(f"APPOINTMENT_STATE_{found.state}"),
        characteristics=[
            pb.CharacteristicValue(characteristic_id=key, value=value)
            for key, value in sorted(found.characteristics.items())
        ],
        refix_at=None if found.refix_at is None else timestamp(found.refix_at),
    )


def to_note(request: pb.AddNoteRequest) -> AddNote:
    """A note to add."""
    return AddNote(request.appointment_id, request.text, fields.claim(request, request.request_id))


def entry(found: Entry) -> pb.HistoryEntry:
    """An entry of the history."""
    return pb.HistoryEntry(
        entry=found.number,
        kind=pb.HistoryKind.Value(f"HISTORY_KIND_{found.kind}"),
        at=timestamp(found.at),
        actor_id=found.actor_id,
        version=found.version,
        state_id=found.state_id,
        note=found.note,
        facts=[pb.HistoryFact(name=name, value=value) for name, value in sorted(found.facts.items())],
    )


def _duration(length: timedelta) -> Duration:
    return Duration(seconds=int(length.total_seconds()))
