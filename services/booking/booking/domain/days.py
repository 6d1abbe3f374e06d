"""Which stretches of time a search for slots covers."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from booking.domain import errors
from kit.values import days
from kit.values.days import DAY, day_start, parse_day
from kit.values.window import Window

MOST_DAYS = 62
"""Most calendar days, or days' worth of windows, that one search covers."""

_DEFAULT_DAYS = 14


def days_window(first_day: str, last_day: str, now: datetime, zone: ZoneInfo) -> Window:
    """From the first moment of one calendar day of the zone to the last of another, DST changes included.

    Days are "YYYY-MM-DD"; the first defaults to today, the last to 13 days after the first. Raises
    InvalidInput naming `first_day` or `last_day`.
    """
    first = parse_day(first_day, "first_day") if first_day else now.astimezone(zone).date()
    last = parse_day(last_day, "last_day") if last_day else first + timedelta(days=_DEFAULT_DAYS - 1)
    if last < first:
        raise errors.invalid("last_day", "must not be before first_day")
    if (last - first).days >= MOST_DAYS:
        raise errors.invalid("last_day", f"must be at most {MOST_DAYS - 1} days after first_day")
    return days.days_window(first, last, zone, "first_day")


def month_days(month: str, now: datetime, zone: ZoneInfo) -> list[tuple[date, Window]]:
    """The calendar days of a month of the zone, in order, DST changes included, but for one it left out.

    The month is "YYYY-MM" and defaults to the present one. Raises InvalidInput naming `month`.
    """
    first = parse_day(f"{month}-01", "month") if month else now.astimezone(zone).date().replace(day=1)
    dates = [first + n * DAY for n in range(monthrange(first.year, first.month)[1] + 1)]
    begun = pairwise((day, day_start(day, zone)) for day in dates)
    return [(day, Window(start, end)) for (day, start), (_, end) in begun if start < end]


def hours_near(near: str, windows: Sequence[Window], zone: ZoneInfo) -> tuple[datetime, ...]:
    """This hour of the day, "HH:MM" in the zone, on every calendar day that the windows touch; none for "".

    Where a DST change skips the hour it is the instant that far after the change.
    """
    if not near:
        return ()
    hour = time.fromisoformat(near)
    touched: set[date] = set()
    for window in windows:
        first, last = window.start.astimezone(zone).date(), window.end.astimezone(zone).date()
        touched.update(first + n * DAY for n in range((last - first).days + 1))
    return tuple(datetime.combine(day, hour, zone).astimezone(UTC) for day in sorted(touched))


def merged(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The same time in order and without overlaps. Raises InvalidInput naming `windows` for over 62 days."""
    joined: list[Window] = []
    for window in sorted(windows):
        if joined and window.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
        else:
            joined.append(window)
    if sum((window.duration for window in joined), timedelta()) > timedelta(days=MOST_DAYS):
        raise errors.invalid("windows", f"must cover at most {MOST_DAYS} days in all")
    return tuple(joined)
