"""Claims that an appointment is annulled, until a signed deadline: before or after the visit (R-012)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from booking.domain import errors
from booking.domain.appointment import Appointment
from kit.values.days import DAY, day_start


class AnnulmentReason(StrEnum):
    """Why; equal to giro.booking.v1.AnnulmentReason. Not having seen the appointment is none (R-017)."""

    DISOWNED = "DISOWNED"
    NOT_HELD = "NOT_HELD"
    WRONG_DETAILS = "WRONG_DETAILS"
    OUT_OF_TARGET = "OUT_OF_TARGET"
    DUPLICATE = "DUPLICATE"


class ClaimChannel(StrEnum):
    """How a claim arrived, in writing (R-013)."""

    PORTAL = "PORTAL"
    EMAIL = "EMAIL"


class ClaimState(StrEnum):
    """What became of it."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class ContactChannel(StrEnum):
    """How an agent contacted a customer."""

    CALL = "CALL"
    MESSAGE = "MESSAGE"
    IN_PERSON = "IN_PERSON"


@dataclass(frozen=True, slots=True)
class AgentContact:
    """A contact of the agent with the customer before the visit (R-008)."""

    agent_contact_id: str
    appointment_id: str
    channel: ContactChannel
    contacted_at: datetime
    note: str
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AnnulmentClaim:
    """A claim; `received_at` is the stamp that decides (R-013), `closes_at` the first late instant."""

    claim_id: str
    appointment_id: str
    campaign_id: str
    agent_id: str
    reason: AnnulmentReason
    note: str
    channel: ClaimChannel
    received_at: datetime
    closes_at: datetime
    claimed_by: str
    state: ClaimState = ClaimState.OPEN
    decided_by: str = ""
    decision_note: str = ""
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the appointment is annulled, by whom and why."""

    accepted: bool
    decided_by: str
    note: str


def closes_at(start: datetime, deadline_days: int, zone: ZoneInfo) -> datetime:
    """The end of the day that lies so many calendar days after the visit's; before it, for a negative number.

    Whole days of the zone, so that a change of its clocks moves the instant and not the day.
    """
    last = start.astimezone(zone).date() + deadline_days * DAY
    return day_start(last + DAY, zone)


def require_claimable(
    received_at: datetime, closed_from: datetime, reason: AnnulmentReason, contacted: bool
) -> None:
    """Raises TOO_LATE at the deadline and after it, AGENT_CONTACTED for disowning after a contact."""
    if received_at >= closed_from:
        raise errors.too_late("claims for this appointment are closed", closed_from)
    if reason is AnnulmentReason.DISOWNED and contacted:
        raise errors.agent_contacted()


def require_contact_time(appointment: Appointment, contacted_at: datetime, now: datetime) -> None:
    """Raises InvalidInput naming `contacted_at`; TOO_LATE once the visit has begun."""
    start = appointment.window.start
    if now >= start:
        raise errors.too_late("the visit has begun", start)
    if contacted_at > now:
        raise errors.invalid("contacted_at", "must not be later than now")
    if contacted_at < appointment.created_at.replace(microsecond=0):
        raise errors.invalid("contacted_at", "must not be before the appointment was booked")


def decide(claim: AnnulmentClaim, decision: Decision, now: datetime) -> AnnulmentClaim | None:
    """The decided claim; None when it was decided so already. Raises WRONG_STATE when otherwise."""
    wanted = ClaimState.ACCEPTED if decision.accepted else ClaimState.REJECTED
    if claim.state is wanted:
        return None
    if claim.state is not ClaimState.OPEN:
        raise errors.claim_decided(claim.state)
    return replace(
        claim, state=wanted, decided_by=decision.decided_by, decision_note=decision.note, decided_at=now
    )
