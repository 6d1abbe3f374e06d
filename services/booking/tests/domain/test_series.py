"""Occurrences of a series keep their hour by the zone's clocks, over both changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from booking.domain.series import starts

ROME = ZoneInfo("Europe/Rome")


def rome(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ROME, fold=fold).astimezone(UTC)


@pytest.mark.parametrize("first", ["2027-03-21 09:00", "2027-10-24 09:00", "2027-03-21 02:30"])
def test_weekly_at_the_same_hour(first: str) -> None:
    found = starts(rome(first), 7, 4, ROME)
    local = [each.astimezone(ROME) for each in found]
    assert [each.date() - local[0].date() for each in local] == [timedelta(days=7 * n) for n in range(4)]
    hours = [f"{each:%H:%M}" for each in local]
    skipped = first == "2027-03-21 02:30"  # that hour is not there on 28 March
    assert hours == ([hours[0], "03:30", hours[0], hours[0]] if skipped else [hours[0]] * 4)


def test_the_hour_that_is_there_twice_stays_the_one_it_was() -> None:
    second = starts(rome("2027-10-31 02:30", fold=1), 1, 2, ROME)
    assert second[0] == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert second[1] == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)


def test_the_elapsed_time_over_a_change_is_an_hour_off() -> None:
    spring = starts(rome("2027-03-27 12:00"), 1, 2, ROME)
    autumn = starts(rome("2027-10-30 12:00"), 1, 2, ROME)
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (timedelta(hours=23), timedelta(hours=25))
