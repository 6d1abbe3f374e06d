"""Calendar days of a zone as stretches of time, changes of its clocks included."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kit.errors import InvalidInput, Reason
from kit.values.window import Window

YEARS: Final = range(1971, 2200)
"""Years that times may lie in."""

DAY: Final = timedelta(days=1)


def parse_day(text: str, field: str) -> date:
    """The day of "YYYY-MM-DD". Raises InvalidInput naming the field for what is no day of these years."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _invalid(field, f"{text!r} is no day of the calendar") from None
    if day.year not in YEARS:
        raise _invalid(field, f"must be between the years {YEARS[0]} and {YEARS[-1]}")
    return day


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """A day's first instant, in UTC.

    Where clocks change at midnight it is the first instant that the day has. A day that the zone left out, as
    Samoa did with 2011-12-30, has none of its own: it is that of the day after.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def days_window(first: date, last: date, zone: ZoneInfo, field: str) -> Window:
    """From the first instant of one day to the last of another: 23 to 25 hours for one day.

    Raises InvalidInput naming the field when the zone left all of them out; the order is the caller's matter.
    """
    start, end = day_start(first, zone), day_start(last + DAY, zone)
    if start == end:
        raise _invalid(field, f"{zone.key} had no {first.isoformat()}")
    return Window(start, end)


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, message, field=field)
