"""Fields of requests as values of the domain, or an error that names the field."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from booking.domain import errors
from booking.domain.appointment import State
from giro.booking.v1.booking_pb2 import AppointmentState
from giro.common.v1.travel_pb2 import Point, TimeWindow
from kit.db.claims import Claim
from kit.values.days import YEARS
from kit.values.latlng import LatLng
from kit.values.window import Window

_EARLIEST: Final = int(datetime(YEARS.start, 1, 1, tzinfo=UTC).timestamp())
_LATEST: Final = int(datetime(YEARS.stop, 1, 1, tzinfo=UTC).timestamp())


def instant(stamp: Timestamp, field: str) -> datetime:
    """An instant in whole seconds. Raises InvalidInput for finer ones and for years out of 1971 to 2199."""
    if stamp.nanos:
        raise errors.invalid(field, "must be in whole seconds")
    if not _EARLIEST <= stamp.seconds < _LATEST:
        raise errors.invalid(field, f"must be between the years {YEARS[0]} and {YEARS[-1]}")
    return datetime.fromtimestamp(stamp.seconds, UTC)


def states(numbers: Iterable[AppointmentState.ValueType]) -> Sequence[State]:
    """The states, which the contract has checked to be those of what is listed."""
    return [State(AppointmentState.Name(number).removeprefix("APPOINTMENT_STATE_")) for number in numbers]


def span(duration: Duration, field: str) -> timedelta:
    """A length in whole seconds; the contract has checked its bounds. Raises InvalidInput for finer ones."""
    if duration.nanos:
        raise errors.invalid(field, "must be in whole seconds")
    return timedelta(seconds=duration.seconds)


def window(message: TimeWindow, field: str) -> Window:
    """A window whose end is after its start. Raises InvalidInput."""
    start = instant(message.start, f"{field}.start")
    end = instant(message.end, f"{field}.end")
    if end <= start:
        raise errors.invalid(f"{field}.end", "must be after start")
    return Window(start, end)


def point(message: Point) -> LatLng:
    """A place; the contract has checked that it is on earth."""
    return LatLng(message.latitude, message.longitude)


def claim(request: Message, request_id: str) -> Claim:
    """The claim of a request: its own id, and which RPC it is with which body."""
    body = request.DESCRIPTOR.full_name.encode() + b"\0" + request.SerializeToString(deterministic=True)
    return Claim(f"req:{request_id}", body)
