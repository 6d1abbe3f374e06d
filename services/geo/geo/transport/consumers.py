"""Events of other services that free agents' time, one by one and many at once (ADR 0042)."""

from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from geo.usecases.ledger import Ledger
from geo.usecases.settle_each import GivenUp, settle_each
from geo.usecases.settle_stop import settle_stop
from giro.booking.v1 import booking_events_pb2 as booking
from kit import subjects
from kit.bus.events import Event

DURABLE: Final = "geo_settles_booking"
STREAM: Final = subjects.stream("booking")
SUBJECTS: Final[Sequence[str]] = (
    subjects.evt("*", "booking", "appointment_cancelled"),
    subjects.evt("*", "booking", "appointment_failed"),
    subjects.evt("*", "booking", "appointment_superseded"),
)


def _cancelled(data: bytes) -> str:
    return booking.AppointmentCancelled.FromString(data).appointment.appointment_id


def _superseded(data: bytes) -> str:
    return booking.AppointmentSuperseded.FromString(data).appointment.appointment_id


def _failed(data: bytes) -> str:
    return booking.AppointmentFailed.FromString(data).appointment_id


_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    "appointment_cancelled": _cancelled,
    "appointment_failed": _failed,
    "appointment_superseded": _superseded,
}


class SettlesBooking:
    """Frees the stops of appointments that their owner has given up.

    Settling twice is settling once: the tombstone is what a repetition, in whatever order, finds.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def __call__(self, event: Event) -> None:
        """Frees the stop of one. Raises for an event that cannot be read, or that names what is no
        appointment: it is parked."""
        await settle_stop(self._ledger, event.tenant, _given_up(event))

    async def together(self, told: Sequence[Event]) -> Sequence[Event]:
        """The same for many of a tenant, in one transaction. What cannot be read is left, as is what the use
        case leaves."""
        found, left = {}, []
        for event in told:
            try:
                found[_given_up(event)] = event
            except DecodeError:
                left.append(event)
        given_up = [GivenUp(name, event.traceparent, event.request_id) for name, event in found.items()]
        alone = await settle_each(self._ledger, told[0].tenant, given_up)
        return [*left, *(found[name] for name in alone)]


def _given_up(event: Event) -> str:
    """The appointment. Raises DecodeError for an event that names none."""
    appointment_id = _READERS[event.subject.rpartition(".")[2]](event.data)
    if not appointment_id:
        raise DecodeError("the event names no appointment")
    return appointment_id
