"""Which appointments are confirmed on which day (R-007)."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from booking.domain.days import day_window
from kit.values.window import Window

_NO_WORK = frozenset({5, 6})
"""Saturday and Sunday."""
_DAY = timedelta(days=1)


def confirmed_on(day: date, zone: ZoneInfo, *, working_days: bool) -> Window | None:
    """When the appointments start that are to be confirmed on this day of the zone.

    Those of the next calendar day; with `working_days` on the last working day before theirs, so that a
    Friday has Saturday's, Sunday's and Monday's, and a Saturday or Sunday none.
    """
    if not working_days:
        return day_window(day + _DAY, zone)
    if day.weekday() in _NO_WORK:
        return None
    last = day + _DAY
    while last.weekday() in _NO_WORK:
        last += _DAY
    return Window(day_window(day + _DAY, zone).start, day_window(last, zone).end)
