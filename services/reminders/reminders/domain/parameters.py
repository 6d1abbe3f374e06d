"""The parameters of reminders: default, bounds, rule. System, tenant, branch, campaign: the nearest wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, TypeVar

from kit.errors import InvalidInput, Reason
from kit.parameters import Bounds, Effective, Parameter, Scope, resolve

T = TypeVar("T")

MOST_OFFSETS = 5
LEAST_OFFSET = timedelta(minutes=5)
LONGEST_OFFSET = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OffsetBounds(Bounds):
    """At most five different offsets, each of whole minutes between five minutes and thirty days."""

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, tuple)
            and len(value) <= MOST_OFFSETS
            and len(set(value)) == len(value)
            and all(LEAST_OFFSET <= each <= LONGEST_OFFSET and not each.seconds % 60 for each in value)
        )

    def __str__(self) -> str:
        return "of at most 5, all different, of whole minutes from 300 to 2592000"


class LadderBounds(Bounds):
    """Channels in the order in which they are tried, each at most once."""

    def __contains__(self, value: object) -> bool:
        rungs = str(value).split(",")
        return bool(value) and len(set(rungs)) == len(rungs) and set(rungs) <= CHANNELS

    def __str__(self) -> str:
        return "of VOICE, EMAIL and SMS, each at most once, joined by commas"


class LanguageBounds(Bounds):
    """A language that there are prompts for."""

    def __contains__(self, value: object) -> bool:
        return value in LANGUAGES

    def __str__(self) -> str:
        return "one of " + ", ".join(sorted(LANGUAGES))


CHANNELS = frozenset({"VOICE", "EMAIL", "SMS"})
LANGUAGES = frozenset({"lv", "ru", "it", "es", "en"})


def _span(name: str, minutes: float, about: tuple[str, str], bounds: Bounds) -> Parameter[timedelta]:
    description, rule = about
    return Parameter(name, timedelta, timedelta(minutes=minutes), description, rule, bounds, Scope.CAMPAIGN)


def _up_to(minutes: float, least: float = 0) -> Bounds:
    return Bounds(timedelta(minutes=least), timedelta(minutes=minutes))


OFFSETS: Parameter[tuple[timedelta, ...]] = Parameter(
    "reminder_offsets",
    tuple,
    (),
    "How long before a visit its reminders are made; none: no reminders (R-131).",
    "R-131",
    OffsetBounds(),
    Scope.CAMPAIGN,
)
BRANCH = Parameter(
    "reminder_branch",
    str,
    "",
    "Branch whose number and defaults a campaign's reminders use (R-108, R-132).",
    "R-108",
    narrowest=Scope.CAMPAIGN,
)
LANGUAGE = Parameter(
    "reminder_language",
    str,
    "en",
    "Language of reminders to contacts whose own is not known (R-107).",
    "R-107",
    LanguageBounds(),
    Scope.CAMPAIGN,
)
LADDER = Parameter(
    "reminder_ladder",
    str,
    "VOICE,EMAIL,SMS",
    "Channels of a reminder, each tried when the one before it has brought no answer (RE-15).",
    "RE-15",
    LadderBounds(),
    Scope.CAMPAIGN,
)
QUIET_FROM = Parameter(
    "quiet_from",
    time,
    time(23),
    "Wall time from which no reminder is made (R-115).",
    "R-115",
    narrowest=Scope.CAMPAIGN,
)
QUIET_UNTIL = Parameter(
    "quiet_until",
    time,
    time(9),
    "Wall time until which, itself excluded, no reminder is made; equal to quiet_from: no quiet hours.",
    "R-115",
    narrowest=Scope.CAMPAIGN,
)
FORWARD_MARGIN = _span(
    "quiet_forward_margin",
    60,
    ("Least time before the visit at which a reminder that quiet hours hold up is still moved on.", "R-115"),
    _up_to(24 * 60),
)
SHORT_OFFSET = _span(
    "short_offset",
    60,
    ("Offsets up to this are exempt from quiet hours and repeated at the short interval.", "R-116"),
    _up_to(24 * 60),
)
RETRIES = Parameter(
    "reminder_retries",
    int,
    2,
    "How often a call that brought no answer is repeated (R-118).",
    "R-118",
    Bounds(0, 2),
    Scope.CAMPAIGN,
)
RETRY_AFTER = _span(
    "retry_after", 30, ("Time from a call's end to its repetition (R-119).", "R-119"), _up_to(24 * 60, 1)
)
RETRY_AFTER_SHORT = _span(
    "retry_after_short",
    10,
    ("The same for offsets up to short_offset (R-120).", "R-120"),
    _up_to(24 * 60, 1),
)
LATENESS = _span(
    "reminder_lateness",
    120,
    ("How long after its moment a reminder that could not be made in time is still made.", "RE-14"),
    _up_to(24 * 60, 1),
)
RING = Parameter(
    "ring_time",
    timedelta,
    timedelta(seconds=30),
    "How long a call rings before it counts as unanswered.",
    "R-118",
    Bounds(timedelta(seconds=5), timedelta(seconds=120)),
    Scope.CAMPAIGN,
)
DAILY_LIMIT = Parameter(
    "daily_call_limit",
    int,
    50,
    "Calls that an organisation may place in one calendar day; every placed call counts (R-128).",
    "R-128",
    Bounds(0, 10_000_000),
    Scope.TENANT,
)
ALERT_EMAIL = Parameter(
    "alert_email",
    str,
    "",
    "Address that is told of wrong numbers (R-122) and, once a day, of the daily limit (R-130).",
    "R-130",
    narrowest=Scope.CAMPAIGN,
)
CALLED_AS = Parameter(
    "called_as",
    str,
    "",
    "Name of the organisation as contacts are told it; needed before anything is made.",
    "R-113",
    narrowest=Scope.CAMPAIGN,
)
CHARGE_ONCE = Parameter(
    "charge_once",
    bool,
    default=False,
    description="Whether only the first answered call of a reminder is charged.",
    rule="R-147",
    narrowest=Scope.CAMPAIGN,
)
MACHINE_DETECTION = Parameter(
    "answering_machine_detection",
    bool,
    default=False,
    description="Whether a call that an answering machine takes counts as not answered, and is free (R-148).",
    rule="R-148",
    narrowest=Scope.CAMPAIGN,
)
OPT_OUT = Parameter(
    "opt_out_key",
    bool,
    default=True,
    description="Whether calls offer key 9, which stops all calls to that number (RE-18).",
    rule="RE-18",
    narrowest=Scope.TENANT,
)

DEFINITIONS: Mapping[str, Parameter[Any]] = {
    parameter.name: parameter
    for parameter in (
        OFFSETS,
        BRANCH,
        LANGUAGE,
        LADDER,
        QUIET_FROM,
        QUIET_UNTIL,
        FORWARD_MARGIN,
        SHORT_OFFSET,
        RETRIES,
        RETRY_AFTER,
        RETRY_AFTER_SHORT,
        LATENESS,
        RING,
        DAILY_LIMIT,
        ALERT_EMAIL,
        CALLED_AS,
        CHARGE_ONCE,
        MACHINE_DETECTION,
        OPT_OUT,
    )
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The values that count for one campaign's reminders."""

    offsets: tuple[timedelta, ...] = OFFSETS.default
    branch_id: str = BRANCH.default
    language: str = LANGUAGE.default
    ladder: tuple[str, ...] = tuple(LADDER.default.split(","))
    quiet_from: time = QUIET_FROM.default
    quiet_until: time = QUIET_UNTIL.default
    forward_margin: timedelta = FORWARD_MARGIN.default
    short_offset: timedelta = SHORT_OFFSET.default
    retries: int = RETRIES.default
    retry_after: timedelta = RETRY_AFTER.default
    retry_after_short: timedelta = RETRY_AFTER_SHORT.default
    lateness: timedelta = LATENESS.default
    ring: timedelta = RING.default
    daily_limit: int = DAILY_LIMIT.default
    alert_email: str = ALERT_EMAIL.default
    called_as: str = CALLED_AS.default
    charge_once: bool = CHARGE_ONCE.default
    machine_detection: bool = MACHINE_DETECTION.default
    opt_out_key: bool = OPT_OUT.default


