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


def test_the_first_start_is_the_instant_that_was_asked_for() -> None:
    second = starts(rome("2027-10-31 02:30", fold=1), 1, 2, ROME)
    assert second[0] == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert second[1] == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_is_there_twice_is_the_first_of_the_two(fold: int) -> None:
    a_year_on = starts(rome("2027-10-31 02:30", fold), 364, 2, ROME)
    assert a_year_on[1] == datetime(2028, 10, 29, 0, 30, tzinfo=UTC)
    assert starts(rome("2028-10-28 02:30"), 1, 2, ROME)[1] == datetime(2028, 10, 29, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_is_skipped_is_an_hour_later(fold: int) -> None:
    found = starts(rome("2027-10-31 02:30", fold), 7, 22, ROME)
    assert found[21] == datetime(2028, 3, 26, 1, 30, tzinfo=UTC)
    assert f"{found[21].astimezone(ROME):%d.%m. %H:%M}" == "26.03. 03:30"
    assert f"{starts(found[0], 7, 23, ROME)[22].astimezone(ROME):%H:%M}" == "02:30"


def test_the_elapsed_time_over_a_change_is_an_hour_off() -> None:
    spring = starts(rome("2027-03-27 12:00"), 1, 2, ROME)
    autumn = starts(rome("2027-10-30 12:00"), 1, 2, ROME)
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (timedelta(hours=23), timedelta(hours=25))
