"""Travel by time of day: FIFO, exact both ways, on both clock changes (GEO-16)."""

from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.domain.drives import UNREACHABLE
from geo.domain.gaps import FOREVER, NEVER
from geo.domain.profile import FASTEST, HOURS, SLOWEST, Profile, profile
from kit.errors import InvalidInput

ZONES = (
    "Europe/Rome",
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
)
ROME = ZoneInfo("Europe/Rome")
FREE = (100,) * HOURS


def random_speeds(seed: int) -> list[int]:
    """Every hour another speed; hypothesis alone would take its time over 168 numbers."""
    return Random(seed).choices(range(SLOWEST, FASTEST + 1), k=HOURS)


profiles = st.builds(profile, st.sampled_from(ZONES), st.builds(random_speeds, st.integers(0, 10**6)))
WORKED_OUT = [profile(zone, FREE) for zone in ZONES]
"""The clock changes of each zone are looked for once."""
around_changes = st.sampled_from(
    [
        datetime(2027, 3, 28, 1, tzinfo=UTC),
        datetime(2027, 10, 31, 1, tzinfo=UTC),
        datetime(2027, 4, 3, 15, tzinfo=UTC),
    ]
)
instants = st.one_of(
    st.integers(1_800_000_000, 1_830_000_000),
    st.builds(lambda day, s: int(day.timestamp()) + s, around_changes, st.integers(-9000, 9000)),
)
drives = st.integers(1, 30_000)


def rush(hours: range, speed: int, zone: str = "Europe/Rome") -> Profile:
    """Slower at these hours of every day."""
    return profile(zone, [speed if hour % 24 in hours else 100 for hour in range(HOURS)])


def rome(*wall: int, fold: int = 0) -> int:
    return int(datetime(*wall, tzinfo=ROME, fold=fold).timestamp())  # type: ignore[misc,arg-type]


def driven_by_the_minute(of: Profile, departs: int, free: int) -> int:
    """The same drive in steps of a second, by the clock on the wall."""
    zone, left, at = ZoneInfo(of.time_zone), free * 100, departs
    while left > 0:
        wall = datetime.fromtimestamp(at, UTC).astimezone(zone)
        left -= of.speeds[wall.weekday() * 24 + wall.hour]
        at += 1
    return at - departs


@given(profiles, instants, st.integers(1, 4000))
def test_a_drive_goes_at_the_speed_of_each_wall_hour(of: Profile, departs: int, free: int) -> None:
    assert of.seconds(departs, free) == driven_by_the_minute(of, departs, free)


@given(profiles, st.lists(instants, min_size=2, max_size=20), drives)
def test_leaving_later_never_arrives_earlier(of: Profile, departures: list[int], free: int) -> None:
    arrivals = [at + of.seconds(at, free) for at in sorted(departures)]
    assert all(earlier <= later for earlier, later in pairwise(arrivals))


@given(profiles, instants, drives)
def test_the_latest_departure_arrives_in_time_and_a_second_later_does_not(
    of: Profile, arrives: int, free: int
) -> None:
    last = of.latest_departure(arrives, free)
    assert last + of.seconds(last, free) <= arrives < last + 1 + of.seconds(last + 1, free)


