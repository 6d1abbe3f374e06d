"""Events of appointments as they are kept: the bytes that are sent, and beside them what is personal.

The bus carries no personal data, yet a card cannot be rebuilt without its place and its notes. So each kept
event has two parts; the second can be erased without touching what was told to others.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain.appointment import Appointment, Colour, State
from booking.domain.promise import Promise, PromiseKind
from booking.domain.replay import Broken, Happened, Kept, Paint
from giro.booking.v1 import booking_events_pb2 as pb
from giro.booking.v1 import booking_pb2
from giro.common.v1 import travel_pb2
from kit.values.latlng import LatLng
from kit.values.window import Window

_MESSAGES: Final[Mapping[Happened, Callable[[bytes], Any]]] = {
    Happened.BOOKED: pb.AppointmentBooked.FromString,
    Happened.CONFIRMED: pb.AppointmentConfirmed.FromString,
    Happened.POSTPONED: pb.AppointmentPostponed.FromString,
    Happened.REASSIGNED: pb.AppointmentReassigned.FromString,
    Happened.REFIXED: pb.AppointmentRefixed.FromString,
    Happened.OUTCOME_SET: pb.AppointmentOutcomeSet.FromString,
    Happened.CANCELLED: pb.AppointmentCancelled.FromString,
    Happened.SUPERSEDED: pb.AppointmentSuperseded.FromString,
    Happened.COLOUR_CHANGED: pb.AppointmentColourChanged.FromString,
}

_PROMISE: Final = "PROMISE_"
_STATE: Final = "APPOINTMENT_STATE_"
_COLOUR: Final = "REMINDER_COLOUR_"


@dataclass(frozen=True, slots=True)
class ToldChange:
    """An event that was told in this transaction, with the bytes that are sent; `after` is the card, `before`
    what it was, where the change moved it."""

    event_id: str
    happened: Happened
    payload: bytes
    after: Appointment
    before: Appointment | None = None

    @property
    def left(self) -> Appointment | None:
        """The card as it was while it was another agent's, when this change took it from there."""
        moved_away = self.before is not None and self.before.agent_id != self.after.agent_id
        return self.before if moved_away else None

    @property
    def made_version(self) -> int | None:
        """The version that it made; None when the version stayed."""
        return None if self.happened is Happened.COLOUR_CHANGED else self.after.version


def snapshot(appointment: Appointment) -> pb.AppointmentSnapshot:
    """What every event says of the card."""
    return pb.AppointmentSnapshot(
        appointment_id=appointment.appointment_id,
        campaign_id=appointment.campaign_id,
        contact_id=appointment.contact_id,
        agent_id=appointment.agent_id,
        start=instant(appointment.window.start),
        end=instant(appointment.window.end),
        version=appointment.version,
        happened_at=instant(appointment.updated_at),
        state=booking_pb2.AppointmentState.Value(f"{_STATE}{appointment.state}"),
        operator_id=appointment.operator_id,
        outcome_state_id=appointment.outcome_state_id,
        created_at=instant(appointment.created_at),
        refix_at=None if appointment.refix_at is None else instant(appointment.refix_at),
        supersedes=appointment.supersedes or "",
        superseded_by=appointment.superseded_by or "",
        linked=appointment.linked,
        zone=appointment.zone,
        arrival=None if appointment.arrival is None else _window(appointment.arrival),
        flexible=None if appointment.promise is None else _flexible(appointment.promise),
    )


def personal(appointment: Appointment) -> dict[str, Any]:
    """What events do not say of the card, for JSON."""
    return {
        "place": appointment.point.key,
        "note": appointment.note,
        "cancel_note": appointment.cancel_note,
        "characteristics": dict(appointment.characteristics),
        "postcode": appointment.postcode,
    }


def read(event: str, payload: bytes, apart: Mapping[str, Any]) -> Kept:
    """A kept event. Raises Broken for one that cannot be read."""
    try:
        return _read(Happened(event), payload, apart)
    except (DecodeError, LookupError, ValueError) as fault:
        raise Broken(f"an event {event} cannot be read: {fault!r}") from fault


def _read(happened: Happened, payload: bytes, apart: Mapping[str, Any]) -> Kept:
    message = _MESSAGES[happened](payload)
    paint = None
    if happened is Happened.COLOUR_CHANGED:
        colour = booking_pb2.ReminderColour.Name(message.colour).removeprefix(_COLOUR)
        paint = Paint(None if colour == "UNSPECIFIED" else Colour(colour), _moment(message.start))
    return Kept(happened, _appointment(message.appointment, apart), paint)


def canonical(appointment: Appointment) -> bytes:
    """The one way to write a card in bytes: equal for equal cards, whoever writes them; legs are geo's, a
    move under way is none yet."""
    told = snapshot(appointment).SerializeToString(deterministic=True)
    apart = {**personal(appointment), "colour": appointment.colour}
    return told + json.dumps(apart, sort_keys=True, ensure_ascii=False).encode()


def instant(moment: datetime) -> Timestamp:
    """An instant on the bus."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _appointment(told: pb.AppointmentSnapshot, apart: Mapping[str, Any]) -> Appointment:
    return Appointment(
        appointment_id=told.appointment_id,
        campaign_id=told.campaign_id,
        contact_id=told.contact_id,
        agent_id=told.agent_id,
        window=Window(_moment(told.start), _moment(told.end)),
        point=LatLng.from_key(apart["place"]),
        state=State(booking_pb2.AppointmentState.Name(told.state).removeprefix(_STATE)),
        version=told.version,
        operator_id=told.operator_id,
        note=apart["note"],
        created_at=_moment(told.created_at),
        updated_at=_moment(told.happened_at),
        cancel_note=apart["cancel_note"],
        outcome_state_id=told.outcome_state_id,
        characteristics=apart["characteristics"],
        refix_at=_moment(told.refix_at) if told.HasField("refix_at") else None,
        supersedes=told.supersedes or None,
        superseded_by=told.superseded_by or None,
        linked=told.linked,
        zone=told.zone,
        postcode=apart.get("postcode", ""),  # events of before have none
        arrival=_promised(told.arrival) if told.HasField("arrival") else None,
        promise=_promise(told.flexible) if told.HasField("flexible") else None,
    )


def _window(window: Window) -> travel_pb2.TimeWindow:
    return travel_pb2.TimeWindow(start=instant(window.start), end=instant(window.end))


def _flexible(promise: Promise) -> booking_pb2.FlexiblePromise:
    kind = booking_pb2.Promise.Value(f"{_PROMISE}{promise.kind}")
    return booking_pb2.FlexiblePromise(kind=kind, window=_window(promise.window), time_zone=promise.time_zone)


def _promise(told: booking_pb2.FlexiblePromise) -> Promise:
    kind = PromiseKind(booking_pb2.Promise.Name(told.kind).removeprefix(_PROMISE))
    return Promise(kind, _promised(told.window), told.time_zone)


def _promised(told: travel_pb2.TimeWindow) -> Window:
    return Window(_moment(told.start), _moment(told.end))


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
