"""Travel by time of day: how fast drives go in each hour of the week, leaving later never arriving earlier.

The model of Ichoua, Gendreau and Potvin (2003): speeds, not times, depend on the hour, and a drive that lasts
into the next hour goes on at that hour's speed. So what is driven by an instant is one growing function of
it, and whoever leaves later arrives later or at the same second: FIFO by construction. All of it is integer
arithmetic: free-flow seconds are driven in hundredths, a speed of 70 per cent drives 70 of them a second.

Hours are wall hours of the profile's zone: one that a clock change skips does not come, one that it repeats
comes twice.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from geo.domain.places import Ints
from kit.errors import InvalidInput, Reason

HOURS: Final = 7 * 24
SLOWEST: Final = 10
FASTEST: Final = 200
FREE_FLOW: Final = 100
"""Speeds in per cent of the free flow that engines and matrices tell."""

_HOUR: Final = 3600
_WEEK: Final = HOURS * _HOUR
_MONDAY: Final = 3 * 86_400
"""1970 began on a Thursday."""

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2202, 1, 1, tzinfo=UTC)
"""Between these, clock changes are known: more than the years 1971 to 2199 that an instant may lie in, since
a drive and what is searched around it end later. Before and after, the offset stays as it is there."""
_STEP: Final = timedelta(days=7)
"""No zone has changed its offset twice within it."""
_FAR: Final = 1 << 40
"""Instants beyond it are no instants: before or after all others."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Speeds of the hours of the week, Monday 00:00 first, in a zone. Make it with `profile`, which checks.

    Instants are Unix seconds; `free` are seconds at free flow.
    """

    time_zone: str
    speeds: tuple[int, ...]
    _sums: "_Sums" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sums", _sums(self.time_zone, self.speeds))

    def seconds(self, departs: int, free: int) -> int:
        """How long a drive takes that departs then, in whole seconds, rounded up."""
        return self._reached(self._driven(departs) + free * FREE_FLOW) - departs if free else 0

    def latest_departure(self, arrives: int, free: int) -> int:
        """The last second at which one can depart and arrive by then."""
        return self._reached(self._driven(arrives) - free * FREE_FLOW + 1) - 1 if free else arrives

    def all_seconds(self, departs: Ints, free: Ints) -> Ints:
        """As `seconds`, one by one; no drive, no way and what departs at no instant stay as they are."""
        real = (free > 0) & (np.abs(departs) < _FAR)
        at = np.where(real, departs, 0)
        return np.where(real, self._all_reached(self._all_driven(at) + free * FREE_FLOW) - at, free)

    def all_latest_departures(self, arrives: Ints, free: Ints) -> Ints:
        """As `latest_departure`, one by one, with the same exceptions: they depart `free` before."""
        real = (free > 0) & (np.abs(arrives) < _FAR)
        at = np.where(real, arrives, 0)
        left = self._all_reached(self._all_driven(at) - free * FREE_FLOW + 1) - 1
        return np.where(real, left, arrives - free)

    def at_least(self, free: Ints) -> Ints:
        """Seconds that drives take at every hour, given what they take at free flow at least."""
        return free * FREE_FLOW // max(self.speeds)

    def slowest_between(self, start: int, end: int) -> int:
        """The lowest speed of the hours from one instant to another; of the whole week where they are far
        apart."""
        if end - start >= _WEEK:
            return min(self.speeds)
        local = [at + self._sums.offsets[bisect_right(self._sums.changes, at)] for at in (start, end)]
        first, last = ((at + _MONDAY) // _HOUR for at in local)
        return min(self.speeds[hour % HOURS] for hour in range(first - 1, last + 2))

    def _driven(self, at: int) -> int:
        """Hundredths of free-flow seconds driven by an instant, from one and the same beginning."""
        sums = self._sums
        number = bisect_right(sums.changes, at)
        weeks, into = divmod(at + sums.offsets[number] + _MONDAY, _WEEK)
        hour, rest = divmod(into, _HOUR)
        return weeks * sums.week[-1] + sums.week[hour] + self.speeds[hour] * rest - sums.shifts[number]

    def _reached(self, driven: int) -> int:
        """The first second by which so much is driven."""
        sums = self._sums
        number = bisect_left(sums.at_changes, driven)
        weeks, rest = divmod(driven + sums.shifts[number], sums.week[-1])
        hour = bisect_left(sums.week, rest, 1) - 1
        into = hour * _HOUR - (sums.week[hour] - rest) // self.speeds[hour]
        return weeks * _WEEK + into - sums.offsets[number] - _MONDAY

    def _all_driven(self, at: Ints) -> Ints:
        sums = self._sums
        number = np.searchsorted(sums.many.changes, at, side="right")
        weeks, into = np.divmod(at + sums.many.offsets[number] + _MONDAY, _WEEK)
        hour, rest = np.divmod(into, _HOUR)
        within = sums.many.week[hour] + sums.many.speeds[hour] * rest
        driven: Ints = weeks * sums.week[-1] + within - sums.many.shifts[number]
        return driven

    def _all_reached(self, driven: Ints) -> Ints:
        sums = self._sums
        number = np.searchsorted(sums.many.at_changes, driven, side="left")
        weeks, rest = np.divmod(driven + sums.many.shifts[number], sums.week[-1])
        hour = np.maximum(np.searchsorted(sums.many.week, rest, side="left"), 1) - 1
        into = hour * _HOUR - (sums.many.week[hour] - rest) // sums.many.speeds[hour]
        reached: Ints = weeks * _WEEK + into - sums.many.offsets[number] - _MONDAY
        return reached


class _Many(NamedTuple):
    """The same as arrays."""

    changes: Ints
    offsets: Ints
    week: Ints
    speeds: Ints
    shifts: Ints
    at_changes: Ints


class _Sums(NamedTuple):
    """`changes` are the instants at which the zone's offset changes, `offsets` those before the first change
    and after each; `week` is what is driven by each hour's beginning in a week; `shifts` keep the sum whole
    over a change, and `at_changes` is it there."""

    changes: list[int]
    offsets: list[int]
    week: list[int]
    shifts: list[int]
    at_changes: list[int]
    many: _Many


def profile(time_zone: str, speeds: Sequence[int]) -> Profile:
    """A profile that was checked. Raises InvalidInput naming the field."""
    if len(speeds) != HOURS:
        raise _refused("speeds", f"has {len(speeds)} hours; a week has {HOURS}")
    for hour, speed in enumerate(speeds):
        if not SLOWEST <= speed <= FASTEST:
            raise _refused(f"speeds[{hour}]", f"is not between {SLOWEST} and {FASTEST} per cent")
    try:
        _changes(time_zone)
    except (ValueError, OSError, KeyError):
        raise _refused("time_zone", f"{time_zone!r} is no IANA time zone") from None
    return Profile(time_zone, tuple(speeds))


def _refused(name: str, why: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, why, field=f"profile.{name}")


@lru_cache(maxsize=256)
def _sums(time_zone: str, speeds: tuple[int, ...]) -> _Sums:
    changes, offsets = _changes(time_zone)
    week = list(accumulate((speed * _HOUR for speed in speeds), initial=0))

    def driven(local: int) -> int:
        weeks, into = divmod(local + _MONDAY, _WEEK)
        hour, rest = divmod(into, _HOUR)
        return weeks * week[-1] + week[hour] + speeds[hour] * rest

    shifts, at_changes = [0], []
    for at, before, after in zip(changes, offsets, offsets[1:], strict=False):
        at_changes.append(driven(at + before) - shifts[-1])
        shifts.append(driven(at + after) - at_changes[-1])
    columns = (changes, offsets, week, speeds, shifts, at_changes)
    many = _Many(*(np.array(column, dtype=np.int64) for column in columns))
    return _Sums(changes, offsets, week, shifts, at_changes, many)


@lru_cache(maxsize=64)
def _changes(time_zone: str) -> tuple[list[int], list[int]]:
    """The instants at which the zone's offset changes, and the offset before the first and after each."""
    zone = ZoneInfo(time_zone)
    changes, offsets = [], [_offset(zone, _FIRST)]
    at = _FIRST
    while at < _LAST:
        offset = _offset(zone, at + _STEP)
        if offset != offsets[-1]:
            changes.append(_change_between(zone, at, at + _STEP))
            offsets.append(offset)
        at += _STEP
    return changes, offsets


def _offset(zone: ZoneInfo, at: datetime) -> int:
    shift = at.astimezone(zone).utcoffset()
    return 0 if shift is None else int(shift.total_seconds())


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> int:
    """The first second with the offset of `after`."""
    early, late = int(before.timestamp()), int(after.timestamp())
    new = _offset(zone, after)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == new:
            late = middle
        else:
            early = middle
    return late
