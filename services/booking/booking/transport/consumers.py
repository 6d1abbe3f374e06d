"""Events that booking listens to: its own, for recent changes (R-002), and the answers to reminders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from booking import events
from booking.domain.appointment import Colour
from booking.domain.recent_change import RecentChange
from booking.usecases.desk import Desk
from booking.usecases.feed_recent_changes import ToldOnce, feed_recent_changes
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.openings import Freed, anybody_waits, time_is_free
from booking.usecases.packages import tell_levels
from giro.booking.v1 import booking_events_pb2 as pb
from giro.reminders.v1 import reminders_events_pb2 as reminders_pb
from giro.reminders.v1 import reminders_pb2 as common_pb
from kit import subjects
from kit.bus.events import Event
from kit.db.claims import Claim
from kit.db.engine import Database
from kit.values.window import Window

RECENT_CHANGES: Final = "booking-recent-changes"
ANSWERS: Final = "booking-reminder-answers"
FREED_TIMES: Final = "booking-freed-times"
PACKAGE_LEVELS: Final = "booking-package-levels"
"""Names of the durable consumers."""

_SHOWN: Final[Mapping[str, tuple[str, Callable[[bytes], Any]]]] = {
    events.BOOKED: ("booked", pb.AppointmentBooked.FromString),
    events.CONFIRMED: ("confirmed", pb.AppointmentConfirmed.FromString),
    events.POSTPONED: ("postponed", pb.AppointmentPostponed.FromString),
    events.REASSIGNED: ("reassigned", pb.AppointmentReassigned.FromString),
    events.CANCELLED: ("cancelled", pb.AppointmentCancelled.FromString),
    events.OUTCOME_SET: ("outcome set", pb.AppointmentOutcomeSet.FromString),
    events.NOTED: ("noted", pb.AppointmentNoted.FromString),
    events.REFIXED: ("refixed", pb.AppointmentRefixed.FromString),
    events.SUPERSEDED: ("superseded", pb.AppointmentSuperseded.FromString),
}

COUNTING: Final = (*_SHOWN, events.FAILED)
"""Events after which a package may be fuller, or less full."""


FREEING: Final = (
    events.CANCELLED,
    events.SUPERSEDED,
    events.POSTPONED,
    events.REASSIGNED,
    events.REFIXED,
)
"""Events after which an agent's time may be free; a swap and a repair tell them of each appointment."""


class RecentChanges:
    """Handles each event once, whatever the order."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, event: Event) -> None:
        """Stores the change that an event tells. Raises for one that cannot be read: it is parked."""
        await self.together([event])

    async def together(self, told: Sequence[Event]) -> Sequence[Event]:
        """The same for many of a tenant, in one transaction."""
        changes = [change for event in told for change in _shown(event)]
        if changes:
            await feed_recent_changes(self._db, told[0].tenant, changes)
        return ()


class PackageLevels:
    """Tells how full a campaign's package is, after each event that counts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def __call__(self, event: Event) -> None:
        """Looks once for each event. Raises for one that cannot be read: it is parked."""
        await self.together([event])

    async def together(self, told: Sequence[Event]) -> Sequence[Event]:
        """Looks once for each campaign of many events of a tenant."""
        asked = [(campaign, event.claim) for event in told for campaign in _counted(event)]
        if asked:
            await tell_levels(self._db, told[0].tenant, asked)
        return ()


class FreedTimes:
    """Offers the time of what was cancelled, or moved away in any way, to who waits."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Looks once for each event. Raises for one that cannot be read: it is parked."""
        for freed in _freed(event):
            await time_is_free(self._desk, event.tenant, freed)

    async def together(self, told: Sequence[Event]) -> Sequence[Event]:
        """Those of many of a tenant whose time somebody may wait for, each to be looked at by itself."""
        campaigns = {event.id: {freed.campaign_id for freed in _freed(event)} for event in told}
        everywhere = frozenset[str]().union(*campaigns.values())
        waited_for = await anybody_waits(self._desk, told[0].tenant, everywhere)
        return [event for event in told if campaigns[event.id] & waited_for]


