"""Messages of the contracts to values of the domain, and back.

What the contract's own rules cannot say is checked here: whole seconds, instants that exist, places. Every
error names the field as the caller wrote it.
"""

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.domain.agent import Agent
from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift, calendar, minutes, wall
from geo.domain.modes import TravelMode
from geo.domain.plan import Absence, Drive, Held, Plan, Reserved
from geo.domain.stop import NOWHERE, Leg, LinkedStop
from geo.domain.zones import plain_postcode
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, ledger_pb2
from kit.errors import InvalidInput, Reason
from kit.values.latlng import LatLng
from kit.values.window import Window

LONGEST_VISIT: Final = timedelta(hours=24)
LONGEST_BUFFER: Final = timedelta(hours=24)
LONGEST_ARRIVAL: Final = timedelta(hours=24)

_FIRST: Final = int(datetime(1971, 1, 1, tzinfo=UTC).timestamp())
_LAST: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())


def invalid(field: str, why: str) -> InvalidInput:
    """INVALID_ARGUMENT for one field."""
    return InvalidInput(Reason.INVALID_FIELD, why, field=field)


# --- in


def instant(stamp: Timestamp, field: str) -> datetime:
    """Raises InvalidInput for an instant with a fraction of a second, or outside the years 1971 to 2199."""
    if stamp.nanos:
        raise invalid(field, "must be whole seconds")
    if not _FIRST <= stamp.seconds < _LAST:
        raise invalid(field, "must be in the years 1971 to 2199")
    return datetime.fromtimestamp(stamp.seconds, UTC)


def span(duration: Duration, field: str) -> timedelta:
    """Raises InvalidInput for a duration with a fraction of a second, or a negative one."""
    if duration.nanos:
        raise invalid(field, "must be whole seconds")
    if not 0 <= duration.seconds <= 10**9:
        raise invalid(field, "must not be negative")
    return timedelta(seconds=duration.seconds)


def window(message: travel_pb2.TimeWindow, field: str, longest: timedelta) -> Window:
    """Raises InvalidInput for fractions of a second and for a window longer than `longest`."""
    start, end = instant(message.start, f"{field}.start"), instant(message.end, f"{field}.end")
    if end <= start:
        raise invalid(f"{field}.end", "must be after start")
    if end - start > longest:
        raise invalid(field, f"must be at most {longest}")
    return Window(start, end)


def place(point: travel_pb2.Point, field: str) -> int:
    """The key of a point. Raises InvalidInput for what is no point on earth."""
    try:
        return LatLng(point.latitude, point.longitude).key
    except ValueError as wrong:
        raise invalid(field, str(wrong)) from None


def plan(message: ledger_pb2.StopPlan) -> Plan:
    """What is asked of the ledger."""
    buffer = span(message.buffer, "plan.buffer")
    if buffer > LONGEST_BUFFER:
        raise invalid("plan.buffer", "must be at most 24 hours")
    when = window(message.window, "plan.window", LONGEST_VISIT)
    return Plan(
        message.agent_id,
        when,
        place(message.point, "plan.point"),
        int(buffer.total_seconds()),
        tuple(sorted(set(message.skills))),
        plain_postcode(message.postcode),
        _arrival(message.arrival, when.start) if message.HasField("arrival") else None,
    )


def _arrival(message: travel_pb2.TimeWindow, start: datetime) -> Window:
    promised = window(message, "plan.arrival", LONGEST_ARRIVAL)
    if not promised.start <= start <= promised.end:
        raise invalid("plan.arrival", "must hold the start of plan.window")
    return promised


def mode(value: travel_pb2.TravelMode.ValueType) -> TravelMode:
    """A way to travel; a car where nothing is said."""
    name = travel_pb2.TravelMode.Name(value).removeprefix("TRAVEL_MODE_")
    return TravelMode(name.lower()) if value else TravelMode.CAR


def mode_out(of: TravelMode) -> travel_pb2.TravelMode.ValueType:
    """A way to travel."""
    return travel_pb2.TravelMode.Value(f"TRAVEL_MODE_{of.name}")


def calendar_in(message: geo_pb2.Calendar) -> Calendar:
    """A checked calendar."""
    shifts = [_shift(shift, f"calendar.shifts[{index}]") for index, shift in enumerate(message.shifts)]
    breaks = [WeeklyBreak(rest.weekday, minutes(rest.start), minutes(rest.end)) for rest in message.breaks]
    return calendar(message.time_zone, shifts, breaks)


def _shift(message: geo_pb2.Shift, field: str) -> WeeklyShift:
    start_base = place(message.start_base, f"{field}.start_base") if message.HasField("start_base") else None
    end_base = place(message.end_base, f"{field}.end_base") if message.HasField("end_base") else None
    return WeeklyShift(message.weekday, minutes(message.start), minutes(message.end), start_base, end_base)


