"""A calendar day where an agent lives."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kit.values.window import Window


def local_day(day: date, time_zone: str) -> Window:
    """From its midnight to the next one: 23 or 25 hours when the clocks change.

    Where they change at midnight, it begins with the first instant that the day has.
    """
    zone = ZoneInfo(time_zone)
    first, after = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return Window(first.astimezone(UTC), after.astimezone(UTC))