class ReminderAnswers:
    """Shows each colour, and acts on each answer, once (R-111, R-112, R-114)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, event: Event) -> None:
        """Hears one event. Raises for one that cannot be read: it is parked."""
        told = reminders_pb.AppointmentColoured.FromString(event.data)
        if not told.appointment_id:
            raise ValueError("the event names no appointment")
        answers = {common_pb.ANSWER_COMING: True, common_pb.ANSWER_NOT_COMING: False}
        colour = common_pb.Colour.Name(told.colour).removeprefix("COLOUR_")
        heard = Heard(
            appointment_id=told.appointment_id,
            start=told.start.ToDatetime(tzinfo=UTC),
            colour=None if colour == "UNSPECIFIED" else Colour(colour),
            coming=answers.get(told.answer),
            revision=told.revision,
            claim=event.claim,
        )
        await hear_answer(self._desk, event.tenant, heard)


def _shown(event: Event) -> Iterator[ToldOnce]:
    subject = subjects.parse(event.subject)
    shown = _SHOWN.get(subject.event) if subject else None
    if shown is not None:  # a failed booking never was an appointment
        yield ToldOnce(_change(event.id, shown[0], shown[1](event.data)), event.claim)


def _counted(event: Event) -> Iterator[str]:
    """The campaign, where the event counts."""
    subject = subjects.parse(event.subject)
    if subject is not None and subject.event == events.FAILED:
        campaign_id = pb.AppointmentFailed.FromString(event.data).campaign_id
    elif subject is not None and subject.event in _SHOWN:
        campaign_id = _SHOWN[subject.event][1](event.data).appointment.campaign_id
    else:
        return
    if not campaign_id:
        raise ValueError("the event names no campaign")
    yield campaign_id


def _freed(event: Event) -> Iterator[Freed]:
    subject = subjects.parse(event.subject)
    if subject is None or subject.event not in FREEING:
        return
    told = _SHOWN[subject.event][1](event.data)
    if not told.appointment.appointment_id:
        raise ValueError("the event names no appointment")
    stop_stays = subject.event not in {events.CANCELLED, events.SUPERSEDED}
    yield _was(told, event.claim, stop_stays=stop_stays)


def _was(told: Any, claim: Claim, *, stop_stays: bool) -> Freed:
    """Where the appointment was before the event, with its agent of then; its length stays."""
    now, fields = told.appointment, told.DESCRIPTOR.fields_by_name
    start = now.start.ToDatetime(tzinfo=UTC)
    length = now.end.ToDatetime(tzinfo=UTC) - start
    if "previous_start" in fields and told.HasField("previous_start"):
        start = told.previous_start.ToDatetime(tzinfo=UTC)
    agent_id = told.previous_agent_id if "previous_agent_id" in fields else ""
    return Freed(
        campaign_id=now.campaign_id,
        agent_id=agent_id or now.agent_id,
        window=Window(start, start + length),
        appointment_id="" if stop_stays else now.appointment_id,
        claim=claim,
    )


def _change(event_id: str, verb: str, told: Any) -> RecentChange:
    snapshot = told.appointment
    if not snapshot.appointment_id:
        raise ValueError("the event names no appointment")
    return RecentChange(
        event_id=event_id,
        change=verb,
        appointment_id=snapshot.appointment_id,
        campaign_id=snapshot.campaign_id,
        agent_id=snapshot.agent_id,
        start=snapshot.start.ToDatetime(tzinfo=UTC),
        version=snapshot.version,
        happened_at=_moment(told).ToDatetime(tzinfo=UTC),
    )


def _moment(told: Any) -> Any:
    """When it happened: a note is no change of the appointment, so it tells its own instant."""
    is_note = "noted_at" in told.DESCRIPTOR.fields_by_name and told.HasField("noted_at")
    return told.noted_at if is_note else told.appointment.happened_at