@dataclass(frozen=True, slots=True)
class Settings:
    """JSON texts that a tenant has set, by name, then by scope and its id (the tenant's is empty)."""

    texts: Mapping[str, Mapping[tuple[Scope, str], str]]

    def effective(
        self, parameter: Parameter[T], campaign_id: str, branch_id: str | None = None
    ) -> Effective[T]:
        """The value that counts in a campaign of a branch, and where it comes from.

        Without a branch it is the campaign's own (R-132).
        """
        branch = self.branch_of(campaign_id) if branch_id is None else branch_id
        wanted = {(Scope.TENANT, ""), (Scope.BRANCH, branch or " "), (Scope.CAMPAIGN, campaign_id or " ")}
        set_texts = self.texts.get(parameter.name, {})
        return resolve(parameter, {key[0]: text for key, text in set_texts.items() if key in wanted})

    def branch_of(self, campaign_id: str) -> str:
        """The branch that a campaign's reminders belong to; empty: none."""
        texts = self.texts.get(BRANCH.name, {})
        keys = ((Scope.TENANT, ""), (Scope.CAMPAIGN, campaign_id))
        return resolve(BRANCH, {key[0]: texts[key] for key in keys if key in texts}).value

    def rules(self, campaign_id: str) -> Rules:
        """All values together."""

        def value(parameter: Parameter[T]) -> T:
            return self.effective(parameter, campaign_id).value

        return Rules(
            offsets=value(OFFSETS),
            branch_id=self.branch_of(campaign_id),
            language=value(LANGUAGE),
            ladder=tuple(value(LADDER).split(",")),
            quiet_from=value(QUIET_FROM),
            quiet_until=value(QUIET_UNTIL),
            forward_margin=value(FORWARD_MARGIN),
            short_offset=value(SHORT_OFFSET),
            retries=value(RETRIES),
            retry_after=value(RETRY_AFTER),
            retry_after_short=value(RETRY_AFTER_SHORT),
            lateness=value(LATENESS),
            ring=value(RING),
            daily_limit=value(DAILY_LIMIT),
            alert_email=value(ALERT_EMAIL),
            called_as=value(CALLED_AS),
            charge_once=value(CHARGE_ONCE),
            machine_detection=value(MACHINE_DETECTION),
            opt_out_key=value(OPT_OUT),
        )


def definition(name: str) -> Parameter[Any]:
    """The parameter of this name. Raises InvalidInput naming `name`."""
    found = DEFINITIONS.get(name)
    if found is None:
        known = ", ".join(sorted(DEFINITIONS))
        raise InvalidInput(Reason.INVALID_FIELD, f"is none of {known}", field="name")
    return found


def checked_offsets(offsets: tuple[timedelta, ...], field: str) -> tuple[timedelta, ...]:
    """The offsets, longest first. Raises InvalidInput naming `field`."""
    if offsets not in OFFSETS.bounds:
        raise InvalidInput(Reason.INVALID_FIELD, f"takes a list {OFFSETS.bounds} seconds", field=field)
    return tuple(sorted(offsets, reverse=True))
