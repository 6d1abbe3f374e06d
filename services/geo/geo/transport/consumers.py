"""Events of other services that free an agent's time."""

from collections.abc import Callable, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from geo.usecases.ledger import Ledger
from geo.usecases.settle_stop import settle_stop
from giro.booking.v1 import booking_events_pb2 as booking
from kit.bus import subjects
from kit.bus.consumer import Handler
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


def settles_booking(ledger: Ledger) -> Handler:
    """Frees the stop of an appointment that its owner has given up.

    Settling twice is settling once: the tombstone is what a repetition, in whatever order, finds.
    """

    async def handle(event: Event) -> None:
        appointment_id = _READERS[event.subject.rpartition(".")[2]](event.data)
        if not appointment_id:
            raise DecodeError("the event names no appointment")
        await settle_stop(ledger, event.tenant, appointment_id)

    return handle
