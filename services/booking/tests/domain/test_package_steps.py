"""Steps of a package: renewal, the pace of recovery, how full it is; on their boundaries."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.package import Alert, Level, Package, day_to_recover, recovering, renewed

ALERT = Alert(percent=90, left=20)


@pytest.mark.parametrize(
    ("purchased", "used", "level"),
    [
        (200, 179, Level.OPEN),
        (200, 180, Level.NEARLY_FULL),  # 90 % and 20 left at once
        (200, 199, Level.NEARLY_FULL),
        (200, 200, Level.FULL),
        (1000, 979, Level.OPEN),  # 90 % long reached, 21 left
        (1000, 980, Level.NEARLY_FULL),
        (10, 8, Level.OPEN),  # 2 left, 80 %
        (10, 9, Level.NEARLY_FULL),
        (0, 0, Level.FULL),
    ],
)
def test_nearly_full_is_the_share_and_the_rest(purchased: int, used: int, level: Level) -> None:
    assert Package(purchased, taken=used).level(ALERT) is level
    cancelled = min(used, 5)
    assert Package(purchased, used - cancelled, 0, cancelled).level(ALERT) is level


def test_renewal_begins_a_step_and_the_cancelled_ones_wait() -> None:
    before = Package(200, taken=189, to_confirm=21, cancelled_in_step=11, to_recover=0)
    after = renewed(before, 100)
    assert after == Package(300, 189, 21, cancelled_in_step=0, to_recover=11, recovered=0, step=2)
    assert (before.left, after.left) == (0, 100)


def test_recovery_sets_two_a_day_free_at_the_end_of_a_step() -> None:
    package = Package(10, taken=7, cancelled_in_step=3)
    day_one = recovering(package, 2)
    assert (day_one.left, day_one.to_recover, day_one.recovered) == (2, 1, 2)
    assert recovering(day_one, 2) == day_one  # nobody booked: days do not add up
    one_booked = Package(10, taken=8, to_recover=1, recovered=2)
    assert recovering(one_booked, 2).left == 2
    assert recovering(Package(10, taken=9, to_recover=1, recovered=2), 2).left == 1
    assert recovering(package, 0) == package


def test_while_a_step_is_open_nothing_is_set_free() -> None:
    running = Package(300, taken=189, to_recover=11)
    assert recovering(running, 2) == running
    nearly = Package(300, taken=288, to_recover=11)
    assert (recovering(nearly, 2).left, recovering(nearly, 2).to_recover) == (2, 10)
    open_step = Package(10, taken=5, cancelled_in_step=4)
    assert recovering(open_step, 2).cancelled_in_step == 4  # its own cancelled ones wait for its end


def test_a_booking_under_way_ends_no_step_and_makes_no_room() -> None:
    looks_full = Package(10, taken=7, to_confirm=1, cancelled_in_step=3)
    assert recovering(looks_full, 2, under_way=1) == looks_full
    one_of_two_freed = Package(10, taken=8, to_confirm=1, to_recover=1, recovered=2)
    assert recovering(one_of_two_freed, 2, under_way=1) == one_of_two_freed
    assert recovering(one_of_two_freed, 2).to_recover == 0  # once it is decided


counts = st.integers(0, 30)


@given(counts, st.tuples(counts, counts), counts, counts, st.integers(0, 6))
def test_recovery_loses_nothing_and_never_frees_more_than_a_day(
    left: int, booked_and_under_way: tuple[int, int], cancelled: int, waiting: int, a_day: int
) -> None:
    booked, under_way = booked_and_under_way
    taken = booked + under_way
    package = Package(left + taken + cancelled + waiting, taken, under_way, cancelled, waiting)
    after = recovering(package, a_day, under_way)
    assert (after.purchased, after.taken) == (package.purchased, package.taken)
    assert after.waiting + after.recovered == package.waiting
    assert after.left + under_way <= max(package.left + under_way, a_day)  # though all of them should fail
    ended = package.left + under_way == 0
    assert ended or after.cancelled_in_step == package.cancelled_in_step


@pytest.mark.parametrize(
    ("zone", "day", "begins", "ends"),
    [
        ("Europe/Rome", "2027-02-10", "2027-02-09T23:00:00+00:00", "2027-02-10T23:00:00+00:00"),
        ("Europe/Rome", "2027-03-28", "2027-03-27T23:00:00+00:00", "2027-03-28T22:00:00+00:00"),  # 23 hours
        ("Europe/Rome", "2027-10-31", "2027-10-30T22:00:00+00:00", "2027-10-31T23:00:00+00:00"),  # 25 hours
        ("America/New_York", "2027-03-14", "2027-03-14T05:00:00+00:00", "2027-03-15T04:00:00+00:00"),
        ("America/New_York", "2027-11-07", "2027-11-07T04:00:00+00:00", "2027-11-08T05:00:00+00:00"),
    ],
)
def test_a_share_is_a_calendar_days_from_midnight_to_midnight(
    zone: str, day: str, begins: str, ends: str
) -> None:
    """R-138, on both sides of both midnights, on days of 23, 24 and 25 hours."""
    local, today = ZoneInfo(zone), date.fromisoformat(day)
    first, after = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
    second = timedelta(seconds=1)
    for now, share in (
        (first - second, yesterday),
        (first, today),
        (after - second, today),
        (after, tomorrow),
    ):
        assert day_to_recover(None, now, local) == share
        assert day_to_recover(share - timedelta(days=1), now, local) == share
        assert day_to_recover(share, now, local) is None
    assert day_to_recover(tomorrow, after - second, local) is None  # a clock that went back sets nothing free


@pytest.mark.parametrize(
    ("taken", "cancelled", "left", "level"),
    [(8, 1, 1, Level.NEARLY_FULL), (9, 1, 0, Level.FULL), (10, 0, 0, Level.FULL), (8, 0, 2, Level.OPEN)],
)
def test_the_stop_is_where_taken_and_cancelled_in_the_step_are_what_was_bought(
    taken: int, cancelled: int, left: int, level: Level
) -> None:
    """R-134 to R-136: inside the step the cancelled ones count, and what is to confirm is among the taken."""
    package = Package(10, taken=taken, to_confirm=taken, cancelled_in_step=cancelled)
    assert (package.left, package.level(Alert(percent=90, left=20))) == (left, level)
    assert renewed(package, 1).left == left + 1


def test_no_more_are_to_confirm_than_taken_and_none_is_taken_beyond_what_was_bought() -> None:
    """R-133, R-135, R-136: the last that fits, and the first that does not."""
    assert Package(10, taken=7, to_confirm=7, cancelled_in_step=2, to_recover=1).left == 0
    for counters in ((10, 7, 8, 0, 0), (10, 8, 0, 2, 1), (10, 11, 0, 0, 0)):
        with pytest.raises(ValueError, match="contradict"):
            Package(*counters)
