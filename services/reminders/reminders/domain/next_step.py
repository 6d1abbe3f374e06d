"""What follows an attempt: a repetition by the table, the next channel of the ladder, or the end.

R-118 to R-122, RE-15.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from reminders.domain.parameters import Rules
from reminders.domain.reminder import Channel, Outcome, Visit
from reminders.domain.timing import Drop, Moment, decide


class Ending(StrEnum):
    """How an attempt ended; all but SENT as in `usecases.ports.CallEnding`."""

    ANSWERED = "ANSWERED"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    WRONG_NUMBER = "WRONG_NUMBER"
    FAILED = "FAILED"
    MACHINE = "MACHINE"
    """A machine took it: not answered, and free (R-148)."""
    SENT = "SENT"


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that ended without an answer about attendance. `rings`: calls made, this one included."""

    channel: Channel
    ending: Ending
    rings: int
    ended_at: datetime
    offset: timedelta


@dataclass(frozen=True, slots=True)
class Repeat:
    """Make another attempt at `at`, on `channel`."""

    at: datetime
    channel: Channel
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing more is done."""

    outcome: Outcome
    path: tuple[str, ...]


def interval(offset: timedelta, rules: Rules) -> timedelta:
    """From a call's end to its repetition: 30 minutes, or 10 for offsets up to an hour (R-119, R-120)."""
    return rules.retry_after_short if offset <= rules.short_offset else rules.retry_after


def after(tried: Tried, visit: Visit, rules: Rules) -> Repeat | Finish:
    """What follows a call without answer, or a message."""
    if tried.channel is Channel.VOICE and tried.ending is not Ending.WRONG_NUMBER:
        again = _repetition(tried, visit, rules)
        if isinstance(again, Repeat):
            return again
        return _next_rung(tried, visit, rules, again)
    return _next_rung(tried, visit, rules, (f"{tried.ending}: not repeated (R-122)",))


def _repetition(tried: Tried, visit: Visit, rules: Rules) -> Repeat | tuple[str, ...]:
    if tried.rings > rules.retries:
        return (f"call {tried.rings} was the last: {rules.retries} repetitions at most (R-118)",)
    wait = interval(tried.offset, rules)
    why = f"{tried.ending}: repeated after {wait} (R-119, R-120)"
    found = decide(tried.ended_at + wait, visit.start, tried.offset, ZoneInfo(visit.zone), rules)
    if isinstance(found, Drop):
        return (why, *found.path)
    if found.at < tried.ended_at:
        return (why, *found.path, "which has passed")
    return Repeat(found.at, Channel.VOICE, (why, *found.path))


def _next_rung(tried: Tried, visit: Visit, rules: Rules, why: tuple[str, ...]) -> Repeat | Finish:
    # a message is given time to be read, a call that failed is followed at once
    wait = interval(tried.offset, rules) if tried.ending is Ending.SENT else timedelta(0)
    channels = rungs_after(tried.channel, visit, rules)
    found = decide(tried.ended_at + wait, visit.start, tried.offset, ZoneInfo(visit.zone), rules)
    if channels and isinstance(found, Moment) and found.at >= tried.ended_at:
        return Repeat(found.at, channels[0], (*why, f"next channel: {channels[0]} (RE-15)", *found.path))
    return finish_after(tried, why)


def instead_of_call(visit: Visit, offset: timedelta, rules: Rules, at: datetime) -> Repeat | None:
    """What takes the place of a call at `at` that must not be made; None when nothing after it can."""
    found = _next_rung(Tried(Channel.VOICE, Ending.FAILED, 0, at, offset), visit, rules, ())
    return found if isinstance(found, Repeat) else None


def first_channel(visit: Visit, rules: Rules) -> Channel | None:
    """The first channel of the ladder that the contact has an address for."""
    return next(iter(_usable(visit, rules)), None)


def rungs_after(channel: Channel, visit: Visit, rules: Rules) -> tuple[Channel, ...]:
    """Usable channels that come after one in the ladder."""
    ladder = [Channel(each) for each in rules.ladder]
    later = ladder[ladder.index(channel) + 1 :] if channel in ladder else []
    return tuple(each for each in _usable(visit, rules) if each in later)


def _usable(visit: Visit, rules: Rules) -> tuple[Channel, ...]:
    return tuple(each for each in map(Channel, rules.ladder) if visit.address(each))


def finish_after(tried: Tried, why: tuple[str, ...]) -> Finish:
    """The end, with what the last attempt came to."""
    return Finish(_outcome(tried), why)


def _outcome(tried: Tried) -> Outcome:
    if tried.ending is Ending.SENT:
        return Outcome.SENT
    return Outcome.WRONG_NUMBER if tried.ending is Ending.WRONG_NUMBER else Outcome.NO_ANSWER
