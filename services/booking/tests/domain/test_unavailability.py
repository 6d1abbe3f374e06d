"""Eight days' notice (R-014, R-015), and what is left of windows around absences."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.absences import without
from booking.domain.unavailability import Days, is_late
from kit.errors import InvalidInput
from kit.values.window import Window


@pytest.mark.parametrize(
    ("now", "late"),
    [
        ("2026-11-19T22:59:59+00:00", False),  # 23:59:59 of the 19th in Rome
        ("2026-11-19T23:00:00+00:00", True),
        ("2026-11-18T23:00:00+00:00", False),
        ("2026-11-26T12:00:00+00:00", True),
    ],
)
def test_the_27th_is_told_by_the_19th(now: str, late: bool) -> None:
    day = date(2026, 11, 27)
    assert is_late(datetime.fromisoformat(now), Days(day, day, "Europe/Rome"), 8) is late


@pytest.mark.parametrize(
    ("day", "last_second"),
    [
        (date(2027, 4, 1), "2027-03-24T22:59:59+00:00"),  # the clocks change in between
        (date(2027, 4, 5), "2027-03-28T21:59:59+00:00"),  # told on the day of 23 hours
        (date(2027, 11, 4), "2027-10-27T21:59:59+00:00"),
        (date(2027, 11, 8), "2027-10-31T22:59:59+00:00"),  # told on the day of 25 hours
    ],
)
def test_whole_days_count_over_clock_changes(day: date, last_second: str) -> None:
    moment = datetime.fromisoformat(last_second)
    days = Days(day, day, "Europe/Rome")
    assert not is_late(moment, days, 8)
    assert is_late(moment + timedelta(seconds=1), days, 8)


def test_a_day_that_the_zone_left_out_is_named() -> None:
    day = date(2011, 12, 30)
    with pytest.raises(InvalidInput) as refused:
        _ = Days(day, day, "Pacific/Apia").window
    assert [violation.field for violation in refused.value.violations] == ["first_day"]


def test_days_are_in_order_and_at_most_a_year() -> None:
    first = date(2027, 1, 1)
    assert Days(first, date(2028, 1, 1), "UTC").window.duration == timedelta(days=366)
    for last in (date(2026, 12, 31), date(2028, 1, 2)):
        with pytest.raises(InvalidInput) as refused:
            Days(first, last, "UTC")
        assert [violation.field for violation in refused.value.violations] == ["last_day"]


START = datetime(2027, 1, 1, tzinfo=UTC)
windows = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(
    lambda pair: Window(START + timedelta(hours=pair[0]), START + timedelta(hours=pair[0] + pair[1]))
)


@given(windows, st.lists(windows, max_size=5))
def test_what_is_left_is_every_hour_that_nobody_is_away(window: Window, aways: list[Window]) -> None:
    left = without([window], aways)
    for n in range(90):
        hour = Window(START + timedelta(hours=n), START + timedelta(hours=n + 1))
        free = window.contains(hour) and not any(away.overlaps(hour) for away in aways)
        assert any(piece.contains(hour) for piece in left) is free
    assert list(left) == sorted(left)
