"""The domain's values as messages of the contract."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain import itinerary
from booking.domain.appointment import Appointment, Card, Colour, State
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact
from booking.domain.parameters import Shown
from booking.domain.promise import Promise
from booking.domain.recent_change import RecentChange
from booking.usecases.detour_calendar import Month
from booking.usecases.ports import Explanation
from booking.usecases.suggest_slots import Suggestions
from giro.booking.v1 import booking_pb2 as pb
from giro.common.v1 import travel_pb2
from kit.values.latlng import LatLng
from kit.values.window import Window

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def campaign(found: Campaign) -> pb.Campaign:
    """A campaign with its counters."""
    return pb.Campaign(
        campaign_id=found.campaign_id,
        display_name=found.display_name,
        purchased=found.package.purchased,
        taken=found.package.taken,
        to_confirm=found.package.to_confirm,
        cancelled_in_step=found.package.cancelled_in_step,
        agent_ids=found.agent_ids,
        skills=found.skills,
        time_zone=found.time_zone,
        buffer=_duration(found.buffer),
    )


def contact(found: Contact) -> pb.Contact:
    """A person to visit."""
    return pb.Contact(
        contact_id=found.contact_id,
        display_name=found.display_name,
        phone=found.phone,
        address=found.address,
        point=None if found.point is None else _point(found.point),
        campaign_id=found.campaign_id,
        email=found.email,
        language=found.language,
        zone=found.zone,
        postcode=found.postcode,
        place=pb.ContactPlace.Value(f"CONTACT_PLACE_{found.placed_by}"),
        version=found.version,
    )


def card(found: Card) -> pb.Appointment:
    """An appointment with its legs."""
    message = appointment(found.appointment)
    if found.leg_before is not None:
        message.leg_before.CopyFrom(leg(found.leg_before))
    if found.leg_after is not None:
        message.leg_after.CopyFrom(leg(found.leg_after))
    return message


def appointment(found: Appointment) -> pb.Appointment:
    """An appointment without legs, as lists show it; the link between two cards where it is shown (R-052)."""
    locked = found.state is State.SUPERSEDED
    return pb.Appointment(
        appointment_id=found.appointment_id,
        campaign_id=found.campaign_id,
        contact_id=found.contact_id,
        agent_id=found.agent_id,
        start=timestamp(found.window.start),
        end=timestamp(found.window.end),
        point=_point(found.point),
        state=_state(found.state),
        version=found.version,
        operator_id=found.operator_id,
        note=found.note,
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
        reminder_colour=_colour(found.colour),
        locked=locked,
        card_colour=pb.CARD_COLOUR_LIGHT_BLUE if locked else pb.CARD_COLOUR_UNSPECIFIED,
        outcome_state_id=found.outcome_state_id,
        supersedes=(found.supersedes or "") if found.linked else "",
        superseded_by=(found.superseded_by or "") if found.linked else "",
        zone=found.zone,
        arrival=_window(found.arrival),
        flexible=None if found.promise is None else _flexible(found.promise),
    )


def _flexible(found: Promise) -> pb.FlexiblePromise:
    kind = pb.Promise.Value(f"PROMISE_{found.kind}")
    return pb.FlexiblePromise(kind=kind, window=_window(found.window), time_zone=found.time_zone)


@cache
def _state(state: State) -> pb.AppointmentState.ValueType:
    return pb.AppointmentState.Value(f"APPOINTMENT_STATE_{state}")


@cache
def _colour(colour: Colour | None) -> pb.ReminderColour.ValueType:
    return pb.ReminderColour.Value(f"REMINDER_COLOUR_{colour or 'UNSPECIFIED'}")


def hold(found: itinerary.Hold) -> pb.Hold:
    """A kept slot."""
    message = pb.Hold(
        hold_id=found.hold_id,
        campaign_id=found.campaign_id,
        agent_id=found.plan.agent_id,
        start=timestamp(found.plan.window.start),
        end=timestamp(found.plan.window.end),
        expires_at=timestamp(found.expires_at),
        arrival=_window(found.plan.arrival),
    )
    if found.leg_before is not None:
        message.leg_before.CopyFrom(leg(found.leg_before))
    if found.leg_after is not None:
        message.leg_after.CopyFrom(leg(found.leg_after))
    return message


def suggestions(made: Suggestions, *, explain: bool) -> pb.SuggestSlotsResponse:
    """Slots with their tokens; why there are none, where that is the package's doing and was asked for."""
    found = made.found
    message = pb.SuggestSlotsResponse(
        refused=found.refused if explain and not made.hidden else (),
        refused_truncated=found.refused_truncated,
        travel_version=found.travel_version,
        estimated_travel=found.estimated,
        next_page_token=made.next_page_token,
        incomplete=found.incomplete,
    )
    for slot, token in zip(found.slots, made.tokens, strict=True):
        message.slots.add(anatomy=_veiled(slot.anatomy) if made.hidden else slot.anatomy, slot_token=token)
    if made.closed is not None and explain:
        message.refused.add(gap=_whole(made), reason=made.closed.reason.value)
    if explain and made.hidden:
        message.refused.extend(_reasons(made))
    elif explain:
        for left in made.left_out:
            away = travel_pb2.TimeWindow(start=timestamp(left.window.start), end=timestamp(left.window.end))
            message.refused.add(agent_id=left.agent_id, gap=away, reason=left.reason)
    return message


