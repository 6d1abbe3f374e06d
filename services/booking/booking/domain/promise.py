"""Flexible promises: any time of a local day, or of an ISO week (GEO-27)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from booking.domain import errors
from kit.values.days import DAY, days_window
from kit.values.window import Window


class PromiseKind(StrEnum):
    """How much time a contact was promised; equal to giro.booking.v1.Promise."""

    DAY = "DAY"
    WEEK = "WEEK"


@dataclass(frozen=True, slots=True)
class Promise:
    """The visit takes place within this window: a day or a week, Monday to Sunday, of the zone."""

    kind: PromiseKind
    window: Window
    time_zone: str

    def keeps(self, visit: Window) -> bool:
        """Whether all of a visit lies within what was promised."""
        return self.window.contains(visit)

    def around(self, start: datetime) -> "Promise":
        """What is promised once the visit has this start: the same, or else the day or week that it is in."""
        return self if self.window.contains(start) else promised(self.kind, start, self.time_zone)


def promised(kind: PromiseKind, start: datetime, time_zone: str) -> Promise:
    """The local day or ISO week that an instant lies in; with 23 or 25 hours where clocks change."""
    zone = ZoneInfo(time_zone)
    day = start.astimezone(zone).date()
    if kind is PromiseKind.DAY:
        return Promise(kind, days_window(day, day, zone, "promise"), time_zone)
    monday = day - day.weekday() * DAY
    return Promise(kind, days_window(monday, monday + 6 * DAY, zone, "promise"), time_zone)


def of_visit(kind: PromiseKind, visit: Window, time_zone: str) -> Promise:
    """What is promised with a visit that is booked. Raises InvalidInput naming `promise` for one that leaves
    its day or week."""
    found = promised(kind, visit.start, time_zone)
    if not found.keeps(visit):
        raise errors.invalid("promise", f"the visit does not lie within one {kind.lower()} of the campaign")
    return found
