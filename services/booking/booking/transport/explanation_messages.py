"""Explanations of appointments as messages of the contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain.decision import Chooser, Decision
from booking.transport.messages import leg, timestamp
from booking.usecases.explain_appointment import Explained, Explanation, OfferedPage
from giro.booking.v1 import booking_pb2
from giro.booking.v1 import explanations_pb2 as pb


def explanation(found: Explanation) -> pb.ExplainAppointmentResponse:
    """All changes."""
    return pb.ExplainAppointmentResponse(
        appointment_id=found.appointment_id,
        changes=[_change(each) for each in found.changes],
        complete=found.complete,
    )


def _change(each: Explained) -> pb.ExplainedChange:
    after = each.after
    message = pb.ExplainedChange(
        event_id=each.event_id,
        event=each.happened.value,
        version=after.version,
        happened_at=timestamp(after.updated_at),
        agent_id=after.agent_id,
        start=timestamp(after.window.start),
        end=timestamp(after.window.end),
        state=booking_pb2.AppointmentState.Value(f"APPOINTMENT_STATE_{after.state}"),
        leg_before=None if each.legs[0] is None else leg(each.legs[0]),
        leg_after=None if each.legs[1] is None else leg(each.legs[1]),
        offered=None if each.page is None else _page(each.page),
    )
    if each.decision is not None:
        _decide(message, each.decision)
    return message


def _decide(message: pb.ExplainedChange, decision: Decision) -> None:
    message.chosen_by.CopyFrom(_chooser(decision.chooser))
    message.policy_version = decision.policy_version
    for used in decision.parameters:
        message.parameters.add(name=used.name, value=used.value, source=used.source)
    for rule in decision.rules:
        message.rules.add(kind=rule.kind, id=rule.id, definition=rule.definition)
    if decision.slot_source is not None:
        message.slot_source = pb.SlotSource.Value(f"SLOT_SOURCE_{decision.slot_source}")
    message.hold_id = decision.hold_id


def _chooser(found: Chooser) -> pb.Chooser:
    channel = pb.Channel.Value(f"CHANNEL_{found.channel}")
    return pb.Chooser(subject=found.subject, roles=found.roles, channel=channel, by=found.by)


def _page(found: OfferedPage) -> pb.OfferedPage:
    message = pb.OfferedPage(offered_at=timestamp(found.at), count=found.count, chosen=found.chosen)
    for slot in found.slots:
        start = Timestamp(seconds=int(slot.start.timestamp()))
        message.slots.add(
            agent_id=slot.agent_id, start=start, added_travel_seconds=slot.added_travel, grade=slot.grade
        )
    return message
