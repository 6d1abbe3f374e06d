"""A calendar day where an agent lives."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kit.errors import InvalidInput, Reason
from kit.values.window import Window


def local_day(day: date, time_zone: str) -> Window:
    """From its midnight to the next one: 23 or 25 hours when the clocks change.

    Where they change at midnight, it begins with the first instant that the day has. Raises InvalidInput
    naming `date` for a day that a zone left out, as Samoa did with 2011-12-30.
    """
    zone = ZoneInfo(time_zone)
    first, after = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    if first.astimezone(UTC) == after.astimezone(UTC):
        raise InvalidInput(Reason.INVALID_FIELD, f"{time_zone} had no such day", field="date")
    return Window(first.astimezone(UTC), after.astimezone(UTC))
