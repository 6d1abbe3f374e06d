"""The one family of errors that may cross a service's border.

The rpc layer turns each class into its gRPC status with `google.rpc.ErrorInfo` (reason, domain "giro",
metadata) and, where fields are named, `google.rpc.BadRequest`. Anything else that escapes is INTERNAL, with
its details in the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import ClassVar


@unique
class Reason(StrEnum):
    """Why a call was refused; `giro.common.v1.ErrorReason` documents each value and its metadata."""

    INVALID_FIELD = "INVALID_FIELD"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    TOO_LARGE = "TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    BAD_CREDENTIALS = "BAD_CREDENTIALS"
    ROLE_REQUIRED = "ROLE_REQUIRED"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    REQUEST_IN_FLIGHT = "REQUEST_IN_FLIGHT"
    STALE_VERSION = "STALE_VERSION"
    CONTENTION = "CONTENTION"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    TRAVEL_UNAVAILABLE = "TRAVEL_UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    SANDBOX_OFF = "SANDBOX_OFF"
    LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR"
    LEAD_TIME = "LEAD_TIME"
    PACKAGE_FULL = "PACKAGE_FULL"
    CAMPAIGN_INACTIVE = "CAMPAIGN_INACTIVE"
    AGENT_NOT_IN_CAMPAIGN = "AGENT_NOT_IN_CAMPAIGN"
    NO_SKILL = "NO_SKILL"
    WRONG_STATE = "WRONG_STATE"
    CHANGE_IN_PROGRESS = "CHANGE_IN_PROGRESS"
    NOT_LATER = "NOT_LATER"
    SLOT_TOKEN_INVALID = "SLOT_TOKEN_INVALID"  # noqa: S105 - no secret
    SLOT_TOKEN_EXPIRED = "SLOT_TOKEN_EXPIRED"  # noqa: S105 - no secret
    SLOT_TOKEN_STALE = "SLOT_TOKEN_STALE"  # noqa: S105 - no secret
    SLOT_TAKEN = "SLOT_TAKEN"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    TRAVEL_IN = "TRAVEL_IN"
    TRAVEL_OUT = "TRAVEL_OUT"
    OUTSIDE_SHIFT = "OUTSIDE_SHIFT"
    ON_BREAK = "ON_BREAK"
    ABSENT = "ABSENT"
    UNREACHABLE = "UNREACHABLE"
    SETTLED = "SETTLED"
    CALENDAR_IN_USE = "CALENDAR_IN_USE"
    GAP_TOO_SHORT = "GAP_TOO_SHORT"
    OUTSIDE_WINDOWS = "OUTSIDE_WINDOWS"
    LEDGER_REFUSED = "LEDGER_REFUSED"
    SOLVER_UNAVAILABLE = "SOLVER_UNAVAILABLE"
    TRAVEL_LIMIT = "TRAVEL_LIMIT"
    SUPERSEDED = "SUPERSEDED"
    MANDATORY_MISSING = "MANDATORY_MISSING"
    FIELD_HIDDEN = "FIELD_HIDDEN"
    POLICY_CONTRADICTION = "POLICY_CONTRADICTION"
    PRESET = "PRESET"
    AGENTS_DISABLED = "AGENTS_DISABLED"
    NEEDS_PIN = "NEEDS_PIN"
    TOO_LATE = "TOO_LATE"
    AGENT_CONTACTED = "AGENT_CONTACTED"
    CONTACT_UNAVAILABLE = "CONTACT_UNAVAILABLE"
    DOCUMENT_REFUSED = "DOCUMENT_REFUSED"
    TOO_MANY = "TOO_MANY"
    OUTCOMES_DUE = "OUTCOMES_DUE"
    OUTSIDE_ZONE = "OUTSIDE_ZONE"
    QUOTA = "QUOTA"
    ZONE_IN_USE = "ZONE_IN_USE"
    NO_ROADS_FOR_MODE = "NO_ROADS_FOR_MODE"
    TRAVEL_MODE_IN_USE = "TRAVEL_MODE_IN_USE"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field at fault: its path as in `stops[2].place.lat`, and what is wrong with it."""

    field: str
    description: str


class GiroError(Exception):
    """A refusal that the caller may see.

    `field` is shorthand for one violation described by the message. Raise a subclass: it decides the status.
    """

    code: ClassVar[str] = "UNKNOWN"
    """Name of the gRPC status code."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, object] | None = None,
        field: str | None = None,
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = {key: str(value) for key, value in (metadata or {}).items()}
        named = () if field is None else (FieldViolation(field, message),)
        self.violations: tuple[FieldViolation, ...] = (*named, *violations)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class InvalidInput(GiroError):
    """The request itself is wrong, whatever the state: INVALID_ARGUMENT."""

    code = "INVALID_ARGUMENT"


class NotFound(GiroError):
    """Nothing of this id in the caller's tenant: NOT_FOUND."""

    code = "NOT_FOUND"


class AlreadyExists(GiroError):
    """Something with this id or natural key is there already: ALREADY_EXISTS."""

    code = "ALREADY_EXISTS"


class RuleViolated(GiroError):
    """The state of things forbids it: FAILED_PRECONDITION."""

    code = "FAILED_PRECONDITION"


class Conflict(GiroError):
    """Somebody else was faster or is still at it; the same call may succeed again: ABORTED."""

    code = "ABORTED"


class NotAllowed(GiroError):
    """Known, but not permitted: PERMISSION_DENIED. Never for another tenant's id, which is NotFound."""

    code = "PERMISSION_DENIED"


class Unauthenticated(GiroError):
    """Nobody knows who is calling: UNAUTHENTICATED."""

    code = "UNAUTHENTICATED"


class Exhausted(GiroError):
    """Too much or too often: RESOURCE_EXHAUSTED."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(GiroError):
    """Something that is needed does not answer, so the answer is no: UNAVAILABLE."""

    code = "UNAVAILABLE"


BY_CODE: Mapping[str, type[GiroError]] = {
    kind.code: kind
    for kind in (
        InvalidInput,
        NotFound,
        AlreadyExists,
        RuleViolated,
        Conflict,
        NotAllowed,
        Unauthenticated,
        Exhausted,
        Unavailable,
    )
}
"""The class of each gRPC status code's name, for clients that turn a status back into an error."""
