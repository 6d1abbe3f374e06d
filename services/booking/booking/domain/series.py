"""Recurring appointments: which occurrences a series has, and which of them do not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from booking.domain.appointment import Appointment
from booking.domain.refusal import Refusal


class SeriesState(StrEnum):
    """What became of a series; equal to giro.booking.v1.SeriesState."""

    PENDING = "PENDING"
    CREATED = "CREATED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Conflict:
    """An occurrence that does not fit; `number` counts from 1."""

    number: int
    start: datetime
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Series:
    """A series with its appointments by number, booked or not, and what does not fit.

    `campaign_id` None: the visits of a plan, which are booked together in the same way.
    """

    series_id: str
    campaign_id: str | None
    state: SeriesState
    conflicts: Sequence[Conflict] = ()
    appointments: Sequence[tuple[int, Appointment]] = ()


def starts(first: datetime, every_days: int, count: int, zone: ZoneInfo) -> list[datetime]:
    """The starts of all: every so many calendar days, at the first one's hour by the zone's clocks.

    Where a change of the clocks skips that hour, it is as long after the change as it would have been; where
    one makes it come twice, it is the first of the two. The first start is the instant that was asked for.
    """
    local = first.astimezone(zone)
    days = [local.date() + timedelta(days=every_days * n) for n in range(count)]
    hour = local.time().replace(fold=0)
    return [first, *(datetime.combine(day, hour, zone).astimezone(UTC) for day in days[1:])]