def page_after(token: str) -> str:
    """The id that a page begins after. Raises InvalidInput for a token that no page had."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise invalid("page_token", "is no token of a page") from None


# --- out


def page_token(after: str) -> str:
    """The token of the page after this id."""
    return base64.urlsafe_b64encode(after.encode()).decode()


def stamp(moment: datetime) -> Timestamp:
    """An instant."""
    return Timestamp(seconds=int(moment.timestamp()))


def seconds(amount: int) -> Duration:
    """A duration of whole seconds."""
    return Duration(seconds=amount)


def point(key: int) -> travel_pb2.Point | None:
    """A point; None for no place."""
    if key == NOWHERE:
        return None
    there = LatLng.from_key(key)
    return travel_pb2.Point(latitude=there.lat, longitude=there.lng)


def window_out(span_of_time: Window) -> travel_pb2.TimeWindow:
    """A window."""
    return travel_pb2.TimeWindow(start=stamp(span_of_time.start), end=stamp(span_of_time.end))


def leg(one: Leg, buffer: int) -> travel_pb2.Leg:
    """A drive with the buffer on top of it."""
    return travel_pb2.Leg(
        travel=seconds(one.seconds),
        metres=one.metres,
        source=travel_pb2.TravelSource.Value(f"TRAVEL_SOURCE_{one.source}"),
        version=one.version,
        via=one.via,
        buffer=seconds(buffer),
        from_point=point(one.from_place),
        to_point=point(one.to_place),
    )


def drive(one: Drive | None) -> travel_pb2.Leg | None:
    """A drive, or nothing."""
    return None if one is None else leg(one.leg, one.buffer)


def plan_out(one: Plan) -> ledger_pb2.StopPlan:
    """A plan."""
    return ledger_pb2.StopPlan(
        agent_id=one.agent_id,
        window=window_out(one.window),
        point=point(one.place),
        buffer=seconds(one.buffer),
        skills=one.skills,
        postcode=one.postcode,
        arrival=None if one.arrival is None else window_out(one.arrival),
    )


def held(one: Held) -> ledger_pb2.HeldStop:
    """A hold."""
    return ledger_pb2.HeldStop(
        hold_id=one.hold_id,
        plan=plan_out(one.plan),
        expires_at=stamp(one.expires_at),
        context=one.context,
        leg_before=drive(one.before),
        leg_after=drive(one.after),
    )


def reserved(one: Reserved) -> ledger_pb2.ReservedStop:
    """An appointment's stop."""
    return ledger_pb2.ReservedStop(
        appointment_id=one.appointment_id,
        plan=plan_out(one.plan),
        leg_before=drive(one.before),
        leg_after=drive(one.after),
    )


def agent(one: Agent) -> geo_pb2.Agent:
    """An agent with its calendar."""
    return geo_pb2.Agent(
        agent_id=one.agent_id,
        display_name=one.display_name,
        skills=one.skills,
        buffer=seconds(one.buffer),
        calendar=_calendar_out(one.calendar),
        zone_ids=one.zone_ids,
        travel_mode=mode_out(one.mode),
    )


def _calendar_out(one: Calendar) -> geo_pb2.Calendar:
    return geo_pb2.Calendar(
        time_zone=one.time_zone,
        shifts=[_shift_out(shift) for shift in one.shifts],
        breaks=[
            geo_pb2.Break(weekday=_weekday(rest.weekday), start=wall(rest.start), end=wall(rest.end))
            for rest in one.breaks
        ],
    )


def _shift_out(shift: WeeklyShift) -> geo_pb2.Shift:
    return geo_pb2.Shift(
        weekday=_weekday(shift.weekday),
        start=wall(shift.start),
        end=wall(shift.end),
        start_base=None if shift.start_base is None else point(shift.start_base),
        end_base=None if shift.end_base is None else point(shift.end_base),
    )


def _weekday(number: int) -> geo_pb2.Weekday.ValueType:
    return geo_pb2.Weekday.ValueType(number)


def absence(one: Absence) -> geo_pb2.Absence:
    """Blocked time."""
    return geo_pb2.Absence(
        absence_id=one.absence_id, agent_id=one.agent_id, window=window_out(one.window), note=one.note
    )


def stops(chain: Iterable[LinkedStop], *, owned: bool) -> list[geo_pb2.Stop]:
    """The stops of an itinerary; with their owners, places and legs, or only what is taken and when."""
    return [_stop(linked) if owned else _taken(linked) for linked in chain]


def _taken(linked: LinkedStop) -> geo_pb2.Stop:
    one = linked.stop
    kind = geo_pb2.StopKind.Value(f"STOP_KIND_{one.kind}")
    return geo_pb2.Stop(kind=kind, start=stamp(one.starts_at), end=stamp(one.ends_at))


def _stop(linked: LinkedStop) -> geo_pb2.Stop:
    one = linked.stop
    return geo_pb2.Stop(
        kind=geo_pb2.StopKind.Value(f"STOP_KIND_{one.kind}"),
        owner_id=one.owner_id or "",
        start=stamp(one.starts_at),
        end=stamp(one.ends_at),
        point=point(one.place),
        leg=None if linked.leg is None else leg(linked.leg, one.buffer),
        expires_at=None if one.expires_at is None else stamp(one.expires_at),
        arrival=None if one.arrival is None else window_out(one.arrival),
    )