def _veiled(anatomy: travel_pb2.SlotAnatomy) -> travel_pb2.SlotAnatomy:
    """When the visit is, how good it is and how much room it has, without anything of the agent (GEO-09)."""
    return travel_pb2.SlotAnatomy(
        start=anatomy.start,
        end=anatomy.end,
        added_travel=anatomy.added_travel,
        slack=anatomy.slack,
        grade=anatomy.grade,
    )


def _reasons(made: Suggestions) -> list[travel_pb2.RefusedGap]:
    """The reasons, each once with the least seconds missing: gaps would tell agents' agendas."""
    told = [(gap.reason, gap.short_seconds) for gap in made.found.refused]
    told += [(left.reason, 0) for left in made.left_out]
    gaps = []
    for reason in sorted({reason for reason, _ in told}):
        least = min((short for one, short in told if one == reason and short), default=None)
        gaps.append(travel_pb2.RefusedGap(gap=_whole(made), reason=reason, short_seconds=least))
    return gaps


def _whole(made: Suggestions) -> travel_pb2.TimeWindow:
    return travel_pb2.TimeWindow(start=timestamp(made.windows[0].start), end=timestamp(made.windows[-1].end))


def detour_month(made: Month) -> pb.GetDetourCalendarResponse:
    """The days with their tokens, or why there are none."""
    message = pb.GetDetourCalendarResponse(
        closed_reason="" if made.closed is None else made.closed.reason.value,
        travel_version=made.found.travel_version,
        estimated_travel=made.found.estimated,
        incomplete=made.found.incomplete,
    )
    for detour, token in zip(made.found.detours, made.tokens, strict=True):
        message.days.add(
            day=made.days[detour.window].isoformat(),
            agent_id="" if made.hidden else detour.agent_id,
            added_travel=Duration(seconds=detour.added_travel),
            grade=detour.grade,
            start=Timestamp(seconds=detour.start),
            slot_token=token,
        )
    return message


def explanation(found: Explanation) -> pb.ExplainSlotResponse:
    """Reasons and changes."""
    message = pb.ExplainSlotResponse(incomplete=found.incomplete)
    for ground in found.grounds:
        message.grounds.add(reason=ground.reason, short_seconds=ground.short_seconds)
    for change in found.changes:
        message.changes.add(
            kind=change.kind,
            by=_duration(change.by),
            start=timestamp(change.start),
            agent_id=change.agent_id,
            appointment_id=change.appointment_id,
        )
    return message


def recent_change(found: RecentChange) -> pb.RecentChange:
    """One line of the feed."""
    return pb.RecentChange(
        event_id=found.event_id,
        change=found.change,
        appointment_id=found.appointment_id,
        campaign_id=found.campaign_id,
        agent_id=found.agent_id,
        start=timestamp(found.start),
        version=found.version,
        happened_at=timestamp(found.happened_at),
    )


def parameter(found: Shown) -> pb.EffectiveParameter:
    """A parameter in text."""
    return pb.EffectiveParameter(
        name=found.name,
        value=found.value,
        source=found.source.name,
        description=found.description,
        code=found.code,
    )


def timestamp(moment: datetime) -> Timestamp:
    """An instant on the wire."""
    since = moment - _EPOCH  # ten times as fast as FromDatetime, and lists have four a row
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def leg(found: itinerary.Leg) -> travel_pb2.Leg:
    """A drive."""
    return travel_pb2.Leg(
        travel=_duration(found.travel),
        metres=found.metres,
        source=travel_pb2.TravelSource.Value(f"TRAVEL_SOURCE_{found.source}"),
        version=found.version,
        via=found.via,
        buffer=_duration(found.buffer),
        from_point=None if found.from_point is None else _point(found.from_point),
        to_point=None if found.to_point is None else _point(found.to_point),
    )


def _window(window: Window | None) -> travel_pb2.TimeWindow | None:
    if window is None:
        return None
    return travel_pb2.TimeWindow(start=timestamp(window.start), end=timestamp(window.end))


def _point(point: LatLng) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=point.lat, longitude=point.lng)


def _duration(length: timedelta) -> Duration:
    return Duration(seconds=int(length.total_seconds()))