@given(profiles, instants, drives)
def test_no_drive_is_faster_than_the_fastest_hour_or_slower_than_the_slowest(
    of: Profile, departs: int, free: int
) -> None:
    took = of.seconds(departs, free)
    assert -(-free * 100 // max(of.speeds)) <= took <= -(-free * 100 // min(of.speeds))
    slowest = of.slowest_between(departs, departs + took)
    assert took <= -(-free * 100 // slowest)


@given(profiles, instants, drives, drives)
def test_two_drives_in_a_row_take_as_long_as_both_together_but_for_rounding(
    of: Profile, departs: int, one: int, other: int
) -> None:
    there = departs + of.seconds(departs, one)
    apart = there + of.seconds(there, other) - departs
    assert (
        of.seconds(departs, one + other) <= apart <= of.seconds(departs, one + other) + 2 * FASTEST // SLOWEST
    )


@given(profiles, st.lists(st.tuples(instants, st.integers(0, 30_000)), min_size=1, max_size=30))
def test_many_at_once_are_as_one_by_one(of: Profile, asked: list[tuple[int, int]]) -> None:
    at, free = (np.array(column, dtype=np.int64) for column in zip(*asked, strict=True))
    assert of.all_seconds(at, free).tolist() == [of.seconds(*one) for one in asked]
    assert of.all_latest_departures(at, free).tolist() == [of.latest_departure(*one) for one in asked]


def test_no_drive_no_way_and_no_instant_stay_as_they_are() -> None:
    at, free = np.array([0, 0, NEVER, FOREVER]), np.array([0, UNREACHABLE, 9, 9])
    assert rush(range(24), 50).all_seconds(at, free).tolist() == free.tolist()
    assert rush(range(24), 50).all_latest_departures(at, free).tolist() == (at - free).tolist()


def test_a_drive_into_the_rush_hour_goes_on_at_its_speed() -> None:
    of, seven = rush(range(7, 9), 50), rome(2027, 3, 1, 7)
    assert of.seconds(seven - 1800, 1800) == 1800
    assert of.seconds(seven - 1800, 1801) == 1802
    assert of.seconds(seven - 600, 1800) == 600 + 2400
    assert of.seconds(seven, 1800) == 3600
    assert of.seconds(seven + 5400, 1800) == 1800 + 900
    assert of.latest_departure(seven + 2400, 1800) == seven - 600


def test_a_weekday_is_not_the_next_one() -> None:
    of = profile("Europe/Rome", [50 if 7 <= hour < 9 else 100 for hour in range(HOURS)])
    assert of.seconds(rome(2027, 3, 1, 7), 600) == 1200
    assert of.seconds(rome(2027, 3, 2, 7), 600) == 600
    assert of.seconds(rome(2027, 3, 7, 23), 8 * 3600) == 8 * 3600  # from Sunday into Monday, up to 7
    assert of.seconds(rome(2027, 3, 7, 23), 8 * 3600 + 1) == 8 * 3600 + 2


def test_an_hour_that_the_spring_change_skips_slows_nobody() -> None:
    of, two = rush(range(2, 3), 50), rome(2027, 3, 28, 3)
    assert of.seconds(two - 600, 1200) == 1200
    assert of.seconds(rome(2027, 3, 27, 1, 50), 1200) == 600 + 1200


def test_an_hour_that_the_autumn_change_repeats_slows_twice() -> None:
    of = rush(range(2, 3), 50)
    first, again = rome(2027, 10, 31, 2), rome(2027, 10, 31, 2, fold=1)
    assert again - first == 3600
    assert of.seconds(first, 3600) == 7200
    assert of.seconds(first - 60, 60 + 3600 + 60) == 60 + 7200 + 60
    assert of.latest_departure(again + 3600, 3600) == first


def test_the_same_speeds_in_another_zone_are_another_profile() -> None:
    assert rush(range(7, 9), 50) != rush(range(7, 9), 50, "UTC")
    assert rush(range(7, 9), 50) == rush(range(7, 9), 50)


@pytest.mark.parametrize(
    ("zone", "given", "field"),
    [
        ("Europe/Rome", FREE[1:], "profile.speeds"),
        ("Europe/Rome", (*FREE[1:], SLOWEST - 1), "profile.speeds[167]"),
        ("Europe/Rome", (FASTEST + 1, *FREE[1:]), "profile.speeds[0]"),
        ("Europe/Atlantis", FREE, "profile.time_zone"),
        ("", FREE, "profile.time_zone"),
        ("../etc", FREE, "profile.time_zone"),
    ],
)
def test_what_is_no_profile_is_refused_by_name(zone: str, given: tuple[int, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        profile(zone, given)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_making_one_is_cheap_enough_to_do_it_again_and_again() -> None:
    """The changes of a zone are found once."""
    first = rush(range(7, 9), 50)
    assert rush(range(7, 9), 50)._sums is first._sums


@pytest.mark.parametrize("year", [1971, 1985, 2005, 2026, 2069, 2075, 2199])
@pytest.mark.parametrize("month", [1, 7])
def test_hours_are_those_on_the_wall_in_every_year_that_an_instant_may_lie_in(year: int, month: int) -> None:
    mornings = profile("Europe/Rome", [100 if hour % 24 < 12 else 20 for hour in range(HOURS)])
    noon = rome(year, month, 1, 12)
    assert mornings.seconds(noon - 3600, 3600) == 3600
    assert mornings.seconds(noon - 1800, 3600) == 1800 + 5 * 1800
    assert mornings.all_seconds(np.array([noon - 1800]), np.array([3600])).tolist() == [1800 + 5 * 1800]
    assert mornings.latest_departure(noon + 5 * 1800, 3600) == noon - 1800
