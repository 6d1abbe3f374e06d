"""Every refusal of booking, by name."""

from datetime import datetime, timedelta

from kit.errors import AlreadyExists, Conflict, InvalidInput, NotFound, Reason, RuleViolated


def not_found(resource: str, field: str) -> NotFound:
    """Nothing of this id in the tenant; `field` is the request's field that carries the id."""
    return NotFound(Reason.NOT_FOUND, f"no such {resource}", metadata={"resource": resource}, field=field)


def needs_pin(field: str) -> RuleViolated:
    """GEO-18: nobody knows well enough where the contact is; `field` names the contact."""
    message = "the contact's address is not sure enough: put a pin on it first (UpdateContact with point)"
    return RuleViolated(Reason.NEEDS_PIN, message, field=field)


def invalid(field: str, message: str) -> InvalidInput:
    """A field that breaks its rule."""
    return InvalidInput(Reason.INVALID_FIELD, message, field=field)


def lead_time(lead: timedelta, earliest: datetime, start: datetime) -> RuleViolated:
    """R-009: the start is nearer than the lead time allows; `earliest` is the first that is not, so many
    seconds after it."""
    seconds, short = int(lead.total_seconds()), int((earliest - start).total_seconds())
    metadata = {
        "lead_seconds": seconds,
        "earliest_start": earliest.isoformat(),
        "short_seconds": short,
    }
    message = f"it needs more than {seconds} s of lead; the earliest start is {metadata['earliest_start']}"
    return RuleViolated(Reason.LEAD_TIME, message, metadata=metadata)


def package_full(purchased: int, taken: int, cancelled_in_step: int) -> RuleViolated:
    """R-136: no unit of the package is left in this step."""
    metadata = {"purchased": purchased, "taken": taken, "cancelled_in_step": cancelled_in_step}
    message = (
        f"the campaign's package is used up: {taken} taken and {cancelled_in_step} cancelled of {purchased}"
    )
    return RuleViolated(Reason.PACKAGE_FULL, message, metadata=metadata)


def agent_not_in_campaign(agent_id: str, field: str | None = None) -> RuleViolated:
    """The agent does not work for this campaign, or is nobody of the tenant."""
    message = "the agent does not work for this campaign"
    return RuleViolated(Reason.AGENT_NOT_IN_CAMPAIGN, message, metadata={"agent_id": agent_id}, field=field)


def stale_version(current: int, resource: str = "appointment") -> Conflict:
    """BK-46: the caller saw another version than the current one."""
    message = f"the {resource} has changed: its version is {current}"
    return Conflict(Reason.STALE_VERSION, message, metadata={"current_version": current}, field="version")


def outside_promise(message: str, field: str) -> RuleViolated:
    """GEO-27: a plan may not do this to what a contact was promised."""
    return RuleViolated(Reason.OUTSIDE_WINDOWS, message, field=field)


def wrong_state(state: str) -> RuleViolated:
    """The state forbids the change."""
    return RuleViolated(Reason.WRONG_STATE, f"the appointment is {state}", metadata={"state": state})


def change_in_progress() -> Conflict:
    """A move of this appointment is not decided yet."""
    return Conflict(Reason.CHANGE_IN_PROGRESS, "another change of this appointment is under way; try again")


def date_overtaken() -> RuleViolated:
    """The visit has got another start since its agent named a date: which of the two counts is for people."""
    message = "the appointment was given another start after its agent had named this date"
    return RuleViolated(Reason.STALE_VERSION, message)


def not_later() -> InvalidInput:
    """R-011: postponing means a later start."""
    return InvalidInput(Reason.NOT_LATER, "must be later than the present start", field="start")


def slot_token_invalid() -> RuleViolated:
    """The token was not made by this system for this tenant."""
    return RuleViolated(Reason.SLOT_TOKEN_INVALID, "is no slot token of this tenant", field="slot_token")


def slot_token_expired(expired_at: datetime) -> RuleViolated:
    """The token is too old to act on; suggest again."""
    shown = expired_at.isoformat()
    message = f"expired at {shown}; ask for slots again"
    return RuleViolated(
        Reason.SLOT_TOKEN_EXPIRED, message, metadata={"expired_at": shown}, field="slot_token"
    )


def request_id_reused() -> InvalidInput:
    """Its claim is forgotten (they are kept 30 days), but what this request_id booked is still there."""
    message = "this request_id was used before"
    return InvalidInput(Reason.REQUEST_ID_REUSED, message, field="request_id")


def given_up(what: str) -> RuleViolated:
    """A change that nobody finished in time was settled as not made; its id cannot be used again."""
    message = f"the {what} was not finished in time and was given up; repeat it under a new request_id"
    return RuleViolated(Reason.SETTLED, message)


def superseded(by: str | None) -> RuleViolated:
    """R-059: a new card took the place of this one; `by` is told when the two are linked."""
    metadata = {"superseded_by": by} if by else None
    return RuleViolated(
        Reason.SUPERSEDED, "the card is read-only: a new one took its place", metadata=metadata
    )


