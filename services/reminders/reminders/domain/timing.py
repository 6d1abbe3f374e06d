"""When a reminder is made: the one function that decides it, `decide` (R-115, R-116, R-117, R-121, R-131).

All calendar rules use the wall clock of one IANA zone. A wall time that occurs twice counts both times; one
that a change of the clocks leaves out is taken as the instant it would have been by the clocks before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from reminders.domain.parameters import Rules

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
AGAIN = timedelta(seconds=5)
"""From knowing that a call was never placed to trying again."""


class DropReason(StrEnum):
    """Why a reminder is not made (any more); shown to people."""

    AFTER_START = "AFTER_START"
    """It would be made at or after the start of the visit (R-121)."""
    QUIET_HOURS = "QUIET_HOURS"
    """Quiet hours leave no moment for it any more (R-115)."""
    TOO_LATE = "TOO_LATE"
    """Its moment has passed by more than a reminder may be late."""
    DAILY_LIMIT = "DAILY_LIMIT"
    """The organisation has made its calls of the day, and the next day is too late (R-128)."""
    NO_ADDRESS = "NO_ADDRESS"
    """The contact has neither number nor address for any channel of the ladder."""
    NO_CALLER_NUMBER = "NO_CALLER_NUMBER"
    """Neither the branch nor the organisation has an active number to call from (R-108, R-109)."""
    OPTED_OUT = "OPTED_OUT"
    """The number asked not to be called."""
    NO_MACHINE_DETECTION = "NO_MACHINE_DETECTION"
    """`answering_machine_detection` is on, and whoever carries the calls can't tell (R-148)."""
    UNSETTLED = "UNSETTLED"
    """Nobody could tell what became of a call before the visit began."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant (UTC) to make it at, and how it was found, one sentence a step."""

    at: datetime
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """It is not made, and why."""

    reason: DropReason
    path: tuple[str, ...]


def due_at(start: datetime, offset: timedelta, zone: ZoneInfo) -> datetime:
    """The instant `offset` before `start` (R-131), in UTC.

    Whole days are days of the calendar: one day before 10:00 is 10:00, also when the clocks change between.
    Anything else is elapsed time.
    """
    if offset % DAY:
        return start - offset
    wall = start.astimezone(zone).replace(tzinfo=None) - offset
    return next(_instants(wall, zone))


def decide(due: datetime, start: datetime, offset: timedelta, zone: ZoneInfo, rules: Rules) -> Moment | Drop:
    """When to make what is due at `due` for a visit at `start`; total, and idempotent on its own instant.

    Quiet hours move it forward to their end, or back to the last minute before them when the end is nearer
    to the visit than `forward_margin` (R-115). They do not hold for offsets up to `short_offset` (R-116),
    whose retries are exempt with them (R-117). Nothing is made at or after the start (R-121).
    """
    shown = _shown(due, zone)
    if due >= start:
        return Drop(DropReason.AFTER_START, (f"due {shown}: at or after the visit's start (R-121)",))
    if offset <= rules.short_offset:
        return Moment(due, (f"due {shown}: {offset} before is exempt from quiet hours (R-116)",))
    if not is_quiet(due, zone, rules):
        return Moment(due, (f"due {shown}: outside of quiet hours (R-115)",))
    return _moved(due, start, zone, rules)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the moments of one reminder depend on, besides the clock."""

    start: datetime
    offset: timedelta
    zone: ZoneInfo
    rules: Rules


def at_dial(planned: datetime, now: datetime, terms: Terms) -> Moment | Drop:
    """What to do `now` with what was planned for `planned`: make it (`at` is now), later, or not at all."""
    lateness, shown = terms.rules.lateness, _shown(planned, terms.zone)
    if now < planned:
        return Moment(planned, (f"planned for {shown}",))
    if now - planned > lateness and now < terms.start:
        return Drop(DropReason.TOO_LATE, (f"more than {lateness} after {shown}",))
    found = decide(now, terms.start, terms.offset, terms.zone, terms.rules)
    if isinstance(found, Moment) and found.at < now:
        return Drop(DropReason.QUIET_HOURS, (*found.path, "which has passed"))
    return found


def tried_again(since: datetime, now: datetime, terms: Terms) -> Moment | Drop:
    """When to try again what no provider has placed since it was first asked, at `since`.

    It is dropped once it is later than a reminder may be, and at the visit's start.
    """
    at = now + AGAIN
    if at - since > terms.rules.lateness:
        return Drop(DropReason.TOO_LATE, (f"never placed since {_shown(since, terms.zone)}",))
    if at >= terms.start:
        return Drop(DropReason.AFTER_START, ("never placed before the visit's start (R-121)",))
    return Moment(at, (f"never placed: tried again after {AGAIN}",))


def is_quiet(moment: datetime, zone: ZoneInfo, rules: Rules) -> bool:
    """Whether the wall clock shows a time in [quiet_from, quiet_until); equal ends mean no quiet hours."""
    wall = moment.astimezone(zone).time()
    begin, end = rules.quiet_from, rules.quiet_until
    if begin <= end:
        return begin <= wall < end
    return wall >= begin or wall < end


def before_quiet(last: datetime, now: datetime, zone: ZoneInfo, rules: Rules) -> datetime:
    """`last`, or the first instant after `now` at which quiet hours begin, when that is earlier.

    For what must not begin in quiet hours (R-115) though it takes its time; `now` is outside of them. They
    begin at full minutes, those that the clocks skip at the end of the skip.
    """
    minute = now.replace(second=0, microsecond=0) + MINUTE
    while minute < last:
        if is_quiet(minute, zone, rules):
            return minute
        minute += MINUTE
    return last


def _moved(due: datetime, start: datetime, zone: ZoneInfo, rules: Rules) -> Moment | Drop:
    shown = f"due {_shown(due, zone)}: in quiet hours (R-115)"
    forward = _next_end(due, zone, rules)
    if forward is not None and forward <= start - rules.forward_margin:
        return Moment(forward, (shown, f"forward to their end, {_shown(forward, zone)}"))
    late = f"their end is later than {rules.forward_margin} before the visit"
    backward = _last_before(due, zone, rules)
    if backward is None:
        return Drop(DropReason.QUIET_HOURS, (shown, late, "no moment before them either"))
    return Moment(backward, (shown, late, f"back to the last minute before them, {_shown(backward, zone)}"))


def _next_end(due: datetime, zone: ZoneInfo, rules: Rules) -> datetime | None:
    """The first instant from `due` on at which quiet hours have ended."""
    ends = _daily(rules.quiet_until, due.astimezone(zone).date(), (0, 1, 2), zone)
    return min((end for end in ends if end >= due and not is_quiet(end, zone, rules)), default=None)


def _last_before(due: datetime, zone: ZoneInfo, rules: Rules) -> datetime | None:
    """The last full minute before `due` that is not in quiet hours."""
    begins = _daily(rules.quiet_from, due.astimezone(zone).date(), (-2, -1, 0, 1), zone)
    lasts = (begin - MINUTE for begin in begins)
    return max((last for last in lasts if last < due and not is_quiet(last, zone, rules)), default=None)


def _daily(wall: time, day: date, days: tuple[int, ...], zone: ZoneInfo) -> Iterator[datetime]:
    for shift in days:
        yield from _instants(datetime.combine(day + shift * DAY, wall), zone)


def _instants(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of a wall time, the earlier first; equal unless the clocks change there."""
    for fold in (0, 1):
        yield wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
