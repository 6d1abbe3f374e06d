"""Re-fixing as messages of the contract, and back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from booking.domain.refix import Alternative, Form, OperatorRecall, Screen, Selector
from booking.domain.refix_modes import CardRule, Contradiction, Mode, Procedure, Work
from booking.storage.refix_exceptions import RefixException
from booking.transport import fields
from booking.transport.messages import timestamp
from booking.usecases.refix.refix_appointment import Choices, RefixAppointment, Time
from giro.booking.v1 import refix_pb2 as pb

_CONDITIONS = {pb.CONDITION_UNSPECIFIED: None, pb.CONDITION_YES: True, pb.CONDITION_NO: False}
_CHOICES = {pb.CARD_CHOICE_UNSPECIFIED: None, pb.CARD_CHOICE_SAME: False, pb.CARD_CHOICE_NEW: True}
_KIND = "PROCEDURE_KIND_"


def form(found: Form) -> pb.RefixForm:
    """What a screen offers."""
    return pb.RefixForm(
        mode_id=found.mode_id,
        new_card=found.new_card,
        flag_shown=found.flag is not None,
        same_card=_selector(found.same),
        new_card_state=_selector(found.new),
    )


def to_refix(request: pb.RefixAppointmentRequest) -> RefixAppointment:
    """An appointment to fix again."""
    slot: str | Time = request.slot_token
    if request.HasField("time"):
        slot = Time(request.time.agent_id, fields.instant(request.time.start, "time.start"))
    screen = pb.Screen.Name(request.screen).removeprefix("SCREEN_")
    choices = Choices(
        new_card=_CHOICES[request.card],
        state_id=request.state_id,
        note=request.note,
        screen=None if screen == "UNSPECIFIED" else Screen(screen),
    )
    return RefixAppointment(
        appointment_id=request.appointment_id,
        slot=slot,
        choices=choices,
        version=request.version,
        claim=fields.claim(request, request.request_id),
    )


def recall(found: OperatorRecall) -> pb.Recall:
    """A call that an operator owes a customer."""
    return pb.Recall(
        recall_id=found.recall_id,
        appointment_id=found.appointment_id,
        campaign_id=found.campaign_id,
        contact_id=found.contact_id,
        operator_id=found.operator_id,
        private=found.private,
        due_at=timestamp(found.due_at),
        release_at=None if found.release_at is None else timestamp(found.release_at),
        open=found.open,
    )


def to_mode(request: pb.UpsertRefixModeRequest) -> Mode:
    """A mode to make."""
    has_delay = request.HasField("recall_delay")
    return Mode(
        mode_id=request.mode_id,
        display_name=request.display_name,
        procedure=_work(request.procedure),
        card=CardRule(pb.CardRule.Name(request.card).removeprefix("CARD_RULE_")),
        recall=_CONDITIONS[request.recall],
        refix=_CONDITIONS[request.refix],
        new_card_allowed=_CONDITIONS[request.new_card_allowed],
        state_ids=tuple(request.outcome_state_ids),
        recall_delay=fields.span(request.recall_delay, "recall_delay") if has_delay else None,
        priority=request.priority,
    )


def mode(found: Mode, *, built_in: bool) -> pb.RefixMode:
    """A mode."""
    return pb.RefixMode(
        mode_id=found.mode_id,
        display_name=found.display_name,
        procedure=_kind(found.procedure),
        card=pb.CardRule.Value(f"CARD_RULE_{found.card}"),
        recall=_condition(found.recall),
        refix=_condition(found.refix),
        new_card_allowed=_condition(found.new_card_allowed),
        outcome_state_ids=found.state_ids,
        recall_delay=None if found.recall_delay is None else _duration(found.recall_delay),
        priority=found.priority,
        built_in=built_in,
    )


def to_procedure(request: pb.UpsertProcedureRequest) -> Procedure:
    """A procedure to make."""
    return Procedure(
        procedure_id=request.procedure_id,
        kind=_work(request.kind),
        display_name=request.display_name,
        description=request.description,
        interval=fields.span(request.interval, "interval"),
        state_id=request.state_id,
        outcome_state_ids=tuple(request.outcome_state_ids),
        active=request.active,
    )


def procedure(found: Procedure) -> pb.Procedure:
    """A scheduled procedure."""
    return pb.Procedure(
        procedure_id=found.procedure_id,
        kind=_kind(found.kind),
        display_name=found.display_name,
        description=found.description,
        interval=_duration(found.interval),
        state_id=found.state_id,
        outcome_state_ids=found.outcome_state_ids,
        active=found.active,
    )


def exception(found: RefixException) -> pb.RefixException:
    """What a procedure could not do."""
    return pb.RefixException(
        exception_id=found.exception_id,
        appointment_id=found.appointment_id,
        campaign_id=found.campaign_id,
        procedure_id=found.procedure_id,
        refix_at=timestamp(found.refix_at),
        reason=found.reason,
        message=found.message,
        alternatives=map(_alternative, found.alternatives),
        raised_at=timestamp(found.raised_at),
    )


def contradiction(found: Contradiction) -> pb.PolicyContradiction:
    """What does not go together."""
    return pb.PolicyContradiction(
        code=found.code,
        subject=found.subject,
        message=found.message,
        rule=found.rule,
        refused=found.refused,
    )


def named_values(values: Any) -> list[tuple[str, str]]:
    """(name or code, text) of parameters."""
    return [(each.name, each.value) for each in values]


def _selector(found: Selector) -> pb.StateSelector:
    return pb.StateSelector(state_id=found.state_id, enabled=found.enabled, required=found.required)


def _alternative(found: Alternative) -> pb.RefixAlternative:
    return pb.RefixAlternative(
        agent_id=found.agent_id, start=timestamp(found.start), end=timestamp(found.end)
    )


def _work(kind: pb.ProcedureKind.ValueType) -> Work:
    name = pb.ProcedureKind.Name(kind).removeprefix(_KIND)
    return Work.NONE if name == "UNSPECIFIED" else Work(name)


def _kind(work: Work) -> pb.ProcedureKind.ValueType:
    return pb.ProcedureKind.Value(_KIND + ("UNSPECIFIED" if work is Work.NONE else work.value))


def _condition(wanted: bool | None) -> pb.Condition.ValueType:
    if wanted is None:
        return pb.CONDITION_UNSPECIFIED
    return pb.CONDITION_YES if wanted else pb.CONDITION_NO


def _duration(length: timedelta) -> Duration:
    return Duration(seconds=int(length.total_seconds()))
