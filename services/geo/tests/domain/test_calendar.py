"""Weekly wall times as instants: both clock changes, shifts over midnight, shifts that touch."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.domain.calendar import (
    Calendar,
    ConcreteShift,
    WeeklyBreak,
    WeeklyShift,
    blocked_time,
    calendar,
    day_frame,
    frame_to_add,
    minutes,
    shift_of,
    shifts_between,
    wall,
)
from geo.domain.stop import Stop, StopKind
from kit.errors import InvalidInput
from kit.values.window import Window

ROME = ZoneInfo("Europe/Rome")
SPRING, AUTUMN = datetime(2027, 3, 28, tzinfo=ROME), datetime(2027, 10, 31, tzinfo=ROME)
"""Sundays: 02:00 becomes 03:00, and 03:00 becomes 02:00."""
HOUR = timedelta(hours=1)


def on(
    day: datetime, *shifts: tuple[str, str], breaks: tuple[tuple[str, str], ...] = ()
) -> list[ConcreteShift]:
    """The shifts of one local day with these wall times."""
    weekday = day.isoweekday()
    made = calendar(
        "Europe/Rome",
        [WeeklyShift(weekday, minutes(start), minutes(end), 1, 2) for start, end in shifts],
        [WeeklyBreak(weekday, minutes(start), minutes(end)) for start, end in breaks],
    )
    start = day.astimezone(UTC)
    return shifts_between(made, start, start + 24 * HOUR)


def clock(moment: datetime) -> str:
    return f"{moment.astimezone(ROME):%a %H:%M%z}"


@pytest.mark.parametrize(
    ("day", "hours", "expected"),
    [
        (SPRING, ("01:00", "09:00"), 7),
        (AUTUMN, ("01:00", "09:00"), 9),
        (SPRING, ("00:00", "24:00"), 23),
        (AUTUMN, ("00:00", "24:00"), 25),
        (SPRING, ("08:00", "18:00"), 10),
        (SPRING - timedelta(days=1), ("22:00", "06:00"), 7),
        (AUTUMN - timedelta(days=1), ("22:00", "06:00"), 9),
    ],
)
def test_hours_worked_over_a_clock_change(day: datetime, hours: tuple[str, str], expected: int) -> None:
    (shift,) = [one for one in on(day, hours) if one.start >= day.astimezone(UTC)]
    assert shift.end - shift.start == expected * HOUR


def test_a_wall_time_that_is_skipped_is_the_instant_of_the_change() -> None:
    (shift,) = on(SPRING, ("02:30", "05:00"))
    assert clock(shift.start) == "Sun 03:00+0200"
    (short,) = on(SPRING, ("01:00", "02:30"))
    assert short.end == shift.start
    assert on(SPRING, ("02:10", "02:50")) == []


def test_a_wall_time_that_comes_twice_is_the_first() -> None:
    (shift,) = on(AUTUMN, ("02:30", "05:00"))
    assert clock(shift.start) == "Sun 02:30+0200"
    assert shift.end - shift.start == 3.5 * HOUR


def test_a_break_after_midnight_belongs_to_the_shift_of_the_day_before() -> None:
    saturday = SPRING - timedelta(days=1)
    (shift,) = [s for s in on(saturday, ("20:00", "06:00"), breaks=(("03:00", "03:30"),)) if s.breaks]
    (rest,) = shift.breaks
    assert clock(rest.start) == "Sun 03:00+0200"
    assert clock(rest.end) == "Sun 03:30+0200"


def test_shifts_that_touch_are_one_with_the_outer_bases() -> None:
    weekly = calendar(
        "Europe/Rome",
        [
            WeeklyShift(7, minutes("20:00"), minutes("24:00"), 1, 2),
            WeeklyShift(1, minutes("00:00"), minutes("06:00"), 3, 4),
            WeeklyShift(1, minutes("06:30"), minutes("07:00"), 5, 6),
        ],
        [WeeklyBreak(1, minutes("01:00"), minutes("02:00"))],
    )
    first, second = shifts_between(
        weekly, datetime(2027, 3, 7, 12, tzinfo=UTC), datetime(2027, 3, 8, 12, tzinfo=UTC)
    )
    assert (first.start_base, first.end_base, first.end - first.start) == (1, 4, 10 * HOUR)
    assert len(first.breaks) == 1
    assert (second.start_base, second.end_base) == (5, 6)
    inside = Window(datetime(2027, 3, 8, 4, tzinfo=UTC), datetime(2027, 3, 8, 5, tzinfo=UTC))
    assert shifts_between(weekly, inside.start, inside.end) == [first]


def test_a_week_without_a_gap_is_cut_once() -> None:
    weekly = calendar("UTC", [WeeklyShift(day, 0, 1440, 1, 1) for day in range(1, 8)], [])
    start = datetime(2027, 3, 1, tzinfo=UTC)
    shifts = shifts_between(weekly, start + HOUR, start + timedelta(days=8))
    assert [(s.end - s.start).days for s in shifts] == [7, 7]
    assert {base for s in shifts for base in (s.start_base, s.end_base)} == {None}


@pytest.mark.parametrize(
    ("shifts", "breaks", "field"),
    [
        ([(1, "08:00", "18:00"), (1, "17:59", "19:00")], [], "calendar.shifts[1].start"),
        ([(7, "20:00", "06:00"), (1, "05:59", "07:00")], [], "calendar.shifts[1].start"),
        ([(1, "08:00", "08:00"), (2, "07:00", "07:30")], [], "calendar.shifts[1].start"),
        ([(1, "08:00", "18:00")], [(2, "09:00", "10:00")], "calendar.breaks[0].start"),
        ([(1, "08:00", "18:00")], [(1, "17:30", "18:30")], "calendar.breaks[0].start"),
        ([(1, "08:00", "18:00")], [(1, "09:00", "10:00"), (1, "09:30", "10:30")], "calendar.breaks[1].start"),
    ],
)
def test_what_is_wrong_is_named(
    shifts: list[tuple[int, str, str]], breaks: list[tuple[int, str, str]], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        calendar(
            "UTC",
            [WeeklyShift(day, minutes(start), minutes(end)) for day, start, end in shifts],
            [WeeklyBreak(day, minutes(start), minutes(end)) for day, start, end in breaks],
        )
    assert [violation.field for violation in refused.value.violations] == [field]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "Europe", "/etc/localtime"])
def test_a_zone_must_be_known(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        calendar(zone, [], [])
    assert refused.value.violations[0].field == "calendar.time_zone"


def test_wall_times() -> None:
    assert [minutes(text) for text in ("00:00", "08:30", "24:00")] == [0, 510, 1440]
    assert [wall(of_day) for of_day in (0, 510, 1440)] == ["00:00", "08:30", "24:00"]
    for wrong in ("8:30", "24:01", "12:60", ""):
        with pytest.raises(ValueError, match="wall time"):
            minutes(wrong)


# --- against a walk over the minutes of the week


ZONES = ["Europe/Rome", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]


@st.composite
def weeks(draw: st.DrawFn) -> Calendar:
    """Shifts on the half hour, over midnight as well, without overlaps."""
    zone = draw(
        st.sampled_from(["Europe/Rome", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "UTC"])
    )
    edges = sorted(draw(st.sets(st.integers(0, 335), min_size=2, max_size=12)))
    shifts = []
    for start, end in zip(edges[::2], edges[1::2], strict=False):
        if end - start < 48:
            shifts.append(WeeklyShift(start // 48 + 1, start % 48 * 30, end % 48 * 30 or 1440))
    return calendar(zone, shifts, [])


def works(weekly: Calendar, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(weekly.time_zone))
    minute = (local.isoweekday() - 1) * 1440 + local.hour * 60 + local.minute
    return any((minute - shift.week_start) % 10080 < shift.length for shift in weekly.shifts)


@settings(max_examples=60, deadline=None)
@given(weeks(), st.integers(0, 250 * 24 * 60))
def test_an_instant_is_in_a_shift_when_its_wall_time_is(weekly: Calendar, minute: int) -> None:
    start = datetime(2027, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
    found = shifts_between(weekly, start, start + 72 * HOUR)
    assert found == sorted(found, key=lambda shift: shift.start)
    assert all(a.end < b.start for a, b in pairwise(found))
    for step in range(72 * 6):
        moment = start + step * timedelta(minutes=10)
        if changes_nearby(weekly, moment):
            continue
        inside = any(shift.start <= moment < shift.end for shift in found)
        assert inside == works(weekly, moment), moment


def changes_nearby(weekly: Calendar, moment: datetime) -> bool:
    """Where a wall time comes twice the walk over wall times says nothing."""
    zone = ZoneInfo(weekly.time_zone)
    offsets = {(moment + h * HOUR / 2).astimezone(zone).utcoffset() for h in range(-4, 5)}
    return len(offsets) > 1


# --- frames


SHIFT = ConcreteShift(
    datetime(2027, 3, 1, 8, tzinfo=UTC),
    datetime(2027, 3, 1, 18, tzinfo=UTC),
    1,
    2,
    (Window(datetime(2027, 3, 1, 12, tzinfo=UTC), datetime(2027, 3, 1, 13, tzinfo=UTC)),),
)


def stop(kind: StopKind, start: int, end: int) -> Stop:
    day = datetime(2027, 3, 1, tzinfo=UTC)
    return Stop("x", kind, day + start * HOUR, day + end * HOUR, -1)


def test_the_frame_lies_a_second_around_the_shift() -> None:
    frame = day_frame(SHIFT)
    assert [(part.kind, part.place) for part in frame] == [
        (StopKind.DAY_START, 1),
        (StopKind.BREAK, -1),
        (StopKind.DAY_END, 2),
    ]
    assert frame[0].ends_at == SHIFT.start
    assert frame[2].starts_at == SHIFT.end
    assert {part.duration for part in (frame[0], frame[2])} == {timedelta(seconds=1)}
    assert [part.stop_id for part in frame] == [part.stop_id for part in day_frame(SHIFT)]


def test_what_the_first_visit_brings_along() -> None:
    frame = day_frame(SHIFT)
    assert frame_to_add(SHIFT, []) == frame
    assert frame_to_add(SHIFT, [frame[0]]) == frame[1:]
    assert frame_to_add(SHIFT, [stop(StopKind.HOLD, 9, 10)]) == []
    assert frame_to_add(SHIFT, [stop(StopKind.APPOINTMENT, 5, 6)]) == frame
    assert frame_to_add(SHIFT, [stop(StopKind.ABSENCE, 11, 14)]) == [frame[0], frame[2]]


def test_an_absence_at_the_edge_of_a_shift_leaves_the_second_at_the_base() -> None:
    weekly = calendar("UTC", [WeeklyShift(1, 480, 1080, 1, 1)], [])
    night = Window(SHIFT.end, SHIFT.start + 24 * HOUR)
    assert blocked_time(weekly, night) == Window(SHIFT.end + timedelta(seconds=1), night.end)
    before = Window(SHIFT.start - HOUR, SHIFT.start)
    assert blocked_time(weekly, before) == Window(before.start, SHIFT.start - timedelta(seconds=1))
    whole = Window(SHIFT.start - HOUR, SHIFT.end + HOUR)
    assert blocked_time(weekly, whole) == whole


def test_a_visit_has_one_shift_or_none() -> None:
    weekly = calendar("UTC", [WeeklyShift(1, 480, 1080)], [])
    assert shift_of(weekly, Window(SHIFT.start, SHIFT.end)) is not None
    assert shift_of(weekly, Window(SHIFT.start, SHIFT.end + timedelta(seconds=1))) is None
    assert shift_of(weekly, Window(SHIFT.end, SHIFT.end + HOUR)) is None
