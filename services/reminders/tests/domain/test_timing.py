"""When a reminder is made: each boundary of R-115 to R-121, and every minute around both changes of 2027."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.domain.parameters import Rules
from reminders.domain.timing import (
    Drop,
    DropReason,
    Moment,
    Terms,
    at_dial,
    before_quiet,
    decide,
    due_at,
    is_quiet,
)

RIGA = ZoneInfo("Europe/Riga")
RULES = Rules()
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CHANGES = {
    "Europe/Riga": ("2027-03-28", "2027-10-31"),
    "Europe/Rome": ("2027-03-28", "2027-10-31"),
    "America/New_York": ("2027-03-14", "2027-11-07"),
    "Australia/Lord_Howe": ("2027-04-04", "2027-10-03"),  # by half an hour
    "Africa/Casablanca": ("2027-02-07", "2027-03-14"),  # back for Ramadan, and forth
}


def riga(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=RIGA).astimezone(UTC)


def moment(found: Moment | Drop) -> datetime:
    assert isinstance(found, Moment), found
    return found.at


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("2027-01-12 22:59", "2027-01-12 22:59"),
        ("2027-01-12 23:00", "2027-01-13 09:00"),
        ("2027-01-13 02:00", "2027-01-13 09:00"),
        ("2027-01-13 08:59", "2027-01-13 09:00"),
        ("2027-01-13 09:00", "2027-01-13 09:00"),
    ],
)
def test_quiet_hours_move_forward_to_nine(due: str, expected: str) -> None:
    found = decide(riga(due), riga("2027-01-13 18:00"), timedelta(hours=12), RIGA, RULES)
    assert moment(found) == riga(expected)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2027-01-13 09:30", "2027-01-12 22:59"),
        ("2027-01-13 09:59", "2027-01-12 22:59"),
        ("2027-01-13 10:00", "2027-01-13 09:00"),
    ],
)
def test_backward_when_forward_is_less_than_an_hour_before(start: str, expected: str) -> None:
    found = decide(riga(start) - 3 * HOUR, riga(start), timedelta(hours=3), RIGA, RULES)
    assert moment(found) == riga(expected)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(60, "2027-01-13 07:00"), (45, "2027-01-13 07:15"), (61, "2027-01-12 22:59")]
)
def test_an_hour_before_or_less_is_exempt(minutes: int, expected: str) -> None:
    start, offset = riga("2027-01-13 08:00"), timedelta(minutes=minutes)
    assert moment(decide(start - offset, start, offset, RIGA, RULES)) == riga(expected)


@pytest.mark.parametrize("late", [timedelta(0), MINUTE, timedelta(days=2)])
def test_nothing_at_or_after_the_start(late: timedelta) -> None:
    start = riga("2027-01-13 12:00")
    found = decide(start + late, start, HOUR, RIGA, RULES)
    assert isinstance(found, Drop)
    assert found.reason is DropReason.AFTER_START


def test_a_day_before_is_the_same_time_of_day_across_a_change() -> None:
    start = riga("2027-03-28 10:00")
    assert due_at(start, timedelta(days=1), RIGA) == riga("2027-03-27 10:00") == start - timedelta(hours=23)
    assert due_at(start, timedelta(hours=25), RIGA) == start - timedelta(hours=25)
    left_out = due_at(riga("2027-03-29 03:30"), timedelta(days=1), RIGA)
    assert left_out == riga("2027-03-28 04:30")  # 03:30 is left out on that day


@pytest.mark.parametrize("zone_name", CHANGES)
@pytest.mark.parametrize("change", [0, 1])
@pytest.mark.parametrize("quiet", [(time(23), time(9)), (time(1, 30), time(2, 30)), (time(3), time(1))])
def test_every_minute_of_three_days(zone_name: str, change: int, quiet: tuple[time, time]) -> None:
    """Total, never in quiet hours, idempotent, never at or after the start; whatever the clocks do."""
    zone = ZoneInfo(zone_name)
    rules = Rules(quiet_from=quiet[0], quiet_until=quiet[1])
    day = datetime.fromisoformat(CHANGES[zone_name][change]).replace(tzinfo=zone).astimezone(UTC)
    begin = day - timedelta(hours=36)
    assert (begin.astimezone(zone).utcoffset()) != (
        (begin + timedelta(hours=72)).astimezone(zone).utcoffset()
    )
    offset = timedelta(hours=5)
    for minute in range(72 * 60):
        due = begin + minute * MINUTE
        start = due + offset
        found = decide(due, start, offset, zone, rules)
        if isinstance(found, Drop):
            pytest.fail(f"{due}: {found}")
        assert not is_quiet(found.at, zone, rules)
        assert found.at < start
        assert found.at == due or is_quiet(due, zone, rules)
        assert decide(found.at, start, offset, zone, rules).at == found.at  # type: ignore[union-attr]
        exempt = decide(due, due + HOUR, HOUR, zone, rules)
        assert isinstance(exempt, Moment)
        assert exempt.at == due


@given(
    quiet=st.tuples(st.times(), st.times()),
    minutes=st.integers(5, 30 * 1440),
    late=st.integers(-600, 600),
    start=st.datetimes(datetime(2027, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001
    zone_name=st.sampled_from(sorted(CHANGES)),
)
def test_total_and_idempotent_for_any_window(
    quiet: tuple[time, time], minutes: int, late: int, start: datetime, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    begin, end = (each.replace(second=0, microsecond=0, tzinfo=None) for each in quiet)
    rules = Rules(quiet_from=begin, quiet_until=end)
    begins, offset = start.replace(tzinfo=UTC, second=0, microsecond=0), timedelta(minutes=minutes)
    due = due_at(begins, offset, zone) + late * MINUTE
    found = decide(due, begins, offset, zone, rules)
    if isinstance(found, Moment):
        assert found.at < begins
        assert offset <= HOUR or not is_quiet(found.at, zone, rules)
        assert decide(found.at, begins, offset, zone, rules).at == found.at  # type: ignore[union-attr]
    else:
        assert due >= begins or found.reason is DropReason.QUIET_HOURS


def _terms(start: str, offset: timedelta = timedelta(hours=3)) -> Terms:
    return Terms(riga(start), offset, RIGA, RULES)


@pytest.mark.parametrize(
    ("planned", "now", "expected"),
    [
        ("2027-01-13 12:00", "2027-01-13 12:00", riga("2027-01-13 12:00")),
        ("2027-01-13 12:00", "2027-01-13 14:00", riga("2027-01-13 14:00")),
        ("2027-01-13 12:00", "2027-01-13 14:01", DropReason.TOO_LATE),
        ("2027-01-13 12:00", "2027-01-13 11:00", riga("2027-01-13 12:00")),
        ("2027-01-13 14:59", "2027-01-13 15:00", DropReason.AFTER_START),
        ("2027-01-12 22:59", "2027-01-12 23:01", riga("2027-01-13 09:00")),
    ],
)
def test_late_at_the_dial(planned: str, now: str, expected: datetime | DropReason) -> None:
    found = at_dial(riga(planned), riga(now), _terms("2027-01-13 15:00"))
    assert (found.reason if isinstance(found, Drop) else found.at) == expected


def test_late_into_quiet_hours_that_end_too_near_to_the_visit() -> None:
    found = at_dial(riga("2027-01-12 22:59"), riga("2027-01-12 23:00"), _terms("2027-01-13 09:30"))
    assert isinstance(found, Drop)
    assert found.reason is DropReason.QUIET_HOURS


def test_the_path_names_its_rules() -> None:
    found = decide(riga("2027-01-13 06:30"), riga("2027-01-13 09:30"), 3 * HOUR, RIGA, RULES)
    said = "; ".join(found.path)
    assert "R-115" in said
    assert "2027-01-12 22:59 EET" in said


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        ("2027-01-12 22:59:50", "2027-01-12 23:00:10", "2027-01-12 23:00"),
        ("2027-01-12 22:59:30", "2027-01-12 23:00", "2027-01-12 23:00"),
        ("2027-01-12 22:59:30", "2027-01-12 22:59:50", "2027-01-12 22:59:50"),
        ("2027-01-12 22:50", "2027-01-12 23:00:01", "2027-01-12 23:00"),
        ("2027-01-13 09:00", "2027-01-13 09:00:20", "2027-01-13 09:00:20"),
    ],
)
def test_what_takes_its_time_ends_before_quiet_hours(now: str, last: str, expected: str) -> None:
    assert before_quiet(riga(last), riga(now), RIGA, RULES) == riga(expected)


def test_quiet_hours_that_begin_in_a_skipped_hour_begin_at_its_end() -> None:
    rules = Rules(quiet_from=time(3, 30), quiet_until=time(9))
    now = riga("2027-03-28 02:59:50")
    skip = now + timedelta(seconds=10)
    assert skip.astimezone(RIGA).time() == time(4)
    assert before_quiet(now + timedelta(seconds=20), now, RIGA, rules) == skip


def test_without_quiet_hours_nothing_ends_sooner() -> None:
    rules = Rules(quiet_from=time(9), quiet_until=time(9))
    now = riga("2027-01-12 08:59:50")
    assert before_quiet(now + MINUTE, now, RIGA, rules) == now + MINUTE
