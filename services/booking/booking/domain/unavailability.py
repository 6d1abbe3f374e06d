"""Days on which an agent or a person to visit cannot come, told in time (R-014, R-015)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from booking.domain import errors
from kit.values.days import days_window
from kit.values.window import Window

MOST_DAYS = 366
"""Days of one note."""


@dataclass(frozen=True, slots=True)
class Days:
    """Whole calendar days of a zone, both ends included."""

    first: date
    last: date
    time_zone: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise errors.invalid("last_day", "must not be before first_day")
        if (self.last - self.first).days >= MOST_DAYS:
            raise errors.invalid("last_day", f"must be at most {MOST_DAYS - 1} days after first_day")

    @property
    def window(self) -> Window:
        """From the first moment of the first to the last of the last, changes of the clocks included.

        Raises InvalidInput naming `first_day` for days that the zone left out.
        """
        return days_window(self.first, self.last, ZoneInfo(self.time_zone), "first_day")


@dataclass(frozen=True, slots=True)
class Unavailability:
    """A note about an agent or a contact; the other id is empty. `overridden_by` took it, late as it was."""

    unavailability_id: str
    agent_id: str
    contact_id: str
    days: Days
    note: str
    reported_by: str
    reported_at: datetime
    overridden_by: str = ""
    override_note: str = ""
    withdrawn_at: datetime | None = None


def is_late(now: datetime, days: Days, notice_days: int) -> bool:
    """Whether it is told too few calendar days ahead: for the 27th and 8 days, from the 20th on (R-015)."""
    today = now.astimezone(ZoneInfo(days.time_zone)).date()
    return today > days.first - timedelta(days=notice_days)