def mandatory_missing(characteristic_id: str) -> InvalidInput:
    """R-075: the outcome cannot be saved without this characteristic."""
    return InvalidInput(
        Reason.MANDATORY_MISSING,
        f"the outcome needs a value of {characteristic_id}",
        metadata={"characteristic": characteristic_id},
        field=f"characteristics.{characteristic_id}",
    )


def preset(field: str, expected: str) -> RuleViolated:
    """R-048, R-054: the policy has decided this; another choice is not the caller's."""
    message = f"the policy sets {field} to {expected!r}"
    return RuleViolated(Reason.PRESET, message, metadata={"expected": expected}, field=field)


def refix_instead() -> RuleViolated:
    """R-030: the outcome's mode decides the card and its state, so a new start alone is refused."""
    message = "the outcome decides which card and which state a new start writes: use RefixAppointment"
    return RuleViolated(Reason.PRESET, message, metadata={"expected": "RefixAppointment"}, field="start")


def contradiction(codes: tuple[str, ...], messages: tuple[str, ...]) -> RuleViolated:
    """R-032: what is to be saved does not go together with the rest."""
    metadata = {"codes": ",".join(codes)}
    return RuleViolated(Reason.POLICY_CONTRADICTION, "; ".join(messages), metadata=metadata)


def field_hidden(field: str, name: str) -> InvalidInput:
    """R-061, R-076: the outcome state does not show what `field` of the request writes."""
    message = f"the outcome state does not show {name}"
    return InvalidInput(Reason.FIELD_HIDDEN, message, metadata={"characteristic": name}, field=field)


def too_late(what: str, closed_from: datetime) -> RuleViolated:
    """A deadline has passed; `closed_from` is the first instant after it."""
    shown = closed_from.isoformat()
    return RuleViolated(Reason.TOO_LATE, f"{what} since {shown}", metadata={"closed_from": shown})


def notice_too_short(notice_days: int) -> RuleViolated:
    """R-014: an unavailable day was told too late."""
    message = f"it has to be told {notice_days} days before; a supervisor may take it with an override_note"
    return RuleViolated(Reason.TOO_LATE, message, metadata={"notice_days": notice_days}, field="first_day")


def agent_contacted() -> RuleViolated:
    """R-008: the agent contacted the customer before the visit, so it cannot be disowned."""
    return RuleViolated(Reason.AGENT_CONTACTED, "the agent contacted the customer before the visit")


def claim_decided(state: str) -> RuleViolated:
    """The annulment claim was decided otherwise."""
    return RuleViolated(Reason.WRONG_STATE, f"the claim is {state}", metadata={"state": state})


def claim_exists() -> AlreadyExists:
    """One open or accepted claim an appointment."""
    message = "there is a claim for this appointment already"
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata={"resource": "annulment claim"})


def absent(agent_id: str) -> RuleViolated:
    """The agent cannot come on that day."""
    message = "the agent is noted as unavailable at that time"
    return RuleViolated(Reason.ABSENT, message, metadata={"agent_id": agent_id})


def contact_unavailable() -> RuleViolated:
    """The person to visit cannot be met on that day."""
    message = "the person to visit is noted as unavailable at that time"
    return RuleViolated(Reason.CONTACT_UNAVAILABLE, message)


def document_refused(cause: str, what: str) -> InvalidInput:
    """The bytes are of no type that is taken (TYPE), would unpack to far more (BOMB), or carry a VIRUS."""
    message = f"the document {what}"
    return InvalidInput(Reason.DOCUMENT_REFUSED, message, metadata={"cause": cause}, field="chunk")


def document_too_large(most: int) -> InvalidInput:
    """More bytes than a document may have."""
    message = f"the document has more than {most} bytes"
    return InvalidInput(Reason.TOO_LARGE, message, metadata={"limit_bytes": most}, field="chunk")


def upload_given_up() -> Conflict:
    """The bytes took so long to store that they were dropped as nobody's."""
    message = "the document took too long to store; send it again with the same request_id"
    return Conflict(Reason.CONTENTION, message)


def too_many_documents(limit: int) -> RuleViolated:
    """R-082: the appointment has as many documents, versions counted, as it may."""
    message = f"an appointment has at most {limit} documents, each version counted"
    return RuleViolated(Reason.TOO_MANY, message, metadata={"limit": limit})


def waits_already() -> AlreadyExists:
    """BK-43: one entry a person waits in a campaign."""
    message = "the contact is on this campaign's waiting list already"
    metadata = {"resource": "waitlist entry"}
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata=metadata, field="contact_id")


def being_accepted() -> Conflict:
    """What the entry was offered is being booked at this moment."""
    message = "the offer is being accepted; try again"
    return Conflict(Reason.CHANGE_IN_PROGRESS, message)


def offer_taken() -> AlreadyExists:
    """Somebody has accepted the offer before."""
    message = "the offer was accepted before"
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata={"resource": "acceptance"})


def offer_expired() -> RuleViolated:
    """The offer has expired, or was passed on."""
    return RuleViolated(Reason.HOLD_EXPIRED, "the offer has expired or was passed on")
