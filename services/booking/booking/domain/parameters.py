"""The parameters of booking: default, bounds, rule. SYSTEM to TENANT, CAMPAIGN, USER: the nearest wins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from booking.domain import errors, refix_parameters
from kit.errors import InvalidInput
from kit.parameters import Bounds, Effective, Parameter, Scope, resolve


def _span(name: str, default: timedelta, description: str, rule: str, bounds: Bounds) -> Parameter[timedelta]:
    return Parameter(name, timedelta, default, description, rule, bounds, Scope.CAMPAIGN)


LEAD_TIME = _span(
    "lead_time",
    timedelta(hours=36),
    "Elapsed time that a new appointment's start has to be away, more than this (R-009).",
    "R-009",
    Bounds(timedelta(0), timedelta(days=60)),
)
POSTPONE_RESPECTS_LEAD_TIME = Parameter(
    "postpone_respects_lead_time",
    bool,
    default=False,
    description="Whether the new start of a postponement obeys the lead time too (R-011).",
    rule="R-011",
    narrowest=Scope.CAMPAIGN,
)
SLOT_TOKEN_TTL = _span(
    "slot_token_ttl",
    timedelta(minutes=30),
    "How long a suggested slot may be held or booked with its token.",
    "R-189",
    Bounds(timedelta(minutes=1), timedelta(hours=24)),
)
HOLD_TTL = _span(
    "hold_ttl",
    timedelta(minutes=5),
    "How long a slot is kept when the call to hold it names no time.",
    "R-189",
    Bounds(timedelta(seconds=1), timedelta(minutes=15)),
)
SLOT_GRANULARITY = _span(
    "slot_granularity",
    timedelta(minutes=5),
    "Suggested starts lie on multiples of this after the full hour; 0s means any second.",
    "R-189",
    Bounds(timedelta(0), timedelta(hours=1)),
)
GRADE_IDEAL_UP_TO = _span(
    "grade_ideal_up_to",
    timedelta(minutes=10),
    "Added travel up to which a slot is graded IDEAL.",
    "R-189",
    Bounds(timedelta(0), timedelta(hours=24)),
)
GRADE_OK_UP_TO = _span(
    "grade_ok_up_to",
    timedelta(minutes=30),
    "Added travel up to which a slot is graded OK; beyond it is POOR.",
    "R-189",
    Bounds(timedelta(0), timedelta(hours=24)),
)

ARRIVAL_WINDOW = _span(
    "arrival_window",
    timedelta(0),
    "How long after the fixed start a visit may still begin, as the customer is promised; 0s: the exact start"
    " (BK-39). Whatever is moved within it, and plans of the day, keep to it; a time outside of it that"
    " the customer asks for is promised anew.",
    "R-189",
    Bounds(timedelta(0), timedelta(hours=12)),
)
POSTPONE_UP_TO = _span(
    "postpone_up_to",
    timedelta(hours=2),
    "How far a neighbouring appointment may be postponed (R-011) in what is proposed to open a start.",
    "R-011",
    Bounds(timedelta(0), timedelta(hours=12)),
)
REVEAL_AGENT = Parameter(
    "reveal_agent",
    bool,
    default=True,
    description="Whether operators, partners and customers learn which agent comes, in any answer.",
    rule="R-189",
    narrowest=Scope.CAMPAIGN,
)
DECLINE_CANCELS = Parameter(
    "decline_cancels",
    bool,
    default=True,
    description="Whether an appointment is cancelled, and its time free, once declined by key 2 (R-112).",
    rule="R-112",
    narrowest=Scope.CAMPAIGN,
)

CONFIRM_ON_WORKING_DAYS = Parameter(
    "confirm_on_working_days",
    bool,
    default=False,
    description="Whether appointments are confirmed on the working day before theirs, as Monday's on Friday,"
    " instead of the calendar day before (R-007).",
    rule="R-007",
    narrowest=Scope.CAMPAIGN,
)

ANNULMENT_DEADLINE_DAYS = Parameter(
    "annulment_deadline_days",
    int,
    default=2,
    description="Until the end of which calendar day annulment is claimed, counted from the visit's:"
    " 2 is two days after it, -2 two days before (R-012).",
    rule="R-012",
    bounds=Bounds(-60, 60),
    narrowest=Scope.CAMPAIGN,
)
UNAVAILABILITY_NOTICE_DAYS = Parameter(
    "unavailability_notice_days",
    int,
    default=8,
    description="How many calendar days before it an unavailable day has to be told (R-014).",
    rule="R-014",
    bounds=Bounds(0, 365),
    narrowest=Scope.CAMPAIGN,
)

NEARLY_FULL_PERCENT = Parameter(
    "nearly_full_percent",
    int,
    default=90,
    description="From which used share of a package on renewal is advised, if few are left too (R-137).",
    rule="R-137",
    bounds=Bounds(1, 100),
    narrowest=Scope.CAMPAIGN,
)
NEARLY_FULL_LEFT = Parameter(
    "nearly_full_left",
    int,
    default=20,
    description="At how many left of a package renewal is advised, if the share is reached too (R-137).",
    rule="R-137",
    bounds=Bounds(1, 1_000_000),
    narrowest=Scope.CAMPAIGN,
)
RECOVERY_A_DAY = Parameter(
    "recovery_a_day",
    int,
    default=2,
    description="How many cancelled appointments of a campaign may be made up a day, at the end of a step"
    " (R-138).",
    rule="R-138",
    bounds=Bounds(0, 1000),
    narrowest=Scope.CAMPAIGN,
)

DOCUMENT_LIMIT = Parameter(
    "document_limit",
    int,
    default=10,
    description="Most documents of an appointment, each version counted (R-082).",
    rule="R-082",
    bounds=Bounds(1, 100),
    narrowest=Scope.CAMPAIGN,
)
DOCUMENT_MOST_BYTES = Parameter(
    "document_most_bytes",
    int,
    default=20 * 1024 * 1024,
    description="Most bytes of one document (R-082).",
    rule="R-082",
    bounds=Bounds(1024, 100 * 1024 * 1024),
    narrowest=Scope.CAMPAIGN,
)

OFFER_TTL = _span(
    "offer_ttl",
    timedelta(minutes=10),
    "How long a time that became free is kept for who was offered it.",
    "R-189",
    Bounds(timedelta(seconds=30), timedelta(minutes=15)),
)
OUTCOMES_DUE_DAYS = Parameter(
    "outcomes_due_days",
    int,
    default=0,
    description="After how many days without an outcome of a past visit its agent gets no suggestions;"
    " 0: never (R-081).",
    rule="R-081",
    bounds=Bounds(0, 365),
    narrowest=Scope.CAMPAIGN,
)

_ALL: tuple[Parameter[Any], ...] = (
    LEAD_TIME,
    POSTPONE_RESPECTS_LEAD_TIME,
    SLOT_TOKEN_TTL,
    HOLD_TTL,
    SLOT_GRANULARITY,
    GRADE_IDEAL_UP_TO,
    GRADE_OK_UP_TO,
    ARRIVAL_WINDOW,
    POSTPONE_UP_TO,
    REVEAL_AGENT,
    DECLINE_CANCELS,
    CONFIRM_ON_WORKING_DAYS,
    ANNULMENT_DEADLINE_DAYS,
    UNAVAILABILITY_NOTICE_DAYS,
    NEARLY_FULL_PERCENT,
    NEARLY_FULL_LEFT,
    RECOVERY_A_DAY,
    OUTCOMES_DUE_DAYS,
    OFFER_TTL,
    DOCUMENT_LIMIT,
    DOCUMENT_MOST_BYTES,
    *refix_parameters.ALL,
)

DEFINITIONS: Mapping[str, Parameter[Any]] = {parameter.name: parameter for parameter in _ALL}

Values = Mapping[str, Mapping[Scope, str]]
"""JSON texts that were set, by name and scope."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A parameter as one scope sees it, in text."""

    name: str
    value: str
    source: Scope
    description: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values that count in one scope."""

    values: Values

    def __getitem__(self, parameter: Parameter[Any]) -> Any:
        return self.effective(parameter).value

    def effective(self, parameter: Parameter[Any]) -> Effective[Any]:
        """The value and where it comes from."""
        return resolve(parameter, self.values.get(parameter.name, {}))

    @property
    def lead_time(self) -> timedelta:
        """R-009."""
        value: timedelta = self[LEAD_TIME]
        return value

    @property
    def slot_token_ttl(self) -> timedelta:
        """How long a slot token may be acted on."""
        value: timedelta = self[SLOT_TOKEN_TTL]
        return value

    @property
    def hold_ttl(self) -> timedelta:
        """How long a hold lasts by default."""
        value: timedelta = self[HOLD_TTL]
        return value

    @property
    def lead_time_of_postponement(self) -> timedelta | None:
        """The lead time that a postponement has to keep; None: none (R-011)."""
        return self.lead_time if self[POSTPONE_RESPECTS_LEAD_TIME] else None

    def show(self, parameter: Parameter[Any]) -> Shown:
        """The parameter in text."""
        found = self.effective(parameter)
        source = Scope.SYSTEM if found.source is None else found.source
        value, code = _to_text(parameter, found.value), refix_parameters.code_of(parameter.name)
        return Shown(parameter.name, value, source, parameter.description, code)


def definition(name: str) -> Parameter[Any]:
    """The parameter of this name, or of this code (R-029). Raises NotFound naming `name`."""
    found = DEFINITIONS.get(refix_parameters.spoken(name))
    if found is None:
        raise errors.not_found("parameter", "name")
    return found


def stored(parameter: Parameter[Any], text: str) -> str:
    """The JSON to store for a value in text ("129600s", "true", "12"). Raises InvalidInput naming `value`."""
    raw = text.removesuffix("s") if parameter.type is timedelta else text
    if parameter.type is timedelta and not text.endswith("s"):
        raise errors.invalid("value", f'{text!r} is no duration such as "129600s"')
    if parameter.type is str:
        raw = json.dumps(text)
    if parameter.type is bool:
        raw = refix_parameters.YES_NO.get(text.strip().upper(), text)
    try:
        return parameter.text(parameter.parse(raw))
    except (InvalidInput, OverflowError) as refused:
        message = refused.message if isinstance(refused, InvalidInput) else "is too large"
        raise errors.invalid("value", message) from None


def require_consistent(parameters: Parameters) -> None:
    """Raises InvalidInput naming `value` when two parameters contradict each other."""
    if parameters[GRADE_IDEAL_UP_TO] > parameters[GRADE_OK_UP_TO]:
        raise errors.invalid("value", "grade_ideal_up_to must not be longer than grade_ok_up_to")


def _to_text(parameter: Parameter[Any], value: Any) -> str:
    if isinstance(value, str):
        return value
    raw = parameter.text(value)
    return f"{raw}s" if parameter.type is timedelta else raw
