"""When an agent works: weekly shifts and breaks in an IANA zone, and the instants they stand for.

A wall time that a clock change skips stands for the instant of the change; one that comes twice stands for
the first. Shifts that touch are one shift with the outer bases. A calendar without any gap in the week is cut
where the week's first shift starts, without bases at the cut.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from geo.domain.stop import NOWHERE, VISITS, Stop, StopKind
from kit.errors import InvalidInput, Reason
from kit.values.window import Window

DAY: Final = 24 * 60
WEEK: Final = 7 * DAY

_WALL: Final = re.compile(r"^(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)$")
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class WeeklyShift:
    """A weekly working time: ISO weekday 1-7, wall minutes of the day; an end at or before the start means
    the next day. Bases are places (`LatLng.key`); None leaves that drive unconstrained (R-088)."""

    weekday: int
    start: int
    end: int
    start_base: int | None = None
    end_base: int | None = None

    @property
    def week_start(self) -> int:
        """Minutes from Monday 00:00 to its start."""
        return (self.weekday - 1) * DAY + self.start

    @property
    def length(self) -> int:
        """Wall minutes it lasts, at most a day."""
        return (self.end - self.start - 1) % DAY + 1


@dataclass(frozen=True, slots=True)
class WeeklyBreak:
    """A weekly break; `weekday` is the day of its shift, even when the break is after midnight."""

    weekday: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """Wall minutes it lasts, at most a day."""
        return (self.end - self.start - 1) % DAY + 1


@dataclass(frozen=True, slots=True)
class Calendar:
    """When an agent works. Make it with `calendar`, which checks it."""

    time_zone: str
    shifts: tuple[WeeklyShift, ...] = ()
    breaks: tuple[WeeklyBreak, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.time_zone, self.shifts, self.breaks)))

    def __hash__(self) -> int:
        """Computed once: calendars are the keys of what is known about days."""
        return self._hash


@dataclass(frozen=True, slots=True)
class ConcreteShift:
    """A shift between two instants, with its bases (places) and breaks in order."""

    start: datetime
    end: datetime
    start_base: int | None
    end_base: int | None
    breaks: tuple[Window, ...]

    @property
    def window(self) -> Window:
        """From start to end."""
        return Window(self.start, self.end)

    def covers(self, window: Window) -> bool:
        """Whether the whole window lies inside."""
        return self.start <= window.start and window.end <= self.end


def minutes(wall: str) -> int:
    """Minutes of the day of "HH:MM" or "24:00". Raises ValueError for anything else."""
    match = _WALL.match(wall)
    if match is None:
        raise ValueError(f"{wall!r} is no wall time like 08:30")
    return DAY if match[1] is None else int(match[1]) * 60 + int(match[2])


def wall(of_day: int) -> str:
    """ "HH:MM" of minutes of the day; 1440 gives "24:00"."""
    return f"{of_day // 60:02d}:{of_day % 60:02d}"


def calendar(time_zone: str, shifts: Iterable[WeeklyShift], breaks: Iterable[WeeklyBreak]) -> Calendar:
    """A calendar that was checked.

    Raises InvalidInput naming the field: an unknown zone, shifts that overlap, a break outside its day's
    shifts, breaks that overlap.
    """
    made = Calendar(time_zone, tuple(shifts), tuple(breaks))
    _known_zone(time_zone)
    _apart([(s.week_start, s.length) for s in made.shifts], "calendar.shifts")
    starts = [_break_start(made, index) for index in range(len(made.breaks))]
    _apart([(at, rest.length) for at, rest in zip(starts, made.breaks, strict=True)], "calendar.breaks")
    return made


def day_of(time_zone: str, moment: datetime) -> date:
    """The calendar day of a zone that an instant lies in."""
    return moment.astimezone(_zone(time_zone)).date()


def day_around(time_zone: str, moment: datetime) -> Window:
    """The calendar day of a zone that an instant lies in, from its midnight to the next."""
    return _whole_day(time_zone, day_of(time_zone, moment))


def shifts_between(calendar: Calendar, start: datetime, end: datetime) -> list[ConcreteShift]:
    """The shifts that share an instant with `[start, end)`, whole and in order."""
    hours, bases = _hours(calendar)
    return [
        ConcreteShift(shift.start, shift.end, bases[shift.start_base], bases[shift.end_base], shift.breaks)
        for shift in _merged(hours, start, end)
        if shift.start < end and start < shift.end
    ]


def shift_of(calendar: Calendar, window: Window) -> ConcreteShift | None:
    """The shift that the whole window lies in, if any."""
    return next((s for s in shifts_between(calendar, window.start, window.end) if s.covers(window)), None)


def day_frame(shift: ConcreteShift) -> list[Stop]:
    """The stops that come with the first visit of a shift: leaving the base, breaks, being back.

    Their ids follow from kind and instant, so the same frame made twice is the same. A break's place is the
    one of the stop before it, which the chain fills in.
    """
    stops = [_frame_stop(StopKind.BREAK, rest.start, rest.end) for rest in shift.breaks]
    if shift.start_base is not None:
        stops.insert(0, _frame_stop(StopKind.DAY_START, shift.start - _SECOND, shift.start, shift.start_base))
    if shift.end_base is not None:
        stops.append(_frame_stop(StopKind.DAY_END, shift.end, shift.end + _SECOND, shift.end_base))
    return stops


def frame_to_add(shift: ConcreteShift, present: Sequence[Stop]) -> list[Stop]:
    """The frame's stops that a visit in this shift brings along, given the stops that are there.

    Nothing once the shift has a visit: what then stands is the frame. A part that meets an absence is left
    out. `present` holds every stop that touches the shift, a second around it included; holds that expired
    are left out by the caller.
    """
    if any(stop.kind in VISITS and shift.start <= stop.starts_at < shift.end for stop in present):
        return []
    there = {stop.stop_id for stop in present}
    absences = [stop for stop in present if stop.kind is StopKind.ABSENCE]
    return [stop for stop in day_frame(shift) if stop.stop_id not in there and not _meets_any(stop, absences)]


def blocked_time(calendar: Calendar, window: Window) -> Window:
    """The part of an absence's window that the ledger blocks: all but the second in which the agent is at a
    base right where the absence begins or ends, so that the drive to that base stays promised."""
    around = shifts_between(calendar, window.start - _SECOND, window.end + _SECOND)
    ends = any(s.end == window.start and s.end_base is not None for s in around)
    starts = any(s.start == window.end and s.start_base is not None for s in around)
    if window.duration <= 2 * _SECOND:
        return window
    return Window(window.start + ends * _SECOND, window.end - starts * _SECOND)


def _frame_stop(kind: StopKind, starts_at: datetime, ends_at: datetime, place: int = NOWHERE) -> Stop:
    return Stop(f"{kind.lower()}@{int(starts_at.timestamp())}", kind, starts_at, ends_at, place)


def _meets_any(stop: Stop, others: Iterable[Stop]) -> bool:
    return any(stop.starts_at < other.ends_at and other.starts_at < stop.ends_at for other in others)


# --- checks


def _known_zone(time_zone: str) -> None:
    try:
        _zone(time_zone)
    except (ValueError, OSError, KeyError):
        raise InvalidInput(
            Reason.INVALID_FIELD, f"{time_zone!r} is no IANA time zone", field="calendar.time_zone"
        ) from None


def _apart(spans: Sequence[tuple[int, int]], field: str) -> None:
    """Spans are (start in the week, length); the week is a circle."""
    for index, (start, length) in enumerate(spans):
        for other, (at, other_length) in enumerate(spans[:index]):
            if (start - at) % WEEK < other_length or (at - start) % WEEK < length:
                raise InvalidInput(
                    Reason.INVALID_FIELD,
                    f"overlaps {field.rpartition('.')[2]}[{other}]",
                    field=f"{field}[{index}].start",
                )


def _break_start(calendar: Calendar, index: int) -> int:
    """Minute of the week a break starts at, by the shift of its day that it lies in."""
    rest = calendar.breaks[index]
    for shift in calendar.shifts:
        if shift.weekday != rest.weekday:
            continue
        into = (rest.start - shift.start) % DAY
        if into + rest.length <= shift.length:
            return shift.week_start + into
    raise InvalidInput(
        Reason.INVALID_FIELD, "lies in no shift of its weekday", field=f"calendar.breaks[{index}].start"
    )


# --- from wall times to instants


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=8192)
def _whole_day(time_zone: str, day: date) -> Window:
    zone = _zone(time_zone)
    return Window(_instant(zone, day, 0), _instant(zone, day, DAY))


@lru_cache(maxsize=4096)
def _hours(calendar: Calendar) -> tuple[Calendar, dict[int | None, int | None]]:
    """The calendar with numbers in the place of its bases, and the bases by their numbers: what is worked out
    about hours serves all agents who keep the same, wherever they set out."""
    numbered = [replace(s, start_base=2 * at, end_base=2 * at + 1) for at, s in enumerate(calendar.shifts)]
    bases = [base for shift in calendar.shifts for base in (shift.start_base, shift.end_base)]
    return Calendar(calendar.time_zone, tuple(numbered), calendar.breaks), {
        None: None,
        **dict(enumerate(bases)),
    }


def _merged(calendar: Calendar, start: datetime, end: datetime) -> tuple[ConcreteShift, ...]:
    """The shifts around a stretch of time, from far enough before and after that merged ones are whole."""
    zone = _zone(calendar.time_zone)
    return _merged_on(calendar, start.astimezone(zone).date(), end.astimezone(zone).date())


@lru_cache(maxsize=4096)
def _merged_on(calendar: Calendar, first: date, last: date) -> tuple[ConcreteShift, ...]:
    cut = _endless_cut(calendar)
    joined: list[ConcreteShift] = []
    for weekly, shift in _concrete(calendar, first, last):
        if not joined or joined[-1].end < shift.start:
            joined.append(shift)
        elif weekly != cut:
            joined[-1] = _join(joined[-1], shift)
        else:
            joined[-1] = replace(joined[-1], end_base=None)
            joined.append(replace(shift, start_base=None))
    return tuple(joined)


def _concrete(calendar: Calendar, first: date, last: date) -> Iterator[tuple[WeeklyShift, ConcreteShift]]:
    """Each weekly shift on each day, in order."""
    reach = _reach(calendar)
    by_day = _by_weekday(calendar)
    for offset in range(-reach, (last - first).days + reach + 1):
        day = first + timedelta(days=offset)
        for weekly in by_day.get(day.isoweekday(), ()):
            if (shift := _on(calendar, weekly, day)) is not None:
                yield weekly, shift


@lru_cache(maxsize=4096)
def _by_weekday(calendar: Calendar) -> dict[int, tuple[WeeklyShift, ...]]:
    days: dict[int, tuple[WeeklyShift, ...]] = {}
    for shift in sorted(calendar.shifts, key=lambda s: s.week_start):
        days[shift.weekday] = (*days.get(shift.weekday, ()), shift)
    return days


@lru_cache(maxsize=4096)
def _reach(calendar: Calendar) -> int:
    """Days to look around: a day for a shift over midnight and the zone, or the week where shifts touch."""
    shifts = sorted(calendar.shifts, key=lambda s: s.week_start)
    starts = {shift.week_start for shift in shifts}
    touching = sum((s.week_start + s.length) % WEEK in starts for s in shifts)
    return 2 if not touching else 9


@lru_cache(maxsize=4096)
def _endless_cut(calendar: Calendar) -> WeeklyShift | None:
    """The shift to cut at when the week has no gap at all."""
    if sum(shift.length for shift in calendar.shifts) < WEEK:
        return None
    return min(calendar.shifts, key=lambda s: s.week_start)


@lru_cache(maxsize=8192)
def _on(calendar: Calendar, weekly: WeeklyShift, day: date) -> ConcreteShift | None:
    """A weekly shift on one day; None when a clock change leaves nothing of it."""
    zone = _zone(calendar.time_zone)
    start = _instant(zone, day, weekly.start)
    end = _instant(zone, day, weekly.start + weekly.length)
    if end <= start:
        return None
    breaks = tuple(_breaks_on(calendar, weekly, day))
    return ConcreteShift(start, end, weekly.start_base, weekly.end_base, breaks)


def _breaks_on(calendar: Calendar, weekly: WeeklyShift, day: date) -> Iterator[Window]:
    zone = _zone(calendar.time_zone)
    inside = [
        (into, rest.length)
        for rest in calendar.breaks
        if rest.weekday == weekly.weekday
        and (into := (rest.start - weekly.start) % DAY) + rest.length <= weekly.length
    ]
    for into, length in sorted(inside):
        start = _instant(zone, day, weekly.start + into)
        end = _instant(zone, day, weekly.start + into + length)
        if start < end:
            yield Window(start, end)


@lru_cache(maxsize=8192)
def _instant(zone: ZoneInfo, day: date, wall_minutes: int) -> datetime:
    """The instant of a wall time, minutes after the day's wall midnight (may reach into the next day).

    Agents who begin at the same hour share it in memory.
    """
    midnight = datetime.combine(day, time())
    naive = midnight + timedelta(minutes=wall_minutes)
    late = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == naive:
        return late
    early = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(zone, early, late)


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant in `(before, after]` at which the zone's offset changes."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _join(first: ConcreteShift, then: ConcreteShift) -> ConcreteShift:
    return ConcreteShift(
        first.start, then.end, first.start_base, then.end_base, (*first.breaks, *then.breaks)
    )
