"""Everything that booking publishes, on `giro.evt.<tenant>.booking.v1.<event>`, in order per appointment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import Message

from booking.domain.annulment import AgentContact, AnnulmentClaim
from booking.domain.appointment import Appointment, Change, MoveKind, State
from booking.domain.contact import Contact, FieldChange
from booking.domain.document import Document
from booking.domain.outcomes import Result
from booking.domain.package import Level, Package
from booking.domain.refix import OperatorRecall
from booking.domain.replay import Happened, Paint
from booking.domain.unavailability import Unavailability
from booking.domain.waitlist import Entry, Offer
from booking.events.kept import ToldChange
from booking.events.kept import instant as _instant
from booking.events.kept import snapshot as _snapshot
from giro.booking.v1 import annulment_events_pb2 as annulment_pb
from giro.booking.v1 import booking_events_pb2 as pb
from giro.booking.v1 import booking_pb2, outcomes_pb2
from giro.booking.v1 import contact_events_pb2 as contact_pb
from giro.booking.v1 import document_events_pb2 as document_pb
from giro.booking.v1 import package_events_pb2 as package_pb
from giro.booking.v1 import unavailability_events_pb2 as away_pb
from giro.booking.v1 import waitlist_events_pb2 as waitlist_pb
from kit.db.uow import Tx

BOOKED = Happened.BOOKED.value
CONFIRMED = Happened.CONFIRMED.value
POSTPONED = Happened.POSTPONED.value
REASSIGNED = Happened.REASSIGNED.value
CANCELLED = Happened.CANCELLED.value
FAILED = "appointment_failed"
OUTCOME_SET = Happened.OUTCOME_SET.value
NOTED = "appointment_noted"
ANNULMENT_CLAIMED = "annulment_claimed"
ANNULMENT_DECIDED = "annulment_decided"
AGENT_CONTACTED = "agent_contacted"
UNAVAILABILITY_SET = "unavailability_set"
UNAVAILABILITY_WITHDRAWN = "unavailability_withdrawn"
WAITLIST_OFFERED = "waitlist_offered"
DOCUMENT_ADDED = "document_added"
PACKAGE_RENEWED = "package_renewed"
PACKAGE_RECOVERED = "package_recovered"
CONTACT_UPDATED = "contact_updated"
REFIXED = Happened.REFIXED.value
SUPERSEDED = Happened.SUPERSEDED.value
RECALL_CREATED = "recall_created"
RECALL_RELEASED = "recall_released"
RECALL_CLOSED = "recall_closed"
REFIX_EXCEPTION_RAISED = "refix_exception_raised"


def booked(tx: Tx, appointment: Appointment) -> ToldChange:
    """TO_CONFIRM, with its stop."""
    message = pb.AppointmentBooked(appointment=_snapshot(appointment))
    return _told(tx, Happened.BOOKED, appointment, message)


def confirmed(tx: Tx, appointment: Appointment) -> ToldChange:
    """Confirmed."""
    message = pb.AppointmentConfirmed(appointment=_snapshot(appointment))
    return _told(tx, Happened.CONFIRMED, appointment, message)


def moved(tx: Tx, kind: MoveKind, change: Change) -> ToldChange:
    """Postponed or reassigned."""
    return postponed(tx, change) if kind is MoveKind.POSTPONE else reassigned(tx, change)


def postponed(tx: Tx, change: Change) -> ToldChange:
    """To a later start."""
    message = pb.AppointmentPostponed(
        appointment=_snapshot(change.after), previous_start=_instant(change.before.window.start)
    )
    return _told(tx, Happened.POSTPONED, change.after, message)


def reassigned(tx: Tx, change: Change) -> ToldChange:
    """To another agent, perhaps at another start."""
    message = pb.AppointmentReassigned(
        appointment=_snapshot(change.after),
        previous_agent_id=change.before.agent_id,
        previous_start=_instant(change.before.window.start),
    )
    return _told(tx, Happened.REASSIGNED, change.after, message, change.before)


def cancelled(tx: Tx, appointment: Appointment) -> ToldChange:
    """Cancelled; geo frees the stop on it."""
    message = pb.AppointmentCancelled(appointment=_snapshot(appointment))
    return _told(tx, Happened.CANCELLED, appointment, message)


def colour_changed(tx: Tx, appointment: Appointment, paint: Paint) -> ToldChange:
    """What reminders brought is shown otherwise."""
    message = pb.AppointmentColourChanged(
        appointment=_snapshot(appointment),
        colour=booking_pb2.ReminderColour.Value(f"REMINDER_COLOUR_{paint.colour or 'UNSPECIFIED'}"),
        start=_instant(paint.start),
    )
    return _told(tx, Happened.COLOUR_CHANGED, appointment, message)


def failed(tx: Tx, appointment_id: str, campaign_id: str) -> None:
    """A booking was given up; geo frees what was taken for it and refuses the id from then on."""
    message = pb.AppointmentFailed(appointment_id=appointment_id, campaign_id=campaign_id)
    tx.emit(FAILED, appointment_id, message)


def outcome_set(tx: Tx, appointment: Appointment, result: Result, corrects: str = "") -> ToldChange:
    """What became of the visit; `corrects` is the outcome state that was wrong."""
    message = pb.AppointmentOutcomeSet(
        appointment=_snapshot(appointment),
        state_id=appointment.outcome_state_id,
        held=appointment.state is State.HELD,
        result=outcomes_pb2.VisitResult.Value(f"VISIT_RESULT_{result}"),
        corrected_state_id=corrects,
    )
    return _told(tx, Happened.OUTCOME_SET, appointment, message)


def noted(tx: Tx, appointment: Appointment, at: datetime) -> None:
    """A note was added, which makes no version."""
    message = pb.AppointmentNoted(appointment=_snapshot(appointment), noted_at=_instant(at))
    tx.emit(NOTED, appointment.appointment_id, message)


def annulment_claimed(tx: Tx, claim: AnnulmentClaim) -> None:
    """Somebody claims that an appointment is annulled."""
    message = annulment_pb.AnnulmentClaimed(claim=_claim(claim))
    tx.emit(ANNULMENT_CLAIMED, claim.appointment_id, message)


def annulment_decided(tx: Tx, claim: AnnulmentClaim) -> None:
    """Accepted or rejected."""
    message = annulment_pb.AnnulmentDecided(claim=_claim(claim))
    tx.emit(ANNULMENT_DECIDED, claim.appointment_id, message)


def contact_updated(tx: Tx, contact: Contact, changes: Sequence[FieldChange]) -> None:
    """Somebody corrected the person's data; the names of the fields alone are told."""
    message = contact_pb.ContactUpdated(
        contact_id=contact.contact_id,
        campaign_id=contact.campaign_id,
        version=contact.version,
        fields=[each.field for each in changes],
    )
    tx.emit(CONTACT_UPDATED, contact.contact_id, message)


