"""Events that reminders listens to: booking's, which plans follow, and its own: letters, opt-outs, drops."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from giro.booking.v1 import booking_events_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1.contact_events_pb2 import ContactUpdated
from giro.reminders.v1 import reminders_events_pb2 as own
from kit import subjects
from kit.bus.events import Event
from reminders import events
from reminders.domain import errors
from reminders.domain.reminder import Visit
from reminders.domain.timing import DropReason
from reminders.usecases.desk import Desk
from reminders.usecases.follow_appointment import (
    Told,
    follow_appointments,
    follow_contact,
    follow_drop,
)
from reminders.usecases.opt_out import drop_calls
from reminders.usecases.write_letters import Occasion, write_of_limit, write_of_wrong_number

APPOINTMENTS: Final = "reminders-appointments"
LETTERS: Final = "reminders-letters"
OPT_OUTS: Final = "reminders-opt-outs"
DROPS: Final = "reminders-drops"
"""Names of the durable consumers."""

WRITTEN_OF: Final = (events.LIMIT_REACHED, events.WRONG_NUMBER)
"""Our own events that letters are written of."""

_CANCELLED: Final = "appointment_cancelled"
_SUPERSEDED: Final = "appointment_superseded"
_OUTCOME_SET: Final = "appointment_outcome_set"
_CONTACT_UPDATED: Final = "contact_updated"
_ADDRESSES: Final = frozenset({"phone", "email"})
_ENDS: Final = frozenset({_CANCELLED, _SUPERSEDED})

_TOLD: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "appointment_booked": booking.AppointmentBooked.FromString,
    "appointment_confirmed": booking.AppointmentConfirmed.FromString,
    "appointment_postponed": booking.AppointmentPostponed.FromString,
    "appointment_reassigned": booking.AppointmentReassigned.FromString,
    "appointment_refixed": booking.AppointmentRefixed.FromString,
    _OUTCOME_SET: booking.AppointmentOutcomeSet.FromString,
    _CANCELLED: booking.AppointmentCancelled.FromString,
    _SUPERSEDED: booking.AppointmentSuperseded.FromString,
}


class Appointments:
    """Plans follow the appointment, whatever the order and the repetition of its events, and how its contact
    can be reached."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Follows one event. Raises for one that cannot be read, or whose appointment booking does not know:
        it is parked."""
        if await self.together([event]):
            raise errors.not_found("appointment", "appointment_id")

    async def together(self, told: Sequence[Event]) -> Sequence[Event]:
        """Follows events of different appointments of a tenant at once; those of which booking does not know
        the appointment are left."""
        for event in told:
            if contact_id := _reached_anew(event):
                await follow_contact(self._desk, event.tenant, contact_id)
        found = [(event, each) for event in told for each in _followed(event)]
        unknown: Collection[str] = ()
        if found:
            unknown = await follow_appointments(self._desk, told[0].tenant, [each for _, each in found])
        return [event for event, each in found if each.visit.appointment_id in unknown]


class Letters:
    """Writes to the organisation itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Writes of one event, once."""
        subject = subjects.parse(event.subject)
        name = subject.event if subject else ""
        if name == events.LIMIT_REACHED:
            await self._limit(event, own.DailyLimitReached.FromString(event.data))
        elif name == events.WRONG_NUMBER:
            await self._wrong_number(event, own.WrongNumber.FromString(event.data))

    async def _limit(self, event: Event, told: own.DailyLimitReached) -> None:
        occasion = Occasion(event.id, told.campaign_id, event.claim)
        day = datetime.fromisoformat(told.day).replace(tzinfo=UTC)
        await write_of_limit(self._desk, event.tenant, occasion, day, told.limit)

    async def _wrong_number(self, event: Event, told: own.WrongNumber) -> None:
        occasion = Occasion(event.id, told.campaign_id, event.claim)
        await write_of_wrong_number(self._desk, event.tenant, occasion, told.appointment_id)


class OptOuts:
    """Drops what is planned to a number that is not to be called any more."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Obeys one event; as often as it comes."""
        await drop_calls(self._desk, event.tenant, own.OptedOut.FromString(event.data).opt_out_id)


class Drops:
    """Looks once more after what was dropped for want of an address, which may have been told meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Looks after one drop; as often as it comes. Raises Unavailable when booking does not answer."""
        told = own.ReminderDropped.FromString(event.data)
        if told.reason == DropReason.NO_ADDRESS:
            await follow_drop(self._desk, event.tenant, told.appointment_id)


def _reached_anew(event: Event) -> str:
    """Whose number or address changed; nobody's for any other event."""
    subject = subjects.parse(event.subject)
    if subject is None or subject.event != _CONTACT_UPDATED:
        return ""
    told = ContactUpdated.FromString(event.data)
    return told.contact_id if _ADDRESSES.intersection(told.fields) else ""


def _followed(event: Event) -> Iterator[Told]:
    subject = subjects.parse(event.subject)
    name = subject.event if subject else ""
    read = _TOLD.get(name)
    if read is None:
        return  # a failed booking never was an appointment
    told = read(event.data)
    ends = name in _ENDS or (name == _OUTCOME_SET and _is_over(told))
    yield Told(_visit(told.appointment), ends, event.claim, event.traceparent, event.request_id)


def _is_over(told: booking.AppointmentOutcomeSet) -> bool:
    """Whether the visit took place, or fell through and will not at this start."""
    return told.held or told.result == outcomes.VISIT_RESULT_KO


def _visit(snapshot: booking.AppointmentSnapshot) -> Visit:
    if not snapshot.appointment_id:
        raise ValueError("the event names no appointment")
    return Visit(
        appointment_id=snapshot.appointment_id,
        version=snapshot.version,
        campaign_id=snapshot.campaign_id,
        contact_id=snapshot.contact_id,
        start=snapshot.start.ToDatetime(tzinfo=UTC),
        zone="UTC",
    )
