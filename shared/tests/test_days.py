"""Calendar days: changes of the clocks, and days that a zone left out."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kit.errors import InvalidInput
from kit.values.days import DAY, day_start, days_window, parse_day
from kit.values.window import Window


@pytest.mark.parametrize(
    ("day", "zone", "hours", "first"),
    [
        (date(2027, 3, 28), "Europe/Rome", 23, datetime(2027, 3, 27, 23, tzinfo=UTC)),
        (date(2027, 10, 31), "Europe/Rome", 25, datetime(2027, 10, 30, 22, tzinfo=UTC)),
        (date(2027, 3, 27), "Europe/Rome", 24, datetime(2027, 3, 26, 23, tzinfo=UTC)),
        # where midnight itself is skipped the day begins at 01:00
        (date(2024, 9, 8), "America/Santiago", 23, datetime(2024, 9, 8, 4, tzinfo=UTC)),
        # where it comes twice the day begins with the first of them
        (date(2027, 11, 7), "America/Havana", 25, datetime(2027, 11, 7, 4, tzinfo=UTC)),
    ],
)
def test_a_local_day_has_the_hours_it_has(day: date, zone: str, hours: int, first: datetime) -> None:
    def window_of(one: date) -> Window:
        return days_window(one, one, ZoneInfo(zone), "day")

    found = window_of(day)
    assert (found.start, found.duration) == (first, timedelta(hours=hours))
    assert window_of(day - DAY).end == found.start
    assert window_of(day + DAY).start == found.end


# of Pacific/Apia, Pacific/Kwajalein and Pacific/Kiritimati, when they crossed the date line
LEFT_OUT = [
    (date(2011, 12, 30), "Pacific/Apia"),
    (date(1993, 8, 21), "Pacific/Kwajalein"),
    (date(1994, 12, 31), "Pacific/Kiritimati"),
]


@pytest.mark.parametrize(("day", "name"), LEFT_OUT)
def test_a_day_that_a_zone_left_out_is_refused_alone_and_empty_among_others(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    with pytest.raises(InvalidInput) as refused:
        days_window(day, day, zone, "date")
    assert [(one.field, one.description) for one in refused.value.violations] == [
        ("date", f"{name} had no {day.isoformat()}")
    ]
    assert day_start(day, zone) == day_start(day + DAY, zone)
    assert days_window(day - DAY, day, zone, "date").duration == timedelta(days=1)
    assert days_window(day, day + DAY, zone, "date").duration == timedelta(days=1)


@pytest.mark.parametrize("text", ["", "2027-02-29", "0000-01-01", "1970-12-31", "2200-01-01", "9999-12-31"])
def test_what_is_no_day_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_day(text, "day")
    assert [one.field for one in refused.value.violations] == ["day"]


@pytest.mark.parametrize("text", ["1971-01-01", "2028-02-29", "2199-12-31"])
def test_a_day_is_read(text: str) -> None:
    assert parse_day(text, "day").isoformat() == text