def agent_contacted(tx: Tx, contact: AgentContact, appointment: Appointment) -> None:
    """The agent spoke with the contact before the visit."""
    message = annulment_pb.AgentContacted(
        agent_contact_id=contact.agent_contact_id,
        appointment_id=appointment.appointment_id,
        campaign_id=appointment.campaign_id,
        agent_id=appointment.agent_id,
        channel=contact.channel.value,
        contacted_at=_instant(contact.contacted_at),
    )
    tx.emit(AGENT_CONTACTED, appointment.appointment_id, message)


def unavailability_set(tx: Tx, noted: Unavailability) -> None:
    """An agent, or a contact, cannot come on some days."""
    message = away_pb.UnavailabilitySet(unavailability=_unavailability(noted))
    tx.emit(UNAVAILABILITY_SET, noted.agent_id or noted.contact_id, message)


def unavailability_withdrawn(tx: Tx, noted: Unavailability) -> None:
    """The note counts no more."""
    message = away_pb.UnavailabilityWithdrawn(unavailability=_unavailability(noted))
    tx.emit(UNAVAILABILITY_WITHDRAWN, noted.agent_id or noted.contact_id, message)


def _unavailability(noted: Unavailability) -> away_pb.UnavailabilitySnapshot:
    window = noted.days.window
    return away_pb.UnavailabilitySnapshot(
        unavailability_id=noted.unavailability_id,
        agent_id=noted.agent_id,
        contact_id=noted.contact_id,
        start=_instant(window.start),
        end=_instant(window.end),
        overridden=bool(noted.overridden_by),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says of a package."""

    campaign_id: str
    package: Package
    level: Level
    revision: int


def package_level(tx: Tx, told: Told) -> None:
    """How full a package is, when that has changed."""
    make = _LEVELS[told.level]
    tx.emit(f"package_{told.level.lower()}", told.campaign_id, make(package=_package(told)))


def package_renewed(tx: Tx, told: Told, units: int) -> None:
    """Another tranche was bought."""
    message = package_pb.PackageRenewed(package=_package(told), units=units)
    tx.emit(PACKAGE_RENEWED, told.campaign_id, message)


def package_recovered(tx: Tx, told: Told, units: int) -> None:
    """Some cancelled ones may be made up now."""
    message = package_pb.PackageRecovered(package=_package(told), units=units)
    tx.emit(PACKAGE_RECOVERED, told.campaign_id, message)


_LEVELS = {
    Level.OPEN: package_pb.PackageOpen,
    Level.NEARLY_FULL: package_pb.PackageNearlyFull,
    Level.FULL: package_pb.PackageFull,
}


def _package(told: Told) -> package_pb.PackageSnapshot:
    return package_pb.PackageSnapshot(
        campaign_id=told.campaign_id,
        revision=told.revision,
        purchased=told.package.purchased,
        taken=told.package.taken,
        left=told.package.left,
        step=told.package.step,
        level=told.level.value,
    )


def document_added(tx: Tx, document: Document, campaign_id: str) -> None:
    """A document, or a new version of one, is kept."""
    message = document_pb.DocumentAdded(
        appointment_id=document.appointment_id,
        campaign_id=campaign_id,
        document_id=document.document_id,
        version=document.version,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
    )
    tx.emit(DOCUMENT_ADDED, document.appointment_id, message)


def waitlist_offered(tx: Tx, offer: Offer, entry: Entry) -> None:
    """Somebody is to be told of an offer."""
    message = waitlist_pb.WaitlistOffered(
        offer_id=offer.offer_id,
        campaign_id=entry.campaign_id,
        contact_id=entry.contact_id,
        start=_instant(offer.window.start),
        expires_at=_instant(offer.expires_at),
    )
    tx.emit(WAITLIST_OFFERED, entry.entry_id, message)


def _claim(claim: AnnulmentClaim) -> annulment_pb.AnnulmentSnapshot:
    return annulment_pb.AnnulmentSnapshot(
        claim_id=claim.claim_id,
        appointment_id=claim.appointment_id,
        campaign_id=claim.campaign_id,
        agent_id=claim.agent_id,
        reason=claim.reason.value,
        state=claim.state.value,
        received_at=_instant(claim.received_at),
    )


def refixed(tx: Tx, change: Change, mode_id: str) -> ToldChange:
    """The same card has a new start."""
    message = pb.AppointmentRefixed(
        appointment=_snapshot(change.after),
        previous_start=_instant(change.before.window.start),
        previous_agent_id=change.before.agent_id,
        mode_id=mode_id,
    )
    return _told(tx, Happened.REFIXED, change.after, message, change.before)


def superseded(tx: Tx, appointment: Appointment) -> ToldChange:
    """A new card took its place; geo frees the stop on it."""
    message = pb.AppointmentSuperseded(
        appointment=_snapshot(appointment), superseded_by=appointment.superseded_by or ""
    )
    return _told(tx, Happened.SUPERSEDED, appointment, message)


def recall_created(tx: Tx, recall: OperatorRecall) -> None:
    """An operator owes a customer a call."""
    _recall(tx, RECALL_CREATED, recall)


def recall_released(tx: Tx, recall: OperatorRecall) -> None:
    """A private recall is everybody's now."""
    _recall(tx, RECALL_RELEASED, recall)


def recall_closed(tx: Tx, recall: OperatorRecall) -> None:
    """Nobody has to call any more."""
    _recall(tx, RECALL_CLOSED, recall)


def refix_exception(tx: Tx, exception_id: str, appointment_id: str, reason: str) -> None:
    """A procedure could not do what an agent asked for."""
    message = pb.RefixExceptionRaised(exception_id=exception_id, appointment_id=appointment_id, reason=reason)
    tx.emit(REFIX_EXCEPTION_RAISED, appointment_id, message)


def _recall(tx: Tx, event: str, recall: OperatorRecall) -> None:
    message = pb.RecallChanged(
        recall_id=recall.recall_id,
        appointment_id=recall.appointment_id,
        campaign_id=recall.campaign_id,
        contact_id=recall.contact_id,
        operator_id=recall.operator_id,
        private=recall.private,
        due_at=_instant(recall.due_at),
        open=recall.open,
    )
    tx.emit(event, recall.appointment_id, message)


def _told(
    tx: Tx,
    happened: Happened,
    appointment: Appointment,
    message: Message,
    before: Appointment | None = None,
) -> ToldChange:
    event_id = tx.emit(happened.value, appointment.appointment_id, message)
    return ToldChange(event_id, happened, tx.events[-1].payload, appointment, before)
