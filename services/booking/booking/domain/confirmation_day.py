"""Which appointments are confirmed on which day (R-007)."""

from datetime import date
from zoneinfo import ZoneInfo

from kit.values.days import DAY, day_start
from kit.values.window import Window

_NO_WORK = frozenset({5, 6})
"""Saturday and Sunday."""


def confirmed_on(day: date, zone: ZoneInfo, *, working_days: bool) -> Window | None:
    """When the appointments start that are to be confirmed on this day of the zone.

    Those of the next calendar day; with `working_days` on the last working day before theirs, so that a
    Friday has Saturday's, Sunday's and Monday's, and a Saturday or Sunday none. None too where the zone left
    the next day out.
    """
    last = day + DAY
    if working_days and day.weekday() in _NO_WORK:
        return None
    while working_days and last.weekday() in _NO_WORK:
        last += DAY
    start, end = day_start(day + DAY, zone), day_start(last + DAY, zone)
    return Window(start, end) if start < end else None
