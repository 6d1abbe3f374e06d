"""The package of appointments that a campaign has bought, and what counts against it (R-133 to R-138).

A step is one purchased tranche. What is cancelled in a step is not taken again in it. When the step ends, by
renewal or because it is full, its cancelled ones wait; from then on some are set free each day.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from enum import StrEnum


class Level(StrEnum):
    """How full a package is; operators are diverted from a FULL one (R-101)."""

    OPEN = "OPEN"
    NEARLY_FULL = "NEARLY_FULL"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class Package:
    """Counters of a campaign.

    Always `taken + cancelled_in_step + to_recover <= purchased` (R-136) and `to_confirm <= taken` (R-135);
    the table has the same checks. A booking takes its unit when it begins, so one under way counts in `taken`
    and in `to_confirm`, and gives it back when it fails. `to_recover` were cancelled in earlier steps and
    wait;
    `recovered` were set free so far.
    """

    purchased: int
    taken: int = 0
    to_confirm: int = 0
    cancelled_in_step: int = 0
    to_recover: int = 0
    recovered: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if min(self.taken, self.to_confirm, self.cancelled_in_step, self.to_recover, self.recovered) < 0:
            raise ValueError(f"a counter is negative: {self}")
        if self.left < 0 or self.to_confirm > self.taken:
            raise ValueError(f"the counters contradict each other: {self}")

    @property
    def waiting(self) -> int:
        """Cancelled ones that may not be taken again yet."""
        return self.cancelled_in_step + self.to_recover

    @property
    def left(self) -> int:
        """How many more may be taken now."""
        return self.purchased - self.taken - self.waiting

    @property
    def full(self) -> bool:
        """Whether no unit is left in this step: cancelled ones are made up after it, not in it (R-136)."""
        return self.left <= 0

    def level(self, alert: "Alert") -> Level:
        """How full it is: nearly, once both the share is reached and no more are left than that (R-137)."""
        if self.full:
            return Level.FULL
        share_reached = (self.purchased - self.left) * 100 >= alert.percent * self.purchased
        return Level.NEARLY_FULL if share_reached and self.left <= alert.left else Level.OPEN


@dataclass(frozen=True, slots=True)
class Alert:
    """When to advise renewal: so many percent used, and at most so many left (R-137)."""

    percent: int
    left: int


@dataclass(frozen=True, slots=True)
class Count:
    """What one change adds to the counters of its campaign."""

    taken: int = 0
    to_confirm: int = 0
    cancelled_in_step: int = 0


NOTHING = Count()
"""The counters stay."""

TAKE = Count(taken=1, to_confirm=1)
"""A booking begins."""

GIVE_BACK = Count(taken=-1, to_confirm=-1)
"""A booking failed; it is not a cancellation."""


def renewed(package: Package, units: int) -> Package:
    """After another tranche was bought: its step begins, and what was cancelled before waits."""
    return replace(
        package,
        purchased=package.purchased + units,
        step=package.step + 1,
        cancelled_in_step=0,
        to_recover=package.waiting,
    )


def day_to_recover(recovered_on: date | None, now: datetime, time_zone: tzinfo) -> date | None:
    """The campaign's calendar day whose share may be set free at `now`; None once it was.

    A day is one share, be it of 23, 24 or 25 hours (R-138).
    """
    today = now.astimezone(time_zone).date()
    return None if recovered_on is not None and recovered_on >= today else today


def recovering(package: Package, a_day: int, under_way: int = 0) -> Package:
    """After the day's share of cancelled ones was set free; the same package when there is none to be.

    A package that is full has come to the end of its step, so its cancelled ones wait like those of earlier
    steps. No more than `a_day` are free at a time, so that days on which nobody books do not add up (R-138).
    `under_way` of the taken ones are bookings not decided yet: they may give their units back, so they end no
    step and make no room for others.
    """
    free = package.left + under_way
    ended = package if free > 0 else replace(package, cancelled_in_step=0, to_recover=package.waiting)
    units = min(a_day - free, ended.to_recover)
    if units <= 0:
        return package
    return replace(ended, to_recover=ended.to_recover - units, recovered=ended.recovered + units)
