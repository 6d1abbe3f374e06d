"""Calendar days as stretches of time, DST changes included."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from booking.domain.campaign import zone
from booking.domain.days import days_window, merged, month_days
from kit.errors import InvalidInput
from kit.values.window import Window

ROME, APIA = ZoneInfo("Europe/Rome"), ZoneInfo("Pacific/Apia")
NOW = datetime(2027, 3, 27, 23, 30, tzinfo=UTC)  # already the 28th in Rome


@pytest.mark.parametrize(
    ("first", "last", "start", "hours"),
    [
        ("2027-03-28", "2027-03-28", datetime(2027, 3, 27, 23, tzinfo=UTC), 23),
        ("2027-10-31", "2027-10-31", datetime(2027, 10, 30, 22, tzinfo=UTC), 25),
        ("2027-06-01", "2027-06-02", datetime(2027, 5, 31, 22, tzinfo=UTC), 48),
        ("", "2027-03-28", datetime(2027, 3, 27, 23, tzinfo=UTC), 23),
        ("", "", datetime(2027, 3, 27, 23, tzinfo=UTC), 14 * 24 - 1),
        ("2027-04-01", "", datetime(2027, 3, 31, 22, tzinfo=UTC), 14 * 24),
        ("2027-04-01", "2027-06-01", datetime(2027, 3, 31, 22, tzinfo=UTC), 62 * 24),
    ],
)
def test_days_of_the_campaigns_zone(first: str, last: str, start: datetime, hours: int) -> None:
    window = days_window(first, last, NOW, ROME)
    assert (window.start, window.duration) == (start, timedelta(hours=hours))


def test_a_day_without_midnight_begins_when_it_begins() -> None:
    window = days_window("2024-09-08", "2024-09-08", NOW, ZoneInfo("America/Santiago"))
    assert (window.start, window.duration) == (datetime(2024, 9, 8, 4, tzinfo=UTC), timedelta(hours=23))


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2027-02-29", "", "first_day"),
        ("2027-13-01", "", "first_day"),
        ("", "2027-02-30", "last_day"),
        ("2027-03-02", "2027-03-01", "last_day"),
        ("2027-04-01", "2027-06-02", "last_day"),
        ("9999-12-31", "", "first_day"),
        ("2027-01-01", "9999-12-31", "last_day"),
        ("2200-01-01", "2200-01-01", "first_day"),
        ("1970-12-31", "1970-12-31", "first_day"),
        ("0001-01-01", "0001-01-02", "first_day"),
        ("0000-01-01", "", "first_day"),
    ],
)
def test_bad_days_are_named(first: str, last: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        days_window(first, last, NOW, ROME)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_day_that_the_zone_left_out_is_named_and_a_stretch_goes_over_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        days_window("2011-12-30", "2011-12-30", NOW, APIA)
    assert [violation.field for violation in refused.value.violations] == ["first_day"]
    assert days_window("2011-12-30", "2011-12-31", NOW, APIA).duration == timedelta(days=1)
    assert days_window("2011-12-29", "2011-12-31", NOW, APIA).duration == timedelta(days=2)


def window(start: int, end: int) -> Window:
    return Window(NOW + timedelta(hours=start), NOW + timedelta(hours=end))


def test_windows_are_put_in_order_and_joined() -> None:
    assert merged([window(5, 6), window(0, 2), window(1, 3), window(3, 4)]) == (window(0, 4), window(5, 6))


def test_windows_of_more_than_62_days_are_refused() -> None:
    assert merged([window(0, 62 * 24)]) == (window(0, 62 * 24),)
    with pytest.raises(InvalidInput) as refused:
        merged([window(0, 40 * 24), window(50 * 24, 73 * 24)])
    assert [violation.field for violation in refused.value.violations] == ["windows"]


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", "Europe/Rome\0"]
)
def test_a_zone_that_is_none_is_named(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        zone(name)
    assert [violation.field for violation in refused.value.violations] == ["time_zone"]


@pytest.mark.parametrize(
    ("month", "first", "days", "hours"),
    [
        ("2027-03", datetime(2027, 2, 28, 23, tzinfo=UTC), 31, 31 * 24 - 1),
        ("2027-10", datetime(2027, 9, 30, 22, tzinfo=UTC), 31, 31 * 24 + 1),
        ("2028-02", datetime(2028, 1, 31, 23, tzinfo=UTC), 29, 29 * 24),
        ("", datetime(2027, 2, 28, 23, tzinfo=UTC), 31, 31 * 24 - 1),
        ("2199-12", datetime(2199, 11, 30, 23, tzinfo=UTC), 31, 31 * 24),
    ],
)
def test_a_month_is_its_days_one_after_the_other(month: str, first: datetime, days: int, hours: int) -> None:
    found = month_days(month, NOW, ROME)
    windows = [window for _, window in found]
    assert (len(found), windows[0].start) == (days, first)
    assert all(a.end == b.start for a, b in pairwise(windows))
    assert windows[-1].end - first == timedelta(hours=hours)
    assert [day.day for day, _ in found] == list(range(1, days + 1))


def test_a_month_has_no_day_that_the_zone_left_out() -> None:
    found = month_days("2011-12", NOW, APIA)
    assert [day.day for day, _ in found] == [*range(1, 30), 31]
    assert all(a.end == b.start for (_, a), (_, b) in pairwise(found))


@pytest.mark.parametrize("month", ["2027-13", "2027-00", "1970-12", "2200-01", "0000-01"])
def test_what_is_no_month_is_refused_by_name(month: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        month_days(month, NOW, ROME)
    assert refused.value.violations[0].field == "month"
